"""Errors a user can act on. Anything that is not a `UserError` is a bug: it is logged with its job id, never shown."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can mend: `cause` says what is wrong, `action` what to do next (one sentence each)."""

    title = "Cannot run this"

    def __init__(self, cause: str, action: str) -> None:
        super().__init__(f"{cause} {action}")
        self.cause = cause
        self.action = action


class InvalidInput(UserError):
    """What the user sent is outside what the demo accepts."""

    title = "Please check the input"


class TooBusy(UserError):
    """The session already has as many jobs in flight as it may have."""

    title = "Still working"


class ModelUnavailable(UserError):
    """The weights cannot be had: no network, not in the cache, or in a form that is refused."""

    title = "Model not available"


class OutOfMemory(UserError):
    """The model or the run does not fit, even after everything else was evicted."""

    title = "Not enough memory"


class MissingDependency(UserError):
    """A library or a system package that this demo needs is not installed."""

    title = "Something is not installed"


class RefusedSetting(UserError):
    """The settings ask for something unsafe or impossible."""

    title = "Cannot start"


class InternalError(UserError):
    """A bug: the user gets a number to report, the log has the traceback."""

    title = "Lectern made a mistake"

    def __init__(self, job_id: str) -> None:
        super().__init__("Something went wrong on our side.", f"Try again; if it stays, report job {job_id}.")


class Cancelled(Exception):
    """Raised inside a job once its token is cancelled; not an error, and never shown as one."""
