"""Adaptive Training: Pass@k for problems of low entropy, Pass@1 for the others (Section 4.2.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from app.advantages.base import AdvantageEstimator, choose
from app.advantages.pair import Pair
from app.advantages.pass_k import PassK
from app.advantages.pass_one import PassOne
from app.types import Rollouts


def to_explore(entropies: Tensor, share: float) -> Tensor:
    """Which problems to explore: all but the share with the highest entropy.  [P] -> [P] bool

    Exactly round(share * P) are left out; among equal entropies the first ones.
    """
    highest = entropies.argsort(descending=True, stable=True)[: round(share * len(entropies))]
    return torch.ones_like(entropies, dtype=torch.bool).index_fill(0, highest, False)


class Adaptive(Pair):
    """Adaptive Training: one estimator for problems to explore, another for the others (Section 4.2.3).

    In the paper the half of the problems with the higher mean token entropy is exploited (Pass@1), and the
    rest is explored (Pass@k). The EntropySwitch callback marks the problems.

    Args:
        explore: the estimator of problems to explore; defaults to `PassK`.
        exploit: the estimator of the other problems; defaults to `PassOne`.
    """

    def __init__(self, explore: AdvantageEstimator | None = None, exploit: AdvantageEstimator | None = None) -> None:
        self.explore, self.exploit = explore or PassK(), exploit or PassOne()
        super().__init__(explore=self.explore, exploit=self.exploit)

    def estimate(self, rollouts: Rollouts) -> Tensor:
        if rollouts.explore is None:
            raise ValueError("Adaptive needs the EntropySwitch callback, and rollouts that record their entropies")
        return choose(rollouts.explore, self.explore(rollouts), self.exploit(rollouts))

    def informative(self, rollouts: Rollouts) -> Tensor:
        """Before problems are marked, those that are informative under either estimator.  -> [P], bool"""
        if rollouts.explore is None:
            return super().informative(rollouts)
        return torch.where(rollouts.explore, self.explore.informative(rollouts), self.exploit.informative(rollouts))
