"""Two designs between Pass@1 and Pass@k, by the pass rate (Section 4.1.2, Figures 10, 18a, 18b)."""

from __future__ import annotations

import torch
from torch import Tensor

from app.advantages.base import AdvantageEstimator, Wrapper, check_share, choose
from app.advantages.pair import Pair
from app.advantages.pass_k import PassK
from app.advantages.pass_one import PassOne
from app.types import Rollouts


def pass_rate(passed: Tensor) -> Tensor:
    """Share of each problem's rollouts that pass; 3 of 5 equals 0.6.  [P, N] bool -> [P] double"""
    return passed.sum(-1).double() / passed.shape[-1]


class WithoutEasy(Wrapper):
    """Sets the advantages of problems with a pass rate above the threshold to 0: "w/o easy problems".

    The paper states neither the threshold nor the wrapped estimator. Its Section 4.1 calls a
    problem relatively easy above 60 %. The title of Figure 18a says Pass@k, hence the default; its
    training curve in Figure 10 flattens like that of Pass@1, which suggests Pass@1: use
    `PassOne` as `of` for that reading.

    Args:
        of: the estimator of the other problems; defaults to `PassK`.
        threshold: a pass rate in [0, 1]; a problem exactly at the threshold keeps its advantage.
    """

    def __init__(self, of: AdvantageEstimator | None = None, threshold: float = 0.6) -> None:
        check_share("threshold", threshold)
        super().__init__(of or PassK())
        self.threshold = threshold

    def estimate(self, rollouts: Rollouts) -> Tensor:
        advantages = self.of(rollouts)
        return choose(self.easy(rollouts), torch.zeros_like(advantages), advantages)

    def informative(self, rollouts: Rollouts) -> Tensor:
        return self.of.informative(rollouts) & ~self.easy(rollouts)

    def easy(self, rollouts: Rollouts) -> Tensor:
        """[P], bool"""
        return pass_rate(rollouts.passed) > self.threshold


class ByAccuracy(Pair):
    """One of two estimators for each problem, by its pass rate: "w/ combination" (Figure 18b).

    The paper says that it combines Pass@1 and Pass@k "based on the accuracy of the current prompt",
    without a formula. Figure 18b is separate from that of Eq. 18 (18d, `Combination`), so this is
    another rule, and a hard switch is the simplest. Pass@k is above the threshold, because the plotted curve
    decays to zero at high accuracy, which that of Pass@1 does not before every rollout passes.
    The threshold is the pass rate at which the curve of Pass@1 has its peak.

    Args:
        low: the estimator of problems at the threshold or below; defaults to `PassOne`.
        high: the estimator of problems above it; defaults to `PassK`.
        threshold: a pass rate in [0, 1].
    """

    def __init__(
        self, low: AdvantageEstimator | None = None, high: AdvantageEstimator | None = None, threshold: float = 0.5
    ) -> None:
        check_share("threshold", threshold)
        self.low, self.high, self.threshold = low or PassOne(), high or PassK(), threshold
        super().__init__(low=self.low, high=self.high)

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return choose(pass_rate(rollouts.passed) > self.threshold, self.high(rollouts), self.low(rollouts))

    def informative(self, rollouts: Rollouts) -> Tensor:
        high = pass_rate(rollouts.passed) > self.threshold  # [P]
        return torch.where(high, self.high.informative(rollouts), self.low.informative(rollouts))
