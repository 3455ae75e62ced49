"""The question answering pipeline, over every family for pictures: tiny random checkpoints, loaded as the app does."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from demos.vqa import DEMO
from demos.vqa.answers import Answers
from demos.vqa.families import blip, occlusion, writing
from demos.vqa.options import AnswerOptions, QuestionRequest
from demos.vqa.pipeline import Answerer
from hub.batch import Item, Progress, Step, Watch
from hub.cards import ModelCard
from hub.demo import Loading
from hub.device import Device
from hub.errors import Cancelled, InvalidInput
from hub.jobs import CancelToken
from hub.memo import Memo
from tests.demos import tiny
from tests.demos.test_captioning import StopsAfter

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = tuple(tiny.ANSWERERS)
WRITING = ("blip", "blip2", "smolvlm", "qwen3-vl")
ATTENDING = ("blip", "vilt")
ENGLISH = ("blip", "vilt", "blip2", "smolvlm")
each_family = pytest.mark.parametrize("family", FAMILIES)

SIZES = ((64, 64), (90, 40), (50, 120), (33, 32), (200, 64), (64, 64), (31, 77), (128, 128))  # width, height
PICTURES = tuple(
    Image.fromarray(np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8))
    for number, (width, height) in enumerate(SIZES)
)
QUESTIONS = (
    "two cat?",
    "describe the red cube and the small green sphere on the table",
    "is this a dog",
    "red",
    "playing sphere, cone. and one large blue sofa?",
    "the table",
    "left of the cube",
    "a cat, sitting on a small sofa",
)
SHORT = AnswerOptions(question=QUESTIONS[0], answers=3, max_tokens=6)
EVERYONE = tuple(
    QuestionRequest(picture, replace(SHORT, question=question))
    for picture, question in zip(PICTURES, QUESTIONS, strict=True)
)


@pytest.fixture(scope="session")
def answerers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answerer]:
    """Every family, loaded as the hub does it while nothing can be reached."""

    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError("the network is off")

    root = tmp_path_factory.mktemp("answerers")
    folders = {name: tiny.save_answerer(name, root / name) for name in FAMILIES}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", unreachable)
        return {name: DEMO.load(loading(name, folder)) for name, folder in folders.items()}  # type: ignore[misc]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def card_of(family: str) -> ModelCard:
    return next(card for card in DEMO.models if card.family == family and not card.embedded)


def loading(family: str, folder: Path) -> Loading:
    return Loading(card_of(family), folder, Device("cpu", "float32", "CPU"), lambda *_: None, lambda _, build: build())


def ask(answerer: Answerer, chosen: AnswerOptions = SHORT, picture: Image.Image = PICTURES[0]) -> Answers:
    (answers,) = answerer([QuestionRequest(picture, chosen)])
    return answers


def assert_same(one: Answers, other: Answers) -> None:
    assert [answer.text for answer in one.ranked] == [answer.text for answer in other.ranked]
    assert [answer.probability for answer in one.ranked] == pytest.approx(
        [answer.probability for answer in other.ranked], rel=1e-4, abs=1e-5
    )
    assert [word.text for word in one.words] == [word.text for word in other.words]
    assert [word.weight for word in one.words] == pytest.approx([word.weight for word in other.words], abs=1e-4)
    assert (one.look is None) == (other.look is None)
    if one.look is not None and other.look is not None:
        assert one.look == pytest.approx(other.look, abs=1e-4)


# --- Answers and their probabilities ----------------------------------------------------------------------------------


@each_family
def test_answers_come_likeliest_first_and_differ(answerers: dict[str, Answerer], family: str) -> None:
    for answers in answerers[family](EVERYONE[:3]):
        shares = [answer.probability for answer in answers.ranked]
        assert shares == sorted(shares, reverse=True)
        assert all(0 < share <= 1 for share in shares)
        assert len({answer.text for answer in answers.ranked}) == len(answers.ranked) <= SHORT.answers


def test_the_probabilities_of_all_that_blip_can_say_sum_to_one(answerers: dict[str, Answerer]) -> None:
    """Of one token and an end, or cut after two: every such text is tried."""
    family: Any = answerers["blip"].family
    with torch.inference_mode():
        read = family._read(PICTURES[:1], QUESTIONS[:1], Memo(0))
        end, size = family.text.sep_token_id, family.text.vocab_size
        pairs = torch.tensor([[first, second] for first in range(size) if first != end for second in range(size)])
        logits, _ = family._reread(read, torch.cat([torch.tensor([[end, 0]]), pairs]))
        shares = writing.probabilities(logits, torch.cat([torch.tensor([[end, 0]]), pairs]), [1] + [2] * len(pairs))
    assert sum(shares) == pytest.approx(1, abs=1e-4)


def test_an_answer_s_probability_is_the_one_that_beam_search_ranked_it_by(answerers: dict[str, Answerer]) -> None:
    family: Any = answerers["blip"].family
    answers = ask(answerers["blip"], replace(SHORT, question=QUESTIONS[1], answers=4, max_tokens=5), PICTURES[1])
    inputs = family.processor(images=PICTURES[1], text=QUESTIONS[1], return_tensors="pt")
    with torch.inference_mode():
        found = family.model.generate(
            **inputs, **writing.search(4, 5), output_scores=True, return_dict_in_generate=True
        )
    assert [answer.text for answer in answers.ranked] == family.tokenizer.batch_decode(
        found.sequences, skip_special_tokens=True
    )
    assert [answer.probability for answer in answers.ranked] == pytest.approx(
        found.sequences_scores.exp().tolist(), rel=1e-3
    )


def test_vilt_ranks_the_answers_of_its_list_by_what_its_own_forward_pass_says(answerers: dict[str, Answerer]) -> None:
    family: Any = answerers["vilt"].family
    answers = ask(answerers["vilt"], replace(SHORT, answers=4), PICTURES[1])
    inputs = family.processor(images=PICTURES[1], text=SHORT.question, return_tensors="pt")
    with torch.inference_mode():
        values, labels = family.model(**inputs).logits[0].sigmoid().topk(4)
    assert [answer.text for answer in answers.ranked] == [tiny.ANSWERS[label] for label in labels]
    assert [answer.probability for answer in answers.ranked] == pytest.approx(values.tolist(), abs=1e-5)
    assert any("sigmoid" in note for note in answers.notes)


def test_a_chat_model_writes_one_answer_and_says_so(answerers: dict[str, Answerer]) -> None:
    for family in ("smolvlm", "qwen3-vl"):
        answers = ask(answerers[family])
        assert len(answers.ranked) == 1
        assert any("one answer" in note for note in answers.notes)
        assert not any("one answer" in note for note in ask(answerers[family], replace(SHORT, answers=1)).notes)


@pytest.mark.parametrize("family", WRITING)
def test_an_answer_that_was_cut_says_so(answerers: dict[str, Answerer], family: str) -> None:
    answers = ask(answerers[family], replace(SHORT, answers=1, max_tokens=4), PICTURES[2])
    ended = replace(SHORT, answers=1, max_tokens=200)
    assert (
        any("cut at 4 tokens" in note for note in answers.notes)
        or ask(answerers[family], ended, PICTURES[2]).ranked[0].text == answers.ranked[0].text
    )


def test_what_reads_the_same_is_one_answer_and_an_empty_one_is_none() -> None:
    ranking = writing.ranked(
        ["", "red", "red", "a cube"], [0.4, 0.1, 0.2, 0.15], [1, 2, 3, 3], [True, True, True, False]
    )
    assert [(answer.text, answer.probability) for answer in ranking.answers] == [("red", 0.2), ("a cube", 0.15)]
    assert (ranking.best, ranking.complete, ranking.tokens) == (2, True, 2)
    assert writing.notes(ranking) == ()
    silent = writing.ranked(["", ""], [0.1, 0.4], [1, 1], [True, True])
    assert [answer.text for answer in silent.answers] == [""]
    assert writing.notes(silent) == ("the model gave no words",)


@each_family
def test_every_family_reads_both_picture_and_question(answerers: dict[str, Answerer], family: str) -> None:
    def likeliest(picture: Image.Image, question: str) -> float:
        return ask(answerers[family], replace(SHORT, question=question), picture).ranked[0].probability

    assert likeliest(PICTURES[0], "red") != likeliest(PICTURES[5], "red")
    assert likeliest(PICTURES[0], "red") != likeliest(PICTURES[0], "two green cone")


# --- Batches ----------------------------------------------------------------------------------------------------------


@each_family
@pytest.mark.parametrize("look", ["attention", "occlusion"])
def test_an_answer_does_not_depend_on_the_questions_beside_it(
    answerers: dict[str, Answerer], family: str, look: str
) -> None:
    requests = [replace(request, options=replace(request.options, look=look)) for request in EVERYONE]
    if look == "occlusion":  # a hundred runs of the model for each
        requests = requests[:2]
    for request, together in zip(requests, answerers[family](requests), strict=True):
        (alone,) = answerers[family]([request])
        assert_same(together, alone)


@each_family
def test_random_numbers_are_left_alone_and_decide_nothing(answerers: dict[str, Answerer], family: str) -> None:
    """ViLT's own code draws the order of the patches."""
    before = torch.get_rng_state()
    first = ask(answerers[family])
    assert torch.equal(before, torch.get_rng_state())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        assert_same(first, ask(answerers[family]))


@pytest.mark.parametrize("family", ["blip", "blip2"])
def test_questions_about_one_picture_encode_it_once(answerers: dict[str, Answerer], family: str) -> None:
    model: Any = answerers[family].family.model
    encoded = 0

    def count(module: Any, unnamed: tuple[Any, ...], named: dict[str, Any]) -> None:
        nonlocal encoded
        encoded += [*unnamed, *named.values()][0].shape[0]

    picture = PICTURES[7].transpose(Image.Transpose.ROTATE_90)
    requests = [QuestionRequest(picture, replace(SHORT, question=question)) for question in QUESTIONS]
    hook = model.vision_model.register_forward_pre_hook(count, with_kwargs=True)
    try:
        answerers[family](requests)
        assert encoded == 1
        answerers[family]([replace(requests[0], image=picture.copy())])  # equal pixels, another object
        assert encoded == 1
        answerers[family]([requests[0], replace(requests[1], image=PICTURES[3].rotate(180))])
        assert encoded == 2
    finally:
        hook.remove()


def test_a_memo_too_small_for_a_batch_changes_no_answer(answerers: dict[str, Answerer]) -> None:
    family: Any = answerers["blip"].family
    kept = family.memo
    try:
        family.memo = Memo(5000)  # one picture and a half
        cramped = [answerers["blip"](EVERYONE) for _ in range(2)]
    finally:
        family.memo = kept
    for results in cramped:
        for one, other in zip(results, answerers["blip"](EVERYONE), strict=True):
            assert_same(one, other)


def test_the_question_s_padding_is_hidden_from_blip_s_answer(answerers: dict[str, Answerer]) -> None:
    """Without the hook transformers lets it through; once it does not, the hook can go."""
    family: Any = answerers["blip"].family
    with torch.inference_mode():
        read = family._read(PICTURES[:2], QUESTIONS[:2], Memo(0))
        _, attention = family._reread(read, torch.tensor([[4, 5], [4, 5]]))
    assert not attention[0][:, read.mask[0] == 0].any()
    assert attention[0][:, read.mask[0] == 1].all()


def test_requests_share_a_batch_when_all_but_picture_and_question_agrees() -> None:
    def key(**chosen: Any) -> Any:
        return QuestionRequest(PICTURES[0], AnswerOptions(**{"question": "red", **chosen})).batch_key()

    assert key() == key(question="green")
    assert len({key(), key(answers=2), key(look="occlusion"), key(max_tokens=8)}) == 4


# --- What mattered ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ATTENDING)
def test_attention_is_a_map_that_sums_to_one_and_weights_whose_heaviest_is_one(
    answerers: dict[str, Answerer], family: str
) -> None:
    for request, answers in zip(EVERYONE, answerers[family](EVERYONE), strict=True):
        assert answers.look is not None
        assert answers.look.dtype == np.float32
        assert answers.look.min() >= 0
        assert answers.look.sum() == pytest.approx(1, abs=1e-5)
        assert [word.text for word in answers.words] == request.options.question.split()
        weights = [word.weight for word in answers.words]
        assert max(weight for weight in weights if weight is not None) == 1
        assert "Attention" in answers.look_note
        assert "Attention" in answers.words_note


def test_vilt_s_map_has_the_shape_of_the_picture_as_it_reads_it(answerers: dict[str, Answerer]) -> None:
    upright, wide = answerers["vilt"]([EVERYONE[2], EVERYONE[1]])  # 50 x 120 and 90 x 40
    assert upright.look is not None
    assert wide.look is not None
    assert upright.look.shape == (6, 2)
    assert wide.look.shape == (3, 6)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in ATTENDING])
def test_a_family_without_attention_says_why_and_what_to_choose(answerers: dict[str, Answerer], family: str) -> None:
    answers = ask(answerers[family])
    assert answers.look is None
    assert all(word.weight is None for word in answers.words)
    for note in (answers.look_note, answers.words_note):
        assert note.startswith("No attention is shown: ")
        assert note.endswith("Choose occlusion.")


@each_family
def test_occlusion_offers_every_family_a_map_or_says_that_nothing_mattered(
    answerers: dict[str, Answerer], family: str
) -> None:
    answers = ask(answerers[family], replace(SHORT, question=QUESTIONS[1], look="occlusion"), PICTURES[4])
    if answers.look is None:
        assert "did not make the answer less probable" in answers.look_note
    else:
        assert answers.look.shape == (8, 8)
        assert answers.look.sum() == pytest.approx(1, abs=1e-5)
        assert "Occlusion" in answers.look_note
    assert [word.text for word in answers.words] == QUESTIONS[1].split()


def judged_by_red(share: float) -> occlusion.Judge:
    """A judge whose answer hangs on how much red the picture has, and on the word "red"."""

    def judge(place: int, pictures: Sequence[Image.Image], questions: Sequence[str]) -> list[float]:
        reds = [float((np.asarray(picture)[..., 0] > 200).mean()) for picture in pictures]
        return [
            share * min(1.0, red / 0.25) * (1.0 if "red" in question.split() else 0.5)
            for red, question in zip(reds, questions, strict=True)
        ]

    return judge


def test_occlusion_finds_the_part_and_the_word_that_the_answer_hangs_on() -> None:
    picture = Image.new("RGB", (80, 40))
    ImageDraw.Draw(picture).rectangle((0, 0, 39, 19), fill="red")  # the top left quarter
    request = QuestionRequest(picture, AnswerOptions(question="is it red ?"))
    (found,) = occlusion.occlusion([request], [0.9], judged_by_red(0.9), occlusion.Effort(4, 5), Watch())
    assert found.look is not None
    assert found.look[:2, :2].sum() == pytest.approx(1)
    assert found.look[0, 0] == pytest.approx(0.25)
    assert "0.225" in found.look_note
    assert [(word.text, word.weight) for word in found.words] == [
        ("is", 0), ("it", 0), ("red", 1), ("?", 0)
    ]  # fmt: skip


def test_occlusion_of_what_nothing_hangs_on_shows_no_map() -> None:
    request = QuestionRequest(Image.new("RGB", (16, 16)), AnswerOptions(question="anything"))
    (found,) = occlusion.occlusion([request], [0.0], judged_by_red(0.9), occlusion.Effort(2, 8), Watch())
    assert found.look is None
    assert "did not make the answer less probable" in found.look_note
    assert [word.weight for word in found.words] == [None]
    assert "nothing to leave out" in found.words_note


# --- What is refused, and what is remarked ----------------------------------------------------------------------------


@each_family
@pytest.mark.parametrize("question", ["???", "...", "! ?"])
def test_a_question_without_words_is_refused(answerers: dict[str, Answerer], family: str, question: str) -> None:
    with pytest.raises(InvalidInput, match=r"no words\. Ask in words"):
        ask(answerers[family], replace(SHORT, question=question))


def test_an_empty_question_is_refused_before_any_model_is_asked() -> None:
    with pytest.raises(InvalidInput, match="no question yet"):
        AnswerOptions()


@each_family
@pytest.mark.parametrize("question", ["какого цвета куб?", "立方体是什么颜色?", "ما لون المكعب؟"])
def test_other_scripts_are_refused_by_models_that_read_english_only(
    answerers: dict[str, Answerer], family: str, question: str
) -> None:
    if family in ENGLISH:
        with pytest.raises(InvalidInput, match=r"English only.* choose Qwen3-VL"):
            ask(answerers[family], replace(SHORT, question=question))
    else:
        assert ask(answerers[family], replace(SHORT, question=question)).words


def test_latin_letters_with_accents_pass(answerers: dict[str, Answerer]) -> None:
    assert ask(answerers["blip"], replace(SHORT, question="is this a café?")).ranked


@each_family
def test_a_question_that_spells_a_control_token_is_refused(answerers: dict[str, Answerer], family: str) -> None:
    tokenizer: Any = answerers[family].family.tokenizer  # type: ignore[attr-defined]
    token = {"blip2": "<image>", "smolvlm": "<image>", "qwen3-vl": "<|image_pad|>"}.get(family, tokenizer.sep_token)
    for control in (token, tokenizer.all_special_tokens[0]):
        with pytest.raises(InvalidInput, match="Leave it out"):
            ask(answerers[family], replace(SHORT, question=f"a {control} cat"))


@pytest.mark.parametrize(("family", "most"), [("blip", 48), ("vilt", 40), ("blip2", 128), ("qwen3-vl", 512)])
def test_a_question_longer_than_the_model_reads_is_refused(
    answerers: dict[str, Answerer], family: str, most: int
) -> None:
    long = AnswerOptions(question="cat " * (most - 1), max_tokens=4)
    with pytest.raises(InvalidInput, match=rf"reads at most {most}\. Ask a shorter question"):
        ask(answerers[family], long)


def test_a_picture_too_narrow_for_vilt_is_refused(answerers: dict[str, Answerer]) -> None:
    with pytest.raises(InvalidInput, match=r"25 times as long as wide.* Crop it"):
        ask(answerers["vilt"], SHORT, Image.new("RGB", (200, 8)))


@pytest.mark.parametrize("family", ATTENDING)
def test_a_word_that_the_model_does_not_know_is_pointed_out(answerers: dict[str, Answerer], family: str) -> None:
    assert not any("does not know" in note for note in ask(answerers[family]).notes)
    unknown = ask(answerers[family], replace(SHORT, question="is the platypus red?"))
    assert any(note.endswith("does not know: is, platypus") for note in unknown.notes)


def test_one_bad_question_does_not_name_its_neighbours(answerers: dict[str, Answerer]) -> None:
    with pytest.raises(InvalidInput, match="no words"):
        answerers["blip"]([EVERYONE[0], QuestionRequest(PICTURES[0], replace(SHORT, question="?"))])


# --- Cancelling and intermediate answers ------------------------------------------------------------------------------


@pytest.mark.parametrize("family", WRITING)
def test_a_cancelled_run_stops_before_the_next_token(answerers: dict[str, Answerer], family: str) -> None:
    steps = 0

    def count(*_: Any) -> None:
        nonlocal steps
        steps += 1

    model: Any = answerers[family].family.model
    decoder = {"blip": "text_decoder", "blip2": "language_model"}.get(family)
    hook = (getattr(model, decoder) if decoder else model).register_forward_hook(count)
    request = QuestionRequest(PICTURES[0], replace(SHORT, max_tokens=64))
    try:
        with pytest.raises(Cancelled):
            answerers[family]([request], Watch([Item(request, StopsAfter(5))]))
    finally:
        hook.remove()
    assert 1 <= steps <= 5


@each_family
def test_occlusion_stops_between_two_batches_and_tells_how_far_it_is(
    answerers: dict[str, Answerer], family: str
) -> None:
    chosen = replace(SHORT, look="occlusion")
    stopped = Item(QuestionRequest(PICTURES[0], chosen), CancelToken())
    finished = Item(stopped.request, CancelToken())
    answerers[family]([finished.request], Watch([finished]))
    told = [finished.updates.get() for _ in range(finished.updates.qsize())]
    fractions = [update.fraction for update in told if isinstance(update, Progress)]
    assert fractions == sorted(fractions)  # type: ignore[type-var]
    assert len(fractions) >= 4

    class StopsWhenTold(Watch):
        def progress(self, text: str, fraction: float | None = None) -> None:
            super().progress(text, fraction)
            if fraction:
                stopped.token.cancel()

    with pytest.raises(Cancelled):
        answerers[family]([stopped.request], StopsWhenTold([stopped]))
    told = [stopped.updates.get() for _ in range(stopped.updates.qsize())]
    assert len([update for update in told if isinstance(update, Progress)]) == 2


def test_a_cancelled_request_leaves_its_neighbour_s_answer_alone(answerers: dict[str, Answerer]) -> None:
    for look in ("attention", "occlusion"):
        requests = [replace(one, options=replace(one.options, look=look)) for one in EVERYONE[:2]]
        gone = CancelToken()
        gone.cancel()
        _, kept = answerers["blip"](requests, Watch([Item(requests[0], gone), Item(requests[1], CancelToken())]))
        (alone,) = answerers["blip"]([requests[1]])
        assert_same(kept, alone)


@pytest.mark.parametrize("family", ["smolvlm", "qwen3-vl"])
def test_a_chat_model_tells_what_it_has_so_far(
    answerers: dict[str, Answerer], monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    monkeypatch.setattr("hub.writing.STEP_S", 0.0)
    item = Item(QuestionRequest(PICTURES[0], replace(SHORT, max_tokens=8)), CancelToken())
    (answers,) = answerers[family]([item.request], Watch([item]))
    updates = [item.updates.get() for _ in range(item.updates.qsize())]
    told = [update.value for update in updates if isinstance(update, Step)]
    assert len(told) >= 4
    assert all(answers.ranked[0].text.startswith(text.rstrip("\N{REPLACEMENT CHARACTER}")) for text in told)
    assert told[-1] == answers.ranked[0].text


# --- Devices, and what the demo declares ------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "look"), [*((name, "attention") for name in FAMILIES), ("blip", "occlusion")])
def test_a_model_also_runs_in_the_half_precision_that_a_gpu_holds_it_in(tmp_path: Path, family: str, look: str) -> None:
    answerer = Answerer.from_folder(family, tiny.save_answerer(family, tmp_path), dtype="bfloat16")
    requests = [replace(one, options=replace(one.options, look=look)) for one in EVERYONE[:2]]
    for answers in answerer(requests):
        assert all(np.isfinite(answer.probability) for answer in answers.ranked)
        assert answers.look is None or answers.look.sum() == pytest.approx(1, abs=1e-2)


def test_importing_the_demo_loads_no_model_library() -> None:
    code = "import sys, demos.vqa; print(*(name for name in sys.argv[1:] if name in sys.modules))"
    heavy = ("torch", "transformers", "open3d", "cv2", "onnxruntime", "rapidocr", "gradio")
    done = subprocess.run([sys.executable, "-c", code, *heavy], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_request_is_recorded_without_its_picture() -> None:
    assert QuestionRequest(PICTURES[0], AnswerOptions(question="red?")).recorded() == {
        "question": "red?",
        "answers": 5,
        "look": "attention",
        "max_tokens": 64,
    }


def test_the_note_on_blip_s_longest_answer_is_its_own(answerers: dict[str, Answerer]) -> None:
    answers = ask(answerers["blip"], replace(SHORT, max_tokens=500))
    assert all(len(answer.text.split()) <= blip.ANSWER_TOKENS for answer in answers.ranked)
