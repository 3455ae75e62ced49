"""What the recipes share: patch labels that say what a patch shows, and pictures turned together with their labels."""

from __future__ import annotations

import numpy as np
import torch

from tabletop.relations import viewer_positions
from tabletop.sampling import sample_scene
from tabletop.world import MAX_SOLIDS, TRAINING_SEEDS
from training.dataset import views
from training.pictures import (
    KINDS,
    PICTURE_PX,
    POSITION_M,
    VIEWER_DISTANCE_M,
    PatchHead,
    augment,
    draw_turns,
    patch_labels,
    patch_majority,
    solid_labels,
    turned,
)

SCENES = [sample_scene(seed, 3) for seed in TRAINING_SEEDS[:6]]
CELLS = np.stack([views(PICTURE_PX).of(scene) for scene in SCENES])


def test_solids_are_labelled_with_their_kind_and_their_place() -> None:
    kinds, places = solid_labels(SCENES[0])
    assert (kinds[:3] > 0).all()
    assert kinds.max() <= KINDS
    assert not kinds[3:].any()
    metres = places[:3] * POSITION_M + (0.0, VIEWER_DISTANCE_M)
    assert np.allclose(metres, viewer_positions(SCENES[0]), atol=1e-6)


def test_every_solid_that_is_seen_has_a_patch_and_the_table_has_most() -> None:
    shown = patch_majority(CELLS["solids"], 16)
    assert shown.shape == (6, 64)
    for row in range(6):
        assert set(shown[row]) == {0, 1, 2, 3}
    assert (shown == 0).mean() > 0.5


def test_no_turn_pushes_a_solid_out_of_the_picture() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        turns = draw_turns(CELLS["solids"], rng, 8)
        assert np.abs(turns).max() <= 8
        after = turned(CELLS["solids"], turns, np.zeros(6, bool))
        for solid in range(1, 4):
            assert ((after == solid).sum((1, 2)) > 0).all()


def test_a_picture_is_turned_and_mirrored_as_its_map_is() -> None:
    turns = np.array([[4, -8]] * 6)
    moved = turned(CELLS["rgb"], turns, np.zeros(6, bool))
    assert np.array_equal(moved[:, :-8, 4:], CELLS["rgb"][:, 8:, :-4])
    flipped = turned(CELLS["rgb"], 0 * turns, np.ones(6, bool))
    assert np.array_equal(flipped, CELLS["rgb"][:, :, ::-1])


def test_augmented_pixels_stay_near_the_picture() -> None:
    torch.manual_seed(0)
    pixels = augment(CELLS["rgb"])
    plain = torch.from_numpy(CELLS["rgb"].transpose(0, 3, 1, 2) / 127.5 - 1)
    assert pixels.shape == (6, 3, PICTURE_PX, PICTURE_PX)
    assert 0 < (pixels - plain).abs().max() < 0.26
    assert torch.corrcoef(torch.stack([pixels.flatten().double(), plain.flatten()]))[0, 1] > 0.98


def test_the_patch_head_learns_what_and_where() -> None:
    torch.manual_seed(0)
    labels = [solid_labels(scene) for scene in SCENES]
    kinds, places = np.stack([kind for kind, _ in labels]), np.stack([place for _, place in labels])
    assert kinds.shape == (6, MAX_SOLIDS)
    patch_kinds, patch_places = patch_labels(CELLS["solids"], kinds, places, 16)
    head, patches = PatchHead(32), torch.randn(6, 64, 32)
    optimizer = torch.optim.AdamW(head.parameters(), 0.05)
    losses = []
    for _ in range(60):
        losses.append(head(patches, patch_kinds, patch_places))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]
