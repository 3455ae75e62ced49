"""Train the tiny BLIP that captions tabletop scenes, and save it as a genuine Hugging Face folder.

The model looks at 128 x 128 pixels and says one sentence of the grammar of `tabletop.captions`. Three ideas carry the
recipe:

1. Asked for nothing, it says the relational form. The words that ask for another form ("i see", "there", "a picture
   of") are read in training, never predicted: prompting with them works, and not prompting is unambiguous.
2. Captions alone teach a vision transformer slowly. In training only, a linear head on every patch also says which
   solid the patch shows and where that solid stands: a dense, direct signal. It is thrown away afterwards.
3. On a CPU every sample counts, so the matrices are trained by Muon. Its patch loss after 19,000 samples was 0.84, and
   AdamW's 1.08, with the same pictures and budget.

    python -m training.dataset --scenes 60000 && python -m training.dataset --split validation --scenes 500
    torchrun --nproc-per-node 2 -m training.captioner --minutes 60

One process (`python -m training.captioner`) works too. On a CPU that has other work, two processes of one thread each,
their gradients averaged, are quicker than one of two threads (about 80 and 55 pictures a second when measured).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration, BlipProcessor
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from tabletop.captions import FORMS, PROMPTS, caption, check, parse, vocabulary
from tabletop.mirror import mirrored
from tabletop.world import MAX_SOLIDS, Scene
from training.dataset import CACHE, Column, Table, views
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

MAX_TOKENS = 72  # [CLS] + six solids in the relational form + [SEP]
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
FORM_SHARES = {"relational": 0.58, "short": 0.14, "list": 0.14, "picture": 0.14}


@dataclass(frozen=True)
class Options(RunOptions):
    """How to train the captioner."""

    cache: Path = CACHE
    work: Path = Path(".cache/captioner")
    output: Path = Path("assets/models/blip-tabletop")
    scenes: int = 60_000  # rows of the training table; those that are rendered are used
    validation_scenes: int = 256
    turn: int = 8  # pixels by which a picture is shifted at most, to either side, up and down
    patch: int = 16
    vision_width: int = 192
    vision_layers: int = 4
    text_width: int = 128
    text_layers: int = 3


# --- The model and its processor --------------------------------------------------------------------------------------


def make_processor() -> BlipProcessor:
    """Return a processor for 128 x 128 pictures and whole words, one token each."""
    words = {word: index for index, word in enumerate((*SPECIAL, *vocabulary()))}
    tokenizer = BertTokenizer(vocab=words, model_max_length=MAX_TOKENS)
    side = {"height": PICTURE_PX, "width": PICTURE_PX}
    pictures = BlipImageProcessorPil(size=side, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    return BlipProcessor(pictures, tokenizer)


def make_model(options: Options, tokenizer: BertTokenizer) -> BlipForConditionalGeneration:
    """Return an untrained model. Attention is eager: on a CPU its backward pass is quicker than the fused one's."""
    # BLIP's generate() starts from bos and stops at sep, and processor() puts [CLS] and [SEP] around a prompt.
    tokens = {
        "bos_token_id": tokenizer.cls_token_id,
        "sep_token_id": tokenizer.sep_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": options.text_width,
        "intermediate_size": 4 * options.text_width,
        "num_hidden_layers": options.text_layers,
        "num_attention_heads": options.text_width // 32,
        "max_position_embeddings": MAX_TOKENS,
        **tokens,
    }
    vision = {
        "hidden_size": options.vision_width,
        "intermediate_size": 4 * options.vision_width,
        "num_hidden_layers": options.vision_layers,
        "num_attention_heads": options.vision_width // 32,
        "image_size": PICTURE_PX,
        "patch_size": options.patch,
        "initializer_range": 0.02,  # the default, 1e-10, is meant for weights that are loaded anyway
    }
    config = BlipConfig(text_config=text, vision_config=vision)
    return BlipForConditionalGeneration._from_config(config, attn_implementation="eager")


# --- What is learned from: pictures, captions, patch labels -----------------------------------------------------------

LESSON = np.dtype(
    [
        ("tokens", "u1", (2, len(FORMS), MAX_TOKENS)),  # of the scene and of its mirror image, in every form
        ("kinds", "u1", (MAX_SOLIDS,)),  # of each solid, 1 to KINDS
        ("places", "f4", (MAX_SOLIDS, 2)),  # of each solid: right, away
    ]
)


@cache
def _tokenizer() -> BertTokenizer:
    return make_processor().tokenizer


def lesson(scene: Scene) -> NDArray[Any]:
    """Return a scene's words and patch labels, as a cell of the `LESSONS` column."""
    cell = np.zeros((), LESSON)
    for side, seen in enumerate((scene, mirrored(scene))):
        for form_index, form in enumerate(FORMS):
            ids = _tokenizer()(caption(seen, form)).input_ids
            cell["tokens"][side, form_index, : len(ids)] = ids
    cell["kinds"], cell["places"] = solid_labels(scene)
    return cell


LESSONS = Column("captioner-lessons", LESSON, lesson)


@dataclass(frozen=True)
class Batch:
    """Pixels (B, 3, 128, 128); token ids and labels (B, T); kinds (B, P) and places (B, P, 2) of the patches."""

    pixels: Tensor
    tokens: Tensor
    labels: Tensor
    kinds: Tensor
    places: Tensor


class Batches:
    """An endless stream of batches from the rows of a table that are ready."""

    def __init__(self, table: Table, options: Options, rng: np.random.Generator) -> None:
        self.options, self.rng, self.table = options, rng, table
        self.views, self.lessons = table.cells(views(PICTURE_PX)), table.cells(LESSONS)
        self.prompt_tokens = [len(PROMPTS[form].split()) for form in FORMS]
        self.queue: list[NDArray[np.intp]] = []
        self.ready = np.flatnonzero(table.done(views(PICTURE_PX)))
        table.fill(LESSONS, self.ready)

    def draw(self) -> Batch:
        """Return the next batch: captions of about the same length, so that little is spent on padding."""
        if not self.queue:
            count = self.options.batch * 16
            rows = self.rng.choice(self.ready, count)
            sides = self.rng.integers(0, 2, count)
            forms = self.rng.choice(len(FORMS), count, p=[FORM_SHARES[form] for form in FORMS])
            lengths = (self.lessons["tokens"][rows, sides, forms] > 0).sum(1)
            picks = np.stack([rows, sides, forms], 1)[np.argsort(lengths, kind="stable")]
            self.queue = [picks[start : start + self.options.batch] for start in range(0, count, self.options.batch)]
            self.rng.shuffle(self.queue)
        return self.assemble(self.queue.pop())

    def assemble(self, picks: NDArray[np.intp]) -> Batch:
        """Put a batch together from (B, 3) picks: row, 1 for its mirror image, form."""
        rows, sides, forms = picks.T
        cells, lessons = self.views[rows], self.lessons[rows]
        flip = sides == 1
        turns = draw_turns(cells["solids"], self.rng, self.options.turn)
        turns[flip, 0] *= -1
        pictures, solids = turned(cells["rgb"], turns, flip), turned(cells["solids"], turns, flip)
        places = lessons["places"].copy()
        places[flip, :, 0] *= -1
        places[:, :, 0] += turns[:, :1] * RIGHT_PER_PIXEL

        tokens = lessons["tokens"][np.arange(len(rows)), sides, forms]
        tokens = torch.from_numpy(tokens[:, : (tokens > 0).sum(1).max()].astype(np.int64))
        asked = torch.tensor(self.prompt_tokens)[forms]  # words that are read, not predicted; nor is [CLS]
        labels = tokens.masked_fill((tokens == 0) | (torch.arange(tokens.shape[1]) <= asked[:, None]), -100)

        kinds, seen_places = patch_labels(solids, lessons["kinds"], places, self.options.patch)
        return Batch(augment(pictures), tokens, labels, kinds, seen_places)


# --- Training ---------------------------------------------------------------------------------------------------------


def train(options: Options) -> None:
    """Train to the end of the budget, or on from the last checkpoint of `options.work`."""
    run(lambda: Captioning(options), options.threads)


class Captioning(Trainer):
    """What is particular to this recipe: next-word prediction, and the patch head."""

    LOSSES = ("words_loss", "patches_loss")

    def __init__(self, options: Options) -> None:
        torch.manual_seed(options.seed)
        processor = make_processor()
        model, head = make_model(options, processor.tokenizer), PatchHead(options.vision_width)
        super().__init__(options, model.to(options.device), head.to(options.device), processor)
        self.device = options.device
        self.batches = Batches(Table(options.cache, "training", options.scenes), options, self.rng)
        self.validation = Validation(options, processor)

    def losses(self) -> tuple[Tensor, ...]:
        """Return the losses of a batch, of words and of patches."""
        batch, device = self.batches.draw(), self.device
        tokens = batch.tokens.to(device)
        seen = self.model(
            pixel_values=batch.pixels.to(device),
            input_ids=tokens,
            attention_mask=(tokens > 0).long(),
            labels=batch.labels.to(device),
        )
        patches = self.head(seen.image_embeds[:, 1:], batch.kinds.to(device), batch.places.to(device))
        return seen.loss, patches

    def examine(self) -> str:
        """Return the scores on the validation scenes."""
        return self.validation.scores(self.model)


# --- Validation -------------------------------------------------------------------------------------------------------


class Validation:
    """A few hundred scenes of the validation seeds, captioned greedily during training to see how it goes."""

    def __init__(self, options: Options, processor: BlipProcessor) -> None:
        scenes = options.validation_scenes
        table = Table(options.cache, "validation", scenes)
        table.fill(views(PICTURE_PX), np.arange(scenes))
        self.scenes = [table.scene(row) for row in range(scenes)]
        pictures = table.cells(views(PICTURE_PX))["rgb"]
        self.pixels = processor.image_processor(list(np.asarray(pictures)), return_tensors="pt").pixel_values
        self.processor, self.device = processor, options.device

    @torch.no_grad()
    def scores(self, model: BlipForConditionalGeneration) -> str:
        """Return, in words, the share of solids named, of captions wholly true, and the number outside the grammar."""
        model.eval()
        verdicts, outside = [], 0
        for start in range(0, len(self.scenes), 64):
            ids = model.generate(self.pixels[start : start + 64].to(self.device), max_new_tokens=MAX_TOKENS - 1)
            texts = self.processor.batch_decode(ids, skip_special_tokens=True)
            for scene, text in zip(self.scenes[start : start + 64], texts, strict=True):
                claims = parse(text)
                outside += claims is None
                verdicts += [check(claims, scene)] if claims else []
        model.train()
        named = sum(v.named for v in verdicts) / sum(len(scene.solids) for scene in self.scenes)
        true = sum(v.true for v in verdicts) / len(self.scenes)
        return f"solids named {named:.1%}, captions true {true:.1%}, {outside} outside the grammar"


def main() -> None:
    """Train with the options given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, default in vars(Options()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    train(Options(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
