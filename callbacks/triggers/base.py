"""Base class of triggers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any


class Trigger(ABC):
    """Decides when a stage has lasted long enough."""

    @abstractmethod
    def fires(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Whether the stage ends; called after every iteration and after every validation.

        Args:
            step: iterations of this stage so far.
            metrics: the metrics logged since the last call, by their names.
        """

    def reset(self) -> None:  # noqa: B027
        """Forget; called when the stage begins."""

    def state_dict(self) -> dict[str, Any]:
        """What must survive a restart: plain numbers."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027
        """Take up what `state_dict` gave."""


def check_at_most(at_most: int | None) -> None:
    """Raise ValueError for a limit that would end a stage before it began."""
    if at_most is not None and at_most < 1:
        raise ValueError(f"at_most={at_most} must be at least 1")
