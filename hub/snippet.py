"""Help for "Show code": turning one run into the few lines of plain library code that repeat it.

Each demo writes its own template; this module only spells values the way a person would type them.
"""

from __future__ import annotations

from typing import Any

from hub.cards import ModelCard

PICTURE_NAME = "picture.png"  # what a snippet calls the user's only picture, whose name it cannot know
SOUND_NAME = "audio.wav"  # and their sound, whatever its format: libraries go by the content


def file_name(parameter: str) -> str:
    """Return what a snippet calls the picture or the sound sent as `parameter` of an endpoint.

    >>> file_name("image"), file_name("left"), file_name("audio")
    ('picture.png', 'left.png', 'audio.wav')
    """
    return {"image": PICTURE_NAME, "audio": SOUND_NAME}.get(parameter, f"{parameter}.png")


def model_path(card: ModelCard) -> str:
    """Return the first argument of `from_pretrained` as source code: a folder of the checkout, or a Hub id."""
    return repr(f"assets/models/{card.source}" if card.embedded else card.source)


def revision_argument(card: ModelCard) -> str:
    """Return `, revision="..."` for a Hub model, nothing for an embedded one."""
    return "" if card.embedded else f", revision={card.revision!r}"


def arguments(values: dict[str, Any]) -> str:
    """Spell keyword arguments.

    >>> arguments({"num_beams": 3, "do_sample": False})
    'num_beams=3, do_sample=False'
    """
    return ", ".join(f"{name}={value!r}" for name, value in values.items())
