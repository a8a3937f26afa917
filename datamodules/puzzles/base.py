"""What a puzzle is: the recipe that turns a random stream into problems."""

from __future__ import annotations

from abc import ABC, abstractmethod
from random import Random
from typing import Any, ClassVar, Generic, TypeVar

from app.types import Problem

ProblemT = TypeVar("ProblemT", bound=Problem)


class Puzzle(ABC, Generic[ProblemT]):
    """Makes problems of one kind and difficulty; two equal puzzles make the same problems.

    Attributes:
        patience: draws in a row without a new problem, after which a puzzle of unknown capacity is exhausted.
    """

    patience: ClassVar[int] = 200_000

    @property
    @abstractmethod
    def label(self) -> str:
        """Names the difficulty; part of the sentence that seeds each draw."""

    @abstractmethod
    def generate(self, random: Random) -> ProblemT | None:
        """One problem, drawn from `random` alone; None where this draw met no demand of the puzzle."""

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """The plain values that decide which problems come out: the cache is keyed by them."""

    @abstractmethod
    def dump(self, problem: ProblemT) -> Any:
        """A problem as plain data, fit for JSON."""

    @abstractmethod
    def load(self, data: Any) -> ProblemT:
        """The problem that `dump` wrote."""

    def capacity(self) -> int | None:
        """How many distinct problems exist, exactly; None where nobody has counted them."""
        return None
