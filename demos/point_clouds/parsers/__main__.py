"""The process that reads files: it takes one request a line, and answers in one line; the arrays go into a file.

It dies with its parent: at the end of its input, or at the latest when its share of CPU time is used up.
"""

from __future__ import annotations

import json
import os
import queue
import resource
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from demos.point_clouds.parsers import parser
from demos.point_clouds.parsers.finish import Finished, finish
from hub.errors import InvalidInput

ABORT = "abort"  # the format of a request that tests send to see what a crash does


def main() -> None:
    """Answer requests until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what native libraries print must not get between the answers
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin, requests), daemon=True).start()
    while True:
        answer = _answer(json.loads(requests.get()))
        print(json.dumps(answer), file=answers, flush=True)


def _listen(lines: TextIO, requests: queue.SimpleQueue[str]) -> None:
    for line in lines:
        requests.put(line)
    os._exit(0)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    _limit(request["megabytes"], request["seconds"])
    if request["format"] == ABORT:
        os.abort()
    try:
        parsed = parser(request["format"])(Path(request["path"]), request["name"], request["most_points"])
        done = finish(parsed)
        stored = _store(done, Path(request["arrays"]))
    except InvalidInput as error:
        return {"refused": [error.cause, error.action]}
    except MemoryError:
        return {
            "refused": [
                f"Reading the file needs more than {request['megabytes'] / 1000:g} GB of memory.",
                "Send a smaller file, or one in fewer numbers.",
            ]
        }
    except BaseException as error:  # readers raise anything when the bytes are bad; Rust's panics are no `Exception`
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        return {
            "refused": ["The file is damaged, or of a kind that is not read.", "Save it again, or send it as PLY."],
            "traceback": traceback.format_exc(),
        }
    return {
        "arrays": stored,
        "notes": done.notes,
        "code": done.code,
        "facts": {
            "encoding": parsed.encoding,
            "unit": parsed.unit,
            "extent": done.extent,
            "dropped": parsed.dropped,
            "comments": parsed.comments,
        },
    }


def _limit(megabytes: float, seconds: float) -> None:
    """Set this process's own limits: the kernel then holds it to them, whatever a native reader does."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    for kind, value in (
        (resource.RLIMIT_AS, int(megabytes * 1e6)),
        (resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + seconds) + 2),
        (resource.RLIMIT_CORE, 0),  # a crash leaves no gigabytes behind
    ):
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _store(done: Finished, path: Path) -> list[list[Any]]:
    """Write the arrays one after the other and return [name, type, shape, place] of each."""
    stored = []
    with path.open("wb") as file:
        for name, array in done.arrays.items():
            stored.append([name, array.dtype.str, array.shape, file.tell()])
            np.ascontiguousarray(array).tofile(file)
            file.write(bytes(-file.tell() % 64))  # the next array starts aligned
    return stored


if __name__ == "__main__":
    main()
