"""The page as it is built and launched: what is on, what is off, and a demo that cannot run."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import demos
from hub.errors import RefusedSetting
from hub.page import STATUS_RATE_S, build, launch, launch_options
from hub.runtime import Hub
from hub.settings import Settings
from tests.app import free_port

FEATURES_NOT_USED = (
    "gr.load",
    "LoginButton",
    "FileExplorer",
    "flagging",
    "GRADIO_VIBE_MODE",
    "Model3D",
    "trust_remote_code=True",
)


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(Settings(models="embedded", temp_dir=tmp_path, port=free_port(), warm=False))


def test_nothing_that_could_leak_is_on(hub: Hub) -> None:
    options = launch_options(hub, ())
    assert options["allowed_paths"] == []
    assert options["max_file_size"] == 100_000_000
    for name in ("run_history", "enable_monitoring", "show_error", "share", "ssr_mode", "pwa"):
        assert options[name] is False
    page = build(hub, ())
    assert page.analytics_enabled is False
    assert page.delete_cache is not None


def test_the_queue_has_a_fixed_rate_and_a_greatest_size(hub: Hub) -> None:
    queue = build(hub, ())._queue
    assert not queue.live_updates
    assert queue.update_intervals == STATUS_RATE_S
    assert queue.max_size == hub.settings.queue_size


def test_the_page_answers_before_torch_is_imported_or_a_model_is_loaded(tmp_path: Path) -> None:
    program = """
import sys, urllib.request
from demos import discover
from hub.page import build, launch
from hub.runtime import Hub
from hub.settings import read_settings
demos, broken = discover()
hub = Hub(read_settings(sys.argv[1:]))
url = launch(build(hub, demos, broken), hub, demos, block=False)
assert urllib.request.urlopen(url).status == 200
assert hub.pool.loads == 0
assert not {"torch", "transformers", "open3d"} & set(sys.modules), sorted(sys.modules)
"""
    arguments = ["--port", str(free_port()), "--no-warm", "--temp-dir", str(tmp_path)]
    root = Path(demos.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_uploads_live_in_a_folder_of_their_own(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    build(hub, ())
    assert os.environ["GRADIO_TEMP_DIR"] == str(hub.settings.temp_dir)


def test_a_taken_port_is_said_with_what_to_do(hub: Hub) -> None:
    with socket.create_server(("127.0.0.1", hub.settings.port)), pytest.raises(RefusedSetting, match="--port"):
        launch(build(hub, ()), hub, (), block=False)


def test_a_demo_that_fails_to_import_shows_a_card_and_leaves_the_others(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needy.py").write_text("import a_library_nobody_has\n")
    (tmp_path / "faulty.py").write_text("1 / 0\n")
    monkeypatch.setattr(demos, "__path__", [*demos.__path__, str(tmp_path)])
    working, broken = demos.discover()
    assert "captioning" in {demo.slug for demo in working}
    assert {absent.name for absent in broken} == {"needy", "faulty"}
    needy = next(absent for absent in broken if absent.name == "needy")
    assert needy.action == "pip install -r requirements.txt"
    drawn = "".join(str(block.value) for block in build(hub, (), broken).blocks.values() if hasattr(block, "value"))
    assert "a_library_nobody_has" in drawn
    assert "pip install -r requirements.txt" in drawn
    assert "division by zero" in drawn


@pytest.mark.parametrize(
    "line",
    [
        "import ctypes; ctypes.CDLL('libnobodyhas.so.1')",
        "raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')",
    ],
    ids=["loaded by hand", "loaded by an extension module"],
)
def test_a_missing_system_library_is_installed_by_the_system(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "blind.py").write_text(f"{line}\n")
    monkeypatch.setattr(demos, "__path__", [str(tmp_path)])
    _, (blind,) = demos.discover()
    assert "A system library is missing: lib" in blind.reason
    assert blind.action == "sudo apt-get install $(cat packages.txt)"


def test_a_demo_whose_system_libraries_are_missing_says_what_to_install_and_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "unrendered.py").write_text(
        "from dataclasses import replace\n"
        "from demos import captioning\n"
        "DEMO = replace(captioning.DEMO, title='Unrendered', libraries=('libc.so.6', 'libnobodyhas.so.1'))\n"
    )
    monkeypatch.setattr(demos, "__path__", [*demos.__path__, str(tmp_path)])
    monkeypatch.setattr("sys.platform", "linux")
    working, (unrendered,) = demos.discover()
    assert "captioning" in {demo.slug for demo in working}
    assert unrendered.name == "Unrendered"
    assert unrendered.reason == "System libraries are missing: libnobodyhas.so.1."
    assert unrendered.action == "sudo apt-get install $(cat packages.txt)"


def test_a_demo_whose_needs_are_not_installed_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wanting.py").write_text(
        "from dataclasses import replace\n"
        "from demos import captioning\n"
        "DEMO = replace(captioning.DEMO, title='Wanting', needs=('json', 'a_library_nobody_has'))\n"
    )
    monkeypatch.setattr(demos, "__path__", [*demos.__path__, str(tmp_path)])
    working, (wanting,) = demos.discover()
    assert "Wanting" not in {demo.title for demo in working}
    assert (wanting.name, wanting.reason) == ("Wanting", "Not installed: a_library_nobody_has.")
    assert wanting.action == "pip install -r requirements.txt"


def test_no_source_uses_what_lectern_does_without() -> None:
    root = Path(demos.__file__).parent.parent
    for path in [*(root / "demos").rglob("*.py"), *(root / "hub").rglob("*.py"), root / "app.py"]:
        text = path.read_text(encoding="utf-8")
        assert not [feature for feature in FEATURES_NOT_USED if feature in text], path
