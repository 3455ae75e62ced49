"""The viewer of point clouds in a real browser, on a page of its own."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import gradio as gr
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Position, expect

from demos.point_clouds.cloud import Cloud
from demos.point_clouds.payload import MOST_POINTS
from demos.point_clouds.shapes import Box
from demos.point_clouds.viewer import ASSETS, CSS, SCRIPT, viewer_html
from hub.theme import theme
from tests.app import PATIENCE_S, free_port
from tests.e2e.chromium import DESKTOP, PHONE

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ORIGIN = np.array([512_000.0, 5_400_000.0, 100.0])
# Four marks of one colour each, far apart from every side.
MARKS = np.array([[-1.0, -0.6, 0.0], [1.0, -0.2, 0.1], [0.1, 0.9, 0.2], [0.0, 0.1, 1.5]])
COLOURS = np.array([[200, 30, 40], [30, 160, 60], [40, 60, 200], [128, 64, 190]], np.uint8)
OTHER_COLOURS = COLOURS[:, ::-1].copy()


def marks(colours: np.ndarray) -> Cloud:
    return Cloud(MARKS, colours, unit="m", origin=ORIGIN)


def many() -> Cloud:
    return Cloud(np.random.default_rng(1).uniform(size=(1_000_000, 3)))


def square() -> Cloud:
    """A square in the plane z = 2, of two triangles."""
    corners = np.array([[0.0, 0, 2], [4, 0, 2], [4, 4, 2], [0, 4, 2]])
    return Cloud(corners, triangles=np.array([[0, 1, 2], [0, 2, 3]], np.int32))


CLOUDS = {"marks": lambda: marks(COLOURS), "other": lambda: marks(OTHER_COLOURS), "many": many, "square": square}
BOX = Box(np.array([0.0, 0.1, 1.5]), np.eye(3), np.full(3, 0.2), 0, "a box")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page with two viewers, a button for each cloud in the first, and what the first told the server."""
    temp = tmp_path_factory.mktemp("uploads")
    made = iter(range(1_000_000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(temp))
        gr.set_static_paths([ASSETS])

        def shown(name: str) -> str:
            folder = Path(tempfile.mkdtemp(dir=temp))
            return viewer_html(CLOUDS[name](), [BOX] if name == "marks" else (), folder, f"{name}-{next(made)}")

        def told(event: gr.EventData) -> str:
            return json.dumps({name: event._data[name] for name in ("do", "a", "b")})

        with gr.Blocks(analytics_enabled=False) as blocks:
            first = gr.HTML(js_on_load=SCRIPT, elem_id="first")
            gr.HTML(lambda: shown("other"), js_on_load=SCRIPT, elem_id="second")
            heard = gr.HTML(elem_id="heard")
            first.click(told, None, heard)
            for name in CLOUDS:
                gr.Button(name, elem_id=name).click(lambda name=name: shown(name), None, first)
            gr.Button("nothing", elem_id="nothing").click(lambda: "", None, first)
            gr.HTML('<div style="height: 2000px"></div>')
        _, url, _ = blocks.launch(
            server_port=free_port(),
            quiet=True,
            prevent_thread_lock=True,
            ssr_mode=False,
            theme=theme(),
            css=CSS,
        )
        yield url
        blocks.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport=DESKTOP)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, address: str) -> Iterator[Page]:
    """The page in a window of a laptop's size; no error may be written to the browser's console."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE_S * 1000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    yield page
    assert errors == []


def show(page: Page, name: str) -> Locator:
    """Show a cloud in the first viewer and wait until it is drawn."""
    page.locator(f"#{name}").click()
    page.locator(f'#first .cloud-viewer[data-key^="{name}-"][data-state="ready"]').wait_for()
    return page.locator("#first .cloud-stage")


def hide_axes(page: Page) -> None:
    page.locator("#first .cloud-axes").uncheck()


def seen(stage: Locator) -> np.ndarray:
    """Photograph the viewer once it rests: (H, W, 3) uint8, one pixel for a CSS pixel."""
    expect(stage.locator("xpath=..")).to_have_attribute("data-state", "ready")
    return np.asarray(Image.open(BytesIO(stage.screenshot())).convert("RGB"))


def where(picture: np.ndarray, colour: np.ndarray) -> Position:
    """Return the middle of all pixels of exactly this colour, which must be there."""
    rows, columns = (picture == colour).all(axis=2).nonzero()
    assert len(rows), f"no pixel is {colour.tolist()}"
    return {"x": float(columns.mean()), "y": float(rows.mean())}


def click_mark(stage: Locator, number: int) -> None:
    stage.click(position=where(seen(stage), COLOURS[number]))


# What is seen


def test_points_without_faces_are_seen_in_exactly_the_colours_of_the_file(page: Page) -> None:
    stage = show(page, "marks")
    hide_axes(page)
    picture = seen(stage)
    for colour in COLOURS:
        where(picture, colour)


def test_nothing_is_asked_of_any_other_host(context: BrowserContext, address: str) -> None:
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.goto(address)
    show(page, "marks")
    assert any(url.endswith("/viewer.js") for url in asked)
    assert any("/view-marks-" in url for url in asked)
    assert {urlsplit(url).hostname for url in asked if not url.startswith(("data:", "blob:"))} == {"127.0.0.1"}


def test_of_a_million_points_the_browser_gets_as_many_as_are_shown_and_the_page_says_so(page: Page) -> None:
    with page.expect_response(re.compile("view-many-")) as answer:
        stage = show(page, "many")
    assert len(answer.value.body()) < 16 * MOST_POINTS + 1000
    expect(page.locator("#first .cloud-facts")).to_contain_text("200,000 of 1,000,000 points shown")
    coloured = (np.ptp(seen(stage).astype(int), axis=2) > 60).mean()
    assert coloured > 0.2  # of the picture


def test_a_surface_is_filled_and_a_click_on_it_gives_the_place_that_was_hit(page: Page) -> None:
    stage = show(page, "square")
    page.locator("#first [data-do=top]").click()
    box = stage.bounding_box()
    assert box
    stage.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    readout = page.locator("#first .cloud-readout")
    expect(readout).to_contain_text(re.compile(r"^A: -?\d"))
    x, y, z = (float(number) for number in re.findall(r"-?\d+\.\d+", readout.inner_text())[:3])
    assert (x, y, z) == pytest.approx((2.0, 2.0, 2.0), abs=0.02)


def test_two_viewers_on_one_page_show_a_cloud_each(page: Page) -> None:
    show(page, "marks")
    hide_axes(page)
    second = page.locator("#second .cloud-stage")
    page.locator("#second .cloud-axes").uncheck()
    page.locator('#second .cloud-viewer[data-state="ready"]').wait_for()
    where(seen(second), OTHER_COLOURS[0])
    page.locator("#first [data-do=top]").click()
    where(seen(second), OTHER_COLOURS[3])


def test_another_result_takes_the_place_of_the_first_and_no_result_leaves_nothing(page: Page) -> None:
    stage = show(page, "marks")
    hide_axes(page)
    click_mark(stage, 0)
    stage = show(page, "other")
    where(seen(stage), OTHER_COLOURS[0])
    expect(page.locator("#first .cloud-readout")).to_have_text("Click two points to measure between them.")
    expect(page.locator("#first [data-do=forget]")).to_be_hidden()
    page.locator("#nothing").click()
    expect(page.locator("#first .cloud-viewer")).to_have_count(0)
    where(seen(show(page, "marks")), COLOURS[1])


def test_data_that_cannot_be_fetched_gives_a_message(page: Page) -> None:
    page.route(re.compile("view-marks-"), lambda route: route.fulfill(status=403))
    page.locator("#marks").click()
    expect(page.locator("#first .cloud-state")).to_have_text(
        "The points could not be loaded (the server answered 403). Run again."
    )


# What can be done


def test_two_clicked_points_are_measured_and_told_to_the_server_in_the_users_coordinates(page: Page) -> None:
    stage = show(page, "marks")
    hide_axes(page)
    click_mark(stage, 0)
    readout = page.locator("#first .cloud-readout")
    expect(readout).to_contain_text("A: 511999.0000, 5399999.4000, 100.0000 m")
    click_mark(stage, 3)
    distance = np.linalg.norm(MARKS[0] - MARKS[3])
    expect(readout).to_contain_text(f"B: 512000.0000, 5400000.1000, 101.5000; distance {distance:.4f} m")
    heard = page.locator("#heard")
    expect(heard).to_be_empty()  # only what is to be kept is told
    page.locator("#first [data-do=keep]").click()
    expect(heard).to_contain_text("keep")
    told = json.loads(heard.inner_text())
    assert told["a"] == pytest.approx((MARKS[0] + ORIGIN).tolist(), abs=1e-6)
    assert told["b"] == pytest.approx((MARKS[3] + ORIGIN).tolist(), abs=1e-6)


def test_dragging_turns_the_cloud_and_reset_turns_it_back(page: Page) -> None:
    stage = show(page, "marks")
    hide_axes(page)
    before = where(seen(stage), COLOURS[1])
    box = stage.bounding_box()
    assert box
    page.mouse.move(box["x"] + 300, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 330, box["y"] + 200, steps=4)
    page.mouse.up()
    assert where(seen(stage), COLOURS[1])["x"] > before["x"] + 5
    expect(page.locator("#first .cloud-readout")).to_contain_text("Click two points")  # a drag picks nothing
    page.locator("#first [data-do=start]").click()
    assert where(seen(stage), COLOURS[1]) == pytest.approx(before, abs=1)


def test_from_above_the_axes_of_the_page_are_those_of_the_cloud(page: Page) -> None:
    stage = show(page, "marks")
    hide_axes(page)
    page.locator("#first [data-do=top]").click()
    picture = seen(stage)
    places = [where(picture, colour) for colour in COLOURS]
    assert places[0]["x"] < places[2]["x"] < places[1]["x"]  # x to the right
    assert places[0]["y"] > places[1]["y"] > places[2]["y"]  # y upwards


def test_keys_turn_and_zoom_and_the_wheel_scrolls_the_page_until_the_picture_was_clicked(page: Page) -> None:
    stage = show(page, "marks")
    hide_axes(page)
    before = seen(stage)
    stage.hover()
    page.mouse.wheel(0, 120)
    page.wait_for_function("scrollY > 0")
    page.evaluate("scrollTo(0, 0)")
    assert (seen(stage) == before).all()
    stage.focus()
    page.keyboard.press("ArrowLeft")
    assert where(seen(stage), COLOURS[1])["x"] < where(before, COLOURS[1])["x"] - 5
    page.keyboard.press("0")
    stage.hover()
    page.mouse.wheel(0, -240)
    wide = [where(seen(stage), colour)["x"] for colour in COLOURS[:2]]
    assert wide[1] - wide[0] > where(before, COLOURS[1])["x"] - where(before, COLOURS[0])["x"] + 20
    assert page.evaluate("scrollY") == 0


def test_point_size_grows_the_points(page: Page) -> None:
    stage = show(page, "marks")
    hide_axes(page)

    def area() -> int:
        return int((seen(stage) == COLOURS[0]).all(axis=2).sum())

    page.locator("#first .cloud-size").fill("3")
    small = area()
    page.locator("#first .cloud-size").fill("12")
    assert area() > 5 * small


def test_what_was_found_can_be_hidden(page: Page) -> None:
    stage = show(page, "marks")
    hide_axes(page)
    with_box = seen(stage)
    page.locator("#first .cloud-names").uncheck()
    assert (seen(stage) != with_box).any(axis=2).sum() > 100


def test_save_picture_downloads_a_png_of_what_is_seen(page: Page) -> None:
    show(page, "marks")
    hide_axes(page)
    with page.expect_download() as saved:
        page.locator("#first [data-do=save]").click()
    assert saved.value.suggested_filename == "point-cloud.png"
    picture = np.asarray(Image.open(saved.value.path()).convert("RGB"))
    for colour in COLOURS:
        where(picture, colour)
    background = page.locator("#first .cloud-stage").evaluate("stage => getComputedStyle(stage).backgroundColor")
    assert picture[0, 0].tolist() == [int(number) for number in re.findall(r"\d+", background)[:3]]


def test_on_a_phone_a_finger_scrolls_the_page_upwards_and_turns_the_cloud_sideways(
    browser: Browser, address: str
) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(address)
    stage = show(page, "marks")
    hide_axes(page)
    stage.scroll_into_view_if_needed()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    before, scrolled = seen(stage), page.evaluate("scrollY")
    swipe(page, stage, 90, 0)
    assert page.evaluate("scrollY") == scrolled
    assert (seen(stage) != before).any()
    before = seen(stage)
    swipe(page, stage, 0, -150)
    page.wait_for_function("before => scrollY > before", arg=scrolled)
    after = seen(stage)
    for colour in COLOURS[1:]:
        assert where(after, colour) == pytest.approx(where(before, colour), abs=3)
    context.close()


def swipe(page: Page, stage: Locator, dx: int, dy: int) -> None:
    """Draw a finger over the middle of the viewer, as the touch screen itself reports it."""
    box = stage.bounding_box()
    assert box
    x, y = box["x"] + (box["width"] - dx) / 2, box["y"] + (box["height"] - dy) / 2
    places = [{"x": x + share * dx, "y": y + share * dy} for share in np.linspace(0, 1, 10)]
    screen = page.context.new_cdp_session(page)
    for kind, touched in [("touchStart", places[:1]), *(("touchMove", [place]) for place in places), ("touchEnd", [])]:
        screen.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touched})
