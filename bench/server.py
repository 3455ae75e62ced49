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
        file: what it sends, a picture or a sound; None for nothing.
        inputs: the other inputs; the students send these in turn.
        name: of the input that takes the file.
    """

    def __init__(
        self,
        command: list[str],
        endpoint: str,
        file: Path | None,
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

    def in_a_row(self, students: int) -> float:
        """Return the seconds until as many requests are answered, each sent when the one before was."""
        return asyncio.run(self._class_of(students, at_once=False))

    async def _class_of(self, students: int, *, at_once: bool = True) -> float:
        address = f"http://127.0.0.1:{self.port}/gradio_api"
        limits = httpx.Limits(max_connections=2 * students)
        async with httpx.AsyncClient(timeout=300, limits=limits) as client:
            file = await self._upload(client, address)
            sent = [{**file, **self.inputs[student % len(self.inputs)]} for student in range(students)]
            started = time.perf_counter()
            if at_once:
                await asyncio.gather(*(self._ask(client, address, each) for each in sent))
            else:
                for each in sent:
                    await self._ask(client, address, each)
            return time.perf_counter() - started

    async def _upload(self, client: httpx.AsyncClient, address: str) -> dict[str, Any]:
        """Return the input that is the file, once the server has it."""
        if self.file is None:
            return {}
        upload = await client.post(f"{address}/upload", files={"files": self.file.open("rb")})
        return {self.name: {"path": upload.json()[0], "meta": {"_type": "gradio.FileData"}}}

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
        return self._memory_mb("VmHWM:")

    def memory_mb(self) -> float:
        """Return the process's resident memory."""
        return self._memory_mb("VmRSS:")

    def _memory_mb(self, name: str) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split(name)[1].split()[0]) / 1024

    def close(self) -> None:
        """End the server."""
        self.process.terminate()
        self.process.wait()
