"""The page: a heading, a tab for each demo, and a foot that shows and frees memory."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, Protocol

import gradio as gr

from hub.demo import Demo
from hub.errors import RefusedSetting
from hub.events import admitted, on_leave, session_of
from hub.exchange import exchange
from hub.kept import KEPT_S
from hub.pool import gigabytes
from hub.runtime import Hub
from hub.theme import CSS, theme

ASSETS_DIR = Path(__file__).resolve().parent.parent / "assets"
STATUS_RATE_S = (
    5.0  # a fixed rate: Gradio's "auto" tells every waiting client at every start, which grows with the square
)
DELETE_CACHE_S = (600, KEPT_S)  # every ten minutes, uploads and results that are older are deleted
SPARE_THREADS = 16  # for events that touch no model while all places in the device's queue are taken


class Absent(Protocol):
    """A demo that cannot run here (`demos.Broken`)."""

    @property
    def name(self) -> str:
        """The demo's title, or its module's name."""

    @property
    def reason(self) -> str:
        """Why it cannot run."""

    @property
    def action(self) -> str:
        """What to install."""


def build(hub: Hub, demos: Sequence[Demo], broken: Sequence[Absent] = ()) -> gr.Blocks:
    """Lay out the page. Imports no model library and loads no model."""
    os.environ["GRADIO_TEMP_DIR"] = str(hub.settings.make_temp_dir())
    gr.set_static_paths([ASSETS_DIR / "examples", *(demo.assets for demo in demos if demo.assets)])
    with gr.Blocks(title="Lectern", analytics_enabled=False, delete_cache=DELETE_CACHE_S) as page:
        gr.HTML(
            '<div class="lectern-head"><h1>Lectern</h1>'
            "<p>Computer vision and speech, live: real models, small enough for this laptop.</p></div>"
        )
        with exchange(demos) as offers, gr.Tabs() as tabs:
            for demo in demos:
                demo.build(hub)
            offers.join(tabs)
            for absent in broken:
                with gr.Tab(absent.name):
                    gr.HTML(
                        f"<p><b>This demo cannot run here.</b> {escape(absent.reason)}</p>"
                        f"<p>What to do: <code>{escape(absent.action)}</code></p>"
                    )
        with gr.Accordion("Memory", open=False), gr.Row():
            held = gr.HTML()
            quiet: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
            free = gr.Button("Free memory", size="sm", elem_id="free-memory")
            free.click(lambda: freed_html(hub), None, held, **quiet)
            page.load(lambda: memory_html(hub), None, held, **quiet)

        def leave(session: str) -> None:
            hub.jobs.cancel(session)
            hub.recordings.forget(session)

        def recorded(browser: gr.Request, path: Any) -> None:
            hub.recordings.note(session_of(browser), path)

        for sound in [block for block in page.blocks.values() if isinstance(block, gr.Audio)]:
            sound.change(recorded, sound, None, **quiet)
        on_leave(leave)  # a closed browser tab cancels its jobs, and takes its recordings along
    page.queue(status_update_rate=STATUS_RATE_S, max_size=hub.settings.queue_size, default_concurrency_limit=None)
    return page


def launch(page: gr.Blocks, hub: Hub, demos: Sequence[Demo], *, block: bool = True) -> str:
    """Serve the page, then prepare the device and the first model in the background; return the address.

    Raises:
        RefusedSetting: when the port is taken or the address cannot be listened on.
    """
    settings = hub.settings
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        _, address, _ = page.launch(
            server_name=settings.host,
            server_port=settings.port,
            quiet=True,
            prevent_thread_lock=True,
            # Without Gradio's look at its own page, which gives up after three seconds: a busy laptop may need more.
            _frontend=False,
            **launch_options(hub, demos),
        )
    except OSError as error:
        raise RefusedSetting(
            f"Cannot listen on {settings.host}:{settings.port}: it is taken or not an address of this machine.",
            f"Stop the other program, or choose another port: python app.py --port {settings.port % 65535 + 1}",
        ) from error
    print(f"Lectern is ready at {address}", flush=True)
    hub.tidy()
    if settings.warm:
        hub.prepare(demos[0] if demos else None, [demo.warm for demo in demos if demo.warm is not None])
    if block:
        page.block_thread()
    return address


def launch_options(hub: Hub, demos: Sequence[Demo]) -> dict[str, Any]:
    """Return what `launch` is told besides the address: looks, and everything that could leak turned off."""
    settings = hub.settings
    return {
        "theme": theme(),
        "css": CSS + "".join(demo.css for demo in demos),
        "auth": settings.credentials,
        "share": settings.share,
        "max_threads": 2 * admitted(hub) + SPARE_THREADS,  # of the device's queue, and as many of streams (hub.live)
        "max_file_size": int(settings.max_upload_mb * 1e6),
        "allowed_paths": [],
        "run_history": False,  # keeps inputs and results in the browser of a shared lab computer
        "enable_monitoring": False,
        "show_error": False,
        "ssr_mode": False,
        "pwa": False,
        "footer_links": ["api"],
    }


def memory_html(hub: Hub) -> str:
    """Say which models are resident and how many bytes they hold."""
    names = hub.pool.resident()
    held = gigabytes(hub.pool.resident_bytes())
    listed = ", ".join(escape(name) for name in names) or "none"
    return f'<div class="lectern-status">Models in memory: {listed} ({held})</div>'


def freed_html(hub: Hub) -> str:
    """Evict what is not running, now, and say what that gave back."""
    freed = hub.pool.free()
    return (
        f'<div class="lectern-status">Freed {gigabytes(freed.before - freed.after)}: '
        f"{gigabytes(freed.before)} before, {gigabytes(freed.after)} now.</div>"
    )
