"""The depth recipe: its pictures and truth, what its loss sees, that it goes on, and that it saves a Depth Anything."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import DepthAnythingForDepthEstimation, pipeline

from tabletop.casting import SKY
from tabletop.mirror import mirrored
from tabletop.render import render
from tabletop.sampling import sample_scene
from tabletop.stereo import render_stereo
from training.dataset import Table, views
from training.depth import (
    BASELINE_M,
    FAR_M,
    GEOMETRIES,
    MAX_DEPTH_M,
    PICTURE_PX,
    SKY_M,
    SKY_WEIGHT,
    SOLID_WEIGHT,
    UNITS_PER_M,
    Batch,
    Batches,
    Options,
    geometry,
    losses,
    right_view,
    targets,
    train,
)

ROWS = 8


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Options:
    """A recipe small enough for a test, with its pictures rendered."""
    folder = tmp_path_factory.mktemp("depth")
    small = Options(
        cache=folder / "cache",
        work=folder / "work",
        output=folder / "depth",
        scenes=ROWS,
        right_scenes=2,
        right_share=0.25,
        validation_scenes=2,
        samples=8,
        batch=4,
        patch=16,
        width=32,
        fusion_width=8,
        threads=1,
        device="cpu",
    )
    Table(small.cache, "training", ROWS).fill(views(PICTURE_PX), np.arange(ROWS))
    return small


def test_a_cell_holds_the_depth_of_the_rendered_picture_to_a_tenth_of_a_millimetre() -> None:
    scene = sample_scene(3)
    cell, view = geometry(scene), render(scene, PICTURE_PX)
    sky = view.ids == SKY
    assert np.array_equal(cell["depth"] == 0, sky)
    assert np.array_equal(cell["solid"], view.ids > 0)
    assert np.abs(cell["depth"][~sky] / UNITS_PER_M - view.depth_m[~sky]).max() < 1e-4
    assert view.depth_m[~sky].max() < FAR_M < SKY_M < MAX_DEPTH_M


def test_a_mirrored_scene_has_the_mirrored_depth() -> None:
    straight, flipped = geometry(sample_scene(3)), geometry(mirrored(sample_scene(3)))
    off = np.abs(straight["depth"][:, ::-1].astype(int) - flipped["depth"])
    assert np.mean(off <= 2) > 0.995  # rays that graze an edge may fall on its other side


def test_a_right_view_is_the_right_picture_of_a_stereo_pair() -> None:
    scene = sample_scene(3)
    cell, pair = right_view(scene), render_stereo(scene, BASELINE_M, PICTURE_PX)
    assert np.array_equal(cell["geometry"]["solid"], pair.right.ids > 0)
    right, left = (np.abs(cell["rgb"].astype(float) - view.rgb).mean() for view in (pair.right, pair.left))
    assert right < 3  # grey levels: reduced from a larger picture, so smoother
    assert left > 2 * right


def test_a_batch_holds_pictures_with_their_own_depth(options: Options) -> None:
    batches = Batches(Table(options.cache, "training", ROWS), options, np.random.default_rng(0))
    batch = batches.draw()
    shape = (options.batch, PICTURE_PX, PICTURE_PX)
    assert batch.pixels.shape == (options.batch, 3, PICTURE_PX, PICTURE_PX)
    assert batch.depth_m.shape == batch.weights.shape == shape
    cells = np.array(Table(options.cache, "training", ROWS).cells(GEOMETRIES))
    known = torch.cat([targets(cells)[0], targets(cells)[0].flip(2)])
    lefts = options.batch - round(options.batch * options.right_share)
    for depth_m in batch.depth_m[:lefts]:
        assert (depth_m == known).flatten(1).all(1).any()
    # The sky is one flat colour at the top of the picture, far from the table's: depth and pixels belong together.
    for pixels, depth_m in zip(batch.pixels, batch.depth_m, strict=True):
        sky = depth_m == SKY_M
        assert pixels[:, sky].std(1).max() < pixels[:, ~sky].std(1).max()


def test_weights_follow_what_a_pixel_shows() -> None:
    cell = geometry(sample_scene(3))
    depth_m, weights = targets(cell[None])
    assert weights.unique().tolist() == pytest.approx([SKY_WEIGHT, 1, SOLID_WEIGHT])
    assert (depth_m[0].numpy()[cell["depth"] == 0] == np.float32(SKY_M)).all()


def test_the_loss_is_nothing_for_the_truth_and_slopes_ignore_a_common_factor() -> None:
    depth_m, weights = targets(geometry(sample_scene(3))[None])
    batch = Batch(torch.zeros(1, 3, PICTURE_PX, PICTURE_PX), depth_m, weights)
    assert [loss.item() for loss in losses(depth_m, batch)] == [0, 0]
    level, slope = losses(depth_m * 1.1, batch)
    assert level.item() == pytest.approx(np.log(1.1), rel=1e-4)
    assert slope.item() < 1e-5
    blurred = torch.nn.functional.avg_pool2d(depth_m, 5, stride=1, padding=2, count_include_pad=False)
    assert losses(blurred, batch)[1] > 1e-3


def test_training_is_logged_saved_and_taken_up_again_and_gives_metres_through_the_pipeline(options: Options) -> None:
    train(options)
    log = options.work / "log.csv"
    assert [row[0] for row in csv.reader(log.open())] == ["samples", "8"]
    train(replace(options, samples=12))
    assert [row[0] for row in csv.reader(log.open())] == ["samples", "8", "12"]
    train(replace(options, samples=12))  # finished: nothing is left to do
    assert [row[0] for row in csv.reader(log.open())] == ["samples", "8", "12"]

    check_through_the_pipeline(options.output)


def check_through_the_pipeline(folder: Path) -> None:
    estimator = pipeline("depth-estimation", model=str(folder), dtype=torch.float32, device="cpu")
    assert isinstance(estimator.model, DepthAnythingForDepthEstimation)
    assert estimator.model.config.depth_estimation_type == "metric"
    picture = Image.fromarray(render(sample_scene(5), 192).rgb).crop((0, 0, 192, 160))
    alone = estimator(picture)
    assert alone["predicted_depth"].shape == (160, 192)
    assert alone["predicted_depth"].dtype == torch.float32
    assert 0 < alone["predicted_depth"].min() <= alone["predicted_depth"].max() < 1.1 * MAX_DEPTH_M
    assert alone["depth"].size == picture.size
    beside = estimator([picture, picture])
    assert torch.equal(beside[1]["predicted_depth"], alone["predicted_depth"])
