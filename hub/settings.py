"""Settings: one typed list, read from environment variables LECTERN_* and command-line flags (flags win)."""

from __future__ import annotations

import ipaddress
import os
import tempfile
from pathlib import Path
from typing import Literal

from pydantic import Field, FiniteFloat, ValidationError
from pydantic_settings import BaseSettings, CliApp, SettingsConfigDict, SettingsError

from hub.errors import RefusedSetting

# A Space is a public page in a container of its own: it must listen on every address, and asks for no password.
ON_SPACES = "SPACE_ID" in os.environ

# On a computer that several people use, each has a folder of their own (on Windows the system sees to that).
OWN_FOLDER = f"lectern-{os.getuid()}" if hasattr(os, "getuid") else "lectern"


class Settings(BaseSettings):
    """Everything that can be set. The README's table is made from these descriptions."""

    model_config = SettingsConfigDict(
        env_prefix="LECTERN_",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_prog_name="python app.py",
        frozen=True,
        extra="ignore",
    )

    host: str = Field(
        default="0.0.0.0" if ON_SPACES else "127.0.0.1",
        description="Address to listen on; anything but this machine needs `auth`.",
    )
    port: int = Field(default=7860, ge=1, le=65535, description="Port to listen on.")
    models: Literal["embedded", "hub", "auto"] = Field(
        default="auto",
        description="`embedded`: only the models that ship with Lectern, no network. `hub`: full-size Hub models by "
        "default. `auto`: Hub models where CUDA and the network or the cache have them, else embedded.",
    )
    device: str = Field(
        default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="`auto`, `cpu`, `cuda` or `cuda:N`."
    )
    auth: str = Field(default="", description="`name:password` that opens the page; needed for a public address.")
    open_network: bool = Field(default=ON_SPACES, description="Listen on a public address, or share, without `auth`.")
    share: bool = Field(default=False, description="Ask Gradio for a public tunnel; refused without `auth`.")
    memory_gb: FiniteFloat | None = Field(
        default=None, gt=0, description="Memory models may use, in GB; default: 60 % of what is free."
    )
    idle_minutes: FiniteFloat = Field(default=20.0, gt=0, description="A model nobody used for this long is unloaded.")
    queue_size: int = Field(default=400, ge=1, description="Runs that may wait in all; more are told to try again.")
    runs_per_session: int = Field(default=3, ge=1, description="Runs one browser may have in flight.")
    batch_limit: int = Field(default=32, ge=1, description="Most requests in one forward pass.")
    batch_window_ms: FiniteFloat = Field(
        default=30.0, ge=0, le=1000, description="How long a batch waits for neighbours when others are about."
    )
    max_upload_mb: FiniteFloat = Field(default=100.0, gt=0, description="Largest file a user may send.")
    max_megapixels: FiniteFloat = Field(default=50.0, gt=0, description="Largest picture a user may send.")
    max_sound_minutes: FiniteFloat = Field(default=10.0, gt=0, description="Longest sound a user may send, in minutes.")
    temp_dir: Path = Field(
        default=Path(tempfile.gettempdir()) / OWN_FOLDER, description="Where uploads and results live; emptied by age."
    )
    warm: bool = Field(default=True, description="Load the first tab's model in the background at start.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="What the log shows.")

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the page."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def credentials(self) -> tuple[str, str] | None:
        """Name and password from `auth`, or None."""
        name, _, password = self.auth.partition(":")
        return (name, password) if name and password else None

    def make_temp_dir(self) -> Path:
        """Make `temp_dir`, readable by this user alone, unless it is there; return it.

        Raises:
            RefusedSetting: when it cannot be made or written.
        """
        try:
            self.temp_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.temp_dir):
                pass
        except OSError as error:
            raise RefusedSetting(
                f"The folder for uploads, {self.temp_dir}, cannot be made or written: {error.strerror}.",
                "Choose another: python app.py --temp-dir FOLDER",
            ) from error
        return self.temp_dir

    def refuse_unsafe(self) -> None:
        """Refuse combinations that would open the page to strangers by accident.

        Raises:
            RefusedSetting: says which, and what to set instead.
        """
        if self.auth and self.credentials is None:
            raise RefusedSetting("LECTERN_AUTH is not of the form name:password.", "Set both parts.")
        if self.credentials or self.open_network:
            return
        if self.share:
            raise RefusedSetting("Sharing without a password is refused.", "Set LECTERN_AUTH=name:password.")
        if not self.loopback:
            raise RefusedSetting(
                f"Listening on {self.host} without a password is refused.",
                "Set LECTERN_AUTH=name:password, or pass --open-network if the network is trusted.",
            )


def read_settings(arguments: list[str] | None = None) -> Settings:
    """Read the environment and `arguments` (None: no flags).

    Raises:
        RefusedSetting: for a value that is not allowed, naming it.
        SystemExit: for --help, and for a flag that there is not.
    """
    try:
        settings = CliApp.run(Settings, cli_args=arguments or [])
    except (ValidationError, SettingsError) as error:
        raise RefusedSetting(_first_cause(error), "Run `python app.py --help` for what is allowed.") from error
    settings.refuse_unsafe()
    return settings


def _first_cause(error: ValidationError | SettingsError) -> str:
    if isinstance(error, SettingsError):
        return f"{error}."
    first = error.errors()[0]
    return f"Setting {'.'.join(map(str, first['loc']))} = {first['input']!r}: {first['msg']}."
