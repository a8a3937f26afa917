"""A trigger after a fixed number of iterations."""

from __future__ import annotations

from collections.abc import Mapping

from callbacks.triggers.base import Trigger


class Steps(Trigger):
    """Ends a stage after a number of iterations.

    Args:
        steps: iterations of the stage, at least 1.
    """

    def __init__(self, steps: int) -> None:
        if steps < 1:
            raise ValueError(f"steps={steps} must be at least 1")
        self.steps = steps

    def fires(self, step: int, metrics: Mapping[str, float]) -> bool:
        return step >= self.steps
