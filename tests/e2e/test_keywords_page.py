"""The keyword spotting tab as a student meets it, in a real browser."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Locator, Page, Playwright, expect

from demos.keyword_spotting import DEMO, EXAMPLES
from tests.app import RunningApp, wait_until
from tests.e2e.chromium import DESKTOP, FLAGS, PHONE, find_chromium, microphone_flags, open_tab, opened
from tests.e2e.contrast import contrast

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ROOT = Path(__file__).resolve().parents[2]
READABLE = 4.5  # contrast that WCAG 2.2, success criterion 1.4.3, asks of text
SEVEN, NUMBER, NOVEL, TONES = (
    list(EXAMPLES).index(name)
    for name in (
        "seven (a telephone's voice)",
        "a number, digit by digit",
        "a novel: no keyword in it",
        "tones, clicks and a sweep",
    )
)


@pytest.fixture
def tab(page: Page) -> Page:
    open_tab(page, DEMO.title)
    page.locator("#keyword_spotting-run").wait_for()
    return page


def click_example(page: Page, number: int) -> None:
    """Click an example and wait until its result is there."""
    page.locator("#keyword_spotting-examples").get_by_role("button").nth(number).click()
    expect(page.locator("#keyword_spotting-strip-0")).to_contain_text("ms compute")
    shown(page, ".keywords-stage").wait_for()


def shown(page: Page, selector: str) -> Locator:
    return page.locator(selector).filter(visible=True)


def send(page: Page, file: Path) -> None:
    page.locator("#keyword_spotting-audio").get_by_label("Upload file").click()
    page.locator("#keyword_spotting-audio input[type=file]").set_input_files(file)


def test_a_spoken_word_is_the_answer_over_waveform_and_spectrogram(tab: Page) -> None:
    click_example(tab, SEVEN)
    expect(shown(tab, ".keywords-answer")).to_contain_text("seven")
    expect(shown(tab, ".keywords-heard span")).to_have_text("seven")
    assert shown(tab, ".keywords-mattered > i").count() > 5
    for lane in (".keywords-wave", ".keywords-mel"):
        box, time = shown(tab, lane).bounding_box(), shown(tab, ".keywords-time").bounding_box()
        assert box is not None
        assert time is not None
        assert box["x"] == pytest.approx(time["x"], abs=1)
        assert box["width"] == pytest.approx(time["width"], abs=1)
        assert time["y"] <= box["y"]
        assert box["y"] + box["height"] <= time["y"] + time["height"] + 1


def test_a_number_is_heard_digit_by_digit_and_the_cursor_tells_the_scores_of_its_moment(tab: Page) -> None:
    click_example(tab, NUMBER)
    words = shown(tab, ".keywords-several li")
    assert words.count() >= 6  # of eight; which, is the model's affair
    time, readout = shown(tab, ".keywords-time"), shown(tab, ".keywords-readout")
    box = time.bounding_box()
    assert box is not None
    tab.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(readout).to_have_text(re.compile(r"^4\.\d\d s: .+ \d+ %, .+ \d+ %, .+ \d+ %$"))
    before = readout.inner_text()
    time.press("ArrowRight")
    expect(readout).not_to_have_text(before)
    expect(time).to_have_attribute("aria-valuetext", re.compile(r"^4\.9\d s|^5\.0\d s"))
    wait_until(
        lambda: tab.evaluate("document.querySelector('.keywords audio').currentTime") > 4, "the player at the cursor"
    )


def test_where_no_word_is_said_the_page_says_so_and_what_came_closest(tab: Page) -> None:
    click_example(tab, NOVEL)
    expect(shown(tab, ".keywords-answer")).to_have_text("No keyword")
    expect(shown(tab, ".keywords-closest")).to_contain_text("Closest: ")
    expect(shown(tab, ".keywords-closest")).to_contain_text(re.compile(r"the threshold is \d\d %"))


def test_a_lower_threshold_lets_more_through(tab: Page) -> None:
    click_example(tab, NUMBER)
    expect(shown(tab, ".keywords-several li").first).to_be_visible()
    before = shown(tab, ".keywords-several li").count()
    tab.get_by_role("button", name="Detection options").click()
    tab.get_by_role("spinbutton", name=re.compile("Threshold")).fill("0.3")
    tab.get_by_role("spinbutton", name=re.compile("Threshold")).press("Tab")
    tab.locator("#keyword_spotting-run").click()
    expect(shown(tab, ".keywords-traces + .keywords-side")).to_contain_text("30%")
    expect(shown(tab, ".keywords-several li").nth(before - 1)).to_be_visible()  # the answer may still be on its way


def test_what_is_sent_is_on_the_server_until_the_page_is_closed(tab: Page, app: RunningApp) -> None:
    def uploads() -> list[str]:  # os.walk, for which a folder may vanish while it is looked through
        return [
            name for _, _, names in os.walk(app.hub.settings.temp_dir) for name in names if name == "five-five.flac"
        ]

    send(tab, ROOT / EXAMPLES["five five"]["audio"])
    wait_until(lambda: len(uploads()) == 1, "the upload")
    expect(tab.get_by_text("deleted when you close or reload this page")).to_be_visible()
    tab.locator("#keyword_spotting-run").click()
    expect(shown(tab, ".keywords-answer")).to_contain_text("five")
    tab.close()
    wait_until(lambda: not uploads(), "the upload's end")


def test_a_recording_is_listened_to_as_soon_as_it_ends(playwright: Playwright, app: RunningApp, tmp_path: Path) -> None:
    spoken, rate_hz = soundfile.read(str(ROOT / EXAMPLES["no"]["audio"]), dtype="float32")
    pause = np.zeros(rate_hz // 2, np.float32)
    soundfile.write(str(tmp_path / "no.wav"), np.concatenate([pause, spoken]), rate_hz)
    chromium = playwright.chromium.launch(
        executable_path=find_chromium(), args=[*FLAGS, *microphone_flags(tmp_path / "no.wav")]
    )
    page = opened(chromium.new_context(viewport=DESKTOP, permissions=["microphone"]), app.url)
    open_tab(page, DEMO.title)
    recorder = page.locator("#keyword_spotting-audio")
    recorder.locator(".record-button").click()
    expect(recorder).to_contain_text("0:03")  # the clock of the recording
    recorder.locator(".stop-button").filter(visible=True).click()
    expect(page.locator("#keyword_spotting-strip-0")).to_contain_text("ms compute")
    expect(shown(page, ".keywords-answer, .keywords-several").first).to_contain_text("no")
    chromium.close()


def test_a_sound_that_is_taken_away_takes_its_result_along(tab: Page) -> None:
    click_example(tab, SEVEN)
    tab.locator("#keyword_spotting-audio").get_by_label("Clear").click()
    expect(shown(tab, ".keywords-answer")).to_have_count(0)


def test_time_and_frequency_takes_the_sound_apart(tab: Page) -> None:
    click_example(tab, TONES)
    tab.locator("#keyword_spotting-view-lecture-button").click()
    lecture = tab.locator("#keyword_spotting-lecture")
    expect(lecture).to_contain_text("400 samples = 25 ms")
    tab.locator("#keyword_spotting-fft-length input").click()
    tab.get_by_role("option", name=re.compile("^2048")).click()
    expect(lecture).to_contain_text("2048 samples = 128 ms")
    expect(lecture).to_contain_text("7.812 Hz apart")
    tab.get_by_label("Blackman").check()
    expect(lecture).to_contain_text("with the Blackman window a tone is a hill 6 bins")


def test_what_belongs_to_a_recording_is_out_of_the_way_while_listening_live(tab: Page) -> None:
    run = tab.locator("#keyword_spotting-run")
    tab.locator("#keyword_spotting-view-live-button").click()
    expect(run).to_be_hidden()
    expect(tab.locator("#keyword_spotting-audio")).to_be_hidden()
    expect(tab.locator("#keyword_spotting-model")).to_be_visible()
    tab.locator("#keyword_spotting-view-clip-button").click()
    expect(run).to_be_visible()


def test_nothing_is_wider_than_a_phone_and_nothing_comes_from_elsewhere(phone: Page) -> None:
    open_tab(phone, DEMO.title)
    click_example(phone, NUMBER)
    for view in ("clip", "lecture", "teach", "live"):
        phone.locator(f"#keyword_spotting-view-{view}-button").click()
        assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], view


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_are_readable_in_both_themes(page: Page, app: RunningApp, theme: str) -> None:
    page.goto(f"{app.url}?__theme={theme}")
    open_tab(page, DEMO.title)
    click_example(page, NUMBER)
    for selector in (
        ".keywords-several li",
        ".keywords-several small",
        ".keywords-heard em",
        ".keywords-name",
        ".keywords-axis span",
        ".keywords-hint",
        ".keywords-bars b",
        ".keywords-key li",
    ):
        assert contrast(shown(page, selector).first) >= READABLE, selector


def test_the_page_loads_nothing_from_other_hosts(tab: Page, requested_hosts: list[str]) -> None:
    click_example(tab, SEVEN)
    assert set(requested_hosts) <= {"127.0.0.1", "localhost", ""}  # "" is a data: or blob: URL
    assert "127.0.0.1" in requested_hosts
