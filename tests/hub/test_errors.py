"""Errors: one cause, one action, and a title for the box."""

from __future__ import annotations

import pytest

from hub import errors
from hub.errors import Cancelled, InternalError, UserError

ALL = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, UserError)]
KINDS = [kind for kind in ALL if kind is not InternalError]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_says_its_cause_and_then_what_to_do(kind: type[UserError]) -> None:
    error = kind("The cable is loose.", "Push it in.")
    assert str(error) == "The cable is loose. Push it in."
    assert (error.cause, error.action) == ("The cable is loose.", "Push it in.")
    assert error.title


def test_a_bug_gives_the_user_a_number_to_report() -> None:
    assert "job abc" in InternalError("abc").action


def test_every_kind_has_a_title_of_its_own() -> None:
    titles = [kind.title for kind in ALL]
    assert len(set(titles)) == len(titles)


def test_being_cancelled_is_no_error_to_show() -> None:
    assert not issubclass(Cancelled, UserError)
