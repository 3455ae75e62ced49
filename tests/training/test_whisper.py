"""Whisper's encoder: read from another program's file, cut to a second, and heard through the same spectrogram."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from training.whisper import (
    HEADS,
    MEMBER,
    POSITIONS,
    LogMel,
    make_extractor,
    make_model,
    read_ctranslate2,
    read_encoder,
)
from training.words import LABELS


def ctranslate2_file(arrays: dict[str, NDArray[np.float16]], version: int = 6) -> bytes:
    """Write arrays as CTranslate2 does."""
    text = lambda name: struct.pack("<H", len(name) + 1) + name.encode() + b"\0"  # noqa: E731
    data = struct.pack("<I", version) + text("WhisperSpec") + struct.pack("<II", 3, len(arrays))
    for name, array in arrays.items():
        data += text(name) + struct.pack("<B", array.ndim) + struct.pack(f"<{array.ndim}I", *array.shape)
        data += struct.pack("<BI", 4, array.nbytes) + array.tobytes()
    return data + struct.pack("<I", 0)


def whisper_arrays() -> dict[str, NDArray[np.float16]]:
    """Return arrays of the names and shapes of Whisper tiny.en's encoder, of small random numbers."""
    shapes: dict[str, tuple[int, ...]] = {
        "position_encodings/encodings": (1500, 384),
        "conv1/weight": (384, 80, 3),
        "conv1/bias": (384,),
        "conv2/weight": (384, 384, 3),
        "conv2/bias": (384,),
        "layer_norm/gamma": (384,),
        "layer_norm/beta": (384,),
    }
    for number in range(4):
        for part, rows, columns in (
            ("self_attention/linear_0", 1152, 384),
            ("self_attention/linear_1", 384, 384),
            ("ffn/linear_0", 1536, 384),
            ("ffn/linear_1", 384, 1536),
        ):
            shapes[f"layer_{number}/{part}/weight"] = (rows, columns)
            shapes[f"layer_{number}/{part}/bias"] = (rows,)
        for part in ("self_attention", "ffn"):
            for kind in ("gamma", "beta"):
                shapes[f"layer_{number}/{part}/layer_norm/{kind}"] = (384,)
    rng = np.random.default_rng(0)
    return {
        f"encoder/{name}": (0.05 * rng.standard_normal(shape, dtype=np.float32)).astype(np.float16)
        for name, shape in shapes.items()
    }


def test_every_weight_of_the_encoder_comes_from_the_package(tmp_path: Path) -> None:
    arrays = whisper_arrays()
    with zipfile.ZipFile(tmp_path / "package.whl", "w") as wheel:
        wheel.writestr(MEMBER, ctranslate2_file(arrays))
    model = make_model(read_encoder(tmp_path / "package.whl"))
    layer = model.encoder.layers[2].self_attn
    together = arrays["encoder/layer_2/self_attention/linear_0/weight"].astype(np.float32)
    np.testing.assert_array_equal(layer.k_proj.weight.detach().numpy(), together[384:768])
    np.testing.assert_array_equal(layer.v_proj.weight.detach().numpy(), together[768:])
    positions = arrays["encoder/position_encodings/encodings"].astype(np.float32)
    np.testing.assert_array_equal(model.encoder.embed_positions.weight.detach().numpy(), positions[:POSITIONS])
    assert model.config.encoder_attention_heads == HEADS


def test_a_file_of_another_version_is_named() -> None:
    with pytest.raises(ValueError, match="version 6, got 5"):
        read_ctranslate2(ctranslate2_file({}, version=5))


def test_the_spectrogram_of_a_batch_is_the_feature_extractors() -> None:
    sounds = 0.1 * np.random.default_rng(0).standard_normal((3, 16000), dtype=np.float32)
    expected = make_extractor()(list(sounds), sampling_rate=16000, return_tensors="pt").input_features
    torch.testing.assert_close(LogMel()(torch.from_numpy(sounds)), expected, atol=1e-4, rtol=0)


def test_the_classifier_hears_one_second_and_the_extractor_fills_or_cuts_to_it() -> None:
    model, extractor = make_model().eval(), make_extractor()
    for seconds in (0.3, 1.0, 2.5):
        sound = np.zeros(round(16000 * seconds), dtype=np.float32)
        features = extractor(sound, sampling_rate=16000, return_tensors="pt").input_features
        assert features.shape == (1, 80, 2 * POSITIONS)
        assert model(features).logits.shape == (1, len(LABELS))
