"""A trigger at a low token entropy, before the policy has stopped exploring."""

from __future__ import annotations

from collections.abc import Mapping

from callbacks.triggers.base import Trigger, check_at_most


class EntropyFloor(Trigger):
    """Ends a stage once the mean token entropy of an iteration's rollouts is at most `nats`.

    Args:
        nats: the threshold, in nats.
        patience: the number of consecutive iterations required.
        at_most: iterations after which the stage ends in any case; None: no limit.
    """

    def __init__(self, nats: float, patience: int = 1, at_most: int | None = None) -> None:
        if nats < 0:
            raise ValueError(f"nats={nats} must be at least 0")
        if patience < 1:
            raise ValueError(f"patience={patience} must be at least 1")
        check_at_most(at_most)
        self.nats, self.patience, self.at_most = nats, patience, at_most
        self.below = 0

    def fires(self, step: int, metrics: Mapping[str, float]) -> bool:
        if "entropy/mean" in metrics:
            self.below = self.below + 1 if metrics["entropy/mean"] <= self.nats else 0
        return self.below >= self.patience or (self.at_most is not None and step >= self.at_most)

    def reset(self) -> None:
        self.below = 0

    def state_dict(self) -> dict[str, int]:
        return {"below": self.below}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.below = state["below"]
