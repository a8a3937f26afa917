"""Pass@1 with larger weights for hard problems: MaxRL, TailRL, RS-GRPO and F-GRPO.

Shapes: P problems, N rollouts of each. If all rollouts of a problem have the same reward, all advantages are 0.
"""

from __future__ import annotations

import torch
from torch import Tensor

from app.advantages.base import AdvantageEstimator, Wrapper, per_problem
from app.advantages.pass_one import PassOne
from app.passk import centred
from app.types import Rollouts


def exponential_advantage(rewards: Tensor, beta: float) -> Tensor:
    """(e^(beta r) / mean e^(beta r) - 1) / beta, of arXiv 2509.24261.  [.., N] -> [.., N] double

    The largest reward is subtracted in the exponent, so that no beta overflows; with exp(x) - 1
    instead of exp(x) a small beta keeps the deviation r - mean, which is the limit.
    """
    rewards = rewards.double()
    above = torch.expm1(beta * (rewards - rewards.amax(-1, keepdim=True)))  # [.., N], in (-1, 0]
    return centred(above) / (beta * (1 + above.mean(-1, keepdim=True)))


def likelihood_advantage(rewards: Tensor) -> Tensor:
    """(r - mean) / mean, zero if the mean is (arXiv 2602.02710).  [.., N] -> [.., N] double"""
    mean = rewards.double().mean(-1, keepdim=True)
    return torch.where(mean > 0, centred(rewards) / mean, 0.0)


def tail_advantage(rewards: Tensor) -> Tensor:
    """`likelihood_advantage` of 1{r >= t}, integrated over the thresholds t.  [.., N] -> [.., N] double

    With rewards in ascending order and r_(0) = 0, before centring (arXiv 2609.02987):

        A_(i) = N sum_{j <= i} (r_(j) - r_(j-1)) / (N - j + 1)

    N - j + 1 rollouts reach the j-th reward, so each step of the sum is 1 on average over the
    rollouts per unit of reward, and the mean that centring subtracts is the largest reward.
    """
    rewards = rewards.double()
    num_rollouts = rewards.shape[-1]
    ascending, order = rewards.sort(-1)
    steps = ascending.diff(dim=-1, prepend=torch.zeros_like(ascending[..., :1]))  # r_(j) - r_(j-1)
    reach = torch.arange(num_rollouts, 0, -1, dtype=torch.double, device=rewards.device)  # N - j + 1
    worth = num_rollouts * (steps / reach).cumsum(-1)
    advantage = torch.empty_like(worth).scatter_(-1, order, worth - ascending[..., -1:])
    equal = ascending[..., -1:] == ascending[..., :1]
    return torch.where(equal, 0.0, advantage)


class RSGRPO(AdvantageEstimator):
    """Risk-sensitive GRPO: maximises log E[e^(beta r)] / beta (Jiang et al., arXiv 2509.24261).

    Between the mean reward (beta to 0) and the best one (beta to infinity), and without a dead zone
    at high pass rates. Assumes on-policy samples; rewards may be graded. The mean over the N
    rollouts is in the denominator, so the estimate is consistent in N rather than unbiased.

    Args:
        beta: risk-seeking strength, above 0; the paper trains at 2 and finds that 8 costs Pass@1.
    """

    def __init__(self, beta: float = 2.0) -> None:
        if not 0 < beta < float("inf"):
            raise ValueError(f"beta={beta} must be a finite number above 0")
        self.beta = beta

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return exponential_advantage(rollouts.rewards, self.beta)


class MaxRL(AdvantageEstimator):
    """Maximum likelihood: maximises log p, truncated at order N (Tajwar et al., arXiv 2602.02710).

    A rollout's advantage is (r - mean) / mean, and 0 if the mean is 0. The expected gradient is
    (1 - (1 - p)^(N - 1)) / p times that of the pass rate p, exactly: that of the sum of Pass@k / k
    over k < N, which tends to log p, up to a constant, as N grows. Assumes on-policy samples and binary
    rewards; with graded rewards it maximises the logarithm of the mean, while `TailRL` uses thresholds.
    """

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return likelihood_advantage(rollouts.rewards)


class TailRL(AdvantageEstimator):
    """MaxRL for graded rewards: maximises log P(r >= t) integrated over t in [0, 1] (arXiv 2609.02987).

    On rewards of 0 and 1 it is `MaxRL`. Assumes on-policy samples and rewards on an interval scale:
    the scale is kept, so twice the reward is twice the advantage.
    """

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return tail_advantage(rollouts.rewards)


class FGRPO(Wrapper):
    """Another estimator's advantages times (1 - pass rate)^gamma (Plyusov et al., arXiv 2602.06717).

    A focal weight: the higher a problem's pass rate, the smaller its weight. Assumes binary rewards;
    the pass rate is that of the problem's N rollouts, as in the paper.

    Args:
        of: the wrapped estimator; defaults to `PassOne`.
        gamma: the exponent, at least 0; 0 changes nothing; the paper uses 0.5 and 1.
    """

    def __init__(self, of: AdvantageEstimator | None = None, gamma: float = 1.0) -> None:
        if not 0 <= gamma < float("inf"):
            raise ValueError(f"gamma={gamma} must be a finite number of at least 0")
        super().__init__(of or PassOne())
        self.gamma = gamma
        self.binary = True

    def estimate(self, rollouts: Rollouts) -> Tensor:
        advantages = self.of(rollouts)
        return advantages * per_problem(self._weight(rollouts), advantages)

    def informative(self, rollouts: Rollouts) -> Tensor:
        return self.of.informative(rollouts) & (self._weight(rollouts) > 0)

    def _weight(self, rollouts: Rollouts) -> Tensor:
        """[P]"""
        return (1 - rollouts.passed.double().mean(-1)) ** self.gamma
