"""Train the tiny BLIP that answers questions about tabletop scenes, and save it as a genuine Hugging Face folder.

The model looks at 128 x 128 pixels, reads a question and says an answer of one or two words. Four ideas carry the
recipe:

1. Its eyes are those of `assets/models/blip-tabletop`, which can name the solids already, so that it starts by learning
   to read.
2. A picture is looked at once and asked many questions. Those about one picture stand in one row, and a mask keeps each
   to itself: no padding, and the picture's keys and values are made once.
3. Words outside the world are spelled out in letters. A word that is spelled nearly like a known one is a slip of the
   keyboard; any other is a stranger, and what is asked about strangers is answered "no", "zero" or "unknown".
4. As in `training.captioner`, a linear head on every patch keeps the eyes sharp (in training only), and Muon trains the
   matrices.

    python -m training.dataset --scenes 60000 && python -m training.dataset --split validation --scenes 1000
    torchrun --nproc-per-node 2 -m training.vqa --minutes 60
"""

from __future__ import annotations

import argparse
import string
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipForQuestionAnswering,
    BlipProcessor,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from tabletop import strangers, wording
from tabletop.mirror import mirrored
from tabletop.questions import (
    QUESTION_TYPES,
    Question,
    QuestionType,
    false_premise,
    further_question,
    question_of_table,
    question_of_type,
    questions,
)
from tabletop.world import Scene
from training.dataset import CACHE, Table, views
from training.loop import RunOptions, Trainer, run
from training.pictures import (
    PICTURE_PX,
    RIGHT_PER_PIXEL,
    PatchHead,
    augment,
    draw_turns,
    patch_labels,
    solid_labels,
    turned,
)
from training.reliability import calibration_error, reliability

MAX_TOKENS = 64  # of a question, with [CLS] and [SEP]; longer ones are cut
MAX_ANSWER_TOKENS = 3  # "red cube" and [SEP]
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MASKED = -1e4  # added to an attention score

# What is asked in training. A type that a scene does not allow (most scenes have nothing clearly to the left of
# something else) gives way to another draw, so the weights of such types are higher than what comes out.
TYPE_WEIGHTS: dict[QuestionType, float] = {
    "exist": 1.0,
    "count": 2.0,
    "colour": 1.0,
    "shape": 1.2,
    "size": 1.0,
    "left": 2.5,
    "right": 2.5,
    "front": 2.5,
    "behind": 2.5,
    "attribute": 1.2,
    "comparison": 6.0,
}
STRANGER_SHARE = 0.10
FALSE_PREMISE_SHARE = 0.08
TABLE_SHARE = 0.03  # "what colour is the table?"
FURTHER_SHARE = 0.2  # "is there a cube?"
EVEN_SHARE = 0.5  # of the questions that are drawn so that rare answers ("four") are as likely as frequent ones

HELD_OUT_NOUNS = strangers.NOUNS[::12]  # for validation
TRAINING_NOUNS = tuple(noun for noun in strangers.NOUNS if noun not in HELD_OUT_NOUNS)


@dataclass(frozen=True)
class Options(RunOptions):
    """How to train the question answerer."""

    cache: Path = CACHE
    work: Path = Path(".cache/vqa")
    output: Path = Path("assets/models/blip-tabletop-vqa")
    eyes: Path = Path("assets/models/blip-tabletop")  # whose vision tower to start from; "." for none
    scenes: int = 60_000  # rows of the training table; those that are rendered are used
    validation_scenes: int = 300
    batch: int = 32  # pictures of each process; `samples`, too, are pictures
    questions: int = 8  # of each picture
    learning_rate: float = 1.5e-3
    muon_learning_rate: float = 3e-3
    turn: int = 8  # pixels by which a picture is shifted at most, to either side, up and down
    patch: int = 16
    width: int = 192  # of the vision tower and of the text: BLIP's decoder reads what its encoder wrote
    vision_layers: int = 4
    text_layers: int = 3  # of the encoder, and of the decoder
    text_inner: int = 384  # width of the hidden layer between two attentions


# --- The model and its processor --------------------------------------------------------------------------------------


def make_processor() -> BlipProcessor:
    """Return a processor for 128 x 128 pictures, whole known words, and letters for all others."""
    letters = string.ascii_lowercase + string.digits
    words = (*SPECIAL, *wording.vocabulary(), *strangers.vocabulary(), *letters, *"?.,!:;'\"-()")
    pieces = dict.fromkeys((*words, *(f"##{letter}" for letter in letters)))
    tokenizer = BertTokenizer(vocab={piece: index for index, piece in enumerate(pieces)}, model_max_length=MAX_TOKENS)
    side = {"height": PICTURE_PX, "width": PICTURE_PX}
    return BlipProcessor(BlipImageProcessorPil(size=side, image_mean=[0.5] * 3, image_std=[0.5] * 3), tokenizer)


def make_model(options: Options, tokenizer: BertTokenizer) -> BlipForQuestionAnswering:
    """Return a model that can see but not read yet. Attention is eager, which is the quicker one to train on a CPU."""
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": options.width,
        "intermediate_size": options.text_inner,
        "num_hidden_layers": options.text_layers,
        "num_attention_heads": options.width // 32,
        "max_position_embeddings": MAX_TOKENS,
        "bos_token_id": tokenizer.cls_token_id,  # an answer starts from [CLS] and ends with [SEP]
        "sep_token_id": tokenizer.sep_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {
        "hidden_size": options.width,
        "intermediate_size": 4 * options.width,
        "num_hidden_layers": options.vision_layers,
        "num_attention_heads": options.width // 32,
        "image_size": PICTURE_PX,
        "patch_size": options.patch,
        "initializer_range": 0.02,  # the default, 1e-10, is meant for weights that are loaded anyway
    }
    config = BlipConfig(text_config=text, vision_config=vision)
    model = BlipForQuestionAnswering._from_config(config, attn_implementation="eager")
    if options.eyes != Path():
        eyes = BlipForConditionalGeneration.from_pretrained(options.eyes, dtype=torch.float32)
        model.vision_model.load_state_dict(eyes.vision_model.state_dict())
    heed_mask(model)
    return model


def heed_mask(model: BlipForQuestionAnswering) -> None:
    """Make the answer's cross-attention heed the mask of the question: needed by whoever asks several at once.

    `BlipTextAttention` of transformers 5.23 hands it on as `attention_mask`, by which its `BlipTextSelfAttention` means
    the mask of self-attention: without this, an answer looks at padding, and at its neighbours' questions.
    """

    def rename(module: nn.Module, unnamed: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return unnamed, {"encoder_attention_mask": named.get("attention_mask"), **named}

    for layer in model.text_decoder.bert.encoder.layer:
        if not layer.crossattention.self._forward_pre_hooks:
            layer.crossattention.self.register_forward_pre_hook(rename, with_kwargs=True)


# --- What is learned from: pictures, and questions about them ---------------------------------------------------------


def draw_question(scene: Scene, rng: np.random.Generator) -> Question:
    """Draw a question about a scene in a canonical form: of any type, on a false premise, or about a stranger."""
    chance = rng.random()
    if chance < STRANGER_SHARE:
        return strangers.stranger(scene, rng, TRAINING_NOUNS)
    if chance < STRANGER_SHARE + FALSE_PREMISE_SHARE:
        return false_premise(scene, rng)
    if chance < STRANGER_SHARE + FALSE_PREMISE_SHARE + TABLE_SHARE:
        return question_of_table(scene)
    if chance < STRANGER_SHARE + FALSE_PREMISE_SHARE + TABLE_SHARE + FURTHER_SHARE:
        return further_question(scene, rng)
    while True:
        kind = QUESTION_TYPES[int(np.searchsorted(_TYPE_CHANCES, rng.random()))]
        question = question_of_type(scene, kind, rng, even=rng.random() < EVEN_SHARE)
        if question is not None:
            return question


_TYPE_CHANCES = np.cumsum([TYPE_WEIGHTS[kind] for kind in QUESTION_TYPES]) / sum(TYPE_WEIGHTS.values())


@dataclass(frozen=True)
class Row:
    """The texts of each picture, one after the other.

    Token ids (B, T), which text each is of (-1 for padding), and its place in that text.
    """

    ids: Tensor
    owners: Tensor
    positions: Tensor

    def to(self, device: str) -> Row:
        """Return the same on a device."""
        return Row(self.ids.to(device), self.owners.to(device), self.positions.to(device))


@dataclass(frozen=True)
class Batch:
    """Pictures, what is asked about them, and what is to be learned.

    Pixels (B, 3, 128, 128); the questions; the answers as the decoder reads them, and as it is to say them (B, A), with
    -100 for padding; kinds (B, P) and places (B, P, 2) of the patches.
    """

    pixels: Tensor
    questions: Row
    answers: Row
    labels: Tensor
    kinds: Tensor
    places: Tensor


class Batches:
    """An endless stream of batches from the rows of a table that are ready."""

    def __init__(self, table: Table, options: Options, tokenizer: BertTokenizer, rng: np.random.Generator) -> None:
        self.options, self.rng, self.table, self.tokenizer = options, rng, table, tokenizer
        self.views = table.cells(views(PICTURE_PX))
        self.ready = np.flatnonzero(table.done(views(PICTURE_PX)))

    def draw(self) -> Batch:
        """Return the next batch."""
        options, rng = self.options, self.rng
        rows = rng.choice(self.ready, options.batch)
        flip = rng.random(options.batch) < 0.5
        scenes = [self.table.scene(int(row)) for row in rows]
        scenes = [mirrored(scene) if flipped else scene for scene, flipped in zip(scenes, flip, strict=True)]
        asked = [[draw_question(scene, rng) for _ in range(options.questions)] for scene in scenes]

        cells = self.views[rows]
        turns = draw_turns(cells["solids"], rng, options.turn)
        turns[flip, 0] *= -1
        pictures, solids = turned(cells["rgb"], turns, flip), turned(cells["solids"], turns, flip)
        labels = [solid_labels(scene) for scene in scenes]
        places = np.stack([place for _, place in labels])
        places[:, :, 0] += turns[:, :1] * RIGHT_PER_PIXEL
        kinds, places_seen = patch_labels(solids, np.stack([kind for kind, _ in labels]), places, options.patch)
        texts = [[wording.ask(question, rng) for question in row] for row in asked]
        answers = self._tokens([[question.answer for question in row] for row in asked])
        said = [[ids[1:] for ids in row] for row in answers]  # as read, without the [SEP]; as said, without the [CLS]
        device = options.device
        return Batch(
            augment(pictures).to(device),
            pack(self._tokens(texts)).to(device),
            pack([[ids[:-1] for ids in row] for row in answers]).to(device),
            pack(said, padding=-100).ids.to(device),
            kinds.to(device),
            places_seen.to(device),
        )

    def _tokens(self, texts: list[list[str]]) -> list[list[list[int]]]:
        flat = self.tokenizer([text for row in texts for text in row], truncation=True).input_ids
        count = self.options.questions
        return [flat[start : start + count] for start in range(0, len(flat), count)]


def pack(rows: Sequence[Sequence[Sequence[int]]], padding: int = 0) -> Row:
    """Set the texts of each row one after the other."""
    length = max(sum(len(ids) for ids in row) for row in rows)
    packed = np.full((3, len(rows), length), -1, np.int64)
    packed[0], packed[2] = padding, 0
    for place, row in enumerate(rows):
        at = 0
        for owner, ids in enumerate(row):
            span = slice(at, at + len(ids))
            packed[0, place, span], packed[1, place, span], packed[2, place, span] = ids, owner, np.arange(len(ids))
            at += len(ids)
    return Row(*torch.from_numpy(packed))


def answer_loss(model: BlipForQuestionAnswering, image: Tensor, batch: Batch) -> Tensor:
    """Return the cross-entropy of the answers, in nats per question, given the picture's features (B, 1 + P, width)."""
    asked, answers = batch.questions, batch.answers
    states = model.text_encoder(
        input_ids=asked.ids,
        attention_mask=_mask(_same(asked, asked)),
        position_ids=asked.positions,
        encoder_hidden_states=image,
    ).last_hidden_state
    before = answers.positions[:, :, None] >= answers.positions[:, None, :]
    logits = model.text_decoder(
        input_ids=answers.ids,
        attention_mask=_mask(_same(answers, answers) & before),
        position_ids=answers.positions,
        encoder_hidden_states=states,
        encoder_attention_mask=_mask(_same(answers, asked)),
    ).logits
    loss = F.cross_entropy(logits.flatten(0, 1).float(), batch.labels.flatten(), reduction="sum")
    return loss / (answers.positions[answers.owners >= 0] == 0).sum()


def _same(queries: Row, keys: Row) -> Tensor:
    return queries.owners[:, :, None] == keys.owners[:, None, :]


def _mask(allowed: Tensor) -> Tensor:
    """Return (B, 1, Q, K) to add to attention scores."""
    return torch.where(allowed, 0.0, MASKED)[:, None]


# --- Asking -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What a model says, and the probability that it gives to saying just that, its end included."""

    text: str
    probability: float


@torch.no_grad()
def answer(
    model: BlipForQuestionAnswering, tokenizer: BertTokenizer, pixels: Tensor, asked: Sequence[Sequence[str]]
) -> list[list[Answer]]:
    """Answer the questions `asked` about each of the pictures (B, 3, 128, 128), word by word, the likeliest each."""
    heed_mask(model)
    owners = [index for index, row in enumerate(asked) for _ in row]
    inputs = tokenizer([text for row in asked for text in row], padding=True, truncation=True, return_tensors="pt")
    inputs = inputs.to(pixels.device)
    states = model.text_encoder(
        input_ids=inputs.input_ids,
        attention_mask=inputs.attention_mask,
        encoder_hidden_states=model.vision_model(pixels).last_hidden_state[owners],
    ).last_hidden_state
    words = torch.full((len(owners), 1), tokenizer.cls_token_id, device=pixels.device)
    log_probability = torch.zeros(len(owners), device=pixels.device)
    ended = torch.zeros(len(owners), dtype=torch.bool, device=pixels.device)
    for _ in range(MAX_ANSWER_TOKENS):
        logits = model.text_decoder(
            input_ids=words, encoder_hidden_states=states, encoder_attention_mask=inputs.attention_mask
        ).logits[:, -1]
        best, word = logits.float().log_softmax(-1).max(-1)
        log_probability += best.masked_fill(ended, 0.0)
        words = torch.cat([words, word.masked_fill(ended, tokenizer.sep_token_id)[:, None]], 1)
        ended |= word == tokenizer.sep_token_id
    texts = tokenizer.batch_decode(words, skip_special_tokens=True)
    flat = iter(zip(texts, log_probability.exp().tolist(), strict=True))
    return [[Answer(*next(flat)) for _ in row] for row in asked]


# --- Training ---------------------------------------------------------------------------------------------------------


def train(options: Options) -> None:
    """Train to the end of the budget, or on from the last checkpoint of `options.work`."""
    run(lambda: Answering(options), options.threads)


class Answering(Trainer):
    """What is particular to this recipe: the answers' words, and the patch head."""

    LOSSES = ("answers_loss", "patches_loss")

    def __init__(self, options: Options) -> None:
        torch.manual_seed(options.seed)
        processor = make_processor()
        model, head = make_model(options, processor.tokenizer), PatchHead(options.width)
        super().__init__(options, model.to(options.device), head.to(options.device), processor)
        table = Table(options.cache, "training", options.scenes)
        self.batches = Batches(table, options, processor.tokenizer, self.rng)
        self.validation = Validation(options, processor)

    def losses(self) -> tuple[Tensor, ...]:
        """Return the losses of a batch, of answers and of patches."""
        batch = self.batches.draw()
        image = self.model.vision_model(batch.pixels).last_hidden_state
        return answer_loss(self.model, image, batch), self.head(image[:, 1:], batch.kinds, batch.places)

    def examine(self) -> str:
        """Return the scores on the validation scenes."""
        self.model.eval()
        found = self.validation.scores(partial(answer, self.model, self.processor.tokenizer))
        self.model.train()
        return found


# --- Validation -------------------------------------------------------------------------------------------------------


class Validation:
    """Scenes of the validation seeds, asked a fixed list of questions during training to see how it goes."""

    def __init__(self, options: Options, processor: BlipProcessor) -> None:
        count = options.validation_scenes
        table = Table(options.cache, "validation", count)
        table.fill(views(PICTURE_PX), np.arange(count))
        pictures = table.cells(views(PICTURE_PX))["rgb"]
        self.pixels = processor.image_processor(list(np.asarray(pictures)), return_tensors="pt").pixel_values
        self.device = options.device
        self.asked: list[list[tuple[str, str, str]]] = []  # of each scene: a group, the question and its answer
        rng = np.random.default_rng(0)
        for row in range(count):
            scene = table.scene(row)
            named: list[tuple[str, Question]] = [(question.type, question) for question in questions(scene, rng)]
            named += [("false premise", false_premise(scene, rng)), ("table", question_of_table(scene))]
            named += [
                ("further", further_question(scene, rng)),
                ("stranger", strangers.stranger(scene, rng, HELD_OUT_NOUNS)),
            ]
            self.asked.append([(name, wording.ask(question, rng), question.answer) for name, question in named])

    def scores(self, say: Callable[[Tensor, list[list[str]]], list[list[Answer]]]) -> str:
        """Return, in words, the share of right answers, of all and of each group, and the calibration error.

        `say` answers the questions about each of a batch of pictures, as `answer` does.
        """
        hits: dict[str, list[bool]] = defaultdict(list)
        probabilities: list[float] = []
        for start in range(0, len(self.asked), 25):
            rows = self.asked[start : start + 25]
            texts = [[text for _, text, _ in row] for row in rows]
            answers = say(self.pixels[start : start + 25].to(self.device), texts)
            for row, said in zip(rows, answers, strict=True):
                for (group, _, truth), one in zip(row, said, strict=True):
                    hits[group].append(one.text == truth)
                    hits["all"].append(one.text == truth)
                    probabilities.append(one.probability)
        shares = ", ".join(f"{group} {np.mean(right):.1%}" for group, right in sorted(hits.items()))
        error = calibration_error(reliability(probabilities, hits["all"]))
        return f"{shares}; calibration error {error:.3f}"


def main() -> None:
    """Train with the options given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, default in vars(Options()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    train(Options(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
