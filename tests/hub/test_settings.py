"""Settings: from the environment and from flags, and nothing that opens the page to strangers by accident."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hub.errors import RefusedSetting
from hub.settings import ON_SPACES, Settings, read_settings

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("LECTERN_")]:
        monkeypatch.delenv(name)


@pytest.mark.skipif(ON_SPACES, reason="on a Space some defaults differ")
def test_by_default_the_page_is_for_this_machine_only() -> None:
    settings = read_settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 7860)
    assert settings.loopback
    assert not settings.share
    assert settings.credentials is None


def test_the_environment_sets_and_flags_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LECTERN_PORT", "8000")
    monkeypatch.setenv("LECTERN_MODELS", "embedded")
    monkeypatch.setenv("LECTERN_MEMORY_GB", "2.5")
    settings = read_settings(["--port", "9000", "--no-warm", "--batch-window-ms=20"])
    assert settings.port == 9000
    assert settings.models == "embedded"
    assert settings.memory_gb == 2.5
    assert not settings.warm
    assert settings.batch_window_ms == 20


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "localhost", "::1"])
def test_addresses_of_this_machine_need_no_password(host: str) -> None:
    assert read_settings(["--host", host]).loopback


@pytest.mark.skipif(ON_SPACES, reason="a Space listens on every address")
@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "lectern.example.org", ""])
def test_a_public_address_without_a_password_is_refused(host: str) -> None:
    with pytest.raises(RefusedSetting, match=r"without a password.*LECTERN_AUTH"):
        read_settings(["--host", host])
    assert read_settings(["--host", host, "--auth", "class:secret"]).credentials == ("class", "secret")
    assert read_settings(["--host", host, "--open-network"]).host == host


@pytest.mark.skipif(ON_SPACES, reason="a Space is public")
def test_sharing_without_a_password_is_refused() -> None:
    with pytest.raises(RefusedSetting, match="Sharing without a password"):
        read_settings(["--share"])
    assert read_settings(["--share", "--auth", "class:secret"]).share
    assert read_settings(["--share", "--open-network"]).share


@pytest.mark.parametrize("auth", ["secret", "class:", ":secret", ":"])
def test_half_a_password_is_refused(auth: str) -> None:
    with pytest.raises(RefusedSetting, match="name:password") as caught:
        read_settings(["--auth", auth])
    assert "secret" not in str(caught.value)


def test_a_password_may_hold_colons() -> None:
    assert read_settings(["--auth", "class:se:cr:et"]).credentials == ("class", "se:cr:et")


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("port", "0"),
        ("port", "65536"),
        ("port", "http"),
        ("models", "all"),
        ("device", "tpu"),
        ("device", "cuda:first"),
        ("memory-gb", "0"),
        ("memory-gb", "inf"),
        ("idle-minutes", "nan"),
        ("batch-window-ms", "-1"),
        ("batch-limit", "0"),
        ("max-upload-mb", "inf"),
        ("log-level", "loud"),
    ],
)
def test_an_impossible_value_is_refused_by_name(flag: str, value: str) -> None:
    with pytest.raises(RefusedSetting, match=rf"{flag.replace('-', '_')}.*--help"):
        read_settings([f"--{flag}={value}"])


def test_an_impossible_value_in_the_environment_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LECTERN_WARM", "perhaps")
    with pytest.raises(RefusedSetting, match=r"warm = 'perhaps'"):
        read_settings()


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:11"])
def test_devices_are_spelled_as_torch_spells_them(device: str) -> None:
    assert read_settings(["--device", device]).device == device


def test_an_unknown_flag_is_refused() -> None:
    with pytest.raises(SystemExit) as caught:
        read_settings(["--prot", "8000"])
    assert caught.value.code == 2


def test_help_lists_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        read_settings(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"--{name.replace('_', '-')}" in shown for name in Settings.model_fields)


def test_settings_do_not_change_while_the_app_runs() -> None:
    with pytest.raises(ValueError, match="frozen"):
        read_settings().port = 1


def test_by_default_uploads_live_in_a_folder_that_no_other_user_has() -> None:
    assert read_settings().temp_dir.name == f"lectern-{os.getuid()}"


def test_the_folder_for_uploads_is_made_for_its_user_alone(tmp_path: Path) -> None:
    settings = Settings(temp_dir=tmp_path / "uploads")
    assert settings.make_temp_dir() == tmp_path / "uploads"
    assert stat.S_IMODE((tmp_path / "uploads").stat().st_mode) == 0o700
    assert list(settings.make_temp_dir().iterdir()) == []


@pytest.mark.parametrize("place", ["a_file", "a_file/uploads"])
def test_a_folder_for_uploads_that_cannot_be_made_is_refused(place: str, tmp_path: Path) -> None:
    (tmp_path / "a_file").touch()
    with pytest.raises(RefusedSetting, match=r"cannot be made or written: .*--temp-dir"):
        Settings(temp_dir=tmp_path / place).make_temp_dir()


def test_a_folder_for_uploads_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(RefusedSetting, match=r"/proc, cannot be made or written: .*--temp-dir"):
        Settings(temp_dir=Path("/proc")).make_temp_dir()


def test_a_space_listens_on_every_address_and_asks_for_no_password() -> None:
    script = "from hub.settings import read_settings; s = read_settings(); print(s.host, s.open_network)"
    environment = {**os.environ, "SPACE_ID": "someone/lectern"}
    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ["0.0.0.0", "True"]
