"""LoRAs: they act as the library that trains them says, leave the shared weights alone, and bad files are explained."""

from __future__ import annotations

import copy
import json
import pickle
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.training_utils import _collate_lora_metadata
from numpy.typing import NDArray
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor

from hub.diffusion.cards import KANDINSKY_INPAINTING, SD_1_5, SDXL, Z_IMAGE_TURBO, composed
from hub.diffusion.loading import Components, make
from hub.diffusion.lora import Lora, applied
from hub.diffusion.lora_files import checked_lora, load_lora
from hub.diffusion.lora_hub import lora_card
from hub.errors import InvalidInput
from tests.hub.diffusion_cache import Cache, make_cache

UNET_LAYERS = ["to_q", "to_k", "to_v", "to_out.0", "conv1", "proj_in", "time_emb_proj"]
TEXT_LAYERS = ["q_proj", "v_proj"]
RANK, ALPHA = 4, 2.0


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cache]:
    with pytest.MonkeyPatch.context() as patch:
        yield make_cache(tmp_path_factory.mktemp("weights"), patch)


@pytest.fixture(scope="module")
def model(cache: Cache) -> Components:
    return cache.load(SD_1_5)


@pytest.fixture(scope="module")
def adapted(model: Components) -> Any:
    """A pipeline of its own into which peft has put random adapters, as after training."""
    parts = {name: copy.deepcopy(part) for name, part in make("text-to-image", model).components.items()}
    pipeline = diffusers.StableDiffusionPipeline(**parts, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    torch.manual_seed(1)
    shared: dict[str, Any] = {"r": RANK, "lora_alpha": ALPHA, "init_lora_weights": False}
    pipeline.unet.add_adapter(LoraConfig(target_modules=UNET_LAYERS, **shared))
    pipeline.text_encoder.add_adapter(LoraConfig(target_modules=TEXT_LAYERS, **shared))
    return pipeline


@pytest.fixture(scope="module")
def file(adapted: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The adapters, saved by diffusers."""
    folder = tmp_path_factory.mktemp("lora")
    diffusers.StableDiffusionPipeline.save_lora_weights(
        folder,
        unet_lora_layers=get_peft_model_state_dict(adapted.unet),
        text_encoder_lora_layers=get_peft_model_state_dict(adapted.text_encoder),
        **_collate_lora_metadata({"unet": adapted.unet, "text_encoder": adapted.text_encoder}),
    )
    return folder / "pytorch_lora_weights.safetensors"


def draw(pipeline: Any) -> NDArray[np.float32]:
    generator = torch.Generator().manual_seed(0)
    asked = {"num_inference_steps": 2, "width": 64, "height": 64, "generator": generator, "output_type": "np"}
    return np.asarray(pipeline("a cat on a table", **asked).images)


def drawn(model: Components, lora: Lora | None, scale: float = 1.0, fuse: bool = False) -> NDArray[np.float32]:
    with applied(model, lora, scale, fuse):
        return draw(make("text-to-image", model))


def as_kohya(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename a LoRA's tensors as the kohya trainer does, which notes alpha beside each pair."""
    renamed = {}
    for name, tensor in tensors.items():
        layer, _, side = name.partition(".lora_")
        layer = layer.replace("unet.", "lora_unet_").replace("text_encoder.", "lora_te_text_model_")
        layer = layer.replace(".", "_")
        renamed[f"{layer}.lora_{'down' if side[0] == 'A' else 'up'}.weight"] = tensor
        renamed[f"{layer}.alpha"] = torch.tensor(ALPHA)
    return renamed


def as_years_ago(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename a LoRA's attention layers as diffusers did in 2023, when they belonged to attention processors."""
    renamed = {}
    for name, tensor in tensors.items():
        layer, _, side = name.partition(".lora_")
        owner, _, last = layer.removesuffix(".0").rpartition(".")
        side = "down" if side[0] == "A" else "up"
        if last in ("to_q", "to_k", "to_v", "to_out"):
            renamed[f"{owner}.processor.{last}_lora.{side}.weight"] = tensor
        elif "text_encoder" in layer:
            renamed[f"{layer}.lora_linear_layer.{side}.weight"] = tensor
        else:
            renamed[f"{layer}.lora.{side}.weight"] = tensor
    return renamed


def test_it_acts_bit_for_bit_as_the_library_that_trained_it(model: Components, adapted: Any, file: Path) -> None:
    lora = load_lora(checked_lora(file), model)
    assert lora.rank == RANK
    assert {layer.strength for layer in lora.layers} == {ALPHA / RANK}
    np.testing.assert_array_equal(drawn(model, lora), draw(adapted))
    for part in (adapted.unet, adapted.text_encoder):
        for module in part.modules():
            if hasattr(module, "set_scale"):
                module.set_scale("default", 0.8)
    np.testing.assert_array_equal(drawn(model, lora, 0.8), draw(adapted))


def test_scale_zero_is_the_model_itself_and_taking_it_off_restores_it_exactly(model: Components, file: Path) -> None:
    lora = load_lora(checked_lora(file), model)
    before = {name: value.clone() for name, value in model.denoiser.state_dict().items()}
    plain = drawn(model, None)
    for fuse in (False, True):
        np.testing.assert_array_equal(drawn(model, lora, 0.0, fuse), plain)
        assert abs(drawn(model, lora, 0.8, fuse) - plain).max() > 0.01
        np.testing.assert_array_equal(drawn(model, None), plain)
    after = model.denoiser.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_fused_or_beside_it_draws_the_same_to_rounding(model: Components, file: Path) -> None:
    lora = load_lora(checked_lora(file), model)
    np.testing.assert_allclose(drawn(model, lora, 0.8, fuse=True), drawn(model, lora, 0.8), atol=1e-4)


@pytest.mark.parametrize("fuse", [False, True])
def test_a_run_that_fails_leaves_the_model_as_it_was(model: Components, file: Path, fuse: bool) -> None:
    lora, plain = load_lora(checked_lora(file), model), drawn(model, None)
    with pytest.raises(RuntimeError, match="stopped"), applied(model, lora, 1.0, fuse):
        raise RuntimeError("stopped")
    np.testing.assert_array_equal(drawn(model, None), plain)


@pytest.mark.parametrize("rename", [as_kohya, as_years_ago])
def test_the_names_of_other_trainers_mean_the_same_layers(
    model: Components, file: Path, rename: Any, tmp_path: Path
) -> None:
    tensors = load_file(file)
    if rename is as_years_ago:  # it noted no alpha: the matrices were meant as they are
        tensors = {name: each * ALPHA / RANK if "lora_B" in name else each for name, each in tensors.items()}
    save_file(rename(tensors), tmp_path / "other.safetensors")
    other = load_lora(checked_lora(tmp_path / "other.safetensors"), model)
    lora = load_lora(checked_lora(file), model)
    assert {(layer.part, layer.name) for layer in other.layers} == {(layer.part, layer.name) for layer in lora.layers}
    np.testing.assert_allclose(drawn(model, other), drawn(model, lora), atol=1e-5)


def test_a_lora_of_the_hub_comes_with_the_model_that_it_is_added_to(
    cache: Cache, model: Components, file: Path
) -> None:
    card = lora_card("someone/clay", file.name, "main", file.stat().st_size)
    folder = cache.root / "cache" / "models--someone--clay" / "snapshots" / "1234"
    folder.mkdir(parents=True)
    (folder.parent.parent / "refs").mkdir()
    (folder.parent.parent / "refs" / "main").write_text("1234")
    (folder / file.name).write_bytes(file.read_bytes())
    together = cache.load(composed(SD_1_5, [card]))
    assert together.lora is not None
    assert together.denoiser is model.denoiser
    np.testing.assert_array_equal(drawn(together, together.lora), drawn(model, load_lora(checked_lora(file), model)))


def test_a_transformer_takes_one_too(cache: Cache, tmp_path: Path) -> None:
    model = cache.load(Z_IMAGE_TURBO)
    name, module = next(
        (name, module) for name, module in model.denoiser.named_modules() if name.endswith("attention.to_q")
    )
    torch.manual_seed(0)
    rows, columns = module.weight.shape
    pair = {"lora_A.weight": torch.randn(2, columns), "lora_B.weight": torch.randn(rows, 2)}
    save_file({f"transformer.{name}.{side}": each for side, each in pair.items()}, tmp_path / "z.safetensors")
    lora = load_lora(checked_lora(tmp_path / "z.safetensors"), model)
    assert abs(drawn(model, lora) - drawn(model, None)).max() > 1e-4
    np.testing.assert_allclose(drawn(model, lora, fuse=True), drawn(model, lora), atol=1e-4)


def test_one_for_another_model_is_refused_and_says_what_does_not_fit(cache: Cache, file: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"does not fit Stable Diffusion XL.*has 32 x 32 in it and 32 x 64 here"):
        load_lora(checked_lora(file), cache.load(SDXL))
    save_file(as_kohya(load_file(file)), tmp_path / "noted.safetensors", {"ss_base_model_version": "sd_v1"})
    with pytest.raises(InvalidInput, match="trainer noted sd_v1"):
        load_lora(checked_lora(tmp_path / "noted.safetensors"), cache.load(SDXL))
    with pytest.raises(InvalidInput, match="takes no LoRA"):
        load_lora(checked_lora(file), cache.load(KANDINSKY_INPAINTING))


def changed(tensors: dict[str, Tensor], case: str) -> dict[str, Tensor]:
    """Return a LoRA with one thing wrong."""
    down = next(name for name in tensors if name.startswith("unet") and "lora_A" in name)
    up, deeper = down.replace("lora_A", "lora_B"), down.replace("unet.", "unet.deeper.")
    match case:
        case "half":
            del tensors[down]
        case "NaN":
            tensors[down] = torch.full_like(tensors[down], float("nan"))
        case "layer":
            tensors |= {deeper: tensors.pop(down), deeper.replace("lora_A", "lora_B"): tensors.pop(up)}
        case "part":
            tensors = {name.replace("text_encoder.", "text_encoder_9."): each for name, each in tensors.items()}
        case "extra":
            tensors["unet.strange"] = torch.zeros(1)
    return tensors


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("half", "incomplete"),
        ("NaN", "not numbers"),
        ("layer", "no layer deeper"),
        ("part", "text_encoder_9"),
        ("extra", "no part of a LoRA"),
    ],
)
def test_a_lora_that_is_not_whole_says_what_is_wrong(
    model: Components, file: Path, tmp_path: Path, case: str, expected: str
) -> None:
    save_file(changed(load_file(file), case), tmp_path / "changed.safetensors")
    with pytest.raises(InvalidInput, match=expected):
        load_lora(checked_lora(tmp_path / "changed.safetensors"), model)


def bad_file(folder: Path, case: str, good: bytes) -> Path:
    path = folder / "lora.safetensors"
    length = struct.unpack("<Q", good[:8])[0]
    header = json.loads(good[8 : 8 + length])
    match case:
        case "pickle":
            path.write_bytes(pickle.dumps({"weight": 1}))
        case "zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("data.pkl", b"")
        case "ckpt":
            path = folder / "lora.ckpt"
            path.write_bytes(good)
        case "cut":
            path.write_bytes(good[:-100])
        case "header":
            path.write_bytes(good[:8] + b"{" * length + good[8 + length :])
        case "long":
            path.write_bytes(struct.pack("<Q", 1 << 60) + good[8:])
        case "empty":
            path.write_bytes(b"")
        case "picture":
            path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 100)
        case "array":
            path.write_bytes(struct.pack("<Q", 2) + b"[]")
        case "deep":
            path.write_bytes(struct.pack("<Q", 100_000) + b"[" * 100_000)
        case "offsets":
            named = json.dumps({"lora_A": {"data_offsets": [0, "a"]}}).encode()
            path.write_bytes(struct.pack("<Q", len(named)) + named)
        case "notes":
            save_file({"lora_A.weight": torch.zeros(1)}, path, {"lora_adapter_metadata": "[]"})
        case _:
            sign = {"loha": "hada_w1_a", "dora": "dora_scale", "model": "weight"}[case]
            names = [name.replace("lora_A.weight", sign).replace("lora_B.weight", sign) for name in header]
            save_file({name: torch.zeros(1) for name in names if name != "__metadata__"}, path)
    return path


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("pickle", "is a pickle"),
        ("zip", "is a pickle"),
        ("ckpt", "is a pickle"),
        ("cut", "cut off"),
        ("header", "damaged"),
        ("long", "not a safetensors file"),
        ("empty", "not a safetensors file"),
        ("picture", "not a safetensors file"),
        ("array", "damaged"),
        ("deep", "damaged"),
        ("offsets", "damaged"),
        ("notes", "damaged"),
        ("loha", "is a LoHa"),
        ("dora", "is a DoRA"),
        ("model", "no LoRA layers"),
    ],
)
def test_what_is_no_lora_is_refused_before_it_is_read(file: Path, tmp_path: Path, case: str, expected: str) -> None:
    with pytest.raises(InvalidInput, match=expected):
        checked_lora(bad_file(tmp_path, case, file.read_bytes()))


def test_a_file_that_is_too_large_or_missing_says_what_is_allowed(file: Path) -> None:
    with pytest.raises(InvalidInput, match="Send at most 0 MB"):
        checked_lora(file, max_bytes=1000)
    for nothing in (None, "nowhere.safetensors"):
        with pytest.raises(InvalidInput, match="no LoRA file"):
            checked_lora(nothing)


def test_the_same_bytes_have_the_same_digest_and_others_another(file: Path, tmp_path: Path) -> None:
    tensors = load_file(file)
    save_file({name: each * 2 for name, each in tensors.items()}, tmp_path / "twice.safetensors")
    (tmp_path / "copy.safetensors").write_bytes(file.read_bytes())
    assert checked_lora(tmp_path / "copy.safetensors").digest == checked_lora(file).digest
    assert checked_lora(tmp_path / "twice.safetensors").digest != checked_lora(file).digest
