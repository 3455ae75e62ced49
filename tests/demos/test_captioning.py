"""The captioning pipeline, over every family of models: tiny random checkpoints, loaded as the app loads them."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from demos.captioning import DEMO
from demos.captioning.options import CaptionOptions, CaptionRequest
from demos.captioning.pipeline import Captioner, Captions
from hub import options
from hub.batch import Item, Step, Watch
from hub.cards import ModelCard
from hub.demo import Loading
from hub.device import Device
from hub.errors import Cancelled, InvalidInput
from hub.jobs import CancelToken
from tests.demos import tiny

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = tuple(tiny.CHECKPOINTS)
LOOKING = ("blip", "vision-encoder-decoder", "git")  # families that show their attention
PREFIXED = (*LOOKING, "blip2")  # families whose caption begins with the prompt
each_family = pytest.mark.parametrize("family", FAMILIES)

SHORT = CaptionOptions(max_tokens=10)
SIZES = ((64, 64), (90, 40), (50, 120), (33, 32), (200, 64), (64, 64), (31, 77), (128, 128))  # width, height
PICTURES = tuple(
    Image.fromarray(np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8))
    for number, (width, height) in enumerate(SIZES)
)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("checkpoints")
    return {name: tiny.save(name, root / name) for name in FAMILIES}


@pytest.fixture(scope="session")
def captioners(folders: dict[str, Path]) -> dict[str, Captioner]:
    """Every family, loaded as the hub does it while nothing can be reached."""

    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError("the network is off")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", unreachable)
        return {name: DEMO.load(loading(name, folder)) for name, folder in folders.items()}  # type: ignore[misc]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def card_of(family: str) -> ModelCard:
    return next(card for card in DEMO.models if card.family == family and not card.embedded)


def loading(family: str, folder: Path) -> Loading:
    return Loading(card_of(family), folder, Device("cpu", "float32", "CPU"), lambda *_: None, lambda _, build: build())


def captions(captioner: Captioner, chosen: CaptionOptions = SHORT, count: int = 1) -> list[Captions]:
    return captioner([CaptionRequest(picture, chosen) for picture in PICTURES[:count]])


class StopsAfter(CancelToken):
    """A token that its user cancels while the model writes: at the `count`-th time somebody asks."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.left = count

    @property
    def cancelled(self) -> bool:
        self.left -= 1
        if self.left < 0:
            self.cancel()
        return super().cancelled


# --- Words, probabilities, scores -------------------------------------------------------------------------------------


@each_family
def test_the_words_of_a_caption_are_its_text_and_their_probabilities_its_score(
    captioners: dict[str, Captioner], family: str
) -> None:
    for result in captions(captioners[family], count=3):
        (caption,) = result.candidates
        assert [word.text for word in caption.words] == caption.text.split()
        assert all(0 < word.probability <= 1 for word in caption.words)
        assert caption.log_probability < caption.score < 0
        told = sum(np.log(word.probability) for word in caption.words)
        if not caption.complete:  # else the token that ended it counts too
            assert told == pytest.approx(caption.log_probability, rel=1e-4)


@each_family
def test_reading_a_greedy_caption_again_finds_every_word_the_likeliest(
    captioners: dict[str, Captioner], family: str
) -> None:
    model = captioners[family].family
    with torch.inference_mode():
        prepared = model.prepare(PICTURES[:4], "")
        tokens = model.write(prepared, **SHORT.generate_arguments())
        likeliest = model.reread(prepared, tokens).logits.argmax(-1)
    for row, best in zip(tokens.tolist(), likeliest.tolist(), strict=True):
        length = next((place + 1 for place, token in enumerate(row) if token in model.end_tokens), len(row))
        assert row[:length] == best[:length]


def test_a_beam_s_score_is_the_one_that_beam_search_ranked_it_by(captioners: dict[str, Captioner]) -> None:
    captioner = captioners["blip"]
    chosen = CaptionOptions(strategy="beam", beams=4, candidates=4, max_tokens=12)
    model: Any = captioner.family
    with torch.inference_mode():
        prepared = model.prepare(PICTURES[:1], "")
        ranked = model.model.text_decoder.generate(
            **prepared.tensors,
            **chosen.generate_arguments(),
            eos_token_id=3,
            pad_token_id=0,
            return_dict_in_generate=True,
            output_scores=True,
        )
    (result,) = captions(captioner, chosen)
    scores = [caption.score for caption in result.candidates]
    assert scores == sorted(scores, reverse=True)
    assert scores == pytest.approx(ranked.sequences_scores.tolist(), abs=1e-4)


@each_family
def test_every_family_reads_the_picture(captioners: dict[str, Captioner], family: str) -> None:
    results = captions(captioners[family], count=4)
    assert len({result.candidates[0].log_probability for result in results}) == 4


# --- Where the model looked -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", LOOKING)
def test_each_word_has_a_map_of_the_picture_that_sums_to_one(captioners: dict[str, Captioner], family: str) -> None:
    (result,) = captions(captioners[family])
    for word in result.candidates[0].words:
        assert word.attention is not None
        assert word.attention.dtype == np.float32
        assert word.attention.shape == (4, 4)
        assert word.attention.min() >= 0
        assert word.attention.sum() == pytest.approx(1, abs=1e-5)


def test_a_map_is_empty_where_the_model_does_not_see_the_picture(captioners: dict[str, Captioner]) -> None:
    """GIT cuts out the middle square: of a picture 64 high and 200 wide, all but the middle third is unseen."""
    wide = CaptionRequest(PICTURES[4], SHORT)
    (result,) = captioners["git"]([wide])
    look = result.candidates[0].words[0].attention
    assert look is not None
    assert look.shape == (4, 12)
    assert look[:, 4:8].sum() == pytest.approx(1, abs=1e-5)
    assert not look[:, :4].any()
    assert not look[:, 8:].any()


@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in LOOKING])
def test_a_family_without_maps_says_why(captioners: dict[str, Captioner], family: str) -> None:
    (result,) = captions(captioners[family])
    assert all(word.attention is None for word in result.candidates[0].words)
    assert result.attention_note.startswith("No attention is shown: ")


# --- Batches and candidates -------------------------------------------------------------------------------------------


@each_family
@pytest.mark.parametrize("strategy", ["greedy", "beam"])
def test_a_caption_does_not_depend_on_the_pictures_beside_it(
    captioners: dict[str, Captioner], family: str, strategy: str
) -> None:
    chosen = replace(SHORT, strategy=strategy, beams=2, candidates=2)
    together = captions(captioners[family], chosen, len(PICTURES))
    for picture, result in zip(PICTURES, together, strict=True):
        (alone,) = captioners[family]([CaptionRequest(picture, chosen)])
        assert [caption.text for caption in result.candidates] == [caption.text for caption in alone.candidates]
        for one, other in zip(result.candidates, alone.candidates, strict=True):
            assert one.log_probability == pytest.approx(other.log_probability, abs=1e-4)
            assert [word.probability for word in one.words] == pytest.approx(
                [word.probability for word in other.words], abs=1e-4
            )


def test_requests_share_a_batch_when_what_decides_their_caption_agrees() -> None:
    def key(**chosen: Any) -> Any:
        return CaptionRequest(PICTURES[0], CaptionOptions(**chosen)).batch_key()

    assert key() == key(seed=7, temperature=0.5, beams=8)  # greedy decoding asks for none of them
    assert key(strategy="beam") == key(strategy="beam", seed=7)
    assert (
        len({key(), key(prompt="there"), key(max_tokens=8), key(strategy="beam"), key(strategy="beam", beams=4)}) == 5
    )
    assert key(strategy="sample") is None


@each_family
def test_beams_give_as_many_different_captions_as_asked_for(captioners: dict[str, Captioner], family: str) -> None:
    (result,) = captions(captioners[family], replace(SHORT, strategy="beam", beams=3, candidates=3))
    scores = [caption.score for caption in result.candidates]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 3


def test_more_captions_than_beams_are_refused_with_what_to_do() -> None:
    with pytest.raises(InvalidInput, match=r"2 beams cannot give 3 captions\. Raise the number of beams"):
        options.checked(CaptionOptions, {"strategy": "beam", "beams": 2, "candidates": 3})


def test_greedy_decoding_writes_one_caption_and_says_so(captioners: dict[str, Captioner]) -> None:
    (result,) = captions(captioners["blip"], replace(SHORT, candidates=3))
    assert len(result.candidates) == 1
    assert any("greedy" in note for note in result.notes)


@each_family
def test_the_same_seed_gives_the_same_captions_and_leaves_random_numbers_alone(
    captioners: dict[str, Captioner], family: str
) -> None:
    chosen = replace(SHORT, strategy="sample", candidates=3)
    before = torch.get_rng_state()
    first, again, other = (captions(captioners[family], replace(chosen, seed=seed))[0] for seed in (5, 5, 6))
    assert torch.equal(before, torch.get_rng_state())
    assert first.candidates == again.candidates
    assert len(first.candidates) == 3
    assert [caption.text for caption in first.candidates] != [caption.text for caption in other.candidates]


def test_probabilities_are_the_model_s_own_whatever_the_temperature(captioners: dict[str, Captioner]) -> None:
    """At temperature 0.1 sampling all but repeats greedy decoding; the words are as likely as greedy says."""
    (greedy,) = captions(captioners["git"])
    (cold,) = captions(captioners["git"], replace(SHORT, strategy="sample", temperature=0.1, top_p=0.05))
    assert cold.text == greedy.text
    assert cold.candidates[0].log_probability == pytest.approx(greedy.candidates[0].log_probability, abs=1e-4)


# --- Prompts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", PREFIXED)
def test_a_caption_goes_on_from_its_prompt(captioners: dict[str, Captioner], family: str) -> None:
    (result,) = captions(captioners[family], replace(SHORT, prompt="a picture of"))
    (caption,) = result.candidates
    assert caption.text.startswith("a picture of")
    assert [(word.text, word.given, word.probability) for word in caption.words[:2]] == [
        ("a", True, 1.0),
        ("picture", True, 1.0),
    ]
    assert not caption.words[-1].given or caption.text == "a picture of"


@pytest.mark.parametrize("family", ["smolvlm", "qwen3-vl"])
def test_a_chat_model_takes_the_prompt_as_an_instruction(captioners: dict[str, Captioner], family: str) -> None:
    default, asked = (
        captions(captioners[family], replace(SHORT, prompt=prompt))[0] for prompt in ("", "the small red cube")
    )
    assert default.text != asked.text
    assert not any(word.given for result in (default, asked) for word in result.candidates[0].words)


def test_a_prompt_longer_than_the_model_reads_is_refused(captioners: dict[str, Captioner]) -> None:
    with pytest.raises(InvalidInput, match="this model reads at most 48"):
        captions(captioners["blip"], CaptionOptions(prompt="cat " * 49))


def test_a_caption_is_cut_where_the_model_has_no_more_places(captioners: dict[str, Captioner]) -> None:
    chosen = CaptionOptions(prompt="cat " * 40, max_tokens=128)
    for strategy in ("greedy", "beam"):
        (result,) = captions(captioners["blip"], replace(chosen, strategy=strategy))
        assert len(result.text.split()) >= 40


@each_family
def test_a_prompt_that_spells_a_control_token_is_refused(captioners: dict[str, Captioner], family: str) -> None:
    tokenizer = captioners[family].family.tokenizer
    token = {"blip2": "<image>", "smolvlm": "<image>", "qwen3-vl": "<|image_pad|>"}.get(family, tokenizer.eos_token)
    for control in (token or tokenizer.sep_token, tokenizer.all_special_tokens[0]):
        with pytest.raises(InvalidInput, match="Leave it out"):
            captions(captioners[family], replace(SHORT, prompt=f"a {control} cat"))


def test_a_word_that_the_model_does_not_know_is_pointed_out(captioners: dict[str, Captioner]) -> None:
    (known,) = captions(captioners["blip"], replace(SHORT, prompt="a cat"))
    (unknown,) = captions(captioners["blip"], replace(SHORT, prompt="a platypus"))
    assert not any("does not know" in note for note in known.notes)
    assert any("does not know" in note for note in unknown.notes)


# --- Cancelling and intermediate captions -----------------------------------------------------------------------------


@each_family
@pytest.mark.parametrize("strategy", ["greedy", "beam", "sample"])
def test_a_cancelled_run_stops_before_the_next_token(
    captioners: dict[str, Captioner], family: str, strategy: str
) -> None:
    captioner = captioners[family]
    steps = 0

    def count(*_: Any) -> None:
        nonlocal steps
        steps += 1

    decoder = {"blip": "text_decoder", "vision-encoder-decoder": "decoder", "blip2": "language_model"}.get(family)
    model: Any = captioner.family.model
    hook = (getattr(model, decoder) if decoder else model).register_forward_hook(count)
    request = CaptionRequest(PICTURES[0], CaptionOptions(strategy=strategy, max_tokens=64))
    try:
        with pytest.raises(Cancelled):
            captioner([request], Watch([Item(request, StopsAfter(6))]))
    finally:
        hook.remove()
    assert 1 < steps <= 6


def test_a_cancelled_request_leaves_its_neighbour_s_caption_alone(captioners: dict[str, Captioner]) -> None:
    for strategy in ("greedy", "beam"):
        chosen = replace(SHORT, strategy=strategy)
        requests = [CaptionRequest(picture, chosen) for picture in PICTURES[:2]]
        watch = Watch([Item(requests[0], StopsAfter(3)), Item(requests[1], CancelToken())])
        _, kept = captioners["git"](requests, watch)
        (alone,) = captioners["git"]([requests[1]])
        assert kept.text == alone.text


def test_greedy_decoding_tells_what_it_has_so_far(
    captioners: dict[str, Captioner], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.writing.STEP_S", 0.0)
    for family in FAMILIES:
        chosen = replace(SHORT, prompt="a picture of")
        item = Item(CaptionRequest(PICTURES[0], chosen), CancelToken())
        (result,) = captioners[family]([item.request], Watch([item]))
        updates = [item.updates.get() for _ in range(item.updates.qsize())]
        told = [update.value for update in updates if isinstance(update, Step)]
        assert len(told) >= len(result.candidates[0].words) // 2
        assert all(result.text.startswith(text.rstrip("\N{REPLACEMENT CHARACTER}")) for text in told[:-1])
        assert told[-1].startswith(result.text)


# --- Show code --------------------------------------------------------------------------------------------------------


@each_family
@pytest.mark.parametrize(
    "chosen",
    [
        SHORT,
        replace(SHORT, strategy="beam", candidates=2, prompt="a cat on"),
        replace(SHORT, strategy="sample", candidates=2, seed=3, temperature=1.3),
    ],
    ids=lambda chosen: chosen.strategy,
)
def test_the_code_shown_prints_the_same_captions(
    captioners: dict[str, Captioner],
    folders: dict[str, Path],
    tmp_path: Path,
    family: str,
    chosen: CaptionOptions,
) -> None:
    card = card_of(family)
    request = CaptionRequest(PICTURES[1], chosen)
    code = DEMO.snippet(card, request, None)
    assert f"{card.source!r}, revision={card.revision!r}" in code
    printed = run_code(code.replace(repr(card.source), repr(str(folders[family]))), request.image, tmp_path)
    (result,) = captioners[family]([request])
    assert printed == [" ".join(caption.text.split()) for caption in result.candidates]


def run_code(code: str, picture: Image.Image, folder: Path) -> list[str]:
    """Run shown code in a folder that holds picture.png; return the lines it prints, blanks closed up."""
    picture.save(folder / "picture.png")
    printed = io.StringIO()
    here = Path.cwd()
    with torch.random.fork_rng(devices=[]), contextlib.redirect_stdout(printed):
        os.chdir(folder)
        try:
            exec(compile(code, "shown code", "exec"), {"__name__": "shown"})
        finally:
            os.chdir(here)
    return [" ".join(line.split()) for line in printed.getvalue().splitlines() if line.strip()]


# --- Devices ----------------------------------------------------------------------------------------------------------


@each_family
def test_a_model_also_runs_in_the_half_precision_that_a_gpu_holds_it_in(folders: dict[str, Path], family: str) -> None:
    captioner = Captioner.from_folder(family, folders[family], dtype="bfloat16")
    for result in captions(captioner, replace(SHORT, strategy="beam", candidates=2), count=2):
        assert all(np.isfinite(caption.score) for caption in result.candidates)


# --- What the demo declares -------------------------------------------------------------------------------------------


def test_importing_the_demo_loads_no_model_library() -> None:
    code = "import sys, demos.captioning; print(*(name for name in sys.argv[1:] if name in sys.modules))"
    heavy = ("torch", "transformers", "open3d", "cv2", "gradio")
    done = subprocess.run([sys.executable, "-c", code, *heavy], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_request_is_recorded_with_the_options_that_decide_it_and_without_its_picture() -> None:
    request = CaptionRequest(PICTURES[0], CaptionOptions(prompt="there", strategy="beam"))
    assert request.recorded() == {
        "prompt": "there",
        "strategy": "beam",
        "beams": 3,
        "temperature": 1.0,
        "top_p": 0.9,
        "max_tokens": 64,
        "candidates": 1,
        "seed": None,
    }
    assert CaptionRequest(PICTURES[0], CaptionOptions(strategy="sample", seed=4)).recorded()["seed"] == 4
