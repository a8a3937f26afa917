"""What extracted answers say of a problem: how many there are, how they vote, how they spread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import comb, log, nan
from statistics import fmean

from app.types import Rollouts


def distinct_wrong(rollouts: Rollouts) -> tuple[int, int]:
    """Distinct extracted answers of failing responses, summed over problems, and how many failed (Figure 7a).

    Responses without an answer, including truncated ones, all have the same answer: None.
    """
    distinct = wrong = 0
    failed = rollouts.scored & ~rollouts.passed
    for group, failing in zip(rollouts.completions, failed.tolist(), strict=True):
        answers = [row.answer for row, fails in zip(group, failing, strict=True) if fails]
        distinct, wrong = distinct + len(set(answers)), wrong + len(answers)
    return distinct, wrong


def majority_votes(rollouts: Rollouts, k: int | None = None) -> list[float]:
    """Of each problem, whether its most frequent extracted answer passes (self-consistency, 2203.11171).  P, in [0, 1]

    With a tie broken at random, of which this is the expectation, and of responses with the same answer whose scores
    differ, too. Responses without a score or an extracted answer don't vote: a problem without any vote has 0, and one
    without any score NaN.

    Args:
        k: the mean over all subsets of k scored responses, exactly; NaN where a problem has fewer. None is the vote of
            all of them.
    """
    of_problems = zip(rollouts.completions, rollouts.rewards.tolist(), strict=True)
    return [_majority_vote([row.answer for row in group], rewards, k) for group, rewards in of_problems]


def _majority_vote(answers: Sequence[str | None], rewards: Sequence[float], k: int | None) -> float:
    """See `majority_votes`, of one problem.  N, and N with NaN for no score"""
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
        chances = {}  # of an answer that comes this often
        for size in {size for size, share in zip(sizes, shares, strict=True) if share}:
            others = sizes.copy()
            others.remove(size)
            chances[size] = _chance_of_majority(size, others, scored - sum(sizes), k)
        return sum(share * chances[size] for size, share in zip(sizes, shares, strict=True) if share)
    most = max(map(len, passed.values()))
    return fmean(fmean(voters) for voters in passed.values() if len(voters) == most)


def _chance_of_majority(size: int, others: Sequence[int], silent: int, k: int) -> float:
    """Chance that an answer wins the vote of k responses that are drawn without replacement, ties broken at random.

    Where m of the k give the answer, no other answer may come more often, and with t others that come as often it wins
    with the chance 1 / (t + 1). Draws of the others are counted answer by answer.

    Args:
        size: responses with the answer.
        others: responses with each other answer.
        silent: scored responses without an answer.
    """
    wins = 0.0
    for m in range(1, min(size, k) + 1):
        ways = {(0, 0): 1}  # by how many others come m times, and the responses drawn so far
        for other in others:
            further: Counter[tuple[int, int]] = Counter()
            for (ties, drawn), number in ways.items():
                for count in range(min(other, m, k - m - drawn) + 1):
                    further[ties + (count == m), drawn + count] += number * comb(other, count)
            ways = further
        fair = ((number * comb(silent, k - m - drawn), ties) for (ties, drawn), number in ways.items())
        wins += comb(size, m) * sum(number / (ties + 1) for number, ties in fair)
    return wins / comb(size + sum(others) + silent, k)


def answer_entropies(rollouts: Rollouts) -> list[float]:
    """Of each problem, the entropy of its extracted answers, in nats: -sum of f log f over their shares f.  P

    Responses without an answer, truncated ones included, all have the same one: None. Responses without a score don't
    count; a problem without any scored one has NaN.
    """
    of_problems = zip(rollouts.completions, rollouts.scored.tolist(), strict=True)
    return [_entropy([row.answer for row, scored in zip(*each, strict=True) if scored]) for each in of_problems]


def _entropy(answers: Sequence[str | None]) -> float:
    counts = sorted(Counter(answers).values())  # in an order that does not depend on theirs
    return -sum(count / len(answers) * log(count / len(answers)) for count in counts) + 0.0 if answers else nan
