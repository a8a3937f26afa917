"""Implicit reward designs: advantages weighted by the number of passes (Section 4.2, Eqs. 17-18)."""

from __future__ import annotations

from math import log

from torch import Tensor

from app.advantages.base import AdvantageEstimator, Wrapper, per_problem
from app.advantages.easy import pass_rate
from app.advantages.pair import Pair, mix
from app.advantages.pass_k import PassK
from app.advantages.pass_one import PassOne
from app.types import Rollouts


def exceeding_weight(passed: Tensor, base: float = 10.0) -> Tensor:
    """4 / (10 log(N_pos + 0.5)), which falls as more rollouts pass.  [P, N] bool -> [P] double

    If none passes the logarithm is negative, and the weight would change the sign of advantages.
    Binary estimators have zero advantages there; for others the weight is f(1), the
    largest one.
    """
    num_pos = passed.sum(-1).double().clamp(min=1)
    return 4 / (10 * (num_pos + 0.5).log() / log(base))  # Eq. 17


class Exceeding(Wrapper):
    """Exceeding Pass@k Training: advantages times a larger weight for few passes (Eq. 17, Figure 18c).

    At N = 32 it moves the peak of eta (Eq. 16) to a single pass, for all k from 1 to 16 and any base,
    as the paper says. With the weight read as (4 / 10) log(..), the peak of k = 8 would be at seven passes.

    The paper does not state the base, which is only a factor. With 10 a problem with one pass has the weight 2.27,
    one with two passes 1.0, and the peak of eta at N = 32 and k = 4 is 12.0, near the 10.4 without
    the weight, so that the same learning rate is suitable. With e the first weight is 0.99:
    none would be larger than 1, while the paper intends larger weights for hard problems.

    Args:
        of: the estimator that is weighted; defaults to `PassK`.
        base: base of the logarithm, above 1.
    """

    def __init__(self, of: AdvantageEstimator | None = None, base: float = 10.0) -> None:
        if not base > 1:
            raise ValueError(f"base={base} must be above 1")
        super().__init__(of or PassK())
        self.base = base

    def estimate(self, rollouts: Rollouts) -> Tensor:
        advantages = self.of(rollouts)
        return advantages * per_problem(exceeding_weight(rollouts.passed, self.base), advantages)


class Combination(Pair):
    """Combination Training: two estimators' advantages, weighted N_pos/N and 1 - N_pos/N (Eq. 18).

    Pass@1 has the larger weight if few rollouts pass, Pass@k, which decays to zero, if many do. The
    sentence under Eq. 18 names Pass@k for both cases; the equation is unambiguous.

    Args:
        low: has the larger weight at a low pass rate; defaults to `PassOne`.
        high: has the larger weight at a high pass rate; defaults to `PassK`.
    """

    def __init__(self, low: AdvantageEstimator | None = None, high: AdvantageEstimator | None = None) -> None:
        self.low, self.high = low or PassOne(), high or PassK()
        super().__init__(low=self.low, high=self.high)

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return mix(pass_rate(rollouts.passed), self.high(rollouts), self.low(rollouts))  # Eq. 18
