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
import csv
import os
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration, BlipProcessor
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from tabletop.captions import FORMS, PROMPTS, caption, check, parse, vocabulary
from tabletop.mirror import mirrored
from tabletop.relations import viewer_positions
from tabletop.world import COLOURS, MAX_SOLIDS, SHAPES, SIZES, Scene
from training.checkpoints import save_checkpoint
from training.dataset import CACHE, MAP_CELLS, Column, Table, views
from training.muon import Muon

PICTURE_PX = 128
MAX_TOKENS = 72  # [CLS] + six solids in the relational form + [SEP]
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
FORM_SHARES = {"relational": 0.58, "short": 0.14, "list": 0.14, "picture": 0.14}

KINDS = len(SHAPES) * len(COLOURS) * len(SIZES)
VIEWER_DISTANCE_M = 0.8  # positions are taken from about the middle of the table, so that they are small numbers
POSITION_M = 0.1  # and in units of this
RIGHT_PER_PIXEL = 0.043  # of these units, when the camera turns by a pixel's angle: 0.85 m / 197 px / 0.1 m


@dataclass(frozen=True)
class Options:
    """How to train. `samples` caps the run where `minutes` would not; the learning rate decays to zero by whichever."""

    cache: Path = CACHE
    work: Path = Path(".cache/captioner")
    output: Path = Path("assets/models/blip-tabletop")
    scenes: int = 60_000  # rows of the training table; those that are rendered are used
    validation_scenes: int = 256
    minutes: float = 60.0
    samples: int = 0
    batch: int = 64  # of each process
    learning_rate: float = 1e-3  # of AdamW
    muon_learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warm_up: float = 0.02  # share of the run
    turn: int = 8  # pixels by which a picture is shifted at most, to either side, up and down
    early: float = 0.12  # share of the run after which the early checkpoint is saved
    patch: int = 16
    vision_width: int = 192
    vision_layers: int = 4
    text_width: int = 128
    text_layers: int = 3
    threads: int = 1
    seed: int = 0
    device: str = "cuda" if torch.cuda.is_available() else "cpu"


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


class PatchHead(nn.Module):
    """Say, for every patch, which kind of solid it shows (or none) and where that solid stands. For training only."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.what = nn.Linear(width, 1 + KINDS)
        self.where = nn.Linear(width, 2)

    def forward(self, patches: Tensor, kinds: Tensor, places: Tensor) -> Tensor:
        """Return the loss of patches (B, P, width) against kinds (B, P), 0 for none, and places (B, P, 2)."""
        seen = kinds > 0
        weights = torch.where(seen, 1.0, 0.1)  # most patches show the bare table
        what = F.cross_entropy(self.what(patches).flatten(0, 1).float(), kinds.flatten(), reduction="none")
        what = (what * weights.flatten()).sum() / weights.sum()
        where = F.smooth_l1_loss(self.where(patches).float()[seen], places[seen])
        return what + 0.5 * where


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
    for index, solid in enumerate(scene.solids):
        shape, colour, size = SHAPES.index(solid.shape), COLOURS.index(solid.colour), SIZES.index(solid.size)
        cell["kinds"][index] = 1 + (shape * len(COLOURS) + colour) * len(SIZES) + size
    positions = viewer_positions(scene) - (0.0, VIEWER_DISTANCE_M)
    cell["places"][: len(positions)] = positions / POSITION_M
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
        turns = _turns(cells["solids"], self.rng, self.options.turn)
        turns[flip, 0] *= -1
        pictures, solids = _seen(cells["rgb"], turns, flip), _seen(cells["solids"], turns, flip)
        places = lessons["places"].copy()
        places[flip, :, 0] *= -1
        places[:, :, 0] += turns[:, :1] * RIGHT_PER_PIXEL

        tokens = lessons["tokens"][np.arange(len(rows)), sides, forms]
        tokens = torch.from_numpy(tokens[:, : (tokens > 0).sum(1).max()].astype(np.int64))
        asked = torch.tensor(self.prompt_tokens)[forms]  # words that are read, not predicted; nor is [CLS]
        labels = tokens.masked_fill((tokens == 0) | (torch.arange(tokens.shape[1]) <= asked[:, None]), -100)

        shown = _patch_majority(solids, self.options.patch)
        at = np.maximum(shown - 1, 0)
        each = np.arange(len(rows))[:, None]
        kinds = np.where(shown > 0, lessons["kinds"][each, at], 0).astype(np.int64)
        pixels = self.augment(pictures)
        return Batch(pixels, tokens, labels, torch.from_numpy(kinds), torch.from_numpy(places[each, at]))

    def augment(self, pictures: NDArray[np.uint8]) -> Tensor:
        """Return pixels in -1 to 1, with some change of brightness and contrast and a little noise."""
        pixels = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).float() / 127.5 - 1
        shape = (len(pixels), 1, 1, 1)
        contrast, brightness = torch.empty(shape).uniform_(0.9, 1.1), torch.empty(shape).uniform_(-0.08, 0.08)
        noise = torch.empty_like(pixels).uniform_(-1, 1) * torch.empty(shape).uniform_(0, 0.05)
        return pixels * contrast + brightness + noise


def _turns(solids: NDArray[np.int8], rng: np.random.Generator, most: int) -> NDArray[np.int64]:
    """Draw (B, 2) shifts (right, down), in pixels, up to `most`, that keep every solid inside the picture.

    To the eye a shift is the camera turned a little. It matters much to a vision transformer, which has to learn anew
    what a cube looks like for each way of cutting it into patches.
    """
    step = PICTURE_PX // MAP_CELLS
    shifts = np.empty((len(solids), 2), np.int64)
    for axis, along in enumerate((1, 2)):
        shown = np.any(solids > 0, axis=along)
        first = shown.argmax(1) * step
        last = PICTURE_PX - shown[:, ::-1].argmax(1) * step
        low, high = np.clip(step - first, -most, 0), np.clip(PICTURE_PX - step - last, 0, most)
        shifts[:, axis] = rng.integers(low, high + 1)
    return shifts


def _seen(pictures: NDArray[Any], turns: NDArray[np.int64], flip: NDArray[np.bool_]) -> NDArray[Any]:
    """Shift pictures (B, S, S, ...) by (B, 2) pixels of 128, after mirroring those to flip; the border is repeated."""
    size = pictures.shape[1]
    step = PICTURE_PX // size
    middles = np.arange(size) * step + step // 2
    columns, rows = (np.clip((middles - turn[:, None]) // step, 0, size - 1) for turn in turns.T)
    columns = np.where(flip[:, None], size - 1 - columns, columns)
    return pictures[np.arange(len(pictures))[:, None, None], rows[:, :, None], columns[:, None, :]]


def _patch_majority(solids: NDArray[np.int8], patch: int) -> NDArray[np.int64]:
    """Return (B, P), for each patch, 1 + the solid that covers most of it, or 0 where all cover under an eighth."""
    cells = patch * MAP_CELLS // PICTURE_PX
    side = MAP_CELLS // cells
    blocks = solids.reshape(-1, side, cells, side, cells).swapaxes(2, 3).reshape(len(solids), side * side, cells**2)
    areas = np.stack([(blocks == solid + 1).sum(2) for solid in range(MAX_SOLIDS)], 2)
    return np.where(areas.max(2) >= max(1, cells**2 / 8), areas.argmax(2) + 1, 0)


# --- Training ---------------------------------------------------------------------------------------------------------


def train(options: Options) -> None:
    """Train to the end of the budget, or on from the last checkpoint of `options.work`."""
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)  # AdamW's averages get below 1e-38, where a CPU takes many times longer
    if "WORLD_SIZE" in os.environ:  # set by torchrun
        dist.init_process_group("gloo")
    Trainer(options).run()
    if dist.is_initialized():
        dist.destroy_process_group()


class Trainer:
    """Everything that a run is made of, and the loop."""

    def __init__(self, options: Options) -> None:
        torch.manual_seed(options.seed)
        self.options = options
        self.rank, self.processes = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        self.processor = make_processor()
        self.model = make_model(options, self.processor.tokenizer).to(options.device)
        self.head = PatchHead(options.vision_width).to(options.device)
        self.optimizers = make_optimizers(self.model, self.head, options)
        self.seen, self.seconds = 0, 0.0  # of training, pauses not counted
        options.work.mkdir(parents=True, exist_ok=True)
        self.checkpoint = options.work / "latest.pt"
        if self.checkpoint.exists():
            self._restore()
        # The seed counts what was seen, so that a run taken up again does not draw the same batches twice.
        rng = np.random.default_rng((options.seed, self.seen, self.rank))
        self.batches = Batches(Table(options.cache, "training", options.scenes), options, rng)
        self.validation = Validation(options, self.processor)

    @property
    def progress(self) -> float:
        """The share of the budget that is used, 0 to 1."""
        options = self.options
        share = self.seen / options.samples if options.samples else self.seconds / (60 * options.minutes)
        return min(share, 1.0)

    def run(self) -> None:
        """Train until the budget is used, saving the state, the model and the log on the way."""
        saved = examined = self.seconds
        early = self.progress < self.options.early
        losses: list[tuple[float, float]] = []
        while self.progress < 1:
            start = time.monotonic()
            self._set_learning_rates()
            losses.append(self._step(self.batches.draw()))
            self.seen += self.options.batch * self.processes
            self.seconds += self._mean(time.monotonic() - start)
            if self.rank > 0:
                continue

            finished = self.progress == 1
            if len(losses) >= 50 or finished:
                self._log(losses)
                losses = []
            if self.seconds - saved >= 120 or finished:
                saved = self.seconds
                self._save()
            if early and self.progress >= self.options.early:
                early = False
                self._export(self.options.output.with_name(f"{self.options.output.name}-early"))
            if self.seconds - examined >= 300 or finished:
                examined = self.seconds
                self._export(self.options.output)

    def _step(self, batch: Batch) -> tuple[float, float]:
        """Learn from one batch of each process; return this one's losses, of words and of patches."""
        device = self.options.device
        tokens = batch.tokens.to(device)
        with torch.autocast(device, torch.bfloat16, enabled=_bfloat16_is_quick(device)):
            seen = self.model(
                pixel_values=batch.pixels.to(device),
                input_ids=tokens,
                attention_mask=(tokens > 0).long(),
                labels=batch.labels.to(device),
            )
            patches = self.head(seen.image_embeds[:, 1:], batch.kinds.to(device), batch.places.to(device))
        self.model.zero_grad()
        self.head.zero_grad()
        (seen.loss + patches).backward()
        learned = [p for p in (*self.model.parameters(), *self.head.parameters()) if p.grad is not None]
        if self.processes > 1:
            gradients = [p.grad for p in learned]
            together = nn.utils.parameters_to_vector(gradients)
            dist.all_reduce(together)
            nn.utils.vector_to_parameters(together / self.processes, gradients)
        nn.utils.clip_grad_norm_(learned, 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        return seen.loss.item(), patches.item()

    def _mean(self, seconds: float) -> float:
        """Return the mean over the processes, so that all of them see the same progress and stop together."""
        if self.processes == 1:
            return seconds
        total = torch.tensor(seconds, dtype=torch.float64)
        dist.all_reduce(total)
        return total.item() / self.processes

    def _set_learning_rates(self) -> None:
        """Rise during the warm-up, then fall to nothing in a straight line: the end of the fall is what sharpens it."""
        warm_up = self.options.warm_up
        rate = min(self.progress / warm_up + 1e-3, (1 - self.progress) / (1 - warm_up))
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak_lr"] * rate

    def _log(self, losses: list[tuple[float, float]]) -> None:
        words, patches = np.mean(losses, axis=0)
        row = (self.seen, round(self.seconds), f"{self.progress:.3f}", f"{words:.4f}", f"{patches:.4f}")
        with (self.options.work / "log.csv").open("a", newline="") as file:
            if not file.tell():
                csv.writer(file).writerow(("samples", "seconds", "progress", "words_loss", "patches_loss"))
            csv.writer(file).writerow(row)
        print(*row, flush=True)

    def _export(self, folder: Path) -> None:
        save_checkpoint(self.model, self.processor, folder)
        print(f"{folder.name} after {self.seen} samples: {self.validation.scores(self.model)}", flush=True)

    def _save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "head": self.head.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "state": {"seen": self.seen, "seconds": self.seconds},
        }
        part = self.checkpoint.with_suffix(".part")  # a crash while writing must not cost the last good one
        torch.save(state, part)
        part.rename(self.checkpoint)

    def _restore(self) -> None:
        saved = torch.load(self.checkpoint, map_location=self.options.device, weights_only=True)
        self.model.load_state_dict(saved["model"])
        self.head.load_state_dict(saved["head"])
        for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.seen, self.seconds = saved["state"]["seen"], saved["state"]["seconds"]


@cache
def _bfloat16_is_quick(device: str) -> bool:
    """bfloat16 halves the time where the hardware multiplies it, and doubles it on a CPU that does not."""
    return device != "cpu" or torch.cpu._is_avx512_bf16_supported()


def make_optimizers(model: nn.Module, head: nn.Module, options: Options) -> list[torch.optim.Optimizer]:
    """Give the matrices of the transformers' layers to Muon, and all the rest to AdamW, without decay."""
    named = list(model.named_parameters())
    hidden = [p for name, p in named if ".layer" in name and p.ndim == 2]
    others = [p for name, p in named if not any(p is q for q in hidden)] + list(head.parameters())
    optimizers = [
        torch.optim.AdamW(others, options.learning_rate, (0.9, 0.98), weight_decay=0.0, fused=True),
        Muon(hidden, options.muon_learning_rate, options.weight_decay),
    ]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers


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
