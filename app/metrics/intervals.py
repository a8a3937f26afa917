"""How far a mean over problems may be trusted: the percentile bootstrap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEVEL = 0.95
RESAMPLES = 10_000


def bootstrap_interval(values: Sequence[float], counts: Sequence[int], sentence: str) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of a mean, over problems resampled with replacement (Efron 1979).

    Problems are given by their distinct values and how many have each: a resample of P problems is then one
    multinomial draw over the values, and the order of the problems can't matter. It says how the figure
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
    drawn = random.multinomial(problems, np.array(counts) / problems, size=RESAMPLES)  # [R, U]
    means = drawn @ np.array(values, dtype=float) / problems  # [R]
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
