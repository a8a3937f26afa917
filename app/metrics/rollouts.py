"""What is measured on rollouts: torchmetrics for evaluation, one dictionary for a training iteration.

Every metric's states are sums, added over processes, so that a figure is the same however the
problems were split. `eval/` keys are made in `callbacks/evaluation/evaluation.py` from the names here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import comb, log, nan
from statistics import fmean

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from app.passk import pass_at_k
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


def is_covered(passes: int, answers: int, tau: float) -> bool:
    """Cover@tau of one problem (2510.08325): whether a share tau of its scored answers passes, or more."""
    return passes >= tau * answers - 1e-9


def pass_at_ks(rollouts: Rollouts, ks: Sequence[int]) -> tuple[Tensor, Tensor]:
    """For each k the sum over problems of the unbiased Pass@k, and over how many.  -> [K] double, [K]

    Estimated from a problem's scored answers; one that lacks some and has fewer than k is left out.
    """
    total = torch.zeros(len(ks), dtype=torch.double, device=rollouts.rewards.device)
    problems = torch.zeros(len(ks), dtype=torch.long, device=rollouts.rewards.device)
    num_rollouts = rollouts.rewards.shape[-1]
    for _, part in rollouts.split_by_num_scored():
        of_part = part.rewards.shape[-1]
        for index, k in enumerate(ks):
            if k <= of_part or of_part == num_rollouts:
                total[index] += pass_at_k(part.passed, k).sum()
                problems[index] += len(part)
    return total, problems


class PassAtK(Metric):
    """Mean over problems of the unbiased Pass@k, for each k.  -> {"pass@1": .., "pass@8": ..}

    NaN for a k above the number of scored answers of every problem.

    Attributes:
        left_out: for each k, how many problems had too few.
    """

    total: Tensor
    problems: Tensor
    left_out: Tensor

    def __init__(self, ks: Sequence[int]) -> None:
        super().__init__()
        self.ks = tuple(ks)
        self.add_state("total", torch.zeros(len(self.ks), dtype=torch.double), dist_reduce_fx="sum")
        for name in ("problems", "left_out"):
            self.add_state(name, torch.zeros(len(self.ks), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, rollouts: Rollouts) -> None:
        total, problems = pass_at_ks(rollouts, self.ks)
        self.total += total.to(self.total.device)
        self.problems += problems.to(self.problems.device)
        self.left_out += len(rollouts) - problems.to(self.problems.device)

    def compute(self) -> dict[str, Tensor]:
        return {f"pass@{k}": value for k, value in zip(self.ks, self.total / self.problems, strict=True)}


class Ratio(Metric):
    """A sum over a count."""

    numerator: Tensor
    denominator: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("numerator", torch.tensor(0.0, dtype=torch.double), dist_reduce_fx="sum")
        self.add_state("denominator", torch.tensor(0.0, dtype=torch.double), dist_reduce_fx="sum")

    def count(self, rollouts: Rollouts) -> tuple[float | Tensor, float | Tensor]:
        """What these rollouts add to the numerator and the denominator."""
        raise NotImplementedError

    def update(self, rollouts: Rollouts) -> None:
        numerator, denominator = self.count(rollouts)
        self.numerator += numerator
        self.denominator += denominator

    def compute(self) -> Tensor:
        return self.numerator / self.denominator.clamp(min=1)


class Accuracy(Ratio):
    """Share of scored responses that pass; of greedy responses, the greedy accuracy."""

    def count(self, rollouts: Rollouts) -> tuple[float | Tensor, float | Tensor]:
        return rollouts.passed.sum(), rollouts.scored.sum()


class Unscored(Ratio):
    """Share of responses that their scorer gave no score."""

    def count(self, rollouts: Rollouts) -> tuple[float | Tensor, float | Tensor]:
        return (~rollouts.scored).sum(), rollouts.scored.numel()


class ResponseLength(Ratio):
    """Mean tokens of a response, its stop token included."""

    def count(self, rollouts: Rollouts) -> tuple[float | Tensor, float | Tensor]:
        return rollouts.lengths.sum(), rollouts.lengths.numel()


class TruncationRate(Ratio):
    """Share of responses that ran into `max_new_tokens`."""

    def count(self, rollouts: Rollouts) -> tuple[float | Tensor, float | Tensor]:
        return rollouts.truncated.sum(), rollouts.truncated.numel()


class TokenEntropy(Ratio):
    """Mean entropy of a sampled token's distribution, in nats."""

    def count(self, rollouts: Rollouts) -> tuple[float | Tensor, float | Tensor]:
        tokens = rollouts.lengths.sum(-1)  # [P]
        return (rollouts.entropies * tokens).sum(), tokens.sum()


class AnswerDiversity(Ratio):
    """Share of distinct extracted answers among the wrong ones; see `distinct_wrong`."""

    def count(self, rollouts: Rollouts) -> tuple[float | Tensor, float | Tensor]:
        return distinct_wrong(rollouts)


class CoverAtTau(Metric):
    """Share of problems of which a share tau of the scored answers passes, or more.  -> {"cover@0.5": ..}

    Pass@k for a large k asks for one passing answer, Cover@tau for as many as a policy gives that does not guess
    (2510.08325). Problems without a scored answer are left out; NaN where there is no other.
    """

    covered: Tensor
    problems: Tensor

    def __init__(self, taus: Sequence[float]) -> None:
        super().__init__()
        self.taus = tuple(taus)
        self.add_state("covered", torch.zeros(len(self.taus), dtype=torch.double), dist_reduce_fx="sum")
        self.add_state("problems", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, rollouts: Rollouts) -> None:
        for passes, answers in zip(rollouts.passed.sum(-1).tolist(), rollouts.scored.sum(-1).tolist(), strict=True):
            if answers:
                covered = [float(is_covered(passes, answers, tau)) for tau in self.taus]
                self.covered += torch.tensor(covered, dtype=torch.double, device=self.covered.device)
                self.problems += 1

    def compute(self) -> dict[str, Tensor]:
        return {name_of(tau): value for tau, value in zip(self.taus, self.covered / self.problems, strict=True)}


def name_of(tau: float) -> str:
    """What Cover@tau is reported as."""
    return f"cover@{tau:g}"


class AnswerEntropy(Ratio):
    """Mean over problems of the entropy of the extracted answers, in nats; see `answer_entropies`."""

    def count(self, rollouts: Rollouts) -> tuple[float | Tensor, float | Tensor]:
        entropies = [entropy for entropy in answer_entropies(rollouts) if entropy == entropy]
        return sum(entropies), len(entropies)


class MajorityVote(Ratio):
    """Share of problems whose most frequent extracted answer passes; NaN where none has a scored answer.

    Args:
        k: responses that vote, see `majority_votes`.
    """

    def __init__(self, k: int | None = None) -> None:
        super().__init__()
        self.k = k

    def count(self, rollouts: Rollouts) -> tuple[float | Tensor, float | Tensor]:
        votes = [vote for vote in majority_votes(rollouts, self.k) if vote == vote]
        return sum(votes), len(votes)

    def compute(self) -> Tensor:
        return self.numerator / self.denominator


def votes_of(ks: Sequence[int], n: int | None) -> list[int]:
    """The k of each maj@k: those of Pass@k but 1, where both are the same, and n."""
    return sorted({*ks, *([] if n is None else [n])} - {1})


def evaluation_metrics(
    ks: Sequence[int], n: int | None, extra: Mapping[str, Metric], taus: Sequence[float] = ()
) -> MetricCollection:
    """All that is reported of one set of problems.

    Args:
        ks: of Pass@k.
        n: answers to each of its problems; None where they differ, and there is no maj@n of theirs.
        extra: further metrics by the names they are reported under, which are copied.
        taus: of Cover@tau.
    """
    return MetricCollection(
        {
            "pass@k": PassAtK(ks),
            **{f"maj@{k}": MajorityVote(None if k == n else k) for k in votes_of(ks, n)},
            **({"cover@tau": CoverAtTau(taus)} if taus else {}),
            "length": ResponseLength(),
            "truncated": TruncationRate(),
            "entropy": TokenEntropy(),
            "distinct_wrong": AnswerDiversity(),
            "answer_entropy": AnswerEntropy(),
            "unscored": Unscored(),
            **{name: metric.clone() for name, metric in extra.items()},
        },
        compute_groups=False,
    )


def rollout_metrics(rollouts: Rollouts, advantages: Tensor) -> dict[str, float | Tensor]:
    """What a training iteration says of its rollouts.  advantages: [P, N] or [P, N, T]"""
    passed, scored = rollouts.passed, rollouts.scored
    distinct, wrong = distinct_wrong(rollouts)
    entropy = rollouts.entropies.float().mean()
    recorded = {} if entropy.isnan() else {"entropy/mean": entropy}  # demonstrations have none
    return {
        "rollout/reward": rollouts.rewards[scored].float().sum() / scored.sum().clamp(min=1),
        "rollout/unscored": 1 - scored.float().mean(),
        "rollout/solved": passed.any(-1).float().mean(),
        "rollout/informative": advantages.ne(0).flatten(1).any(-1).float().mean(),
        "rollout/length": rollouts.lengths.float().mean(),
        "rollout/truncated": rollouts.truncated.float().mean(),
        "rollout/distinct_wrong": distinct / max(wrong, 1),
        **recorded,
    }
