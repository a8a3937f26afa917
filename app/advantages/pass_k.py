"""Pass@k as the objective, in the paper's three forms (Section 2): analytic, bootstrap, full sampling."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from app.advantages.base import AdvantageEstimator
from app.passk import bootstrap_advantage, full_sampling_advantage, pass_k_advantage
from app.seeds import generator_of
from app.types import Rollouts


class SubsetEstimator(AdvantageEstimator):
    """Base class of estimators over subsets of k rollouts, which the paper calls groups.

    Args:
        k: rollouts in a subset, 1 to N.
    """

    def __init__(self, k: int = 8) -> None:
        if k < 1:
            raise ValueError(f"k={k} must be at least 1")
        self.k = k

    def check(self, num_rollouts: int) -> None:
        super().check(num_rollouts)
        if self.k > num_rollouts:
            raise ValueError(f"k={self.k} must lie between 1 and the {num_rollouts} rollouts per problem")


class PassK(SubsetEstimator):
    """Pass@k training, analytic: the mean advantage over all subsets of k (Eqs. 11-15).

    Problems with more than N - k passing rollouts have zero advantages; use N of 4k or more.

    Args:
        k: the k of Pass@k, 1 to N.
    """

    binary = True

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return pass_k_advantage(rollouts.passed, self.k)


class PassKFullSampling(SubsetEstimator):
    """Pass@k training on N // k disjoint subsets of consecutive rollouts (Section 2.2, Algorithm 1).

    Args:
        k: rollouts in a subset, 1 to N; the last N mod k rollouts have zero advantages.
    """

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return full_sampling_advantage(rollouts.rewards, self.k)


class PassKBootstrap(SubsetEstimator):
    """Pass@k training on subsets of k drawn at random from the N rollouts (Section 2.3, Algorithm 2).

    Args:
        k: rollouts in a subset, 1 to N, drawn without replacement within it.
        num_subsets: subsets per problem, at least 2; None: N, as in the paper.
        reduce: "sum" over a rollout's subsets is Eq. 6; "mean" has the scale of the analytic form.
        seed: seeds the draws, which also depend only on the problem and its rewards.
    """

    def __init__(
        self, k: int = 8, num_subsets: int | None = None, reduce: Literal["sum", "mean"] = "sum", seed: int = 0
    ) -> None:
        super().__init__(k)
        if reduce not in ("sum", "mean"):
            raise ValueError(f"reduce={reduce!r} must be 'sum' or 'mean'")
        if num_subsets is not None and num_subsets < 2:
            raise ValueError(f"num_subsets={num_subsets} must be at least 2: a single subset has no spread")
        self.num_subsets, self.reduce, self.seed = num_subsets, reduce, seed

    def estimate(self, rollouts: Rollouts) -> Tensor:
        num_rollouts = rollouts.rewards.shape[-1]
        shape = (self.num_subsets or num_rollouts, num_rollouts)
        keys = torch.stack(
            [
                torch.rand(shape, generator=generator_of(f"{self.seed}/{problem.key}/{rewards}"))
                for problem, rewards in zip(rollouts.problems, rollouts.rewards.tolist(), strict=True)
            ]
        )
        members = keys.argsort(-1)[..., : self.k].to(rollouts.rewards.device)  # [P, M, k]
        return bootstrap_advantage(rollouts.rewards, members, self.reduce)
