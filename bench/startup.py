"""Start-up: from `python app.py` to the first HTTP 200, against an empty Gradio app with eight tabs."""

from __future__ import annotations

import http.client
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.report import in_turns, publish, spread
from tests.app import free_port

ROUNDS = 7
SILENT = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"}  # as Lectern is: no app of a benchmark calls home
EMPTY_APP = """
import sys, gradio as gr
with gr.Blocks() as page:
    for number in range(8):
        with gr.Tab(f"Tab {number}"):
            gr.Markdown("nothing here")
page.launch(server_port=int(sys.argv[1]), quiet=True, ssr_mode=False)
"""


def first_answer_s(command: list[str], port: int) -> float:
    """Start `command` and return the seconds until its page answers 200; the process is ended afterwards."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=Path(__file__).parent.parent, env=SILENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not answers(port):
            if process.poll() is not None:
                raise RuntimeError(f"{command} ended with status {process.returncode}")
            time.sleep(0.01)
        return time.perf_counter() - started
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    """Tell whether GET / is answered with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def lectern() -> float:
    """Start Lectern as its users do."""
    port = free_port()
    return first_answer_s([sys.executable, "app.py", "--port", str(port)], port)


def empty() -> float:
    """Start the empty app."""
    port = free_port()
    return first_answer_s([sys.executable, "-c", EMPTY_APP, str(port)], port)


def main() -> None:
    """Measure both in turns after one uncounted start of each."""
    lectern()
    empty()
    ours, theirs = in_turns(lectern, empty, ROUNDS)
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    publish(
        "startup",
        "Start-up to the first HTTP 200",
        [
            ("Lectern", spread(ours)),
            ("empty Gradio app, eight tabs", spread(theirs)),
            ("ratio, pair by pair (target: at most 1.5)", f"{ratio:.2f}"),
        ],
        f"Median and range of {ROUNDS} starts of each, in turns.",
    )


if __name__ == "__main__":
    main()
