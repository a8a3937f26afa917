"""A trigger if a metric no longer rises."""

from __future__ import annotations

from collections.abc import Mapping

from callbacks.triggers.base import Trigger, check_at_most


class Plateau(Trigger):
    """Ends a stage once a metric has risen by at most `min_delta` in `patience` consecutive measurements.

    Args:
        metric: its logged name, such as "eval/pass@8"; higher is better.
        patience: measurements, not iterations.
        min_delta: a rise of this or less does not count.
        at_most: iterations after which the stage ends in any case; None: no limit.
    """

    def __init__(self, metric: str, patience: int = 3, min_delta: float = 0.0, at_most: int | None = None) -> None:
        if patience < 1:
            raise ValueError(f"patience={patience} must be at least 1")
        if min_delta < 0:
            raise ValueError(f"min_delta={min_delta} must be at least 0")
        check_at_most(at_most)
        self.metric, self.patience, self.min_delta, self.at_most = metric, patience, min_delta, at_most
        self.best, self.without_rise = float("-inf"), 0

    def fires(self, step: int, metrics: Mapping[str, float]) -> bool:
        if self.metric in metrics:
            value = metrics[self.metric]
            self.without_rise = 0 if value > self.best + self.min_delta else self.without_rise + 1
            self.best = max(self.best, value)
        return self.without_rise >= self.patience or (self.at_most is not None and step >= self.at_most)

    def reset(self) -> None:
        self.best, self.without_rise = float("-inf"), 0

    def state_dict(self) -> dict[str, float]:
        return {"best": self.best, "without_rise": self.without_rise}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.best, self.without_rise = state["best"], int(state["without_rise"])
