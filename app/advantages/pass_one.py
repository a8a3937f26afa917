"""Pass@1: the objective of GRPO."""

from __future__ import annotations

from torch import Tensor

from app.advantages.base import AdvantageEstimator
from app.passk import normalise
from app.types import Rollouts


class PassOne(AdvantageEstimator):
    """GRPO's advantage, (reward - mean) / std over the problem's rollouts (Eqs. 1-3)."""

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return normalise(rollouts.rewards)
