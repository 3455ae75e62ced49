"""Put the trained diffusion models into assets/models as they ship: weights, card, checksums.

A card is a file of training/cards with its figures filled in: sizes from the weights, samples and minutes from the logs
of the runs, scores from the reports that `training.evaluate` wrote to bench/results.

    python -m training.ship
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from safetensors import safe_open

from training.checkpoints import write_checksums

CARDS = Path(__file__).parent / "cards"
KINDS = ("canny", "depth", "inpaint")
REPORTS = {"canny": "control", "depth": "control", "inpaint": "inpainting"}


@dataclass(frozen=True)
class Places:
    """Where everything lies."""

    models: Path = Path("assets/models")
    work: Path = Path(".cache/diffusion")  # with the logs of the runs
    diffusion: Path = Path(".cache/diffusion/pipeline")
    controlnets: Path = Path(".cache/diffusion")
    lora: Path = Path(".cache/lora")
    reports: Path = Path("bench/results")


def ship(places: Places) -> list[Path]:
    """Bring every model that has been trained, and return the folders."""
    sources = {"tabletop-diffusion": places.diffusion, "tabletop-lora-clay": places.lora / "clay"}
    sources |= {f"tabletop-controlnet-{kind}": places.controlnets / f"controlnet-{kind}" for kind in KINDS}
    figures = {"tabletop-diffusion": diffusion_figures, "tabletop-lora-clay": lora_figures}
    shipped = []
    for name, source in sources.items():
        folder = places.models / name
        made = places.models / f".{name}"  # of which the folder is made in one go: it may be in use
        whole = (source / "model_index.json").exists() or any(source.glob("*.safetensors"))
        if not whole and not folder.exists():
            continue
        shutil.rmtree(made, ignore_errors=True)
        shutil.copytree(source if whole else folder, made)
        forget_origin(made)
        card = Template((CARDS / f"{name}.md").read_text(encoding="utf-8"))
        told = figures.get(name, control_figures)(places, name, made)
        (made / "README.md").write_text(card.substitute(size_of(made), **told), encoding="utf-8")
        write_checksums(made)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
        shipped.append(folder)
    return shipped


def forget_origin(folder: Path) -> None:
    """Take out of the settings where on this machine the weights were once loaded from."""
    for path in folder.rglob("config.json"):
        settings = json.loads(path.read_text(encoding="utf-8"))
        if settings.pop("_name_or_path", None) is not None:
            path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")


# --- Figures ----------------------------------------------------------------------------------------------------------


def diffusion_figures(places: Places, name: str, folder: Path) -> dict[str, str]:
    """Return what the card of the text-to-image model says."""
    parts = {"unet": "unet", "text": "text_encoder", "vae": "vae"}
    told = {part: f"{parameters(folder / place) / 1e6:.2f}" for part, place in parts.items()}
    for stage in ("autoencoder", "denoiser"):
        samples, minutes = length_of(places.work / f"{stage}.csv")
        told |= {f"{stage}_samples": samples, f"{stage}_minutes": minutes}
    return told | {"report": report(places.reports / "diffusion.md")}


def control_figures(places: Places, name: str, folder: Path) -> dict[str, str]:
    """Return what the card of a ControlNet says."""
    kind = name.rpartition("-")[2]
    samples, minutes = length_of(places.work / f"controlnet-{kind}.csv")
    return {"samples": samples, "minutes": minutes, "report": report(places.reports / f"{REPORTS[kind]}.md")}


def lora_figures(places: Places, name: str, folder: Path) -> dict[str, str]:
    """Return what the card of the LoRA says."""
    state = json.loads((places.lora / "clay.json").read_text(encoding="utf-8"))
    counts = {name: f"{state[name]:,}" for name in ("samples", "scenes")}
    return counts | {name: f"{state[name]:.4f}" for name in ("before", "after")}


def size_of(folder: Path) -> Mapping[str, str]:
    """Return the parameters, in millions, and the megabytes of a folder's weights."""
    size = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    return {"parameters": f"{parameters(folder) / 1e6:.2f}", "megabytes": f"{size / 1e6:.1f}"}


def parameters(folder: Path) -> int:
    """Return how many numbers the weights under a folder hold."""
    count = 0
    for path in folder.rglob("*.safetensors"):
        with safe_open(path, "pt") as weights:
            count += sum(weights.get_tensor(name).numel() for name in weights.keys())  # noqa: SIM118 - no dictionary
    return count


def length_of(log: Path) -> tuple[str, str]:
    """Return the samples and the minutes of a run, as its log ends; none where there is no log."""
    if not log.exists():
        return "0", "0"
    *_, last = csv.DictReader(log.open(encoding="utf-8"))
    return f"{int(last['samples']):,}", f"{int(last['seconds']) / 60:.0f}"


def report(path: Path) -> str:
    """Return a report without its heading, and without the empty lines at its ends; or that there is none."""
    if not path.exists():
        return "Not graded yet."
    heading, _, body = path.read_text(encoding="utf-8").partition("\n")
    if not heading.startswith("# "):
        raise ValueError(f"expected a heading in the first line of {path}, got {heading!r}")
    return body.strip()


def main() -> None:
    """Ship all models that there are."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, default in vars(Places()).items():
        parser.add_argument(f"--{name}", type=Path, default=default)
    for folder in ship(Places(**vars(parser.parse_args()))):
        print(folder)


if __name__ == "__main__":
    main()
