"""Base class of triggers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any


class Trigger(ABC):
    """Base class of triggers: decides when a stage ends."""

    @abstractmethod
    def fires(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Whether the stage ends; called after every iteration and after every validation.

        Args:
            step: iterations of this stage so far.
            metrics: the metrics logged in this iteration or this validation, by their names: passk's and those that
                other callbacks log by `self.log`, on rank 0; those logged at the start or the end of an epoch are among
                the metrics of the next iteration.
        """

    def reset(self) -> None:  # noqa: B027
        """Reset the state; called when the stage begins."""

    def state_dict(self) -> dict[str, Any]:
        """The state for checkpoints: plain numbers."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027
        """Restore the state of `state_dict`."""


def check_at_most(at_most: int | None) -> None:
    """Raise ValueError for a limit below 1."""
    if at_most is not None and at_most < 1:
        raise ValueError(f"at_most={at_most} must be at least 1")
