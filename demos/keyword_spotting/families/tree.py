"""All typed words as one tree of tokens, and what a decoder says of them in one pass.

The inner nodes of the tree are laid out as one sequence. Each token sees, by the attention mask, only the prompt and
its own ancestors, and stands at the position of its depth: so the decoder computes for each what it would compute for
that beginning alone. Leaves need not be given to it, for nothing is asked after them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

Path = tuple[int, ...]  # tokens from the root to a node


class Tree:
    """The spellings of words as tokens.

    Args:
        words: for each word its spellings, each as tokens.
        english: whether the words are written in ASCII.
    """

    def __init__(self, words: Sequence[Sequence[Sequence[int]]], *, english: bool = True) -> None:
        self.english = english
        self.count = len(words)
        self.word_of: dict[Path, int] = {}  # the first word that has a spelling keeps it
        for number, written in enumerate(words):
            for spelling in written:
                self.word_of.setdefault(tuple(spelling), number)
        beginnings = {path[:length] for path in self.word_of for length in range(len(path))}
        self.inner: list[Path] = sorted(beginnings, key=lambda path: (len(path), path))  # the root comes first
        self.children: dict[Path, list[int]] = {path: [] for path in self.inner}
        for path in sorted(beginnings | set(self.word_of)):
            if path:
                self.children[path[:-1]].append(path[-1])

    def log_probabilities(self, model: Any, prompts: Tensor, heard: Tensor) -> tuple[Tensor, Tensor]:
        """Return the words' log-probabilities (N, words), and those of the likeliest beginning of no word (N,).

        Where one word begins with another ("on", "on top"), what is written on into the longer one is not counted for
        the shorter.

        Args:
            model: `WhisperForConditionalGeneration`.
            prompts: tokens (N, P) before the transcript.
            heard: what the encoder made of the windows, (N, positions, D).
        """
        import torch

        states = self._decoded(model, prompts, heard)
        logs: dict[Path, Tensor] = {(): states.new_zeros(len(states), dtype=torch.float32)}
        words = torch.full((len(states), self.count), -torch.inf, device=states.device)
        other = torch.full((len(states),), -torch.inf, device=states.device)
        for place, path in enumerate(self.inner):
            own = self.children[path]
            after = model.proj_out(states[:, place]).float().log_softmax(-1)  # (N, vocabulary)
            for token in own:
                logs[*path, token] = logs[path] + after[:, token]
            beyond = after.clone()
            beyond[:, own] = -torch.inf
            if path in self.word_of:
                logs[path] = logs[path] + beyond.logsumexp(-1)
            else:
                other = torch.maximum(other, logs[path] + beyond.amax(-1))
        for path, number in self.word_of.items():
            words[:, number] = torch.logaddexp(words[:, number], logs[path])
        return words, other

    def _decoded(self, model: Any, prompts: Tensor, heard: Tensor) -> Tensor:
        """Return the decoder's states after each inner node (N, inner, D)."""
        import torch

        count, given = prompts.shape
        tokens = torch.tensor([path[-1] for path in self.inner[1:]], dtype=torch.long, device=prompts.device)
        depths = [*range(given), *(given + len(path) - 1 for path in self.inner[1:])]
        sees = torch.ones(len(depths), len(depths), dtype=torch.bool).tril()
        for row, path in enumerate(self.inner[1:]):
            sees[given + row, given:] = torch.tensor([path[: len(one)] == one for one in self.inner[1:]])
        mask = torch.zeros(sees.shape, dtype=heard.dtype).masked_fill(~sees, torch.finfo(heard.dtype).min)
        states: Tensor = model.model.decoder(
            input_ids=torch.cat([prompts, tokens.expand(count, -1)], 1),
            attention_mask=mask.to(heard.device).expand(count, 1, -1, -1),
            position_ids=torch.tensor(depths, device=heard.device).expand(count, -1),
            encoder_hidden_states=heard,
            use_cache=False,
        ).last_hidden_state
        return states[:, given - 1 :]
