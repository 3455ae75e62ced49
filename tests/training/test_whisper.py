"""Whisper's encoder: read from its folder, cut to a second, and heard through the same spectrogram."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration

from training.whisper import HEADS, LAYERS, POSITIONS, WIDTH, LogMel, make_extractor, make_model, read_encoder
from training.words import LABELS


def test_the_encoder_is_that_of_the_whisper_in_the_folder(tmp_path: Path) -> None:
    config = WhisperConfig(  # tiny.en's encoder, with little of a decoder
        d_model=WIDTH,
        encoder_layers=LAYERS,
        encoder_attention_heads=HEADS,
        encoder_ffn_dim=4 * WIDTH,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=8,
        vocab_size=64,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
        decoder_start_token_id=1,
    )
    whisper = WhisperForConditionalGeneration(config)
    whisper.half().save_pretrained(tmp_path)
    ours, theirs = make_model(read_encoder(tmp_path)).encoder, whisper.float().model.encoder
    expected = theirs.state_dict()
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, expected[name][: len(value)], atol=0, rtol=0)
    assert len(ours.embed_positions.weight) == POSITIONS
    assert ours.config.encoder_attention_heads == HEADS


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
