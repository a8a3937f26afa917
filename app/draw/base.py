"""Base classes of problem samplers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Protocol

import torch
from torch import Tensor

from app.draw.record import PassRecord
from app.seeds import generator_of


class Objective(Protocol):
    """A stage's objective by a problem's probability p to pass (`app/advantages/curves.py`)."""

    def share_informative(self, p: Tensor) -> Tensor:
        """The probability that a group of N rollouts has a non-zero advantage.  [..] -> [..]"""
        ...

    def expected_eta(self, p: Tensor) -> Tensor:
        """The expected sum of absolute advantages of a group (Eq. 16).  [..] -> [..]"""
        ...


@dataclass(frozen=True)
class Place:
    """The point of a run at which a batch is drawn.

    Args:
        seed: seed of the data module.
        position: number of problems drawn before, over all processes.
        batch: number of batches drawn before.
        objective: returns that of the current stage; None if there is none.
    """

    seed: int
    position: int
    batch: int
    objective: Callable[[], Objective | None] = lambda: None

    @property
    def sentence(self) -> str:
        """The text that seeds a draw."""
        return f"{self.seed}/draw/{self.position}"


class ProblemSampler(ABC):
    """Decides which problems a batch has. All processes make the same calls and get the same result.

    It has no state: its decisions depend only on the record and the place, which are in the checkpoint.

    Attributes:
        solved_at, failed_at: a draw counts as solved at a pass rate of at least solved_at, as failed at one of at most
            failed_at; the record counts consecutive ones of both.
    """

    solved_at: float = 1.0
    failed_at: float = 0.0

    @abstractmethod
    def draw(self, record: PassRecord, number: int, place: Place) -> list[int]:
        """The indices of this many problems."""

    @abstractmethod
    def others(self, record: PassRecord, sentence: str, place: Place) -> list[int]:
        """The indices of all problems in the order in which they may replace problems with zero advantages."""

    def draw_checked(self, record: PassRecord, number: int, place: Place) -> list[int]:
        """Call `draw` and check its indices.

        Raises:
            ValueError: it gave another number of indices, or one outside the train split.
        """
        drawn, name = [int(index) for index in self.draw(record, number, place)], type(self).__name__
        if len(drawn) != number:
            raise ValueError(f"{name}.draw gave {len(drawn)} indices: it must be {number}")
        _check_inside(f"{name}.draw", drawn, len(record))
        return drawn

    def others_checked(self, record: PassRecord, sentence: str, place: Place) -> list[int]:
        """Call `others` and check its indices.

        Raises:
            ValueError: it gave an index twice, or one outside the train split.
        """
        order, name = [int(index) for index in self.others(record, sentence, place)], type(self).__name__
        _check_inside(f"{name}.others", order, len(record))
        if len({*order}) < len(order):
            raise ValueError(f"{name}.others gave an index twice: they must differ")
        return order

    def figures(self, record: PassRecord, drawn: Tensor, place: Place) -> dict[str, float]:
        """Further metrics of a draw, besides those of all samplers.  drawn: [P] indices"""
        return {}

    def __repr__(self) -> str:
        names = [name for name in signature(type(self)).parameters if hasattr(self, name)]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)}' for name in names)})"


class Weighted(ProblemSampler):
    """Draws without replacement, in proportion to the weights of the remaining problems."""

    @abstractmethod
    def weights(self, record: PassRecord, place: Place) -> Tensor:
        """The weight of each problem, finite and above 0.  [n] double"""

    def draw(self, record: PassRecord, number: int, place: Place) -> list[int]:
        return self._order(record, place.sentence, place)[:number]

    def others(self, record: PassRecord, sentence: str, place: Place) -> list[int]:
        return self._order(record, sentence, place)

    def _order(self, record: PassRecord, sentence: str, place: Place) -> list[int]:
        """All problems by log(u) / w with u uniform: the order of single draws (Efraimidis and Spirakis, 2006)."""
        uniform = torch.rand(len(record), generator=generator_of(sentence), dtype=torch.double)
        return (uniform.log() / self._checked(record, place)).argsort(descending=True, stable=True).tolist()

    def _checked(self, record: PassRecord, place: Place) -> Tensor:
        """The weights; ValueError for another number of them, or one that is not finite and above 0.  [n] double"""
        weights, name = torch.as_tensor(self.weights(record, place), dtype=torch.double), type(self).__name__
        if weights.shape != (len(record),):
            raise ValueError(
                f"{name}.weights gave a shape of {tuple(weights.shape)}: it must be [n] = ({len(record)},)"
            )
        wrong = weights[~((weights > 0) & weights.isfinite())]
        if len(wrong):
            raise ValueError(f"{name}.weights gave {wrong[0]:g}: each must be a finite number above 0")
        return weights

    def figures(self, record: PassRecord, drawn: Tensor, place: Place) -> dict[str, float]:
        weights = self._checked(record, place)
        return {"draw/weight": (weights[drawn].mean() / weights.mean()).item()}


def _check_inside(method: str, indices: list[int], number: int) -> None:
    """Raise ValueError for an index outside the train split of this many problems."""
    outside = [index for index in indices if not 0 <= index < number]
    if outside:
        raise ValueError(f"{method} gave the index {outside[0]}: it must be one of 0 to {number - 1}")
