"""Learning rates as functions of the updates since a stage began; they have no state to save."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from inspect import signature


class LearningRate(ABC):
    """Base class: warms up linearly to `peak` over `warmup` updates, then follows the class.

    Args:
        peak: the highest rate.
        warmup: updates until it is reached; update u < warmup has the rate peak (u + 1) / warmup.
    """

    def __init__(self, peak: float, warmup: int = 0) -> None:
        if not peak > 0:
            raise ValueError(f"peak={peak} must be above 0")
        if warmup < 0:
            raise ValueError(f"warmup={warmup} must be at least 0")
        self.peak, self.warmup = peak, warmup

    def __call__(self, update: int) -> float:
        """The rate of this update; the stage's first is 0."""
        if update < self.warmup:
            return self.peak * (update + 1) / self.warmup
        return self.peak * self.factor(update)

    @abstractmethod
    def factor(self, update: int) -> float:
        """The factor of the peak after the warm-up, in [0, 1]."""

    def __repr__(self) -> str:
        names = [name for name in signature(type(self)).parameters if hasattr(self, name)]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)}' for name in names)})"


class Constant(LearningRate):
    """Constant at the peak after the warm-up; the paper warms up over 10 updates."""

    def factor(self, update: int) -> float:
        return 1.0


class _Ending(LearningRate):
    """Base class: falls to `floor` x peak at update `end`, then constant.

    Args:
        peak: the highest rate.
        end: the update from which the rate is floor x peak.
        warmup: updates until the peak is reached; update u < warmup has the rate peak (u + 1) / warmup.
        floor: the last rate as a share of the peak, in [0, 1].
        start: the update at which the fall begins, at the earliest `warmup`.
    """

    def __init__(self, peak: float, end: int, warmup: int = 0, floor: float = 0.0, start: int = 0) -> None:
        super().__init__(peak, warmup)
        if not 0 <= floor <= 1:
            raise ValueError(f"floor={floor} must lie in [0, 1]")
        if not max(start, warmup) < end:
            raise ValueError(f"end={end} must come after the warm-up ({warmup}) and the start of the descent ({start})")
        self.end, self.floor, self.start = end, floor, max(start, warmup)

    def factor(self, update: int) -> float:
        progress = min(max((update - self.start) / (self.end - self.start), 0.0), 1.0)
        return self.floor + (1 - self.floor) * self.shape(progress)

    @abstractmethod
    def shape(self, progress: float) -> float:
        """The share of the fall that is left: 1 at progress 0, 0 at progress 1."""


class Linear(_Ending):
    """Constant at the peak until `start`, then linear to `floor` x peak at `end`."""

    def shape(self, progress: float) -> float:
        return 1 - progress


class Cosine(_Ending):
    """Constant at the peak until `start`, then half a cosine to `floor` x peak at `end`."""

    def shape(self, progress: float) -> float:
        return (1 + math.cos(math.pi * progress)) / 2
