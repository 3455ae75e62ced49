"""What every demo must offer, checked over all that `demos.discover()` finds: a new demo is held to it unasked."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from demos import discover
from hub.demo import Demo
from hub.device import QUEUE_ID
from hub.snippet import file_name
from tests.app import RunningApp, awaited
from tests.shown_code import run_code

ROOT = Path(__file__).resolve().parent.parent
DEMOS, BROKEN = discover()
TAKES_FILES = (gr.Audio, gr.File, gr.Gallery, gr.Image, gr.ImageEditor, gr.Model3D, gr.Video)
each_demo = pytest.mark.parametrize("demo", DEMOS, ids=lambda demo: demo.slug)


def sent(value: Any) -> Any:
    """Prepare an example's value for the client: paths become uploads."""
    return handle_file(str(ROOT / value)) if is_file(value) else value


def is_file(value: Any) -> bool:
    """Tell whether an example's value names a file of the repository."""
    return isinstance(value, str) and value.startswith("assets/")


def ask(client: Client, demo: Demo, inputs: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = client.predict(
        **{name: sent(value) for name, value in inputs.items()}, api_name=f"/{demo.endpoint}"
    )
    return answer


def test_every_module_in_demos_works_here() -> None:
    assert not BROKEN
    assert DEMOS


@each_demo
def test_the_first_model_ships_with_lectern(demo: Demo) -> None:
    assert demo.models[0].embedded
    trained = [card for card in demo.models if card.ships_weights]
    assert trained
    for card in trained:
        assert (card.folder / "config.json").is_file() or (card.folder / "model_index.json").is_file()
        assert (card.folder / "README.md").is_file()


@each_demo
def test_every_kind_of_model_has_one_that_needs_no_network(demo: Demo) -> None:
    for group in {card.group for card in demo.models}:
        assert any(card.embedded for card in demo.models if card.group == group), group


@each_demo
def test_every_model_card_is_complete(demo: Demo) -> None:
    assert len({card.key for card in demo.models}) == len(demo.models)
    for card in demo.models:
        assert all([card.label, card.task, card.family, card.licence, card.knows, card.limits, card.citation])
        assert card.memory_bytes > 0
        assert card.embedded == (card.download_bytes == 0)
        assert re.fullmatch(r"[0-9a-f]{40}|main|refs/pr/\d+", card.revision)


@each_demo
def test_every_example_is_answered_over_http_by_the_embedded_model(demo: Demo, client: Client) -> None:
    assert demo.examples
    for example in demo.examples:
        answer = ask(client, demo, example)
        run = answer["run"]
        assert run["embedded"]
        assert run["source"] == demo.models[0].source
        assert run["timings"]["compute_s"] > 0
        assert len(answer) > 1


@each_demo
def test_the_code_of_a_run_gives_its_result_outside_lectern(demo: Demo, client: Client, tmp_path: Path) -> None:
    """In a folder that holds the user's file and the embedded models, with nothing of Lectern and no network."""
    example = demo.examples[0]
    answer = ask(client, demo, example)
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    for name, value in example.items():
        if is_file(value):
            shutil.copy(ROOT / value, tmp_path / file_name(name))  # what the code calls a picture
            shutil.copy(ROOT / value, tmp_path)  # other files keep their own name
    printed = run_code(answer.pop("code"), tmp_path)
    for said in answer.values():
        if isinstance(said, str):
            assert said in printed


@each_demo
def test_a_wrong_file_gets_a_message_that_says_what_to_send(demo: Demo, client: Client, tmp_path: Path) -> None:
    notes = tmp_path / "notes.png"
    notes.write_text("these are lecture notes, not a picture, not a sound, not a cloud")
    example = demo.examples[0]
    files = [name for name, value in example.items() if is_file(value)]
    for name in files:
        with pytest.raises(AppError, match=r"Send|Save") as caught:
            ask(client, demo, {**example, name: handle_file(str(notes))})
        assert "Traceback" not in str(caught.value)


@each_demo
def test_text_that_is_too_long_gets_a_message_that_says_the_limit(demo: Demo, client: Client) -> None:
    texts = {
        parameter["parameter_name"]
        for parameter in client.view_api(return_format="dict", print_info=False)["named_endpoints"][
            f"/{demo.endpoint}"
        ]["parameters"]
        if parameter["component"] == "Textbox"
    }
    for name in texts:
        with pytest.raises(AppError, match="Use at most"):
            ask(client, demo, {**demo.examples[0], name: "why " * 5000})


@each_demo
def test_an_unknown_model_is_refused_with_the_names_of_those_there_are(demo: Demo, client: Client) -> None:
    with pytest.raises(AppError, match=re.escape(demo.models[0].key)):
        ask(client, demo, {**demo.examples[0], "model": "no-such-model"})


@each_demo
def test_the_page_leads_with_a_purpose_and_ends_with_exercises(demo: Demo) -> None:
    assert 10 < len(demo.purpose) < 160
    assert len(demo.exercises) >= 3


def test_every_event_that_touches_a_model_shares_the_device_queue(app: RunningApp) -> None:
    touching = [event for event in app.page.fns.values() if getattr(event.fn, "touches_model", False)]
    assert len(touching) >= 2 * len(DEMOS)  # at least Run and the endpoint of each
    assert {event.concurrency_id for event in touching} == {QUEUE_ID}
    others = [event for event in app.page.fns.values() if event not in touching]
    assert QUEUE_ID not in {event.concurrency_id for event in others}


def test_no_demo_runs_a_model_past_the_shared_helper() -> None:
    """A demo that called the hub itself would escape the queue, the limits and the record of the run."""
    for path in sorted((ROOT / "demos").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "hub":
                assert node.attr in {"limits", "settings", "sound_limits"} or isinstance(node.ctx, ast.Store), (
                    f"{path}: hub.{node.attr}"
                )


def test_no_event_fetches_an_address_that_a_client_names_in_place_of_a_file(app: RunningApp) -> None:
    taken = {component for event in app.page.fns.values() for component in event.inputs}
    files = [component for component in taken if isinstance(component, TAKES_FILES)]
    assert len(files) >= len(DEMOS)
    for component in files:
        with pytest.raises(gr.Error, match="links are not followed"):
            awaited(component.async_move_resource_to_block_cache("http://203.0.113.1/a"))


def test_each_demo_has_the_public_endpoints_it_states_and_nothing_else_is_public(client: Client) -> None:
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert sorted(named) == sorted(f"/{name}" for demo in DEMOS for name in (demo.endpoint, *demo.more_endpoints))
