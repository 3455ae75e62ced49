"""The loop: it keeps to its budget, its learning rates rise and fall, and a run is taken up again with its options."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import BlipForQuestionAnswering

from training.loop import RunOptions, Trainer, run
from training.muon import Muon
from training.vqa import Options, make_model, make_processor


class Fit(Trainer):
    """Makes the weights of a tiny model small, and sees the rates that it does so with."""

    LOSSES = ("size", "head_size")

    def __init__(self, options: RunOptions) -> None:
        torch.manual_seed(options.seed)
        processor = make_processor()
        tiny = Options(eyes=Path(), width=32, vision_layers=1, text_layers=1, text_inner=32)
        super().__init__(options, make_model(tiny, processor.tokenizer), nn.Linear(4, 4), processor)
        self.rates: list[float] = []

    def losses(self) -> tuple[Tensor, ...]:
        self.rates.append(self.optimizers[1].param_groups[0]["lr"])
        total = torch.stack([weight.square().mean() for weight in self.model.parameters()]).sum()
        return total, torch.stack([weight.square().mean() for weight in self.head.parameters()]).sum()

    def examine(self) -> str:
        return f"examined after {self.seen}"


@pytest.fixture
def options(tmp_path: Path) -> RunOptions:
    return RunOptions(
        work=tmp_path / "work", output=tmp_path / "model", samples=40, batch=2, warm_up=0.25, device="cpu"
    )


def test_rates_rise_and_fall_to_nothing_within_the_budget(options: RunOptions) -> None:
    trainer = Fit(options)
    trainer.run()
    assert trainer.seen == 40
    assert len(trainer.rates) == 20
    peak = trainer.rates.index(max(trainer.rates))
    assert trainer.rates[: peak + 1] == sorted(trainer.rates[: peak + 1])
    assert trainer.rates[peak:] == sorted(trainer.rates[peak:], reverse=True)
    assert 4 <= peak <= 6
    assert trainer.rates[-1] < 0.1 * options.muon_learning_rate < 0.9 * options.muon_learning_rate < max(trainer.rates)


def test_matrices_of_layers_go_to_muon_and_every_other_weight_to_adamw(options: RunOptions) -> None:
    trainer = Fit(options)
    adamw, muon = trainer.optimizers
    assert isinstance(adamw, torch.optim.AdamW)
    assert isinstance(muon, Muon)
    matrices, others = (optimizer.param_groups[0]["params"] for optimizer in (muon, adamw))
    assert all(weight.ndim == 2 for weight in matrices)
    embeddings = trainer.model.get_input_embeddings().weight
    assert any(weight is embeddings for weight in others)
    everything = {id(weight) for weight in (*trainer.model.parameters(), *trainer.head.parameters())}
    assert {id(weight) for weight in (*matrices, *others)} == everything
    assert len(matrices) + len(others) == len(everything)


def test_a_run_taken_up_again_keeps_its_state_and_takes_new_learning_rates(options: RunOptions) -> None:
    first = Fit(options)
    first.run()
    losses = first.losses()
    again = Fit(replace(options, samples=80, muon_learning_rate=0.5))
    assert again.seen == 40
    assert again.progress == 0.5
    assert torch.equal(torch.stack(again.losses()), torch.stack(losses))
    assert again.optimizers[1].param_groups[0]["peak_lr"] == 0.5
    velocities = [state["velocity"] for state in again.optimizers[1].state.values()]
    assert any(velocity.abs().sum() > 0 for velocity in velocities)
    assert again.rng.random() != first.rng.random()


def test_a_run_leaves_a_log_a_model_and_an_early_model(options: RunOptions) -> None:
    run(lambda: Fit(options), threads=1)
    rows = (options.work / "log.csv").read_text().splitlines()
    assert rows[0] == "samples,seconds,progress,size,head_size"
    assert rows[-1].startswith("40,")
    sizes = []
    for folder in (options.output.with_name("model-early"), options.output):
        model = BlipForQuestionAnswering.from_pretrained(folder, dtype=torch.float32)
        sizes.append(sum(weight.square().mean().item() for weight in model.parameters()))
    assert sizes[1] < sizes[0]
