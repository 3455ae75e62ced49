"""The words a user types, for models that listen for any: what they may be."""

from __future__ import annotations

import re
import unicodedata

from demos.keyword_spotting.spotting import SILENCE, UNKNOWN
from hub.errors import InvalidInput

MOST_WORDS = 40
LONGEST_WORD = 60  # characters
COMMAS = r"[,;\n，、،؛]"  # of several scripts
EXAMPLE = "Type some, separated by commas, for example: yes, no, thank you."


def typed_words(text: str) -> tuple[str, ...]:
    """Return the words in a list separated by commas, each once, in the order typed.

    Raises:
        InvalidInput: for no words, too many, or what nobody can say.
    """
    found: dict[str, str] = {}
    for part in re.split(COMMAS, unicodedata.normalize("NFC", text)):
        word = " ".join(part.split())
        if word:
            found.setdefault(word.casefold(), word)
    words = tuple(found.values())
    if not words:
        raise InvalidInput("This model listens for the words you type, and there are none.", EXAMPLE)
    if len(words) > MOST_WORDS:
        raise InvalidInput(f"{len(words)} words are too many to listen for at once.", f"Use at most {MOST_WORDS}.")
    for word in words:
        if len(word) > LONGEST_WORD:
            raise InvalidInput(
                f"“{word[:20]}…” has {len(word)} characters.", f"Use at most {LONGEST_WORD} for one word or phrase."
            )
        if word.casefold() in (UNKNOWN, SILENCE) or not any(character.isalnum() for character in word):
            raise InvalidInput(f"“{word}” is nothing that can be said.", EXAMPLE)
    return words


def refuse_other_scripts(words: tuple[str, ...], model: str) -> None:
    """Refuse words that an English model could not even write.

    Raises:
        InvalidInput: names the first of them.
    """
    for word in words:
        if any(letter.isalpha() and "LATIN" not in unicodedata.name(letter, "") for letter in word):
            raise InvalidInput(
                f"{model} knows English only, and “{word}” is not in Latin letters.",
                "Choose Whisper base, which knows 99 languages, or type English words.",
            )
