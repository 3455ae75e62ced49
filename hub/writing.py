"""What all models that write text share: how a run is stopped and watched, and what may not be asked of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hub.batch import Watch
from hub.errors import InvalidInput

if TYPE_CHECKING:
    from torch import Tensor

STEP_S = 0.25  # least time between two texts so far sent to the page


def stopping(
    places: Sequence[int], decode: Callable[[list[list[int]]], list[str]], watch: Watch
) -> Callable[..., Tensor]:
    """Return what `generate` asks after each token: it stops what was cancelled, and tells what is written so far.

    Args:
        places: the requests of the watch that are written for, in the order of `generate`'s rows.
        decode: turns lists of tokens into texts.
        watch: hears of the text so far, where there is one candidate a request, and knows who has left.
    """
    import torch

    written = 0
    last_step = time.monotonic()

    def stop(tokens: Tensor, scores: Any, **unused: Any) -> Tensor:
        nonlocal written, last_step
        watch.raise_if_all_cancelled()
        written += 1
        rows_each = tokens.shape[0] // len(places)
        if rows_each == 1 and time.monotonic() - last_step >= STEP_S:
            last_step = time.monotonic()
            for place, text in zip(places, decode(tokens[:, -written:].tolist()), strict=True):
                watch.step(place, text)
        gone = [watch.cancelled(places[row // rows_each]) for row in range(tokens.shape[0])]
        return torch.tensor(gone, device=tokens.device)

    return stop


def refuse_control_tokens(text: str, what: str, tokenizer: Any) -> None:
    """Refuse a text that spells one of the model's control tokens, such as its placeholder for the picture.

    Args:
        text: what the user wrote.
        what: what it is, for the message: "prompt", "question".
        tokenizer: the model's.

    Raises:
        InvalidInput: names the token.
    """
    control = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    for token in sorted(control | set(tokenizer.all_special_tokens)):
        if token in text:
            raise InvalidInput(f"The {what} holds {token}, which is a command to this model.", "Leave it out.")
