"""Where the files lie that the page and the lessons of this demo need."""

from __future__ import annotations

from pathlib import Path

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "keyword_spotting"
