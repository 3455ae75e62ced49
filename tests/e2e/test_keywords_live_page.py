"""The live view in Chromium, whose microphone hears a file with known words."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from playwright.sync_api import Browser, Page, Playwright, expect

from demos.keyword_spotting import PLACE
from demos.keyword_spotting.live_ear import Ear
from tests.app import RunningApp, wait_until
from tests.e2e.chromium import (
    DESKTOP,
    DEVICE_FLAGS,
    FLAGS,
    STRANGE_HOST,
    STRANGE_HOST_FLAGS,
    find_chromium,
    microphone_flags,
    open_tab,
    opened,
)

ROOT = Path(__file__).resolve().parents[2]
RATE_HZ = 48_000
PAUSE_S = 1.2


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a WAV file in which somebody says seven, then no, in a quiet room."""
    quiet = np.random.default_rng(0).normal(0, 1e-3, round(PAUSE_S * RATE_HZ)).astype(np.float32)
    parts = [quiet]
    for word in ("seven", "no"):
        samples, rate_hz = soundfile.read(ROOT / PLACE / f"{word}.wav", dtype="float32")
        parts += [soxr.resample(samples, rate_hz, RATE_HZ), quiet]
    path = tmp_path_factory.mktemp("room") / "room.wav"
    soundfile.write(path, np.concatenate(parts), RATE_HZ, subtype="PCM_16")
    return path


@pytest.fixture
def hearing(playwright: Playwright, room: Path) -> Iterator[Browser]:
    """Return a browser that hears the room."""
    flags = [*FLAGS, *microphone_flags(room), *STRANGE_HOST_FLAGS]
    chromium = playwright.chromium.launch(executable_path=find_chromium(), args=flags)
    yield chromium
    chromium.close()


def opened_live(browser: Browser, url: str, *permissions: str) -> Page:
    page = opened(browser.new_context(viewport=DESKTOP, permissions=list(permissions)), url)
    open_tab(page, "Keyword spotting")
    page.get_by_role("tab", name="Live").click()
    return page


def ears() -> list[Ear]:
    """Return what the server has of live sound anywhere in its memory."""
    return [thing for thing in gc.get_objects() if type(thing) is Ear]


def start(page: Page) -> None:
    page.get_by_role("button", name="Start listening").click()
    expect(page.locator(".live")).to_have_attribute("data-state", "listening")


def test_words_are_shown_as_they_are_said_and_listening_stops_and_starts_again(
    hearing: Browser, app: RunningApp
) -> None:
    page = opened_live(hearing, app.url, "microphone")
    files = sorted(app.hub.settings.temp_dir.rglob("*"))
    heard = page.locator(".live-heard li")
    for _ in range(2):
        start(page)
        expect(page.locator(".live-heard li[data-word=seven]").first).to_be_visible()
        expect(page.locator(".live-heard li[data-word=no]").first).to_be_visible()
        expect(page.locator(".live-word b")).to_have_text(re.compile("seven|no"))
        expect(page.locator(".live-latency li").first).to_contain_text(re.compile(r"\d+ ms"))
        expect(page.locator(".live-key li").first).to_be_visible()
        page.get_by_role("button", name="Stop").locator("visible=true").click()
        expect(page.locator(".live-status")).to_contain_text("Stopped")
        wait_until(lambda: app.hub.jobs.in_flight() == 0, "the run that was under way to end")
    assert set(heard.evaluate_all("items => items.map(item => item.dataset.word)")) <= {"seven", "no"}
    assert sorted(app.hub.settings.temp_dir.rglob("*")) == files
    assert not ears()
    start(page)
    expect(page.locator(".live-latency li").first).to_be_visible()
    assert ears()
    page.context.close()
    wait_until(lambda: not ears(), "the sound to be forgotten with the page")


def test_the_threshold_changes_while_it_listens_and_another_view_stops_it(hearing: Browser, app: RunningApp) -> None:
    page = opened_live(hearing, app.url, "microphone")
    page.get_by_role("button", name="Detection options").click()
    threshold = page.get_by_role("spinbutton", name=re.compile("Threshold"))
    start(page)
    expect(page.locator(".live-heard li").first).to_be_visible()
    threshold.fill("1")
    threshold.blur()
    expect(page.locator(".live")).to_have_attribute("data-threshold", "1")
    page.get_by_role("tab", name="A recording").click()
    page.get_by_role("tab", name="Live").click()
    expect(page.locator(".live-status")).to_contain_text("another view was opened")
    page.context.close()


def test_another_kind_of_model_may_be_chosen_while_it_listens(hearing: Browser, app: RunningApp) -> None:
    """For a moment the page still sends the model from before, which is none of the new kind's."""
    page = opened_live(hearing, app.url, "microphone")
    refused: list[str] = []
    page.on("response", lambda response: refused.append(response.url) if response.status >= 500 else None)
    start(page)
    expect(page.locator(".live-heard li").first).to_be_visible()
    page.get_by_label("Any word", exact=True).click()
    expect(page.locator("#keyword_spotting-model input")).to_have_value(re.compile("Whisper tiny.en"))
    expect(page.locator(".live-status")).to_contain_text(re.compile("not installed|words to listen for", re.IGNORECASE))
    page.get_by_label("Fixed words", exact=True).click()
    expect(page.locator("#keyword_spotting-model input")).to_have_value(re.compile("embedded"))
    start(page)
    expect(page.locator(".live-heard li").first).to_be_visible()
    assert not refused
    page.context.close()


@pytest.mark.parametrize(
    ("flags", "words"), [([], "No microphone was found"), (DEVICE_FLAGS, "may not use the microphone")]
)
def test_without_a_microphone_or_leave_to_use_it_the_page_says_what_to_do(
    playwright: Playwright, app: RunningApp, flags: list[str], words: str
) -> None:
    chromium = playwright.chromium.launch(executable_path=find_chromium(), args=[*FLAGS, *flags])
    page = opened_live(chromium, app.url)
    page.get_by_role("button", name="Start listening").click()
    expect(page.locator(".live-status")).to_contain_text(words)
    expect(page.locator(".live-status")).to_contain_text("press Start listening again")
    expect(page.get_by_role("button", name="Start listening")).to_be_enabled()
    chromium.close()


def test_at_an_address_without_https_the_page_explains_and_offers_the_upload(hearing: Browser, app: RunningApp) -> None:
    page = opened_live(hearing, app.url.replace("127.0.0.1", STRANGE_HOST))
    hint = page.locator(".live .live-hint")
    expect(hint).to_contain_text("https://")
    expect(hint).to_contain_text(STRANGE_HOST)
    expect(page.get_by_role("button", name="Start listening")).to_be_hidden()
    hint.get_by_role("button", name="upload the file").click()
    expect(page.locator("#keyword_spotting-audio")).to_be_visible()
    page.context.close()
