"""What every advantage estimator does."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from app.types import RolloutBatch


class AdvantageEstimator(ABC):
    """RolloutBatch -> [P, N].  Knows nothing of the Trainer."""

    @abstractmethod
    def __call__(self, rollouts: RolloutBatch) -> Tensor:
        """The advantage of every rollout; zero where it teaches nothing."""

    def check(self, num_rollouts: int) -> None:
        """Raise ValueError, before any sampling, where so many rollouts per problem can't serve."""
        if num_rollouts < 2:
            raise ValueError(f"{type(self).__name__} compares rollouts: N={num_rollouts} must be at least 2")

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value}" for name, value in vars(self).items())
        return f"{type(self).__name__}({arguments})"
