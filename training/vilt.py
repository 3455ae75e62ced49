"""Train a ViLT in place of the BLIP of `training.vqa`, to choose between the two by measurement.

Nothing but the architecture differs: the same pictures, questions, optimizers and losses, about as many parameters, and
first layers taken from the same captioner. ViLT reads question and picture in one transformer, so that a picture has to
be looked at anew for every question; it classifies among all answers instead of saying them.

    python -m training.vilt --minutes 6 &
    python -m training.vqa --minutes 6 --work .cache/blip --output .cache/blip/model
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import BertTokenizer, BlipForConditionalGeneration, ViltConfig, ViltForQuestionAnswering

from tabletop.captions import NUMBERS
from tabletop.questions import NOTHING
from tabletop.strangers import UNKNOWN
from tabletop.world import COLOURS, SHAPES, SIZES, TINTS
from training.dataset import Table
from training.loop import Trainer, run
from training.pictures import PICTURE_PX, PatchHead
from training.vqa import MAX_TOKENS, Answer, Batches, Row, Validation, make_processor
from training.vqa import Options as BlipOptions

PAIRS = tuple(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES)
ANSWERS = ("yes", "no", NOTHING, UNKNOWN, *NUMBERS, *COLOURS, *SHAPES, *SIZES, *TINTS, *PAIRS)


@dataclass(frozen=True)
class Options(BlipOptions):
    """How to train the ViLT: as the BLIP, but for what is listed here."""

    work: Path = Path(".cache/vilt")
    output: Path = Path(".cache/vilt/model")
    questions: int = 2  # each costs a whole pass, so fewer of each picture make more and more varied steps
    layers: int = 9  # of which the first ones are the captioner's


def make_model(options: Options, tokenizer: BertTokenizer) -> ViltForQuestionAnswering:
    """Return a model whose patch embedding and first layers are those of the captioner `options.eyes`."""
    config = ViltConfig(
        vocab_size=len(tokenizer),
        hidden_size=options.width,
        intermediate_size=4 * options.width,
        num_hidden_layers=options.layers,
        num_attention_heads=options.width // 32,
        max_position_embeddings=MAX_TOKENS,
        image_size=PICTURE_PX,
        patch_size=options.patch,
        layer_norm_eps=1e-5,  # as BLIP has it
        num_labels=len(ANSWERS),
    )
    model = ViltForQuestionAnswering._from_config(config, attn_implementation="eager")
    if options.eyes != Path():
        with torch.no_grad():
            _take_over(model, BlipForConditionalGeneration.from_pretrained(options.eyes, dtype=torch.float32))
    return model


def _take_over(model: ViltForQuestionAnswering, captioner: BlipForConditionalGeneration) -> None:
    """Copy the captioner's eyes: both are pre-norm vision transformers, which differ in their names alone."""
    seen, sees = captioner.vision_model.embeddings, model.vilt.embeddings
    sees.cls_token.copy_(seen.class_embedding)
    sees.position_embeddings.copy_(seen.position_embedding)
    sees.patch_embeddings.projection.load_state_dict(seen.patch_embedding.state_dict())
    for layer, taken in zip(model.vilt.encoder.layer, captioner.vision_model.encoder.layers, strict=False):
        attention = layer.attention.attention
        weights, biases = taken.self_attn.qkv.weight.chunk(3), taken.self_attn.qkv.bias.chunk(3)
        for part, weight, bias in zip((attention.query, attention.key, attention.value), weights, biases, strict=True):
            part.weight.copy_(weight)
            part.bias.copy_(bias)
        layer.attention.output.dense.load_state_dict(taken.self_attn.projection.state_dict())
        layer.layernorm_before.load_state_dict(taken.layer_norm1.state_dict())
        layer.layernorm_after.load_state_dict(taken.layer_norm2.state_dict())
        layer.intermediate.dense.load_state_dict(taken.mlp.fc1.state_dict())
        layer.output.dense.load_state_dict(taken.mlp.fc2.state_dict())


def embed(model: ViltForQuestionAnswering, pixels: Tensor) -> Tensor:
    """Return (B, 1 + P, width), what the transformer reads of pictures (B, 3, 128, 128)."""
    parts = model.vilt.embeddings
    patches = parts.patch_embeddings.projection(pixels).flatten(2).transpose(1, 2)
    whole = parts.cls_token.expand(len(patches), -1, -1).to(patches.dtype)
    return torch.cat([whole, patches], 1) + parts.position_embeddings


def read(model: ViltForQuestionAnswering, image: Tensor, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits (N, answers) and the states of the patches (N, P, width) for questions (N, T), a picture each."""
    states = model.vilt(
        input_ids=ids,
        attention_mask=mask,
        image_embeds=image,
        pixel_mask=torch.ones(image.shape[:2], dtype=torch.long, device=image.device),
    )
    return model.classifier(states.pooler_output), states.last_hidden_state[:, ids.shape[1] + 1 :]


def unpack(row: Row, count: int) -> tuple[Tensor, Tensor]:
    """Return the texts of packed rows one below the other, padded, (B * count, T), and their mask."""
    place, at = torch.nonzero(row.owners >= 0, as_tuple=True)
    texts = place * count + row.owners[place, at]
    ids = row.ids.new_zeros(len(row.ids) * count, int(row.positions.max()) + 1)
    mask = torch.zeros_like(ids)
    ids[texts, row.positions[place, at]] = row.ids[place, at]
    mask[texts, row.positions[place, at]] = 1
    return ids, mask


class Comparison(Trainer):
    """As `training.vqa.Answering`, with a ViLT."""

    LOSSES = ("answers_loss", "patches_loss")

    def __init__(self, options: Options) -> None:
        torch.manual_seed(options.seed)
        processor = make_processor()
        model, head = make_model(options, processor.tokenizer), PatchHead(options.width)
        super().__init__(options, model.to(options.device), head.to(options.device), processor)
        self.questions, self.tokenizer = options.questions, processor.tokenizer
        self.classes = {tuple(self.tokenizer(text).input_ids[:-1]): place for place, text in enumerate(ANSWERS)}
        table = Table(options.cache, "training", options.scenes)
        self.batches = Batches(table, options, self.tokenizer, self.rng)
        self.validation = Validation(options, processor)

    def losses(self) -> tuple[Tensor, ...]:
        """Return the losses of a batch, of answers and of patches."""
        batch, count = self.batches.draw(), self.questions
        image = embed(self.model, batch.pixels).repeat_interleave(count, 0)
        logits, patches = read(self.model, image, *unpack(batch.questions, count))
        answers, mask = unpack(batch.answers, count)
        known = [self.classes[tuple(ids[seen > 0].tolist())] for ids, seen in zip(answers, mask, strict=True)]
        kinds, places = batch.kinds.repeat_interleave(count, 0), batch.places.repeat_interleave(count, 0)
        truth = torch.tensor(known, device=logits.device)
        return F.cross_entropy(logits.float(), truth), self.head(patches, kinds, places)

    def examine(self) -> str:
        """Return the scores on the validation scenes."""
        self.model.eval()
        found = self.validation.scores(self._answer)
        self.model.train()
        return found

    @torch.no_grad()
    def _answer(self, pixels: Tensor, asked: Sequence[Sequence[str]]) -> list[list[Answer]]:
        owners = [index for index, row in enumerate(asked) for _ in row]
        inputs = self.tokenizer(
            [text for row in asked for text in row], padding=True, truncation=True, return_tensors="pt"
        )
        image = embed(self.model, pixels)[owners]
        logits, _ = read(
            self.model, image, *(inputs[name].to(pixels.device) for name in ("input_ids", "attention_mask"))
        )
        probability, best = logits.float().softmax(-1).max(-1)
        flat = iter(zip(best.tolist(), probability.tolist(), strict=True))
        return [[Answer(ANSWERS[place], chance) for place, chance in (next(flat) for _ in row)] for row in asked]


def main() -> None:
    """Train with the options given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, default in vars(Options()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    options = Options(**vars(parser.parse_args()))
    run(lambda: Comparison(options), options.threads)


if __name__ == "__main__":
    main()
