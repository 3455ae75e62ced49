"""Options declared once: a frozen dataclass whose fields carry their range, label and help.

The same declaration draws the controls of a tab, checks what the API is sent, and documents the endpoint, so a
slider's range and the server's check cannot drift apart.
"""

from __future__ import annotations

import dataclasses
import reprlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hub.errors import InvalidInput

T = TypeVar("T")
SPEC = "lectern"


@dataclass(frozen=True)
class Spec:
    """What a field accepts. Numbers have a range; `choices` lists allowed words; text has a greatest length."""

    label: str
    info: str
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    max_chars: int | None = None
    placeholder: str = ""


def number(default: float, minimum: float, maximum: float, *, step: float, label: str, info: str = "") -> Any:
    """Declare a number option in [minimum, maximum]; an int default makes it whole."""
    return field(default=default, metadata={SPEC: Spec(label, info, minimum, maximum, step)})


def choice(default: str, choices: tuple[str, ...], *, label: str, info: str = "") -> Any:
    """Declare an option that is one of `choices`."""
    return field(default=default, metadata={SPEC: Spec(label, info, choices=choices)})


def text(default: str, max_chars: int, *, label: str, info: str = "", placeholder: str = "") -> Any:
    """Declare a text option of at most `max_chars` characters."""
    return field(default=default, metadata={SPEC: Spec(label, info, max_chars=max_chars, placeholder=placeholder)})


def specs(options: type[Any]) -> dict[str, tuple[Spec, Any]]:
    """Return {field name: (its spec, its default)} of an options dataclass, in order."""
    return {item.name: (item.metadata[SPEC], item.default) for item in dataclasses.fields(options)}


def checked(options: type[T], values: Mapping[str, Any]) -> T:
    """Build `options` from what a user sent; a value left out or None takes its default.

    Raises:
        InvalidInput: names the option, what was expected and what came.
    """
    declared = specs(options)
    for name in values:
        if name not in declared:
            raise InvalidInput(f"There is no option {_shown(name)}.", f"Options are: {', '.join(declared)}.")
    clean = {
        name: _checked_value(spec, default, values[name])
        for name, (spec, default) in declared.items()
        if values.get(name) is not None
    }
    return options(**clean)


def _checked_value(spec: Spec, default: Any, value: Any) -> Any:
    if spec.choices:
        if value not in spec.choices:
            raise InvalidInput(f"{spec.label}: {_shown(value)} is not offered.", f"Choose {' or '.join(spec.choices)}.")
        return value
    if spec.minimum is not None and spec.maximum is not None:
        return _checked_number(spec, default, value)
    return checked_text(value, spec.max_chars or 0, spec.label)


def _checked_number(spec: Spec, default: Any, value: Any) -> Any:
    expected = f"a number from {spec.minimum:,.10g} to {spec.maximum:,.10g}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f"{spec.label}: expected {expected}, got {_shown(value)}.", "Send a number.")
    if not spec.minimum <= value <= spec.maximum:  # type: ignore[operator]  # (never true of NaN)
        raise InvalidInput(f"{spec.label}: {_shown(value)} is out of range.", f"Choose {expected}.")
    if isinstance(default, int):
        if value != int(value):
            raise InvalidInput(f"{spec.label}: {value:g} is not whole.", "Choose a whole number.")
        return int(value)
    return float(value)


def checked_text(value: Any, max_chars: int, label: str) -> str:
    """Return `value` stripped of surrounding space.

    Raises:
        InvalidInput: when it is no text, is longer than `max_chars`, or holds control characters or half a surrogate
            pair, which tokenizers refuse.
    """
    if not isinstance(value, str):
        raise InvalidInput(f"{label}: expected text, got {type(value).__name__}.", "Send a string.")
    clean = value.replace("\r\n", "\n").strip()
    if len(clean) > max_chars:
        raise InvalidInput(f"{label}: {len(clean):,} characters are too many.", f"Use at most {max_chars:,}.")
    if any(unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t" for character in clean):
        raise InvalidInput(f"{label} holds control characters.", "Remove them and try again.")
    return clean


def _shown(value: Any) -> str:
    """Quote what came, briefly, however long or deep it is."""
    try:
        return reprlib.repr(value)
    except ValueError:  # Python refuses to spell a whole number of thousands of digits
        return "a huge number"
