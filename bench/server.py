"""What the benches of the demos share: a Gradio app in a process of its own, asked by a class at once."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from bench.startup import SILENT, answers
from tests.app import free_port

ROOT = Path(__file__).resolve().parent.parent


class Server:
    """A Gradio app in a process of its own, and a class that asks it all at once.

    Args:
        command: starts it, once the port is put behind.
        endpoint: what the class calls.
        file: what it sends, a picture or a sound.
        inputs: the other inputs; the students send these in turn.
        name: of the input that takes the file.
    """

    def __init__(
        self,
        command: list[str],
        endpoint: str,
        file: Path,
        inputs: Sequence[dict[str, Any]] = ({},),
        name: str = "image",
    ) -> None:
        self.endpoint = endpoint
        self.file = file
        self.name = name
        self.inputs = inputs
        self.port = free_port()
        self.process = subprocess.Popen([*command, str(self.port)], cwd=ROOT, env=SILENT, stdout=subprocess.DEVNULL)
        while not answers(self.port):
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with status {self.process.returncode}")
            time.sleep(0.05)

    def class_of(self, students: int) -> float:
        """Return the seconds until `students` simultaneous requests are all answered."""
        return asyncio.run(self._class_of(students))

    async def _class_of(self, students: int) -> float:
        address = f"http://127.0.0.1:{self.port}/gradio_api"
        limits = httpx.Limits(max_connections=2 * students)
        async with httpx.AsyncClient(timeout=300, limits=limits) as client:
            upload = await client.post(f"{address}/upload", files={"files": self.file.open("rb")})
            file = {"path": upload.json()[0], "meta": {"_type": "gradio.FileData"}}

            def sent(student: int) -> dict[str, Any]:
                return {self.name: file, **self.inputs[student % len(self.inputs)]}

            started = time.perf_counter()
            await asyncio.gather(*(self._ask(client, address, sent(student)) for student in range(students)))
            return time.perf_counter() - started

    async def _ask(self, client: httpx.AsyncClient, address: str, sent: dict[str, Any]) -> None:
        started = await client.post(f"{address}/call/v2/{self.endpoint}", json=sent)
        event = started.json()
        async with client.stream("GET", f"{address}/call/v2/{self.endpoint}/{event['event_id']}") as stream:
            answer = ""
            async for line in stream.aiter_lines():
                if line.startswith("event: "):
                    answer = line.removeprefix("event: ")
                elif line.startswith("data: ") and answer == "complete":
                    assert json.loads(line.removeprefix("data: "))[0]
                    return
        raise RuntimeError(f"no answer came back: {answer}")

    def peak_mb(self) -> float:
        """Return the process's peak resident memory so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def close(self) -> None:
        """End the server."""
        self.process.terminate()
        self.process.wait()
