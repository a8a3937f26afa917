"""Pass@1 without a standard deviation: the reward minus the mean of all rollouts, or of the others."""

from __future__ import annotations

from torch import Tensor

from app.advantages.base import AdvantageEstimator
from app.passk import centred
from app.types import Rollouts


def leave_one_out(rewards: Tensor) -> Tensor:
    """r_i - mean of the other rewards, which is N / (N - 1) (r_i - mean of all).  [P, N] -> [P, N] double"""
    return centred(rewards) * rewards.shape[-1] / (rewards.shape[-1] - 1)


class RLOO(AdvantageEstimator):
    """REINFORCE leave-one-out, A_i = r_i - mean of the other rewards (Ahmadian et al., arXiv 2402.14740).

    In units of the reward. The baseline does not depend on rollout i, so the expected gradient of a
    mean over rollouts is that of the mean reward, at any N >= 2.

    Assumes that the rollouts of a problem are independent samples of the policy being updated.
    """

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return leave_one_out(rollouts.rewards)


class DrGRPO(AdvantageEstimator):
    """GRPO without its standard deviation, A_i = r_i - mean r (Liu et al., arXiv 2503.20783).

    In units of the reward. The mean includes rollout i itself, so the expected gradient is (N - 1) / N of
    RLOO's: the same direction for every problem. Dr. GRPO also divides the loss by a constant rather than by
    the length of the responses: use it with the reduction `app.losses.ConstantLength`.

    Assumes that the rollouts of a problem are independent samples of the policy being updated.
    """

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return centred(rollouts.rewards)
