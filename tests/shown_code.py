"""Run what "Show code" shows, as a student would: in a folder of its own, by a fresh Python, without a network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run_code(code: str, folder: Path) -> str:
    """Run code in a folder that holds what it names; return what it printed."""
    (folder / "code.py").write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "code.py"],
        cwd=folder,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
