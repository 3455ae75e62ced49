"""Grading: the truth scores full marks, each error is what it is said to be, and the embedded model holds up."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from transformers import pipeline

from tabletop.casting import SKY
from tabletop.render import render
from tabletop.sampling import sample_scene
from tabletop.world import TEST_SEEDS
from training.checkpoints import LIMIT_BYTES
from training.depth import FAR_M, MAX_DEPTH_M
from training.grade_depth import MODEL, Errors, edges, errors, estimate, grade, scores, share, typical_depth

SCENE = sample_scene(TEST_SEEDS[0])
VIEW = render(SCENE, 128)
TRUTH_M = np.minimum(VIEW.depth_m, MAX_DEPTH_M).astype(np.float32)


def test_the_truth_scores_full_marks() -> None:
    graded = grade(SCENE, VIEW, TRUTH_M)
    assert graded.solids == len(SCENE.solids)
    assert graded.whole == graded.on_solids == graded.at_edges == Errors(relative=0, squared=0, close=1)
    assert (graded.sky_found, graded.sky_invented) == (1, 0)


def test_metres_are_taken_as_they_are() -> None:
    graded = grade(SCENE, VIEW, TRUTH_M * np.float32(1.1))
    assert graded.whole.relative == pytest.approx(0.1, rel=1e-4)
    assert graded.whole.close == 1
    assert grade(SCENE, VIEW, TRUTH_M * np.float32(1.3)).whole.close == 0


def test_a_map_without_a_sky_misses_it_and_one_beyond_the_table_invents_it() -> None:
    near = grade(SCENE, VIEW, np.full_like(TRUTH_M, 0.8))
    far = grade(SCENE, VIEW, np.full_like(TRUTH_M, FAR_M + 0.1))
    assert (near.sky_found, near.sky_invented) == (0, 0)
    assert (far.sky_found, far.sky_invented) == (1, 1)


def test_errors_are_those_of_the_chosen_pixels() -> None:
    depth_m = np.array([[1.0, 2.0], [1.0, 1.0]], dtype=np.float32)
    predicted_m = np.array([[1.5, 1.0], [1.0, 9.0]], dtype=np.float32)
    found = errors(predicted_m, depth_m, np.array([[True, True], [True, False]]))
    assert found.relative == pytest.approx((0.5 + 0.5 + 0) / 3)
    assert found.squared == pytest.approx((0.25 + 1 + 0) / 3)
    assert found.close == pytest.approx(1 / 3)


def test_edges_run_along_solids_and_not_along_the_horizon() -> None:
    ids = np.zeros((9, 9), dtype=np.int16)
    ids[0] = SKY
    assert not edges(ids).any()
    ids[4, 5:] = 1
    assert np.flatnonzero(edges(ids)[4]).tolist() == [3, 4, 5, 6, 7, 8]
    assert np.flatnonzero(edges(ids)[:, 8]).tolist() == [2, 3, 4, 5, 6]


def test_rows_give_means_with_their_intervals() -> None:
    assert share([0.01, 0.02, 0.03]) == "2.00% (0.87 to 3.13)"
    assert scores([Errors(0.02, 0.0001, 1.0), Errors(0.02, 0.0007, 0.5)]) == "2.00% (2.00 to 2.00) | 75.00% | 2.00 cm"


def test_the_embedded_models_files_are_small_and_are_those_of_its_checksums() -> None:
    files = {path.name: path for path in MODEL.iterdir()}
    assert {"README.md", "SHA256SUMS", "config.json", "model.safetensors", "preprocessor_config.json"} <= set(files)
    assert all(path.stat().st_size <= LIMIT_BYTES for path in files.values())
    lines = files.pop("SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert set(sums) == set(files) - {"README.md"}
    for name, digest in sums.items():
        assert hashlib.sha256(files[name].read_bytes()).hexdigest() == digest


def test_the_embedded_model_measures_better_than_one_that_does_not_look() -> None:
    estimator = pipeline("depth-estimation", model=str(MODEL), dtype=torch.float32, device="cpu")
    typical_m = typical_depth(128)
    looked, blind = [], []
    for seed in TEST_SEEDS[:24]:
        scene = sample_scene(seed)
        view = render(scene, 128)
        looked.append(grade(scene, view, estimate(estimator, view.rgb)))
        blind.append(grade(scene, view, typical_m))
    whole, solids = (np.mean([getattr(one, part).relative for one in looked]) for part in ("whole", "on_solids"))
    assert max(whole, solids) < 0.05
    assert whole < 0.6 * np.mean([one.whole.relative for one in blind])
    assert solids < 0.6 * np.mean([one.on_solids.relative for one in blind])
