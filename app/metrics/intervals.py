"""How far a mean over problems may be trusted: the percentile bootstrap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEVEL = 0.95
RESAMPLES = 10_000
COUNTED = 16
"""To count how often a value is drawn takes the time of as many draws."""
AT_ONCE = 1 << 20
"""Draws in memory."""


def bootstrap_interval(values: Sequence[float], counts: Sequence[int], sentence: str) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of a mean, over problems resampled with replacement (Efron 1979).

    Problems are given by their distinct values and how many have each, so that their order can't matter. A resample of
    P problems is a multinomial draw over the values, or P draws of one, whichever is faster. It says how the figure
    would vary with other problems of the same kind; the estimate of each problem is taken as it is.

    Args:
        values: [U], distinct; in their order here they meet the random numbers, so give them sorted.
        counts: [U], problems with each, in all P >= 1.
        sentence: seeds the resamples.
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
