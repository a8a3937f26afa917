"""Statistics over seeds: a mean, its interval, whether a sentence holds, and a correction for many sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import atan, cos, pi, sin, sqrt
from statistics import fmean, stdev

from benchmarks.reproduce.claim import Sentence
from benchmarks.reproduce.curves import Curves

T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""97.5 % quantiles of Student's t for 1 to 9 degrees of freedom: two to ten seeds."""
VERDICTS = HOLDS, FAILS, UNDETERMINED = ("holds", "does not hold", "undetermined")
FEWEST = 3
"""The least number of seeds for a verdict."""
LEVEL = 0.05


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds; `low` and `high` are its 95 % interval by Student's t, None for one seed."""

    mean: float
    low: float | None
    high: float | None
    seeds: int


def estimate(values: Sequence[float]) -> Estimate:
    """Estimate a mean; ValueError for no values, and for more than T_975 allows."""
    if not 1 <= len(values) <= len(T_975) + 1:
        raise ValueError(f"{len(values)} seeds: there must be 1 to {len(T_975) + 1}")
    mean = fmean(values)
    if len(values) == 1:
        return Estimate(mean, None, None, 1)
    half = T_975[len(values) - 2] * stdev(values) / sqrt(len(values))
    return Estimate(mean, mean - half, mean + half, len(values))


@dataclass(frozen=True)
class Verdict:
    """The result for a sentence: both arms, their paired difference, and "holds", "does not hold", "undetermined".

    `p` is the two-sided p-value of the difference against the sentence's bound, None for fewer than FEWEST seeds.
    """

    sentence: Sentence
    one: Estimate
    other: Estimate
    difference: Estimate
    p: float | None

    @property
    def text(self) -> str:
        return decide(self.difference, self.sentence.by)


def decide(value: Estimate, bound: float) -> str:
    """The verdict on whether the value is above the bound."""
    if value.low is None or value.high is None or value.seeds < FEWEST:
        return UNDETERMINED
    return HOLDS if value.low > bound else FAILS if value.high < bound else UNDETERMINED


def judge(sentence: Sentence, curves: Curves) -> Verdict | None:
    """The verdict from the seeds with which both arms were trained; None if there are none."""
    one, other = (summary(curves[arm], sentence) for arm in (sentence.one, sentence.other))
    seeds = sorted(one.keys() & other.keys())
    if not seeds:
        return None
    differences = [one[seed] - other[seed] for seed in seeds]
    ours, theirs = (estimate([arm[seed] for seed in seeds]) for arm in (one, other))
    return Verdict(sentence, ours, theirs, estimate(differences), p_value(differences, sentence.by))


def p_value(values: Sequence[float], bound: float) -> float | None:
    """Student's two-sided p-value of the hypothesis that the mean is the bound; None for fewer than FEWEST values."""
    if len(values) < FEWEST:
        return None
    distance, error = abs(fmean(values) - bound), stdev(values) / sqrt(len(values))
    if error == 0:
        return 0.0 if distance else 1.0
    return beyond(distance / error, len(values) - 1)


def beyond(t: float, freedom: int) -> float:
    """The probability that |T| > t >= 0 for Student's T (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    angle = atan(t / sqrt(freedom))
    odd = freedom % 2
    term = total = (cos(angle) if freedom > 1 else 0.0) if odd else 1.0
    for step in range(3 if odd else 2, freedom - 1, 2):
        term *= cos(angle) ** 2 * (step - 1) / step
        total += term
    inside = sin(angle) * total
    return max(0.0, 1 - (2 / pi * (angle + inside) if odd else inside))


def corrected(verdicts: Sequence[Verdict | None]) -> list[str]:
    """Each one's verdict by Holm's method at LEVEL for all of them; None, not run yet, is undetermined."""
    p = [1.0 if each is None or each.p is None else each.p for each in verdicts]
    texts = [UNDETERMINED] * len(verdicts)
    for rank, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        verdict = verdicts[index]
        if verdict is None or p[index] * (len(p) - rank) > LEVEL:
            break
        texts[index] = verdict.text
    return texts


def summary(arm: Mapping[int, Sequence[Mapping[str, float]]], sentence: Sentence) -> dict[int, float]:
    """The sentence's number for each seed; for an arm with only a cold start, its last validation."""
    chosen = {seed: [row for row in rows if row["trained"]] or rows[-1:] for seed, rows in arm.items()}
    after = {seed: [row[sentence.figure] for row in rows] for seed, rows in chosen.items()}
    if sentence.at == "last":
        return {seed: values[-1] for seed, values in after.items()}
    if sentence.at == "mean":
        return {seed: fmean(values) for seed, values in after.items()}
    return {seed: fall(values) for seed, values in after.items()}


def fall(values: Sequence[float]) -> float:
    """The largest drop of a value below an earlier one."""
    return max(max(values[: index + 1]) - value for index, value in enumerate(values))
