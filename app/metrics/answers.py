"""Metrics of a problem's extracted answers: distinct wrong ones, majority vote, entropy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from math import lgamma, log, log1p, nan
from statistics import fmean

import numpy as np

from app.types import Rollouts


def distinct_wrong(rollouts: Rollouts) -> tuple[int, int]:
    """Distinct extracted answers of failing responses, summed over problems, and failing responses (Figure 7a).

    Responses without an answer, including truncated ones, all have the same answer: None.
    """
    distinct = wrong = 0
    failed = rollouts.scored & ~rollouts.passed
    for group, failing in zip(rollouts.completions, failed.tolist(), strict=True):
        answers = [row.answer for row, fails in zip(group, failing, strict=True) if fails]
        distinct, wrong = distinct + len(set(answers)), wrong + len(answers)
    return distinct, wrong


def majority_votes(rollouts: Rollouts, k: int | None = None) -> list[float]:
    """For each problem, whether its most frequent extracted answer passes (self-consistency, 2203.11171).  P, in [0, 1]

    Ties are broken at random, as is the choice among responses with the same answer and different scores; the value
    is the expectation. Responses without a score or an extracted answer do not vote: a problem without any vote has 0,
    and one without any score NaN.

    Args:
        k: the exact mean over all subsets of k scored responses; NaN if a problem has fewer. None: the vote of
            all of them.
    """
    of_problems = zip(rollouts.completions, rollouts.rewards.tolist(), strict=True)
    return [_majority_vote([row.answer for row in group], rewards, k) for group, rewards in of_problems]


def _majority_vote(answers: Sequence[str | None], rewards: Sequence[float], k: int | None) -> float:
    """`majority_votes` of one problem.  N, and N with NaN for no score"""
    scored = sum(reward == reward for reward in rewards)
    if k is not None and k > scored:
        return nan
    passed: dict[str, list[bool]] = {}
    for answer, reward in zip(answers, rewards, strict=True):
        if answer is not None and reward == reward:
            passed.setdefault(answer, []).append(reward >= 1)
    if not passed:
        return 0.0 if scored else nan
    if k is not None and k < scored:
        sizes, shares = [*map(len, passed.values())], [*map(fmean, passed.values())]
        chances = {}  # of an answer with this frequency
        for size in {size for size, share in zip(sizes, shares, strict=True) if share}:
            others = sorted(sizes)  # sorted: problems with the same frequencies share the cached result
            others.remove(size)
            chances[size] = _chance_of_majority(size, tuple(others), scored - sum(sizes), k)
        return sum(share * chances[size] for size, share in zip(sizes, shares, strict=True) if share)
    most = max(map(len, passed.values()))
    return fmean(fmean(voters) for voters in passed.values() if len(voters) == most)


@lru_cache(maxsize=1 << 14)
def _chance_of_majority(size: int, others: tuple[int, ...], silent: int, k: int) -> float:
    """Probability that an answer wins the vote of k responses drawn without replacement, ties broken at random.

    If m of the k have the answer, no other answer may be more frequent, and with t others as frequent it wins
    with probability 1 / (t + 1). Drawing k of n is drawing each with probability k / n, given that k are drawn: so the
    answers are independent, their counts binomial, and the joint distribution of t and the number drawn is computed
    answer by answer. Answers with fewer than m responses cannot be drawn m times, and are treated as one.

    Args:
        size: responses with the answer.
        others: responses with each other answer.
        silent: scored responses without an answer.
    """
    n = size + sum(others) + silent
    counts = {number: _binomial(number, k, k / n) for number in {size, n, *others}}
    wins = 0.0
    for m in range(1, min(size, k) + 1):
        rivals = [other for other in others if other >= m]
        chances = np.zeros((min(len(rivals), k // m - 1) + 1, k - m + 1))  # by t, and by responses drawn so far
        chances[0, 0] = 1
        for rival in rivals:
            further = counts[rival][0] * chances
            for count in range(1, min(m, k - m + 1)):
                further[:, count:] += counts[rival][count] * chances[:, :-count]
            further[1:, m:] += counts[rival][m] * chances[:-1, : max(0, k - 2 * m + 1)]
            chances = further
        rest = _binomial(n - size - sum(rivals), k - m, k / n)[::-1]
        wins += counts[size][m] * (chances @ rest / np.arange(1, len(chances) + 1)).sum()
    return float(wins / counts[n][k])


@lru_cache(maxsize=1 << 12)
def _binomial(n: int, most: int, p: float) -> np.ndarray:
    """Binomial probabilities of 0 to `most` successes in n trials with probability p.  [most + 1]"""
    logs = [
        lgamma(n + 1) - lgamma(count + 1) - lgamma(n - count + 1) + count * log(p) + (n - count) * log1p(-p)
        for count in range(min(n, most) + 1)
    ]
    chances = np.pad(np.exp(logs), (0, most - min(n, most)))
    chances.flags.writeable = False  # it is cached
    return chances


def answer_entropies(rollouts: Rollouts) -> list[float]:
    """The entropy of each problem's extracted answers, in nats: -sum of f log f over their shares f.  P

    Responses without an answer, including truncated ones, all have the same one: None. Responses without a score are
    left out; a problem without any scored one has NaN.
    """
    of_problems = zip(rollouts.completions, rollouts.scored.tolist(), strict=True)
    return [_entropy([row.answer for row, scored in zip(*each, strict=True) if scored]) for each in of_problems]


def _entropy(answers: Sequence[str | None]) -> float:
    counts = sorted(Counter(answers).values())  # sorted: the sum does not depend on the order of answers
    return -sum(count / len(answers) * log(count / len(answers)) for count in counts) + 0.0 if answers else nan
