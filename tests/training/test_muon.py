"""Muon: orthogonal updates for matrices."""

from __future__ import annotations

import pytest
import torch

from training.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(16, 16), (64, 16), (16, 64)])
def test_an_update_moves_every_direction_about_equally(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    update = orthogonal(torch.randn(shape, generator=generator))
    singular = torch.linalg.svdvals(update)
    assert update.shape == shape
    assert 0.5 < singular.min() <= singular.max() < 1.3


def test_a_linear_fit_converges() -> None:
    generator = torch.Generator().manual_seed(0)
    truth, weight = torch.randn(8, 8, generator=generator), torch.nn.Parameter(torch.zeros(8, 8))
    inputs = torch.randn(256, 8, generator=generator)
    optimizer = Muon([weight], lr=0.1, weight_decay=0.0)
    for step in range(400):
        optimizer.param_groups[0]["lr"] = 0.1 * (1 - step / 400)
        loss = ((inputs @ (weight - truth)) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-2


def test_saved_state_is_taken_up_again() -> None:
    weight = torch.nn.Parameter(torch.eye(4))
    first = Muon([weight], lr=0.1, weight_decay=0.1)
    weight.grad = torch.ones(4, 4)
    first.step()
    second = Muon([weight], lr=0.5, weight_decay=0.0)
    second.load_state_dict(first.state_dict())
    assert second.param_groups[0]["lr"] == 0.1
    assert torch.equal(second.state[weight]["velocity"], first.state[weight]["velocity"])
