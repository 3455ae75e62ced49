"""Show code: plain transformers, soundfile and soxr code that repeats a run outside Lectern."""

from __future__ import annotations

from demos.keyword_spotting import convert
from demos.keyword_spotting import snippet_parts as parts
from demos.keyword_spotting.families.clap import SENTENCE, candidates
from demos.keyword_spotting.families.typed import typed_words
from demos.keyword_spotting.families.whisper_words import OTHER_WORDS, POSITIONS_PER_S, spellings
from demos.keyword_spotting.options import SpottingRequest
from demos.keyword_spotting.spotting import Spotting
from demos.keyword_spotting.taught import NEAREST
from hub.cards import ModelCard
from hub.snippet import SOUND_NAME, model_path, revision_argument
from hub.sounds import SILENT

TAUGHT_NAME = "words.safetensors"  # what the code calls the downloaded file of taught words

FEATURES = {
    "classifier": parts.CLASSIFIER_FEATURES,
    "clap": parts.CLAP_FEATURES,
    "whisper-words": parts.WHISPER_FEATURES,
}

IMPORTS = {  # by what shows in code that they are needed
    "os.path": "import os",
    "deque(": "from collections import deque",
    "np.": "import numpy as np",
    "soundfile.": "import soundfile",
    "soxr.": "import soxr",
    "torch.": "import torch",
    "constants.": "from huggingface_hub import constants",
    "load_file(": "from safetensors.numpy import load_file",
}
OF_TRANSFORMERS = (
    "AutoFeatureExtractor",
    "AutoModelForAudioClassification",
    "AutoTokenizer",
    "ClapModel",
    "WhisperFeatureExtractor",
    "WhisperForConditionalGeneration",
    "pipeline",
)
FIRST = ("os.path", "deque(")  # of the standard library


def snippet(card: ModelCard, request: SpottingRequest, result: Spotting) -> str:
    """Return code that prints what was heard in the sound of `request`, which it calls audio.wav."""
    chosen = request.options
    scanned = len(result.starts_s) > 1
    notes = "".join(f"# Lectern noted of this file: {note}.\n" for note in request.sound.notes)
    read = parts.READ.format(file=SOUND_NAME, notes=notes)
    windows = parts.WINDOWS if scanned else parts.ONE_WINDOW
    detect = parts.DETECT if scanned else parts.DETECT_ONE
    code = (
        read
        + windows.format(window_s=f"{result.window_s:g}", hop_s=chosen.hop_s)
        + parts.PRECISION
        + (parts.FOLDER.format(package=card.package) if card.package else "")
        + _listening(card, request, result).lstrip("\n")
        + parts.BEST.format(silent=SILENT, top_k=chosen.top_k)
        + detect.format(
            threshold=chosen.threshold,
            smoothing=chosen.smoothing,
            suppression_s=chosen.suppression_s,
            window_s=f"{result.window_s:g}",
        )
    )
    return f"{_imports(code)}\n\n{code}"


def _listening(card: ModelCard, request: SpottingRequest, result: Spotting) -> str:
    """Return the part that turns windows into labels and their scores."""
    where = {
        "path": f'os.path.join(constants.HF_HOME, "{convert.CACHED}")' if card.package else model_path(card),
        "revision": "" if card.package else revision_argument(card),
        "window_s": round(result.window_s),
        "positions": round(result.window_s * POSITIONS_PER_S),
    }
    if request.taught is not None:
        compared = parts.TAUGHT.format(words=list(request.taught.words), file=TAUGHT_NAME, nearest=NEAREST)
        return FEATURES[card.family].format(**where) + compared
    if card.family == "classifier":
        return parts.CLASSIFIER.format(**where)
    words = typed_words(request.options.words)
    if card.family == "clap":
        others = list(candidates(words)[len(words) :])
        return parts.CLAP.format(**where, words=list(words), others=others, sentence=SENTENCE)
    written = "".join(f"    {word!r}: {list(spellings(word))},\n" for word in words)
    return parts.WHISPER.format(**where, written=written, prompt=_prompt(card, words), other=OTHER_WORDS)


def _prompt(card: ModelCard, words: tuple[str, ...]) -> str:
    """Return how the tokens before the transcript are chosen, as `WhisperWords` does it."""
    if card.source.endswith(".en"):
        return parts.ENGLISH_PROMPT
    return parts.PROMPT if all(word.isascii() for word in words) else parts.GUESSING_PROMPT


def _imports(code: str) -> str:
    """Return the imports that code needs: the standard library, a blank line, the others."""
    needed = [sign for sign in IMPORTS if sign in code]
    first = [IMPORTS[sign] for sign in needed if sign in FIRST]
    others = [IMPORTS[sign] for sign in needed if sign not in FIRST]
    others.append(f"from transformers import {', '.join(name for name in OF_TRANSFORMERS if _is_used(name, code))}")
    return "\n".join([*first, *([""] if first else []), *others])


def _is_used(name: str, code: str) -> bool:
    return f"{name}(" in code or f"{name}." in code
