"""Settings of updates and rollouts: immutable, read by the module and the rollout worker, replaced by a stage."""

from __future__ import annotations

from dataclasses import dataclass

from app.advantages import AdvantageEstimator
from app.engines.base import RolloutEngine
from app.learning_rate import LearningRate
from app.losses import PolicyLoss
from app.types import Sampling


@dataclass(frozen=True)
class UpdateSettings:
    """Settings of updates; documented as arguments of RLVRModule."""

    advantage: AdvantageEstimator
    loss: PolicyLoss
    learning_rate: LearningRate
    minibatch_size: int
    count_skipped_tokens: bool


@dataclass(frozen=True)
class RolloutSettings:
    """Settings of rollouts; documented as arguments of RolloutCallback."""

    engine: RolloutEngine
    rollouts: int
    sampling: Sampling

    @property
    def of_samples(self) -> str:
        """A text that differs if N or the sampling does."""
        return f"{self.rollouts} x {self.sampling}"
