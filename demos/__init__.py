"""The tabs: one module (or package) each. Adding a demo is adding one module that defines `DEMO`."""

from __future__ import annotations

import importlib
import logging
import pkgutil
import re
from dataclasses import dataclass

from hub.demo import Demo
from hub.device import missing, missing_libraries

log = logging.getLogger(__name__)

# Whole lists, because the name of a module (cv2) need not be that of the package that brings it.
INSTALL_PYTHON = "pip install -r requirements.txt"
INSTALL_SYSTEM = "sudo apt-get install $(cat packages.txt)"
SHARED_LIBRARY = re.compile(r"\.so\b")


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
        except Exception as error:
            broken.append(_broken(module.name, error))
            log.warning("demo %s is off", module.name, exc_info=error)
        else:
            absent = missing(demo.needs)
            unloadable = missing_libraries(demo.libraries)
            if absent:
                broken.append(Broken(demo.title, f"Not installed: {', '.join(absent)}.", INSTALL_PYTHON))
            elif unloadable:
                broken.append(
                    Broken(demo.title, f"System libraries are missing: {', '.join(unloadable)}.", INSTALL_SYSTEM)
                )
            else:
                demos.append(demo)
    return tuple(sorted(demos, key=lambda demo: demo.order)), tuple(broken)


def _broken(name: str, error: Exception) -> Broken:
    """Say why a demo could not be imported; loaders report a missing system library as either kind of error."""
    if isinstance(error, ImportError | OSError) and SHARED_LIBRARY.search(str(error)):
        return Broken(name, f"A system library is missing: {error}.", INSTALL_SYSTEM)
    if isinstance(error, ImportError):
        return Broken(name, f"{error.name or 'A library'} could not be imported: {error}.", INSTALL_PYTHON)
    return Broken(name, f"It failed to start: {error}.", "See the log for the traceback.")
