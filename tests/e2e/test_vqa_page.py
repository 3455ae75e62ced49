"""The question answering tab as a class meets it, in a real browser."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from demos.vqa import DEMO, DOCUMENT_EXAMPLES, EXAMPLES
from demos.vqa.battery import SIZE
from tests.app import RunningApp
from tests.e2e import chromium
from tests.e2e.contrast import contrast

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ROOT = Path(__file__).resolve().parents[2]
SCENE, OTHER = (ROOT / example["image"] for example in EXAMPLES[:2])
READABLE = 4.5  # contrast that WCAG 2.2, success criterion 1.4.3, asks of text


def tab(page: Page) -> Page:
    chromium.open_tab(page, DEMO.title)
    return page


def click_example(page: Page, number: int = 0) -> None:
    page.locator("#vqa-examples tbody tr").nth(number).click()
    expect(page.locator(".vqa-question")).to_contain_text(EXAMPLES[number]["question"].split()[-1])
    expect(strip(page)).to_contain_text("ms compute")


def strip(page: Page, number: int = 0) -> Locator:
    return page.locator(f"#vqa-strip-{number}")


def upload(page: Page, path: Path) -> None:
    page.locator("#vqa-picture input[type=file]").set_input_files(path)
    page.locator("#vqa-picture img").wait_for()


def ask(page: Page, question: str) -> None:
    """Type a question, press Enter, and wait for its answer."""
    page.get_by_label("Question").fill(question)
    page.get_by_label("Question").press("Enter")
    expect(page.get_by_role("group", name=question)).to_be_visible()


def history(page: Page) -> Locator:
    return page.locator("#vqa-history tbody tr")


def unfold(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).first.click()


def test_clicking_an_example_shows_ranked_answers_with_bars_and_what_mattered(page: Page) -> None:
    click_example(tab(page))
    expect(page.locator(".vqa-answers li")).to_have_count(5)
    expect(page.locator(".vqa-answers .vqa-percent").first).to_contain_text("%")
    expect(page.locator(".vqa-question span")).to_have_count(len(EXAMPLES[0]["question"].split()))
    look = page.locator(".vqa-look")
    expect(look).to_have_css("opacity", "1")
    page.get_by_label("Show what mattered").uncheck()
    expect(look).to_have_css("opacity", "0")


def test_questions_typed_with_enter_are_remembered_until_the_picture_changes(page: Page) -> None:
    upload(tab(page), SCENE)
    ask(page, "how many solids are there?")
    expect(history(page)).to_have_count(1)
    ask(page, "is there a dog?")
    expect(history(page)).to_have_count(2)
    expect(history(page).first).to_contain_text("is there a dog?")
    history(page).nth(1).click()
    expect(page.get_by_role("group", name="how many solids are there?")).to_be_visible()
    expect(page.get_by_label("Question")).to_have_value("how many solids are there?")
    expect(history(page).first).to_contain_text("how many solids are there?")
    expect(history(page)).to_have_count(2)
    page.get_by_role("button", name="Remove Image").click()
    expect(history(page)).to_have_count(0)
    expect(page.locator(".vqa-answers")).to_have_count(0)
    upload(page, OTHER)
    ask(page, "is there a dog?")
    expect(history(page)).to_have_count(1)


def test_a_new_scene_reveals_the_truth_of_a_plain_question_and_of_no_other(page: Page) -> None:
    tab(page).locator("#vqa-new-scene").click()
    page.locator("#vqa-picture img").wait_for()
    ask(page, "how many solids are there?")
    page.locator(".vqa-truth summary").click()
    expect(page.locator(".vqa-truth b")).to_have_text(re.compile("one|two|three|four"))
    expect(page.locator(".vqa-truth")).to_contain_text(re.compile("The model is (right|wrong)"))
    ask(page, "who took the picture?")
    page.locator(".vqa-truth summary").click()
    expect(page.locator(".vqa-truth")).to_contain_text("outside what can be marked")


def test_a_battery_marks_ten_answers_and_batteries_add_up_by_type(page: Page) -> None:
    unfold(tab(page), "Ten questions at once")
    total = page.locator(".vqa-tally tr").last
    for number in (1, 2):
        page.locator("#vqa-battery-ask").click()
        expect(total).to_contain_text(f"of {SIZE * number} (")
        expect(page.locator(".vqa-battery td.right, .vqa-battery td.wrong")).to_have_count(SIZE)
    right = [int(count) for count in re.findall(r"(\d+) of \d+", page.locator(".vqa-tally").inner_text())]
    assert sum(right[:-1]) == right[-1]
    page.locator("#vqa-battery-restart").click()
    expect(page.locator(".vqa-tally")).to_have_count(0)


def test_a_csv_comes_back_with_the_answers_and_no_row_lost(page: Page, tmp_path: Path) -> None:
    sent = tmp_path / "questions.csv"
    sent.write_text(
        "pupil;image;question\r\n"
        f"Åsa;{SCENE.name};is it yellow, or blue?\r\n"
        f"=1+1;{OTHER.name.upper()};how many cubes?\r\n"
        "Kim;missing.png;what is this?\r\n"
        f"Lin;{SCENE.name};какого цвета конус?\r\n",
        encoding="utf-8-sig",
    )
    unfold(tab(page), "Many questions from a CSV")
    page.locator("#vqa-sheet-csv input[type=file]").set_input_files(sent)
    page.locator("#vqa-sheet-pictures input[type=file]").set_input_files([SCENE, OTHER])
    expect(page.locator("#vqa-sheet-pictures")).to_contain_text(".png")
    page.locator("#vqa-sheet-run").click()
    expect(page.locator(".vqa-sheet caption")).to_have_text("2 of 4 rows answered")
    expect(page.locator("#vqa-sheet-status")).to_have_text("")
    with page.expect_download() as download:
        page.locator("#vqa-sheet-answers a").first.click()
    assert download.value.suggested_filename == "answers.csv"
    with download.value.path().open(encoding="utf-8-sig", newline="") as file:
        first, formula, missing, foreign = csv.DictReader(file, delimiter=";")
    assert first["pupil"] == "Åsa"
    assert first["answer"]
    assert 0 < float(first["probability"]) <= 1
    assert first["model"] == DEMO.models[0].label
    assert formula["pupil"] == "'=1+1"
    assert formula["answer"]
    assert "no picture called “missing.png”" in missing["error"]
    assert "English" in foreign["error"]
    assert not any(row["answer"] or row["model"] for row in (missing, foreign))


def test_the_sample_sheet_is_answered_but_for_the_row_that_is_wrong_on_purpose(page: Page) -> None:
    unfold(tab(page), "Many questions from a CSV")
    page.locator("#vqa-sheet-sample").click()
    expect(page.locator("#vqa-sheet-pictures")).to_contain_text(".png")
    page.locator("#vqa-sheet-run").click()
    expect(page.locator(".vqa-sheet caption")).to_have_text("9 of 10 rows answered")
    expect(page.locator(".vqa-sheet .wrong")).to_contain_text("no picture called")


def test_no_csv_gets_a_message_that_says_what_to_send(page: Page) -> None:
    unfold(tab(page), "Many questions from a CSV")
    page.locator("#vqa-sheet-run").click()
    expect(page.locator(".toast-body")).to_contain_text("columns image and question")


def test_documents_show_their_own_examples_and_the_words_that_were_read(page: Page) -> None:
    tab(page).get_by_role("radio", name="Documents").check()
    expect(page.locator("#vqa-examples")).to_have_count(0)
    page.locator("#vqa-document-examples tbody tr").first.click()
    expect(strip(page)).to_contain_text("OCR")
    expect(page.get_by_role("group", name=DOCUMENT_EXAMPLES[0]["question"])).to_be_visible()
    assert page.locator(".vqa-page rect").count() > 20
    assert 0 < page.locator(".vqa-page rect.found").count() < page.locator(".vqa-page rect").count()


def test_two_models_answer_side_by_side_and_both_are_remembered(page: Page) -> None:
    unfold(tab(page), "Compare two models")
    page.locator("#vqa-compare input").click()
    page.get_by_role("option").nth(2).click()
    click_example(page)
    expect(strip(page, 1)).to_contain_text("ms compute")
    expect(history(page)).to_have_count(2)


def test_a_phone_needs_no_sideways_scrolling_whatever_is_open(phone: Page) -> None:
    click_example(tab(phone))
    expect(history(phone)).to_have_count(1)
    for name in ("Explain", "Show code", "Try this", "About this model", "Compare two models", "Answer options"):
        unfold(phone, name)
    unfold(phone, "Ten questions at once")
    phone.locator("#vqa-battery-ask").click()
    expect(phone.locator(".vqa-tally")).to_be_visible()
    unfold(phone, "Many questions from a CSV")
    phone.locator("#vqa-sheet-sample").click()
    expect(phone.locator("#vqa-sheet-pictures")).to_contain_text(".png")
    phone.locator("#vqa-sheet-run").click()
    expect(phone.locator("#vqa-sheet-answers")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_and_no_request_leaves_this_machine(
    page: Page, app: RunningApp, requested_hosts: list[str], theme: str
) -> None:
    page.goto(f"{app.url}?__theme={theme}")
    click_example(tab(page))
    page.locator(".vqa-truth summary").click()
    unfold(page, "Ten questions at once")
    page.locator("#vqa-battery-ask").click()
    expect(page.locator(".vqa-tally")).to_be_visible()
    unfold(page, "Many questions from a CSV")
    page.locator("#vqa-sheet-sample").click()
    expect(page.locator("#vqa-sheet-pictures")).to_contain_text(".png")
    page.locator("#vqa-sheet-run").click()
    expect(page.locator("#vqa-sheet-answers")).to_be_visible()
    page.mouse.move(0, 0)  # nothing is hovered over
    measured: dict[str, float] = {}
    for name, selector in {
        "a word of the question": ".vqa-question span",
        "a hint": ".vqa-hint",
        "an answer": ".vqa-answer",
        "a percentage": ".vqa-percent",
        "the notes": ".lectern-notes p",
        "the truth": ".vqa-truth summary, .vqa-truth p",
        "a cell": ".vqa-table td, .vqa-table th",
        "small print": ".vqa-table small",
        "a past question": "#vqa-history td",
        "an example": "#vqa-examples td",
    }.items():
        shown = page.locator(selector).filter(visible=True, has_text=re.compile(r"\S"))
        assert shown.count(), name
        measured |= {f"{name} ({text.inner_text()[:30]})": contrast(text) for text in shown.all()}
    assert {name: round(ratio, 2) for name, ratio in measured.items() if ratio < READABLE} == {}
    assert set(requested_hosts) <= {"127.0.0.1", "localhost", ""}  # "" is a data: or blob: URL
    assert "127.0.0.1" in requested_hosts
