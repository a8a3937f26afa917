"""Pass@1: the objective of GRPO and its kin."""

from __future__ import annotations

from torch import Tensor

from app.advantages.base import AdvantageEstimator
from app.passk import normalise
from app.types import Rollouts


class PassOne(AdvantageEstimator):
    """A rollout's reward against the mean of its problem, in standard deviations (Eqs. 1-3)."""

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return normalise(rollouts.rewards)
