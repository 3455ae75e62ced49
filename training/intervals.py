"""How sure a measured share is."""

from __future__ import annotations

import math

Z_95 = 1.959964  # of the normal distribution, two-sided 95 %


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a share, both ends in 0 to 1.

    >>> low, high = wilson_interval(95, 100)
    >>> round(low, 3), round(high, 3)
    (0.888, 0.978)

    Raises:
        ValueError: there are no trials.

    Source: Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927), p. 209-212.
    """
    if trials < 1:
        raise ValueError(f"expected at least one trial, got {trials}")
    share, spread = successes / trials, Z_95**2 / trials
    middle = (share + spread / 2) / (1 + spread)
    half = Z_95 / (1 + spread) * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return max(0.0, middle - half), min(1.0, middle + half)


def percent(successes: int, trials: int) -> str:
    """Write a share with its 95 % interval and its counts, for a table.

    >>> percent(95, 100)
    '95.0 % (88.8 to 97.8; 95 of 100)'
    """
    low, high = wilson_interval(successes, trials)
    return (
        f"{successes / trials:.1%} ({low:.1%} to {high:.1%}; {successes} of {trials})".replace("%", " %")
        .replace(" % to", " to")
        .replace(" %;", ";")
    )
