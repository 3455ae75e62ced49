"""Viewers of point clouds, side by side in Chromium without a graphics card: Lectern's, Model3D, plotly and three.js.

Measured at 200,000 coloured points: the time from opening the page to the first picture of the cloud, the pictures a
second while the mouse turns it, and which hosts the page asks. A WebGL picture counts once one of its pixels was read
back, as calls to WebGL return before anything is drawn.

three.js is no part of Lectern: give the folder `build` of its npm package (`npm pack three@0.187.0`) with --three, or
leave it out.
"""

from __future__ import annotations

import math
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
import numpy as np
from playwright.sync_api import Browser, sync_playwright

from bench.report import publish
from demos.point_clouds.cloud import Cloud
from demos.point_clouds.payload import MOST_POINTS
from demos.point_clouds.viewer import ASSETS, CSS, SCRIPT, viewer_html
from tests.app import free_port
from tests.e2e.chromium import DESKTOP, FLAGS, find_chromium

ROUNDS = 3
TURNING_S = 6.0
HEIGHT_PX = 512  # of every viewer
PATIENCE_MS = 300_000
LARGE = 10_000  # a call that draws as many vertices draws the cloud, not a frame around it

# Counts pictures: after every animation frame in which the cloud was drawn, wait until it really is.
COUNTER = """
(() => {
  let drawn = false;
  window.pictures = [];
  const contexts = new Set(), pixel = new Uint8Array(4);
  for (const { prototype } of [WebGLRenderingContext, WebGL2RenderingContext]) {
    for (const [name, place] of Object.entries({ drawArrays: 2, drawElements: 1 })) {
      for (const suffix of ["", "Instanced"]) {
        const plain = prototype[name + suffix];
        prototype[name + suffix] = function (...given) {
          const count = given[place] * (suffix ? given.at(-1) : 1);
          if (count >= LARGE) { drawn = true; contexts.add(this); }
          return plain.apply(this, given);
        };
      }
    }
  }
  const { prototype } = CanvasRenderingContext2D, put = prototype.putImageData;
  prototype.putImageData = function (...given) { drawn = true; return put.apply(this, given); };
  requestAnimationFrame(function look() {
    if (drawn) {
      for (const gl of contexts) gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
      window.pictures.push(performance.now());
      drawn = false;
    }
    requestAnimationFrame(look);
  });
})();
""".replace("LARGE", str(LARGE))

THREE_PAGE = """<!doctype html><canvas style="width: 1192px; height: HEIGHTpx"></canvas><script type="module">
import * as THREE from "./three/three.module.js";
const canvas = document.querySelector("canvas"), [width, height] = [canvas.clientWidth, canvas.clientHeight];
const renderer = new THREE.WebGLRenderer({ canvas });
renderer.setSize(width, height, false);
const data = await (await fetch("points.bin")).arrayBuffer();
const geometry = new THREE.BufferGeometry();
geometry.setAttribute("position", new THREE.BufferAttribute(new Float32Array(data, 0, 3 * COUNT), 3));
geometry.setAttribute("color", new THREE.BufferAttribute(new Uint8Array(data, 12 * COUNT), 3, true));
const scene = new THREE.Scene();
const material = new THREE.PointsMaterial({ size: 3, sizeAttenuation: false, vertexColors: true });
scene.add(new THREE.Points(geometry, material));
const camera = new THREE.PerspectiveCamera(40, width / height, 0.01, 100);
let angle = 0, asked = false;
function draw() {
  asked = false;
  camera.position.set(3 * Math.sin(angle), -3 * Math.cos(angle), 1.5);
  camera.up.set(0, 0, 1);
  camera.lookAt(0, 0, 0);
  renderer.render(scene, camera);
}
canvas.addEventListener("pointermove", event => {
  if (event.buttons) angle += event.movementX / 100;
  if (!asked) requestAnimationFrame(draw);
  asked = true;
});
draw();
</script>"""


@dataclass(frozen=True)
class Measured:
    """One opening of a page: seconds to the first picture, pictures a second while it turns, hosts, points drawn."""

    first_s: float
    rate: float
    hosts: frozenset[str]
    drawn: int


def bench_cloud() -> Cloud:
    """Return bumpy ground with five balls over it, coloured by place."""
    rng = np.random.default_rng(0)
    ground = rng.uniform(-1, 1, (MOST_POINTS // 2, 3))
    ground[:, 2] = 0.1 * np.sin(5 * ground[:, 0]) * np.cos(4 * ground[:, 1])
    ways = rng.normal(size=ground.shape)
    centres = np.array([[-0.5, -0.4, 0.3], [0.4, -0.5, 0.3], [-0.3, 0.5, 0.3], [0.5, 0.4, 0.3], [0.0, 0.0, 0.3]])
    balls = centres[rng.integers(0, 5, len(ways))] + 0.2 * ways / np.linalg.norm(ways, axis=1, keepdims=True)
    points = np.concatenate([ground, balls])
    colours = 255 * (points - points.min(axis=0)) / np.ptp(points, axis=0)
    return Cloud(points, colours.astype(np.uint8), unit="m")


# The pages


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and prints nothing."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def gradio_page(fill: Callable[[Path], Any]) -> Iterator[str]:
    """Serve a page of one component; yields its address."""
    with tempfile.TemporaryDirectory() as temp:
        gr.set_static_paths([ASSETS, temp])
        with gr.Blocks(analytics_enabled=False) as page:
            fill(Path(temp))
        _, url, _ = page.launch(server_port=free_port(), quiet=True, prevent_thread_lock=True, ssr_mode=False, css=CSS)
        yield url
        page.close()


def ours(cloud: Cloud, folder: Path) -> None:
    """Show the cloud as Lectern does."""
    gr.HTML(viewer_html(cloud, (), folder, "bench"), js_on_load=SCRIPT)


def model3d(cloud: Cloud, folder: Path) -> None:
    """Show it in Gradio's Model3D, as a PLY."""
    rows = np.empty(len(cloud), [("place", "<f4", 3), ("colour", "u1", 3)])
    rows["place"], rows["colour"] = cloud.points, cloud.colours
    axes = "".join(f"property float {axis}\n" for axis in "xyz")
    colours = "".join(f"property uchar {name}\n" for name in ("red", "green", "blue"))
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(cloud)}\n{axes}{colours}end_header\n"
    (folder / "cloud.ply").write_bytes(head.encode() + rows.tobytes())
    gr.Model3D(str(folder / "cloud.ply"), height=HEIGHT_PX)


def plotly(cloud: Cloud, folder: Path) -> None:
    """Show it in Gradio's Plot, as plotly's scatter3d, coloured by height, which is the least it can be sent."""
    from plotly import graph_objects

    x, y, z = cloud.points.astype(np.float32).T
    dots = graph_objects.Scatter3d(x=x, y=y, z=z, mode="markers", marker={"size": 2, "color": z})
    gr.Plot(graph_objects.Figure(dots, {"height": HEIGHT_PX}))


@contextmanager
def three_page(cloud: Cloud, build: Path) -> Iterator[str]:
    """Serve a page with three.js alone; yields its address."""
    assert cloud.colours is not None
    with tempfile.TemporaryDirectory() as temp:
        page = THREE_PAGE.replace("COUNT", str(len(cloud))).replace("HEIGHT", str(HEIGHT_PX))
        (Path(temp) / "index.html").write_text(page, encoding="utf-8")
        (Path(temp) / "points.bin").write_bytes(cloud.points.astype("<f4").tobytes() + cloud.colours.tobytes())
        (Path(temp) / "three").symlink_to(build.resolve())
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=temp))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


# The measurement


def measure(browser: Browser, url: str) -> Measured:
    """Open a page, wait for its first picture, and turn the cloud with the mouse."""
    context = browser.new_context(viewport=DESKTOP)
    page = context.new_page()
    hosts: set[str] = set()
    context.on("request", lambda request: hosts.add(urlsplit(request.url).hostname or ""))
    page.add_init_script(COUNTER)
    page.goto(url)
    page.wait_for_function("pictures.length > 0", timeout=PATIENCE_MS)
    first_s = page.evaluate("pictures[0]") / 1000
    canvas = page.locator("canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate("pictures.length = 0")
    started = time.perf_counter()
    turned = 0
    while time.perf_counter() - started < TURNING_S:
        turned += 1
        page.mouse.move(x + 120 * math.sin(turned / 9), y + 60 * math.sin(turned / 13))
    drawn = page.evaluate("Number(document.querySelector('[data-drawn]')?.dataset.drawn ?? 0)")
    rate = page.evaluate("pictures.length") / (time.perf_counter() - started)
    context.close()
    return Measured(first_s, rate, frozenset(hosts - {""}), drawn or MOST_POINTS)


def row(name: str, rounds: list[Measured]) -> tuple[str, str]:
    """Write one viewer's row of the table."""
    first = statistics.median(round_.first_s for round_ in rounds)
    rates = [round_.rate for round_ in rounds]
    drawn = statistics.median(round_.drawn for round_ in rounds)
    others = frozenset[str]().union(*(round_.hosts for round_ in rounds)) - {"127.0.0.1", "localhost"}
    return name, (
        f"{statistics.median(rates):.1f} pictures a second ({min(rates):.1f} to {max(rates):.1f}) "
        f"of {drawn:,.0f} points; "
        f"first picture after {first:.1f} s; other hosts asked: {', '.join(sorted(others)) or 'none'}"
    )


def main() -> None:
    """Measure each viewer in turns."""
    cloud = bench_cloud()
    pages: dict[str, Callable[[], Any]] = {
        "Lectern": lambda: gradio_page(partial(ours, cloud)),
        "Gradio's Model3D": lambda: gradio_page(partial(model3d, cloud)),
        "plotly's scatter3d in Gradio's Plot": lambda: gradio_page(partial(plotly, cloud)),
    }
    if "--three" in sys.argv:
        build = Path(sys.argv[sys.argv.index("--three") + 1])
        pages["three.js on a bare page"] = lambda: three_page(cloud, build)
    results: dict[str, list[Measured]] = {name: [] for name in pages}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for _ in range(ROUNDS):
            for name, opened in pages.items():
                with opened() as url:
                    results[name].append(measure(browser, url))
        version = browser.version
        browser.close()
    publish(
        "viewers",
        f"Viewers of point clouds: {MOST_POINTS:,} points in Chromium without a graphics card",
        [row(name, rounds) for name, rounds in results.items()],
        f"Chromium {version}, WebGL in software (SwiftShader), window {DESKTOP['width']} x {DESKTOP['height']}. Median "
        f"(and range) of {ROUNDS} openings of each, in turns; {TURNING_S:.0f} s of turning by the mouse. Lectern draws "
        "fewer points while a cloud moves where it must to stay smooth, and all of them when it rests.",
    )


if __name__ == "__main__":
    main()
