"""Problems that wrap other problems."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from app.types import Problem, Prompt


@dataclass(frozen=True)
class WrappedProblem(Problem):
    """Has all properties of another problem; subclasses change some.

    Args:
        problem: the other problem.
    """

    problem: Problem

    @property
    def prompt(self) -> Prompt:  # type: ignore[override]
        return self.problem.prompt

    @property
    def key(self) -> str:  # type: ignore[override]
        return self.problem.key

    @property
    def solution(self) -> str:  # type: ignore[override]
        return self.problem.solution

    @property
    def label(self) -> str:  # type: ignore[override]
        return self.problem.label

    @property
    def origin(self) -> str:  # type: ignore[override]
        return self.problem.origin

    @property
    def identity(self) -> str:
        return self.problem.identity

    @property
    def reference(self) -> str:
        return self.problem.reference

    @property
    def sets(self) -> tuple[str, ...]:
        return self.problem.sets

    def score(self, response: str) -> float:
        return self.problem.score(response)

    def extract_answer(self, response: str) -> str | None:
        return self.problem.extract_answer(response)

    def demonstrate(self, random: Random) -> str:
        return self.problem.demonstrate(random)

    def draw(self, response: str) -> str | None:
        return self.problem.draw(response)


@dataclass(frozen=True)
class NamedProblem(WrappedProblem):
    """A problem of one of several sets.

    Args:
        names: the sets under which it is reported: the set's name, and the parts of the set that it belongs to.
    """

    names: tuple[str, ...]

    @property
    def label(self) -> str:  # type: ignore[override]
        return self.names[0]

    @property
    def sets(self) -> tuple[str, ...]:
        return self.names


@dataclass(frozen=True)
class RepeatedProblem(WrappedProblem):
    """A repeated problem of a held-out set: its answers are sampled with their own seed.

    Args:
        number: 2 for the second copy, and so on.
    """

    number: int

    @property
    def key(self) -> str:  # type: ignore[override]
        return f"{self.problem.key} (repeat {self.number})"
