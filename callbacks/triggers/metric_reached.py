"""A trigger at a value of a metric."""

from __future__ import annotations

from collections.abc import Mapping

from callbacks.triggers.base import Trigger, check_at_most


class MetricReached(Trigger):
    """Ends a stage once a metric is at least `value`, or after `at_most` iterations.

    Args:
        metric: its logged name, such as "eval/pass@1".
        value: the threshold.
        at_most: iterations after which the stage ends in any case; None: no limit.
    """

    def __init__(self, metric: str, value: float, at_most: int | None = None) -> None:
        check_at_most(at_most)
        self.metric, self.value, self.at_most = metric, value, at_most

    def fires(self, step: int, metrics: Mapping[str, float]) -> bool:
        reached = metrics.get(self.metric, float("-inf")) >= self.value
        return reached or (self.at_most is not None and step >= self.at_most)
