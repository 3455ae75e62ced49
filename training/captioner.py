"""Train the tiny BLIP that captions tabletop scenes, and save it as a genuine Hugging Face folder.

The model looks at 128 x 128 pixels and says one sentence of the grammar of `tabletop.captions`. Two ideas carry the recipe:

1. Asked for nothing, it says the relational form. The words that ask for another form ("i see", "there", "a picture of")
   are read in training, never predicted, so that prompting with them works and not prompting stays unambiguous.
2. Captions alone teach a vision transformer slowly. In training only, a linear head on every patch also says which solid
   the patch shows and where that solid stands: a dense, direct signal. It is thrown away afterwards.

    python -m training.dataset --scenes 60000 && python -m training.dataset --split validation --scenes 500
    python -m training.captioner --minutes 60
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration, BlipProcessor
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from tabletop.captions import FORMS, PROMPTS, caption, check, parse, vocabulary
from tabletop.mirror import mirrored
from tabletop.relations import reading_order, viewer_positions
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


@dataclass(frozen=True)
class Options:
    """How to train. `samples` caps the run where `minutes` would not; the learning rate decays to zero by whichever."""

    cache: Path = CACHE
    work: Path = Path(".cache/captioner")
    output: Path = Path("assets/models/blip-tabletop")
    scenes: int = 60_000
    minutes: float = 60.0
    samples: int = 0
    batch: int = 64
    learning_rate: float = 1e-3  # of AdamW
    muon_learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warm_up: float = 0.02  # share of the run
    early: float = 0.08  # share of the run after which the early checkpoint is saved
    patch: int = 16
    vision_width: int = 192
    vision_layers: int = 4
    text_width: int = 128
    text_layers: int = 3
    threads: int = 2
    seed: int = 0
    device: str = "cuda" if torch.cuda.is_available() else "cpu"


# --- The model and its processor ---------------------------------------------------------------------------------------


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


# --- What is learned from: pictures, captions, patch labels ------------------------------------------------------------

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
        self.refresh()

    def refresh(self) -> None:
        """Take in the pictures rendered since."""
        ready = np.flatnonzero(self.table.done(views(PICTURE_PX)))
        self.table.fill(LESSONS, ready)
        self.ready = ready

    def draw(self) -> Batch:
        """Return the next batch. Captions of about the same length are drawn together: less padding, a third less work."""
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
        pictures, solids = self.views["rgb"][rows], self.views["solids"][rows]
        lessons = self.lessons[rows]
        places = lessons["places"].copy()
        flip = sides == 1
        pictures[flip], solids[flip] = pictures[flip, :, ::-1], solids[flip, :, ::-1]
        places[flip, :, 0] *= -1

        tokens = lessons["tokens"][np.arange(len(rows)), sides, forms]
        tokens = torch.from_numpy(tokens[:, : (tokens > 0).sum(1).max()].astype(np.int64))
        asked = torch.tensor(self.prompt_tokens)[forms]  # words that are read, not predicted; nor is [CLS]
        labels = tokens.masked_fill((tokens == 0) | (torch.arange(tokens.shape[1]) <= asked[:, None]), -100)

        shown = _patch_majority(solids, self.options.patch)
        at = np.maximum(shown - 1, 0)
        each = np.arange(len(rows))[:, None]
        kinds = np.where(shown > 0, lessons["kinds"][each, at], 0).astype(np.int64)
        return Batch(self.augment(pictures), tokens, labels, torch.from_numpy(kinds), torch.from_numpy(places[each, at]))

    def augment(self, pictures: NDArray[np.uint8]) -> Tensor:
        """Return pixels in -1 to 1, with some change of brightness and contrast and a little noise."""
        pixels = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).float() / 127.5 - 1
        shape = (len(pixels), 1, 1, 1)
        contrast = torch.from_numpy(self.rng.uniform(0.9, 1.1, shape).astype(np.float32))
        brightness = torch.from_numpy(self.rng.uniform(-0.08, 0.08, shape).astype(np.float32))
        noise = torch.empty_like(pixels).uniform_(-1, 1) * torch.from_numpy(self.rng.uniform(0, 0.05, shape).astype(np.float32))
        return pixels * contrast + brightness + noise


def _patch_majority(solids: NDArray[np.int8], patch: int) -> NDArray[np.int64]:
    """Return (B, P), for each patch, 1 + the solid that covers most of it, or 0 where all cover under an eighth."""
    cells = patch * MAP_CELLS // PICTURE_PX
    side = MAP_CELLS // cells
    blocks = solids.reshape(-1, side, cells, side, cells).swapaxes(2, 3).reshape(len(solids), side * side, cells**2)
    areas = np.stack([(blocks == solid + 1).sum(2) for solid in range(MAX_SOLIDS)], 2)
    return np.where(areas.max(2) >= max(1, cells**2 / 8), areas.argmax(2) + 1, 0)


# --- Training ----------------------------------------------------------------------------------------------------------


def train(options: Options) -> None:
    """Train to the end of the budget, or on from the last checkpoint."""
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)  # a CPU takes many times longer over numbers below 1e-38, and AdamW's averages get there
    processor = make_processor()
    model = make_model(options, processor.tokenizer).to(options.device)
    head = PatchHead(options.vision_width).to(options.device)
    optimizers = make_optimizers(model, head, options)
    rng = np.random.default_rng(options.seed)
    batches = Batches(Table(options.cache, "training", options.scenes), options, rng)
    validation = Validation(options, processor)

    state = {"seen": 0, "seconds": 0.0}
    options.work.mkdir(parents=True, exist_ok=True)
    resume = options.work / "latest.pt"
    if resume.exists():
        saved = torch.load(resume, map_location=options.device, weights_only=True)
        model.load_state_dict(saved["model"])
        head.load_state_dict(saved["head"])
        for optimizer, state_dict in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state_dict)
        state = saved["state"]
        rng = np.random.default_rng((options.seed, state["seen"]))
        batches.rng = rng

    log = (options.work / "log.csv").open("a", newline="")
    writer = csv.writer(log)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, {len(batches.ready)} scenes", flush=True)
    sums, clock, last_save, last_exam = np.zeros(3), time.monotonic(), state["seconds"], state["seconds"]
    early_done = _progress(state, options) >= options.early
    while (progress := _progress(state, options)) < 1:
        rate = min(progress / options.warm_up + 1e-3, (1 - progress) / (1 - options.warm_up))
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = group["peak_lr"] * rate
        words, patches = _step(model, head, optimizers, batches.draw(), options.device)
        sums += (words, patches, 1)
        state["seen"] += options.batch
        now = time.monotonic()
        state["seconds"], clock = state["seconds"] + now - clock, now

        finished = _progress(state, options) >= 1
        if sums[2] >= 100 or finished:
            row = [state["seen"], f"{state['seconds']:.0f}", f"{rate:.3f}", *(f"{s:.4f}" for s in sums[:2] / sums[2])]
            writer.writerow(row)
            log.flush()
            print(*row, flush=True)
            sums[:] = 0
        if state["seconds"] - last_save >= 120 or finished:
            last_save = state["seconds"]
            parts = {"model": model.state_dict(), "head": head.state_dict(), "state": state}
            parts["optimizers"] = [optimizer.state_dict() for optimizer in optimizers]
            torch.save(parts, resume.with_suffix(".part"))
            resume.with_suffix(".part").rename(resume)
            batches.refresh()
        if not early_done and progress >= options.early:
            early_done = True
            save_checkpoint(model, processor, options.output.with_name(options.output.name + "-early"))
            print(f"early checkpoint after {state['seen']} samples: {validation.scores(model)}", flush=True)
        if state["seconds"] - last_exam >= 300 or finished:
            last_exam = state["seconds"]
            print(f"validation after {state['seen']} samples: {validation.scores(model)}", flush=True)
            save_checkpoint(model, processor, options.output)
        clock = time.monotonic()  # saving and validation are not training time


def _progress(state: dict[str, Any], options: Options) -> float:
    """Return the share of the budget that is used, 0 to 1."""
    share = state["seen"] / options.samples if options.samples else state["seconds"] / (60 * options.minutes)
    return min(share, 1.0)


def _step(
    model: BlipForConditionalGeneration,
    head: PatchHead,
    optimizers: list[torch.optim.Optimizer],
    batch: Batch,
    device: str,
) -> tuple[float, float]:
    tokens = batch.tokens.to(device)
    with torch.autocast(device, torch.bfloat16, enabled=_bfloat16_is_quick(device)):
        seen = model(
            pixel_values=batch.pixels.to(device),
            input_ids=tokens,
            attention_mask=(tokens > 0).long(),
            labels=batch.labels.to(device),
        )
        patches = head(seen.image_embeds[:, 1:], batch.kinds.to(device), batch.places.to(device))
    model.zero_grad()
    head.zero_grad()
    (seen.loss + patches).backward()
    nn.utils.clip_grad_norm_([*model.parameters(), *head.parameters()], 1.0)
    for optimizer in optimizers:
        optimizer.step()
    return seen.loss.item(), patches.item()


@cache
def _bfloat16_is_quick(device: str) -> bool:
    """bfloat16 halves the time where the hardware multiplies it, and doubles it on a CPU that does not."""
    return device != "cpu" or torch.cpu._is_avx512_bf16_supported()


def make_optimizers(model: nn.Module, head: nn.Module, options: Options) -> list[torch.optim.Optimizer]:
    """Give the matrices of the transformers' layers to Muon, and all the rest to AdamW, without decay."""
    named = list(model.named_parameters())
    hidden = [p for name, p in named if ".layer" in name and p.ndim == 2 and options.muon_learning_rate]
    others = [p for name, p in named if not any(p is q for q in hidden)] + list(head.parameters())
    optimizers: list[torch.optim.Optimizer] = [torch.optim.AdamW(others, options.learning_rate, (0.9, 0.98), weight_decay=0.0, fused=True)]
    if hidden:
        optimizers.append(Muon(hidden, options.muon_learning_rate, options.weight_decay))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers


# --- Validation --------------------------------------------------------------------------------------------------------


class Validation:
    """A few hundred scenes of the validation seeds, captioned greedily during training to see how it goes."""

    def __init__(self, options: Options, processor: BlipProcessor, scenes: int = 256) -> None:
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
            for scene, text in zip(self.scenes[start:], self.processor.batch_decode(ids, skip_special_tokens=True)):
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
