"""Tiny checkpoints with random weights, one of each family of keyword spotters, laid out in files as the Hub does it.

The classes are those of the real models, so what loads these loads them; what they hear means nothing.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTForAudioClassification,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    ClapProcessor,
    GenerationConfig,
    HubertConfig,
    HubertForSequenceClassification,
    PreTrainedModel,
    RobertaTokenizer,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)

WEIGHT_SCALE = 0.3
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
TEN = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
SUPERB_LABELS = (*TEN, "_silence_", "_unknown_")
AST_LABELS = (*TEN, "backward", "follow")  # the real one has 35, and as here no label for what is no word
LANGUAGES = ("en", "de", "ru")
TEXT = "yes no up down left right on off stop go Yes No YES NO a dog barking music on top. This is a sound of да нет"


def save(name: str, folder: Path) -> Path:
    """Save the checkpoint `name` of `CHECKPOINTS` to `folder`; the same bytes every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        CHECKPOINTS[name](folder)
    return folder


def wav2vec2(folder: Path) -> None:
    """Save a wav2vec 2.0 that tells ten words apart."""
    _save(folder, Wav2Vec2ForSequenceClassification(Wav2Vec2Config(**_speech())), Wav2Vec2FeatureExtractor())


def hubert(folder: Path) -> None:
    """Save a HuBERT that tells ten words apart."""
    config = HubertConfig(**_speech())
    _save(folder, HubertForSequenceClassification(config), Wav2Vec2FeatureExtractor(do_normalize=False))


def ast(folder: Path) -> None:
    """Save an Audio Spectrogram Transformer without labels for what is no word."""
    config = ASTConfig(**SIZES, max_length=128, num_mel_bins=128, **_labels(AST_LABELS))
    _save(folder, ASTForAudioClassification(config), ASTFeatureExtractor(max_length=128, mean=-6.8, std=5.6))


def clap(folder: Path) -> None:
    """Save a CLAP of the unfused kind, which hears four seconds."""
    vocabulary, merges = _byte_pairs(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer = RobertaTokenizer(vocab=vocabulary, merges=merges)
    text = {**SIZES, "vocab_size": len(tokenizer), "max_position_embeddings": 96, "projection_dim": 32}
    audio = {
        "spec_size": 128,
        "num_mel_bins": 32,
        "window_size": 4,
        "patch_size": 4,
        "patch_stride": [4, 4],
        "patch_embeds_hidden_size": 16,
        "hidden_size": 32,
        "depths": [1, 1],
        "num_attention_heads": [2, 2],
        "num_hidden_layers": 2,
        "projection_dim": 32,
    }
    extractor = ClapFeatureExtractor(feature_size=32, max_length_s=4, truncation="rand_trunc", padding="repeatpad")
    config = ClapConfig(text_config=text, audio_config=audio, projection_dim=32)
    _save(folder, ClapModel(config), ClapProcessor(extractor, tokenizer))


def whisper_en(folder: Path) -> None:
    """Save an English Whisper."""
    _whisper(folder, {"is_multilingual": False})


def whisper(folder: Path) -> None:
    """Save a Whisper of three languages."""
    tokenizer = whisper_tokenizer()
    languages = {f"<|{name}|>": tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in LANGUAGES}
    _whisper(folder, {"is_multilingual": True, "lang_to_id": languages})


CHECKPOINTS: dict[str, Callable[[Path], None]] = {
    "wav2vec2-ks": wav2vec2,
    "hubert-ks": hubert,
    "ast-speech-commands": ast,
    "whisper-tiny-en": whisper_en,
    "whisper-base": whisper,
    "clap": clap,
}  # by the key of the card whose model each stands for


def whisper_model() -> WhisperForConditionalGeneration:
    """Return a Whisper of 1,500 positions with random weights."""
    tokenizer = whisper_tokenizer()
    end = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=tokenizer.convert_tokens_to_ids("<|startoftranscript|>"),
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    return _wide(WhisperForConditionalGeneration(config))


def whisper_tokenizer() -> WhisperTokenizer:
    """Return a tokenizer with Whisper's marks."""
    marks = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{name}|>" for name in LANGUAGES)]
    marks += ["<|translate|>", "<|transcribe|>", "<|nospeech|>", "<|notimestamps|>"]
    vocabulary, merges = _byte_pairs(marks)
    tokenizer = WhisperTokenizer(vocab=vocabulary, merges=merges)
    tokenizer.add_special_tokens({"additional_special_tokens": marks[1:]})
    return tokenizer


def ctranslate2_file(arrays: dict[str, NDArray[Any]], version: int = 6) -> bytes:
    """Write arrays as CTranslate2 does."""
    text = lambda name: struct.pack("<H", len(name) + 1) + name.encode() + b"\0"  # noqa: E731
    kinds = {"float16": 4, "int16": 2, "int8": 1, "float32": 0}
    data = struct.pack("<I", version) + text("WhisperSpec") + struct.pack("<II", 3, len(arrays))
    for name, array in arrays.items():
        data += text(name) + struct.pack("<B", array.ndim) + struct.pack(f"<{array.ndim}I", *array.shape)
        data += struct.pack("<BI", kinds[array.dtype.name], array.nbytes) + array.tobytes()
    return data + struct.pack("<I", 0)


def whisper_arrays(model: WhisperForConditionalGeneration) -> dict[str, NDArray[Any]]:
    """Return the weights of a Whisper as CTranslate2 names and joins them."""
    state = {name.removeprefix("model."): value.numpy() for name, value in model.state_dict().items()}
    heads = np.array(model.config.encoder_attention_heads, np.int16)
    found = {"encoder/num_heads": heads, "decoder/num_heads": heads}
    found["decoder/embeddings/weight"] = state["decoder.embed_tokens.weight"]
    for side in ("encoder", "decoder"):
        found[f"{side}/position_encodings/encodings"] = state[f"{side}.embed_positions.weight"]
        _put_norm(found, f"{side}/layer_norm", state, f"{side}.layer_norm")
        for number in range(2):
            _put_layer(found, f"{side}/layer_{number}", state, f"{side}.layers.{number}")
    for part in ("conv1", "conv2"):
        for kind in ("weight", "bias"):
            found[f"encoder/{part}/{kind}"] = state[f"encoder.{part}.{kind}"]
    return {
        name: array if array.dtype == np.int16 else np.ascontiguousarray(array, dtype=np.float16)
        for name, array in found.items()
    }


def _put_layer(found: dict[str, Any], theirs: str, state: dict[str, Any], ours: str) -> None:
    for kind in ("weight", "bias"):
        found[f"{theirs}/self_attention/linear_0/{kind}"] = _together(state, f"{ours}.self_attn", "qkv", kind)
        found[f"{theirs}/self_attention/linear_1/{kind}"] = state[f"{ours}.self_attn.out_proj.{kind}"]
        found[f"{theirs}/ffn/linear_0/{kind}"] = state[f"{ours}.fc1.{kind}"]
        found[f"{theirs}/ffn/linear_1/{kind}"] = state[f"{ours}.fc2.{kind}"]
        if f"{ours}.encoder_attn.q_proj.weight" in state:
            found[f"{theirs}/attention/linear_0/{kind}"] = state[f"{ours}.encoder_attn.q_proj.{kind}"]
            found[f"{theirs}/attention/linear_1/{kind}"] = _together(state, f"{ours}.encoder_attn", "kv", kind)
            found[f"{theirs}/attention/linear_2/{kind}"] = state[f"{ours}.encoder_attn.out_proj.{kind}"]
    _put_norm(found, f"{theirs}/self_attention/layer_norm", state, f"{ours}.self_attn_layer_norm")
    _put_norm(found, f"{theirs}/ffn/layer_norm", state, f"{ours}.final_layer_norm")
    if f"{ours}.encoder_attn_layer_norm.weight" in state:
        _put_norm(found, f"{theirs}/attention/layer_norm", state, f"{ours}.encoder_attn_layer_norm")


def _together(state: dict[str, Any], attention: str, parts: str, kind: str) -> NDArray[Any]:
    zeros = np.zeros_like(state[f"{attention}.q_proj.bias"])  # of the keys, which have no bias in transformers
    return np.concatenate([state.get(f"{attention}.{part}_proj.{kind}", zeros) for part in parts])


def _put_norm(found: dict[str, Any], theirs: str, state: dict[str, Any], ours: str) -> None:
    found[f"{theirs}/gamma"], found[f"{theirs}/beta"] = state[f"{ours}.weight"], state[f"{ours}.bias"]


def _whisper(folder: Path, generation: dict[str, Any]) -> None:
    model = whisper_model()
    settings = GenerationConfig(eos_token_id=model.config.eos_token_id, **generation)
    model.generation_config = settings
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    WhisperProcessor(WhisperFeatureExtractor(), whisper_tokenizer()).save_pretrained(folder)


def _speech() -> dict[str, Any]:
    """Return sizes of an encoder of the waveform: 25 moments a second."""
    return {
        **SIZES,
        "conv_dim": (16, 16),
        "conv_kernel": (16, 32),
        "conv_stride": (16, 40),
        "num_feat_extract_layers": 2,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
        "classifier_proj_size": 16,
        "use_weighted_layer_sum": True,
        **_labels(SUPERB_LABELS),
    }


def _labels(names: tuple[str, ...]) -> dict[str, Any]:
    return {"id2label": dict(enumerate(names)), "label2id": {name: index for index, name in enumerate(names)}}


def _save(folder: Path, model: PreTrainedModel, processor: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _wide(model).save_pretrained(folder)
    processor.save_pretrained(folder)


def _wide(model: Any) -> Any:
    """Draw the matrices wide, for a model fresh from its usual initialisation finds everything alike."""
    for name, weight in model.named_parameters():
        if weight.ndim >= 2 and "position" not in name and "parametrizations" not in name:
            torch.nn.init.normal_(weight, std=WEIGHT_SCALE)
    return model.eval()


def _byte_pairs(marks: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return vocabulary and merges of a small byte-level tokenizer that can spell `TEXT`; `marks` come first."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=len(marks) + 320,
        special_tokens=marks,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT] * 20, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]
