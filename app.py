"""Lectern: settings, build, launch. Everything else is in `demos/` (the tabs) and `hub/` (what they share)."""

from __future__ import annotations

import sys

from hub.errors import RefusedSetting
from hub.page import build, launch
from hub.runtime import Hub
from hub.settings import read_settings


def main() -> int:
    """Read settings, build the page and serve it until interrupted; return the exit status."""
    try:
        settings = read_settings(sys.argv[1:])
        from demos import discover

        demos, broken = discover()
        hub = Hub(settings)
        launch(build(hub, demos, broken), hub, demos)
    except RefusedSetting as error:
        print(f"{error.title}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
