"""What is kept of what users sent, and until when: recordings until their page is closed, everything for an hour.

Gradio deletes uploads by age while it runs. It knows of no sessions, leaves what a run wrote by itself, and forgets all
of it when the process is killed; so the folder is swept here as well.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

KEPT_S = 3600  # how long an upload or a result stays when nobody asked for it to go
RESULT = "result-"  # how the names of the folders begin that runs write to
OURS = re.compile(rf"[0-9a-f]{{64}}|{RESULT}.*")  # and of those that Gradio makes for uploads: a SHA-256


class Recordings:
    """The sounds that each browser session sent; they are deleted when the last session that sent one has ended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._sent: dict[Path, set[str]] = defaultdict(set)  # uploads are named by content: two sessions may share one
        self._lock = threading.Lock()

    def note(self, session: str, path: Any) -> None:
        """Remember that a session sent the file at `path`; files outside the folder of uploads are never touched."""
        if not isinstance(path, str) or not Path(path).resolve().is_relative_to(self._folder):
            return
        with self._lock:
            self._sent[Path(path).resolve()].add(session)

    def forget(self, session: str) -> None:
        """Delete what this session alone sent."""
        with self._lock:
            for path in [path for path, sessions in self._sent.items() if session in sessions]:
                self._sent[path].discard(session)
                if not self._sent[path]:
                    del self._sent[path]
                    _delete(path, self._folder)


def sweep(folder: Path, older_than_s: float = KEPT_S) -> None:
    """Delete the uploads and results in a folder that are older than this, and the folders that are then empty.

    Whatever else lies there stays: the folder is one that somebody chose, and may hold other things.
    """
    limit = time.time() - older_than_s
    for ours in [path for path in folder.glob("*") if OURS.fullmatch(path.name)]:
        for place, _, names in os.walk(ours, topdown=False):
            for name in names:
                path = Path(place, name)
                with contextlib.suppress(OSError):  # another thread, or Gradio, was quicker
                    if path.lstat().st_ctime < limit:
                        _delete(path, folder)


def _delete(path: Path, folder: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        if path.parent != folder:
            path.parent.rmdir()  # only succeeds where it is empty
