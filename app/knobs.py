"""k, N and the temperature as functions of a stage's iteration; they have no state to save."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from inspect import signature


class Knob(ABC):
    """The value of a setting in each iteration of a stage, the first being 0.

    Attributes:
        end: the iteration from which the value is constant.
    """

    end: int

    @abstractmethod
    def __call__(self, iteration: int) -> float:
        """The value in this iteration."""

    @property
    @abstractmethod
    def given(self) -> tuple[float, ...]:
        """The configured values; all others are between two of them."""

    def __repr__(self) -> str:
        names = [name for name in signature(type(self)).parameters if hasattr(self, name)]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)}' for name in names)})"


class Fixed(Knob):
    """The same value in every iteration.

    Args:
        value: this value.
    """

    end = 0

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, iteration: int) -> float:
        return self.value

    @property
    def given(self) -> tuple[float, ...]:
        return (self.value,)


class _Between(Knob):
    """Base class: `first` until iteration `start`, then towards `last`, reached at iteration `end`.

    Args:
        first: the value until iteration `start`.
        last: the value from iteration `end` on.
        end: an iteration of the stage, counted from 0; above start.
        start: an iteration of the stage, counted from 0.
    """

    def __init__(self, first: float, last: float, end: int, start: int = 0) -> None:
        if start < 0:
            raise ValueError(f"start={start} must be at least 0")
        if not start < end:
            raise ValueError(f"end={end} must come after start={start}")
        self.first, self.last, self.end, self.start = first, last, end, start

    def __call__(self, iteration: int) -> float:
        if iteration >= self.end:
            return self.last  # the sum below may differ from it by rounding
        progress = max((iteration - self.start) / (self.end - self.start), 0.0)
        return self.first + (self.last - self.first) * self.shape(progress)

    @property
    def given(self) -> tuple[float, ...]:
        return (self.first, self.last)

    @abstractmethod
    def shape(self, progress: float) -> float:
        """The share of the way from `first` to `last`: 0 at progress 0, 1 at progress 1."""


class Ramp(_Between):
    """Constant at `first` until iteration `start`, then linear to `last` at iteration `end`."""

    def shape(self, progress: float) -> float:
        return progress


class HalfCosine(_Between):
    """Constant at `first` until iteration `start`, then half a cosine to `last` at iteration `end`."""

    def shape(self, progress: float) -> float:
        return (1 - math.cos(math.pi * progress)) / 2


class Stepwise(Knob):
    """Piecewise constant in the iteration.

    Args:
        values: each value by its first iteration; iteration 0 is required.
    """

    def __init__(self, values: dict[int, float]) -> None:
        if 0 not in values or min(values) < 0:
            raise ValueError(f"values={values} must begin at iteration 0, none before it")
        self.values = dict(sorted(values.items()))
        self.end = max(values)

    def __call__(self, iteration: int) -> float:
        return [value for begin, value in self.values.items() if begin <= iteration][-1]

    @property
    def given(self) -> tuple[float, ...]:
        return tuple(self.values.values())


@dataclass(frozen=True)
class Knobs:
    """Settings that change with the iterations of a stage; None: constant, the stage's own value.

    Args:
        k: k of the stage's objective, rounded to the nearest integer.
        rollouts: N, rollouts per problem, rounded likewise.
        temperature: sampling temperature.
    """

    k: Knob | None = None
    rollouts: Knob | None = None
    temperature: Knob | None = None

    def __post_init__(self) -> None:
        for name in ("k", "rollouts"):
            knob = getattr(self, name)
            for value in () if knob is None else knob.given:
                if not (math.isfinite(value) and value == int(value) and value >= 1):
                    raise ValueError(f"knobs.{name}: {value:g} must be a whole number of at least 1")

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) is not None for field in fields(self))

    def at(self, iteration: int) -> dict[str, float]:
        """The values of all settings that are not None, by name; k and rollouts are integers."""
        knobs = {field.name: getattr(self, field.name) for field in fields(self)}
        values = {name: knob(iteration) for name, knob in knobs.items() if knob is not None}
        return {name: value if name == "temperature" else nearest(value) for name, value in values.items()}

    @property
    def all_values(self) -> list[tuple[int, dict[str, float]]]:
        """All distinct sets of values, each with its first iteration."""
        end = max((knob.end for field in fields(self) if (knob := getattr(self, field.name)) is not None), default=0)
        found: dict[tuple[float, ...], tuple[int, dict[str, float]]] = {}
        for iteration in range(end + 1):
            values = self.at(iteration)
            found.setdefault((*values.values(),), (iteration, values))
        return [*found.values()]


def nearest(value: float) -> int:
    """The nearest integer; the larger of two equally near ones."""
    return math.floor(value + 0.5)
