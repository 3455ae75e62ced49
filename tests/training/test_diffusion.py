"""The diffusion models' recipe: its stages run end to end, are taken up again exactly, and save a real pipeline."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from tabletop.captions import parse
from tabletop.mirror import mirrored
from tabletop.sampling import sample_scene
from training.autoencoder import AutoencoderOptions, fidelity, load_autoencoder, make_autoencoder, whiten
from training.dataset import Table, views
from training.diffusion import Denoising, Options, train
from training.latents import SIDE, Latents
from training.pictures import PICTURE_PX
from training.prompts import MAX_TOKENS, contents, contents_of, facts, make_tokenizer, prompt
from training.stable_diffusion import make_scheduler

ROWS = 12
FILE_LIMIT = 10 * 2**20  # bytes


@pytest.fixture(scope="module")
def autoencoding(tmp_path_factory: pytest.TempPathFactory) -> AutoencoderOptions:
    """A first stage small enough for a test, its pictures rendered, run to its end."""
    folder = tmp_path_factory.mktemp("diffusion")
    small = AutoencoderOptions(
        cache=folder / "cache",
        work=folder / "work",
        output=folder / "pipeline",
        scenes=ROWS,
        samples=16,
        batch=4,
        crop=64,
        validation_scenes=4,
        channels=(8, 8, 8, 8),
        latent_channels=4,
        device="cpu",
    )
    Table(small.cache, "training", ROWS).fill(views(PICTURE_PX), np.arange(ROWS))
    train("autoencoder", small)
    return small


@pytest.fixture(scope="module")
def denoising(autoencoding: AutoencoderOptions) -> Options:
    """A second stage for it, run to its end."""
    small = Options(
        cache=autoencoding.cache,
        work=autoencoding.work,
        output=autoencoding.output,
        scenes=ROWS,
        empty_scenes=2,
        validation_scenes=4,
        samples=8,
        batch=4,
        channels=(16, 16, 16),
        text_width=32,
        text_layers=1,
        device="cpu",
    )
    train("denoiser", small)
    return small


# --- What is learned from ---------------------------------------------------------------------------------------------


def test_prompts_are_true_of_the_scene_and_fit_the_tokenizer() -> None:
    rng, tokenizer = np.random.default_rng(0), make_tokenizer()
    read = 0
    for seed in range(40):
        seen = contents(sample_scene(seed))
        there = sorted((solid[1], solid[0]) for solid in seen.solids)
        for _ in range(4):
            words = prompt(seen, rng)
            assert len(tokenizer(words).input_ids) <= MAX_TOKENS
            claims = parse(words)
            if claims is not None:
                read += 1
                assert sorted((solid.colour, solid.shape) for solid in claims.solids) == there
                assert claims.tint in (None, seen.tint)
    assert read > 80


def test_a_table_of_facts_says_what_the_scene_and_its_mirror_image_say() -> None:
    for seed in range(10):
        scene = sample_scene(seed)
        cell = facts(scene)
        for told, true in ((contents_of(cell, False), scene), (contents_of(cell, True), mirrored(scene))):
            expected = contents(true)
            assert (told.solids, told.tint) == (expected.solids, expected.tint)
            np.testing.assert_allclose(told.places_m, expected.places_m, atol=1e-6)


def test_every_word_of_the_prompts_is_one_token_and_other_scripts_are_bytes() -> None:
    tokenizer = make_tokenizer()
    words = "a large red cube to the left of a small blue torus on an empty lilac table"
    assert len(tokenizer(words).input_ids) == len(words.split()) + 2
    ids = tokenizer("日本 zebra").input_ids
    assert len(ids) > 2 + len("zebra")
    assert tokenizer.unk_token_id not in ids[1:-1]


# --- The autoencoder --------------------------------------------------------------------------------------------------


def test_whitening_turns_the_latents_and_leaves_the_pictures(autoencoding: AutoencoderOptions) -> None:
    torch.manual_seed(0)
    autoencoder = make_autoencoder(autoencoding).eval()
    table = Table(autoencoding.cache, "training", ROWS)
    before = fidelity(autoencoder, autoencoding, 4)
    whiten(autoencoder, table, "cpu", ROWS)
    assert fidelity(autoencoder, autoencoding, 4) == pytest.approx(before, abs=0.01)
    pictures = table.cells(views(PICTURE_PX))["rgb"]
    pixels = torch.from_numpy(np.asarray(pictures).transpose(0, 3, 1, 2).copy()).float() / 127.5 - 1
    with torch.no_grad():
        encoded = autoencoder.encode(pixels).latent_dist
    assert encoded.std.max() < 1e-6
    points = encoded.mean.permute(0, 2, 3, 1).flatten(0, 2)
    # Cells with solids weigh more than here, so these are near one and nought without being them.
    covariance = torch.cov(points.T)
    assert 0.1 < covariance.diagonal().min() <= covariance.diagonal().max() < 4


def test_the_decoder_learns_on_and_the_encoder_stays(autoencoding: AutoencoderOptions, denoising: Options) -> None:
    before = load_autoencoder(autoencoding.output).state_dict()
    train("decoder", replace(autoencoding, samples=8, warm_up=0))
    after = load_autoencoder(autoencoding.output).state_dict()
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"decoder", "post_quant_conv"}


# --- The denoiser -----------------------------------------------------------------------------------------------------


def test_latents_are_kept_and_the_mirror_image_is_its_own(autoencoding: AutoencoderOptions, tmp_path: Path) -> None:
    autoencoder = load_autoencoder(autoencoding.output)
    table = Table(autoencoding.cache, "training", ROWS)
    latents = Latents(autoencoder, table, tmp_path, 2, "cpu")
    rows, flips = np.array([3, 3, -1]), np.array([False, True, False])
    drawn = latents.draw(rows, flips)
    assert drawn.latents.shape == (3, 4, SIDE, SIDE)
    assert not torch.equal(drawn.latents[0], drawn.latents[1])
    assert torch.equal(drawn.names[0], drawn.names[1].flip(-1))
    assert drawn.names[0].any()
    assert not drawn.names[2].any()
    assert drawn.contents[2].solids == ()
    again = Latents(autoencoder, table, tmp_path, 2, "cpu").draw(rows, flips)
    assert torch.equal(again.latents, drawn.latents)


def test_what_is_saved_is_a_small_pipeline_that_draws_offline(denoising: Options) -> None:
    program = (
        "import sys, torch\n"
        "from diffusers import StableDiffusionPipeline\n"
        "pipeline = StableDiffusionPipeline.from_pretrained(sys.argv[1], dtype=torch.float32)\n"
        "draw = lambda: pipeline('a red cube', num_inference_steps=2, output_type='np',\n"
        "                        generator=torch.Generator().manual_seed(1)).images\n"
        "first, second = draw(), draw()\n"
        "assert (first == second).all() and first.std() > 0\n"
        "print(first.shape)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(denoising.output)],
        env={"HF_HUB_OFFLINE": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "(1, 128, 128, 3)", done.stderr
    files = [path for path in denoising.output.rglob("*") if path.is_file()]
    assert all(path.stat().st_size <= FILE_LIMIT for path in files)
    assert json.loads((denoising.output / "training.json").read_text()) == {"samples": 8}


def test_a_stage_taken_up_again_has_the_same_weights_and_draws_the_same_batch(denoising: Options) -> None:
    autoencoder = load_autoencoder(denoising.output)
    first = Denoising(denoising, autoencoder)
    weights = {name: weight.clone() for name, weight in first.parts.state_dict().items()}
    averages = {name: weight.clone() for name, weight in first.averaged.state_dict().items()}
    losses = first._step()
    again = Denoising(denoising, autoencoder)
    assert first.seen == again.seen == 8
    assert all(torch.equal(weight, weights[name]) for name, weight in again.parts.state_dict().items())
    assert all(torch.equal(weight, averages[name]) for name, weight in again.averaged.state_dict().items())
    assert any(not torch.equal(weight, weights[name]) for name, weight in first.parts.state_dict().items())
    assert again._step() == pytest.approx(losses, rel=1e-3)  # bfloat16 rounds by where a tensor lies in memory


def test_training_goes_on_from_a_saved_pipeline_alone(denoising: Options, tmp_path: Path) -> None:
    saved = StableDiffusionPipeline.from_pretrained(denoising.output, dtype=torch.float32)
    on = replace(denoising, work=tmp_path, output=tmp_path / "pipeline", samples=16)
    stage = Denoising(on, saved.vae, denoising.output)
    assert stage.seen == 8
    for name, weight in saved.unet.state_dict().items():
        assert torch.equal(stage.parts["unet"].state_dict()[name], weight), name
    stage.run()
    assert json.loads((tmp_path / "pipeline" / "training.json").read_text()) == {"samples": 16}


def test_the_schedule_ends_in_pure_noise() -> None:
    assert make_scheduler().alphas_cumprod[-1] == pytest.approx(0, abs=1e-6)
