"""What the page and the API send, checked and put together as one request."""

from __future__ import annotations

from typing import Any

from demos.keyword_spotting.options import SpottingOptions, SpottingRequest
from demos.keyword_spotting.taught import Taught
from hub.errors import InvalidInput
from hub.options import checked
from hub.sounds import Sound, SoundLimits, sent_as_text, sound

BASE64_GROWTH = 4 / 3  # characters a byte


def asked(
    limits: SoundLimits,
    *,
    audio: str | None,
    audio_base64: str | None,
    explain: Any = True,
    taught: Taught | None = None,
    **options: Any,
) -> SpottingRequest:
    """Check what came in.

    Args:
        limits: of the sound.
        audio: path of an uploaded file, or None.
        audio_base64: the bytes of a file in base64, with or without a data URL's head; or nothing.
        explain: whether to find out which part of the sound mattered.
        taught: words of the user's own, in place of the model's.
        options: values of `SpottingOptions` by name.

    Raises:
        InvalidInput: says what is wrong with which of them.
    """
    chosen = checked(SpottingOptions, options)
    if not isinstance(explain, bool):
        raise InvalidInput("Whether to show what mattered is neither yes nor no.", "Send true or false.")
    heard = one_sound(limits, audio, audio_base64)
    return SpottingRequest(heard, chosen, explain=explain, taught=taught, played=audio)


def one_sound(limits: SoundLimits, audio: str | None, audio_base64: Any) -> Sound:
    """Read the one sound that was sent, in either way."""
    if not audio_base64:
        return sound(audio, limits)
    if audio:
        raise InvalidInput("Two sounds were sent, as a file and as text.", "Use at most one of them.")
    if not isinstance(audio_base64, str):
        raise InvalidInput(f"The sound: expected text, got {type(audio_base64).__name__}.", "Send it in base64.")
    if len(audio_base64) > (most := int(limits.megabytes * 1e6 * BASE64_GROWTH)):
        raise InvalidInput(f"{len(audio_base64):,} characters of sound are too many.", f"Use at most {most:,}.")
    return sound(sent_as_text(audio_base64), limits)
