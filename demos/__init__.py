"""The tabs: one module (or package) each. Adding a demo is adding one module that defines `DEMO`."""

from __future__ import annotations

import importlib
import logging
import pkgutil
from dataclasses import dataclass

from hub.demo import Demo
from hub.device import missing

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Broken:
    """A demo that cannot run here, and what to do about it."""

    name: str
    reason: str
    action: str


def discover() -> tuple[tuple[Demo, ...], tuple[Broken, ...]]:
    """Import every demo and return those that work, in their stated order, and those that do not."""
    demos: list[Demo] = []
    broken: list[Broken] = []
    for module in pkgutil.iter_modules(__path__):
        try:
            demo: Demo = importlib.import_module(f"{__name__}.{module.name}").DEMO
        except ImportError as error:
            package = error.name or "its library"
            broken.append(Broken(module.name, f"{package} could not be imported: {error}.", f"pip install {package}"))
            log.warning("demo %s is off: %s", module.name, error)
        except Exception as error:
            broken.append(Broken(module.name, f"It failed to start: {error}.", "See the log for the traceback."))
            log.exception("demo %s is off", module.name)
        else:
            absent = missing(demo.needs)
            if absent:
                names = " ".join(absent)
                broken.append(Broken(demo.title, f"Not installed: {', '.join(absent)}.", f"pip install {names}"))
            else:
                demos.append(demo)
    return tuple(sorted(demos, key=lambda demo: demo.order)), tuple(broken)
