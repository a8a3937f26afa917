"""Supervised learning as a stage: advantage 1 for the responses to imitate.

With the ratio at 1 the gradient of the policy loss on such a row is exactly that of cross-entropy.
"""

from __future__ import annotations

import torch
from torch import Tensor

from app.advantages.base import AdvantageEstimator
from app.types import Rollouts


class Imitate(AdvantageEstimator):
    """Advantage 1 for every rollout: a cold start on demonstrations."""

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return torch.ones_like(rollouts.rewards)

    def check(self, num_rollouts: int) -> None:
        if num_rollouts < 1:
            raise ValueError(f"N={num_rollouts} must be at least 1")


class RejectionSampling(Imitate):
    """Advantage 1 for passing rollouts, 0 for others: fine-tuning by rejection sampling of the policy."""

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return rollouts.passed.to(rollouts.rewards.dtype)
