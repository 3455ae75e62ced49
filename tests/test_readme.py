"""The README says what is true: its settings table, its endpoints and its Python example are checked here."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from demos import discover
from hub.settings import ON_SPACES, Settings
from tests.app import RunningApp

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def settings_table() -> str:
    """Return the README's table of settings, made from their declarations."""
    rows = ["| variable | flag | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        flag = f"--{name.replace('_', '-')}"
        default = "none" if field.default in (None, "") else f"`{field.default}`"
        if name == "temp_dir":
            default = "a folder of its own in the system's temporary folder"
        rows.append(f"| `LECTERN_{name.upper()}` | `{flag}` | {default} | {field.description} |")
    return "\n".join(rows)


@pytest.mark.skipif(ON_SPACES, reason="on a Space some defaults differ")
def test_the_settings_table_lists_every_setting_with_its_default() -> None:
    assert settings_table() in README


def test_the_api_table_lists_every_endpoint() -> None:
    demos, _ = discover()
    endpoints = {f"/{name}" for demo in demos for name in (demo.endpoint, *demo.more_endpoints)}
    assert endpoints <= set(re.findall(r"^\| `(/\w+)` \|", README, flags=re.MULTILINE))


def test_every_demo_is_introduced() -> None:
    demos, _ = discover()
    for demo in demos:
        assert f"| {demo.title} |" in README


def example(language: str, start: str) -> str:
    """Return the one code block of `language` that begins with `start`."""
    (found,) = re.findall(rf"```{language}\n({re.escape(start)}.*?)```", README, flags=re.DOTALL)
    return str(found)


def test_the_python_example_runs_against_the_app(app: RunningApp, capsys: pytest.CaptureFixture[str]) -> None:
    program = example("python", "from gradio_client")
    exec(program.replace("http://127.0.0.1:7860/", app.url).replace("http://127.0.0.1:7860", app.url), {})
    assert re.search(r"^a (small|large) .* Tabletop", capsys.readouterr().out, flags=re.MULTILINE)


def test_the_curl_example_runs_against_the_app(app: RunningApp) -> None:
    program = example("bash", "lectern=").replace("http://127.0.0.1:7860/", app.url)
    done = subprocess.run(["bash", "-ec", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "event: complete" in done.stdout
    assert '"caption": "i see ' in done.stdout


def test_every_file_the_readme_points_to_is_there() -> None:
    for target in re.findall(r"!?\[[^\]]*\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
