"""Bootstrap intervals of means over problems."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEVEL = 0.95
RESAMPLES = 10_000
COUNTED = 16
"""Counting the draws of one value takes the time of this many draws."""
AT_ONCE = 1 << 20
"""The most draws in memory at once."""


def bootstrap_interval(values: Sequence[float], counts: Sequence[int], sentence: str) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of a mean, over problems resampled with replacement (Efron 1979).

    Problems are given as distinct values and their counts, so that their order has no effect. A resample of
    P problems is a multinomial draw over the values, or P single draws, whichever is faster. The interval shows how
    the mean would vary with other problems of the same kind; each problem's estimate is taken as exact.

    Args:
        values: [U], distinct; sorted, since the result depends on their order.
        counts: [U], problems with each value; their sum is P >= 1.
        sentence: text that seeds the resamples.
    """
    problems = sum(counts)
    if problems < 1:
        raise ValueError("an interval needs at least one problem")
    random = np.random.default_rng(list(sentence.encode()))
    if len(values) * COUNTED < problems:
        drawn = random.multinomial(problems, np.array(counts) / problems, size=RESAMPLES)  # [R, U]
        means = drawn @ np.array(values, dtype=float) / problems  # [R]
    else:
        each = np.repeat(np.array(values, dtype=float), counts)  # [P]
        parts = np.array_split(np.empty(RESAMPLES), max(1, problems * RESAMPLES // AT_ONCE))
        means = np.concatenate([each[random.integers(problems, size=(len(part), problems))].mean(1) for part in parts])
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
