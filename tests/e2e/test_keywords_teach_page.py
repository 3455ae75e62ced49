"""Teaching words in a real browser: from files and the microphone to a lesson, a trial, a file and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Locator, Page, Playwright, expect

from demos.keyword_spotting import DEMO, teach_bank
from hub.sounds import RATE_HZ
from tests.app import RunningApp
from tests.e2e import chromium
from tests.e2e.contrast import contrast

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

READABLE = 4.5  # contrast that WCAG 2.2, success criterion 1.4.3, asks of text
NAME = "<b>happy</b> 快乐"


def part(page: Page, name: str) -> Locator:
    return page.locator(f"#keyword_spotting-teach-{name}")


def opened_view(page: Page) -> Page:
    chromium.open_tab(page, DEMO.title)
    views, title = page.locator("#keyword_spotting-views"), "Teach it your word"
    tab, menu = views.get_by_role("tab", name=title), views.get_by_label("More tabs")
    tab.or_(menu).filter(visible=True).first.wait_for()
    if not tab.is_visible():  # on a phone
        menu.click()
        tab = views.locator(".overflow-dropdown").get_by_text(title)
    tab.click()
    expect(part(page, "run")).to_be_visible()
    return page


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Recordings of two words by five synthesised voices each."""
    folder = tmp_path_factory.mktemp("spoken")
    found: dict[str, list[Path]] = {"happy": [], "marvin": []}
    for name, samples in zip(teach_bank.words(), teach_bank.sounds(), strict=True):
        if name in found:
            path = folder / f"{name} {len(found[name])}.wav"
            soundfile.write(path, samples, RATE_HZ)
            found[name].append(path)
    return found


@pytest.fixture
def hearing(playwright: Playwright, spoken: dict[str, list[Path]], tmp_path: Path) -> Iterator[Browser]:
    """A browser whose microphone hears "happy", over and over."""
    room = tmp_path / "room.wav"
    said, _ = soundfile.read(spoken["happy"][3], dtype="float32")
    soundfile.write(room, np.concatenate([np.zeros(RATE_HZ // 2, np.float32), said]), RATE_HZ)
    flags = [*chromium.FLAGS, *chromium.microphone_flags(room)]
    browser = playwright.chromium.launch(executable_path=chromium.find_chromium(), args=flags)
    yield browser
    browser.close()


def give(page: Page, name: str, files: list[Path]) -> None:
    before = part(page, "examples").locator("li").count()
    part(page, "word").get_by_role("textbox").fill(name)
    part(page, "files").locator("input[type=file]").set_input_files(files)
    expect(part(page, "examples").locator("li")).to_have_count(before + len(files))


def record(page: Page) -> None:
    recorder = part(page, "audio")
    recorder.get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(4000)  # what is recorded lasts as long as it lasts
    recorder.get_by_role("button", name="Stop", exact=True).filter(visible=True).first.click()


def teach(page: Page) -> None:
    part(page, "run").click()
    expect(part(page, "lesson").locator(".keywords-map")).to_be_visible()


def test_two_words_are_taught_tried_taken_home_and_brought_back(
    page: Page, spoken: dict[str, list[Path]], tmp_path: Path
) -> None:
    opened_view(page)
    give(page, NAME, spoken["happy"][:3])
    give(page, "marvin", spoken["marvin"][:3])
    expect(part(page, "examples").locator("h4").first).to_contain_text(NAME)  # as text, not as HTML
    teach(page)
    expect(part(page, "lesson")).to_contain_text("of 6 examples heard right")
    expect(part(page, "lesson").locator("table")).to_contain_text("none of them")

    part(page, "try-audio").get_by_label("Upload file").click()
    part(page, "try-audio").locator("input[type=file]").set_input_files(spoken["marvin"][4])
    expect(part(page, "try-audio").locator("input[type=file]")).to_have_count(0)
    part(page, "try").click()
    expect(part(page, "heard").locator(".keywords-answer")).to_contain_text("marvin")

    with page.expect_download() as arriving:
        part(page, "download").click()
    kept = tmp_path / "kept.safetensors"
    arriving.value.save_as(kept)
    page.reload()
    opened_view(page)
    expect(part(page, "examples")).to_contain_text("No examples yet")  # nothing was kept
    part(page, "open").locator("input[type=file]").set_input_files(kept)
    expect(part(page, "lesson")).to_contain_text(f"Read: {NAME} (3 examples), marvin (3 examples)")


def test_examples_are_deleted_and_cleared(page: Page, spoken: dict[str, list[Path]]) -> None:
    opened_view(page)
    give(page, "happy", spoken["happy"][:3])
    give(page, "marvin", spoken["marvin"][:2])
    items = part(page, "examples").locator("li")
    items.nth(1).get_by_label("Delete").click()
    expect(items).to_have_count(4)
    expect(items.nth(1)).to_contain_text("happy 2")
    part(page, "examples").get_by_role("button", name="Clear").first.click()
    expect(items).to_have_count(2)
    expect(part(page, "examples")).not_to_contain_text("happy")
    part(page, "clear").click()
    expect(part(page, "examples")).to_contain_text("No examples yet")


def test_a_word_without_a_name_and_a_foreign_file_are_refused_with_words(page: Page, tmp_path: Path) -> None:
    opened_view(page)
    part(page, "run").click()
    expect(page.get_by_text("There is no example of a word yet.")).to_be_visible()
    foreign = tmp_path / "model.safetensors"
    foreign.write_bytes(b"\x80\x04 a pickle")
    part(page, "open").locator("input[type=file]").set_input_files(foreign)
    expect(page.get_by_text("which is never opened")).to_be_visible()
    expect(part(page, "open").locator("input[type=file]")).to_have_count(1)  # there is room for the right one


def test_a_recording_made_before_its_word_was_typed_waits_for_it(hearing: Browser, app: RunningApp) -> None:
    page = opened_view(
        chromium.opened(hearing.new_context(viewport=chromium.DESKTOP, permissions=["microphone"]), app.url)
    )
    record(page)
    expect(page.get_by_text("The word has no name yet.")).to_be_visible()
    part(page, "word").get_by_role("textbox").fill("happy")
    part(page, "word").get_by_role("textbox").press("Enter")
    expect(part(page, "examples").locator("li").first).to_contain_text("recording 1")


def test_a_word_is_recorded_with_the_microphone(hearing: Browser, app: RunningApp) -> None:
    page = opened_view(
        chromium.opened(hearing.new_context(viewport=chromium.DESKTOP, permissions=["microphone"]), app.url)
    )
    part(page, "word").get_by_role("textbox").fill("happy")
    record(page)
    expect(part(page, "examples").locator("li").first).to_contain_text("recording 1")
    expect(part(page, "audio").get_by_role("button", name="Record", exact=True)).to_be_visible()  # ready for the next


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone_everything_fits_and_can_be_read(phone: Page, spoken: dict[str, list[Path]], dark: bool) -> None:
    opened_view(phone)
    if dark:
        phone.evaluate("document.body.classList.add('dark')")
    give(phone, "happy", spoken["happy"][:2])
    give(phone, "marvin", spoken["marvin"][:3])
    teach(phone)
    assert phone.evaluate("document.documentElement.scrollWidth") <= chromium.PHONE["width"]
    for text in (".keywords-lesson p", ".keywords-lesson h4 small", ".keywords-map b", ".keywords-confusion td"):
        assert contrast(phone.locator(text).first) >= READABLE
