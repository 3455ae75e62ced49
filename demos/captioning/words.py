"""Which tokens make up which word of a caption, whatever the tokenizer.

The one idea: decode every beginning of the caption. A token belongs to the word that is last once it is there. Decoding
may still change what came before (it closes up "don ' t"), so a token never belongs to a later word than any token
after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence


def tokens_of_words(tokens: Sequence[int], decode: Callable[[list[list[int]]], list[str]]) -> list[list[int]]:
    """Return, for each word of the decoded text, the places of its tokens; every word has at least one.

    Args:
        tokens: the token ids of a caption, without the one that ends it.
        decode: turns lists of token ids into texts.

    >>> pieces = ["a", " pic", "ture", ",", " two"]
    >>> tokens_of_words(range(5), lambda parts: ["".join(pieces[token] for token in part) for part in parts])
    [[0], [1, 2, 3], [4]]
    """
    texts = decode([list(tokens[: end + 1]) for end in range(len(tokens))])
    last_word = [len(text.split()) - 1 for text in texts]
    for place in range(len(last_word) - 2, -1, -1):
        last_word[place] = min(last_word[place], last_word[place + 1])
    last_word = [max(word, 0) for word in last_word]  # blanks before the first word
    count = len(texts[-1].split()) if texts else 0
    found = [[place for place, owner in enumerate(last_word) if owner == word] for word in range(count)]
    # One token may hold the end of a word and the next one whole: it counts for both.
    return [
        mine or [next(place for place, owner in enumerate(last_word) if owner > word)]
        for word, mine in enumerate(found)
    ]
