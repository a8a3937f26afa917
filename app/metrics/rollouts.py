"""Metrics of rollouts: torchmetrics for evaluation, a dictionary for a training iteration.

Every metric's states are sums, added over processes, so that values do not depend on how
problems are split. `callbacks/evaluation/evaluation.py` makes the `eval/` keys from the names here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from app.metrics.answers import answer_entropies, distinct_wrong, majority_votes
from app.passk import pass_at_k
from app.types import Rollouts


def is_covered(passes: int, answers: int, tau: float) -> bool:
    """Cover@tau of one problem (2510.08325): whether a share tau of its scored answers passes, or more."""
    return passes >= tau * answers - 1e-9


def pass_at_ks(rollouts: Rollouts, ks: Sequence[int]) -> tuple[Tensor, Tensor]:
    """For each k the sum over problems of the unbiased Pass@k, and their number.  -> [K] double, [K]

    Estimated from a problem's scored answers; one with unscored answers and fewer than k scored ones is left out.
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
        left_out: for each k, the number of problems with too few.
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
    """Base class: a sum divided by a count."""

    numerator: Tensor
    denominator: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("numerator", torch.tensor(0.0, dtype=torch.double), dist_reduce_fx="sum")
        self.add_state("denominator", torch.tensor(0.0, dtype=torch.double), dist_reduce_fx="sum")

    def count(self, rollouts: Rollouts) -> tuple[float | Tensor, float | Tensor]:
        """The contributions of these rollouts to the numerator and the denominator."""
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
    """Share of responses without a score."""

    def count(self, rollouts: Rollouts) -> tuple[float | Tensor, float | Tensor]:
        return (~rollouts.scored).sum(), rollouts.scored.numel()


class ResponseLength(Ratio):
    """Mean tokens of a response, its stop token included."""

    def count(self, rollouts: Rollouts) -> tuple[float | Tensor, float | Tensor]:
        return rollouts.lengths.sum(), rollouts.lengths.numel()


class TruncationRate(Ratio):
    """Share of responses truncated at `max_new_tokens`."""

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
    """Share of problems with at least a share tau of passing scored answers.  -> {"cover@0.5": ..}

    Pass@k for a large k requires one passing answer, Cover@tau a share that guessing does not give
    (2510.08325). Problems without a scored answer are left out; NaN if there is no other.
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
    """The reported name of Cover@tau."""
    return f"cover@{tau:g}"


class AnswerEntropy(Ratio):
    """Mean over problems of the entropy of the extracted answers, in nats; see `answer_entropies`."""

    def count(self, rollouts: Rollouts) -> tuple[float | Tensor, float | Tensor]:
        entropies = [entropy for entropy in answer_entropies(rollouts) if entropy == entropy]
        return sum(entropies), len(entropies)


class MajorityVote(Ratio):
    """Share of problems whose most frequent extracted answer passes; NaN if none has a scored answer.

    Args:
        k: number of responses that vote, see `majority_votes`.
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
    """The k of each maj@k: those of Pass@k and n, without 1, at which both are equal."""
    return sorted({*ks, *([] if n is None else [n])} - {1})


def evaluation_metrics(
    ks: Sequence[int], n: int | None, extra: Mapping[str, Metric], taus: Sequence[float] = ()
) -> MetricCollection:
    """All metrics of one set of problems.

    Args:
        ks: the k of Pass@k.
        n: answers to each of its problems; None if they differ, so that there is no maj@n.
        extra: further metrics by their reported names; they are copied.
        taus: the tau of Cover@tau.
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


Sums: TypeAlias = dict[str, tuple[float | Tensor, float | Tensor]]
"""For each metric, by its logged name, a sum and what it is divided by; both are added over processes."""


def fresh_sums(rollouts: Rollouts, advantages: Tensor) -> tuple[Sums, int]:
    """`rollout_sums` of the problems that were answered without a prefix, and their number.

    If there are none, sums of 0, so that all processes have the same names.
    """
    places = rollouts.from_beginning.nonzero()[:, 0]
    if not len(places):
        return dict.fromkeys(rollout_sums(rollouts, advantages), (0.0, 0.0)), 0
    if len(places) == len(rollouts):
        return rollout_sums(rollouts, advantages), len(places)
    return rollout_sums(rollouts.select(places), advantages[places.to(advantages.device)]), len(places)


def rollout_sums(rollouts: Rollouts, advantages: Tensor) -> Sums:
    """The logged metrics of a training iteration's rollouts, as sums.  advantages: [P, N] or [P, N, T]"""
    passed, scored, problems, answers = rollouts.passed, rollouts.scored, len(rollouts), rollouts.rewards.numel()
    entropy = rollouts.entropies.double().sum()
    recorded: Sums = {} if entropy.isnan() else {"entropy/mean": (entropy, problems)}  # demonstrations have none
    return {
        "rollout/reward": (rollouts.rewards[scored].double().sum(), scored.sum()),
        "rollout/unscored": ((~scored).sum(), answers),
        "rollout/solved": (passed.any(-1).sum(), problems),
        "rollout/informative": (advantages.ne(0).flatten(1).any(-1).sum(), problems),
        "rollout/length": (rollouts.lengths.sum(), answers),
        "rollout/truncated": (rollouts.truncated.sum(), answers),
        "rollout/distinct_wrong": distinct_wrong(rollouts),
        **recorded,
    }
