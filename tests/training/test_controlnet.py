"""The ControlNets' recipe: controls are what they should be, a run is taken up again, and real folders are saved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline, StableDiffusionPipeline
from PIL import Image

from tabletop.controls import edges, nearness
from tabletop.render import render
from tabletop.sampling import sample_scene
from tabletop.world import TRAINING_SEEDS
from training.autoencoder import AutoencoderOptions
from training.controlling import ControlOptions
from training.controlnet import OUTSIDE, Depths, Edges, Holes, train
from training.dataset import Table, views
from training.diffusion import Options
from training.diffusion import train as train_base
from training.filling import fill, filler, whole_cells
from training.holes import inside
from training.pictures import PICTURE_PX
from training.prompts import contents_of, facts
from training.stages import prepare

ROWS = 8


@pytest.fixture(scope="module")
def controlling(tmp_path_factory: pytest.TempPathFactory) -> ControlOptions:
    """A base small enough for a test, and the options of a ControlNet for it."""
    folder = tmp_path_factory.mktemp("controlnet")
    cache, work, output = folder / "cache", folder / "work", folder / "pipeline"
    Table(cache, "training", ROWS).fill(views(PICTURE_PX), np.arange(ROWS))
    autoencoder = AutoencoderOptions(
        cache=cache,
        work=work,
        output=output,
        scenes=ROWS,
        validation_scenes=2,
        samples=4,
        batch=4,
        channels=(8, 8, 8, 8),
        latent_channels=4,
        device="cpu",
    )
    train_base("autoencoder", autoencoder)
    denoiser = Options(
        cache=cache,
        work=work,
        output=output,
        scenes=ROWS,
        validation_scenes=2,
        samples=4,
        batch=4,
        empty_scenes=2,
        channels=(16, 16, 16),
        text_width=32,
        text_layers=1,
        device="cpu",
    )
    train_base("denoiser", denoiser)
    return ControlOptions(
        cache=cache,
        work=work,
        output=folder,
        base=output,
        scenes=ROWS,
        validation_scenes=2,
        samples=8,
        batch=4,
        warm_up=4,
        device="cpu",
    )


def test_edges_are_lines_and_nearness_falls_with_depth_to_nothing_in_the_sky() -> None:
    view = render(sample_scene(TRAINING_SEEDS[0], 2), PICTURE_PX)
    drawn, near = edges(view.rgb), nearness(view.depth_m)
    assert set(np.unique(drawn)) == {0, 255}
    assert 0.005 < (drawn > 0).mean() < 0.2
    seen = np.isfinite(view.depth_m)
    assert near.max() == 255
    assert (near[~seen] == 0).all()
    order = np.argsort(view.depth_m[seen])
    assert (np.diff(near[seen][order].astype(int)) <= 0).all()


def loaded(controlling: ControlOptions, kind: str) -> tuple[StableDiffusionPipeline, ControlNetModel]:
    """Train a ControlNet and load what was saved, with its base."""
    train(kind, controlling)
    exact = {"dtype": torch.float32, "low_cpu_mem_usage": False}
    net = ControlNetModel.from_pretrained(controlling.output / f"controlnet-{kind}", **exact)
    return StableDiffusionPipeline.from_pretrained(controlling.base, **exact), net


@pytest.mark.parametrize("kind", ["canny", "depth"])
def test_a_trained_controlnet_loads_with_its_base_and_answers_to_its_control(
    controlling: ControlOptions, kind: str
) -> None:
    base, net = loaded(controlling, kind)
    pipeline = StableDiffusionControlNetPipeline(**base.components, controlnet=net, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)

    def drawn(control: Image.Image) -> np.ndarray:
        generator = torch.Generator().manual_seed(0)
        return np.asarray(pipeline("a red cube", control, num_inference_steps=2, generator=generator).images[0])

    white, black = (Image.new("RGB", (PICTURE_PX, PICTURE_PX), colour) for colour in ("white", "black"))
    assert drawn(white).shape == (PICTURE_PX, PICTURE_PX, 3)
    assert (drawn(white) != drawn(black)).any()


def test_the_one_for_inpainting_draws_in_the_hole_and_leaves_the_rest(controlling: ControlOptions) -> None:
    pictures = np.stack([render(sample_scene(TRAINING_SEEDS[0], 2), PICTURE_PX).rgb] * 2)
    holes = np.zeros((2, PICTURE_PX, PICTURE_PX), bool)
    holes[0, :16, :16] = True  # and none in the other, which is then the picture as the autoencoder has it
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    drawn = fill(filler(*loaded(controlling, "inpaint")), ["a red cube"] * 2, pictures, holes, generators, 2)
    off = np.abs(np.asarray(drawn[0], int) - np.asarray(drawn[1]))
    assert off[:16, :16].mean() > 2 * off[32:, 32:].mean()


def test_a_run_that_was_stopped_goes_on_where_it_was(controlling: ControlOptions, tmp_path: Path) -> None:
    prepare(1)
    twice = replace(controlling, work=tmp_path, output=tmp_path)
    Edges(replace(twice, samples=4)).run()
    stopped = torch.load(tmp_path / "controlnet-canny.pt", weights_only=True)["model"]
    again = Edges(twice)
    assert again.seen == 4
    assert all(torch.equal(stopped[name], value) for name, value in again.model.state_dict().items())


def test_training_draws_controls_of_many_kinds_and_a_user_gets_the_plain_one(controlling: ControlOptions) -> None:
    prepare(1)
    stage, rng = Edges(controlling), np.random.default_rng(0)
    table = stage.validation_table
    plain = stage.control(table, 0, None)
    assert (plain == edges(np.asarray(table.cells(views(PICTURE_PX))[0]["rgb"]))).all()
    assert len({stage.control(table, 0, rng).tobytes() for _ in range(8)}) > 4
    depths = Depths(controlling)
    near = depths.control(depths.validation_table, 0, None)
    assert near.shape == (PICTURE_PX, PICTURE_PX)
    assert len(np.unique(near)) > 50


def test_a_hole_is_masked_in_the_picture_weighs_more_and_is_asked_for_by_what_lies_in_it(
    controlling: ControlOptions,
) -> None:
    prepare(1)
    stage, rows = Holes(controlling), np.arange(ROWS)
    pictures = stage.latents.views["rgb"]
    solids = stage.latents.views["solids"]
    rng = np.random.default_rng(0)
    whole = part = 0
    for _ in range(8):
        shown = stage.shown(stage.latents, rows, rng)
        contents = [contents_of(facts(stage.latents.table.scene(row)), False) for row in range(ROWS)]
        for row, told in enumerate(shown.told(contents)):
            hole = shown.pictures[row].max(-1) < 0
            assert (np.rint(shown.pictures[row][~hole] * 255) == pictures[row][~hole]).all()
            weights = shown.weights[row, 0]
            assert weights.mean() == pytest.approx(1)
            assert (weights == weights.max()).sum() == whole_cells(hole).sum()
            if not hole.all():
                assert weights.min() == pytest.approx(OUTSIDE * weights.max())
            named = shown.named[row]
            whole, part = whole + (named is None), part + (named is not None)
            if named is not None:
                assert list(named) == inside(solids[row], hole)
                assert told.solids == tuple(contents[row].solids[index] for index in named)
    assert whole > 16
    assert part > 16
