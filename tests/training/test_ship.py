"""Shipping: weights, a card with the figures of their runs and reports, and checksums, for what has been trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from training.ship import CARDS, KINDS, Places, length_of, report, ship


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Everything that a finished training leaves, in miniature."""
    named = ("models", "work", "diffusion", "controlnets", "lora", "reports")
    here = Places(**{name: tmp_path / name for name in named})
    for part in ("unet", "text_encoder", "vae"):
        _weights(here.diffusion / part)
    (here.diffusion / "model_index.json").write_text("{}")
    settings = {"_name_or_path": str(here.diffusion), "sample_size": 128}
    (here.diffusion / "vae" / "config.json").write_text(json.dumps(settings))
    for kind in KINDS:
        _weights(here.controlnets / f"controlnet-{kind}")
    _weights(here.lora / "clay")
    (here.lora / "clay.json").write_text(json.dumps({"samples": 3000, "scenes": 40, "before": 0.5, "after": 0.25}))
    here.work.mkdir()
    for stage in ("autoencoder", "denoiser", *(f"controlnet-{kind}" for kind in KINDS)):
        (here.work / f"{stage}.csv").write_text("samples,seconds,noise_loss\n1600,60,0.5\n12800,480,0.1\n")
    here.reports.mkdir()
    for name in ("diffusion", "control", "inpainting"):
        (here.reports / f"{name}.md").write_text(f"# Report\n\nThe {name} is graded.\n")
    return here


def _weights(folder: Path) -> None:
    folder.mkdir(parents=True)
    save_file({"weight": torch.zeros(100, 1000, dtype=torch.float16)}, folder / "model.safetensors")


def test_every_model_gets_its_weights_its_card_and_its_checksums(places: Places) -> None:
    folders = ship(places)
    assert sorted(folder.name for folder in folders) == sorted(path.stem for path in CARDS.glob("*.md"))
    for folder in folders:
        card = (folder / "README.md").read_text(encoding="utf-8")
        assert card.startswith("---\nlicense: apache-2.0\n")
        assert f"# {folder.name}\n" in card
        assert "$" not in card
        sums = (folder / "SHA256SUMS").read_text(encoding="utf-8")
        assert all(path.relative_to(folder).as_posix() in sums for path in folder.rglob("*.safetensors"))
    settings = (places.models / "tabletop-diffusion" / "vae" / "config.json").read_text(encoding="utf-8")
    assert json.loads(settings) == {"sample_size": 128}
    told = (places.models / "tabletop-controlnet-inpaint" / "README.md").read_text(encoding="utf-8")
    assert "12,800 pictures, 8 minutes" in told
    assert "0.10 million parameters, 0.2 MB" in told
    assert "The inpainting is graded." in told


def test_what_is_shipped_already_stays_when_it_was_not_trained_here(places: Places) -> None:
    ship(places)
    weights = places.models / "tabletop-controlnet-depth" / "model.safetensors"
    (places.controlnets / "controlnet-depth" / "model.safetensors").unlink()
    (places.diffusion / "model_index.json").unlink()  # an autoencoder alone, say
    _weights(places.diffusion / "another")
    ship(places)
    assert weights.exists()
    assert not (places.models / "tabletop-diffusion" / "another").exists()


def test_a_log_ends_with_the_length_of_its_run_and_a_report_loses_its_heading(places: Places) -> None:
    assert length_of(places.work / "denoiser.csv") == ("12,800", "8")
    assert report(places.reports / "control.md") == "The control is graded."
    (places.reports / "control.md").write_text("no heading")
    with pytest.raises(ValueError, match="heading"):
        report(places.reports / "control.md")


def test_a_model_that_is_not_graded_says_so(places: Places) -> None:
    (places.reports / "diffusion.md").unlink()
    ship(places)
    assert "Not graded yet." in (places.models / "tabletop-diffusion" / "README.md").read_text(encoding="utf-8")
    assert sorted(path.name for path in places.models.iterdir()) == sorted(path.stem for path in CARDS.glob("*.md"))
