"""Validation sets that are evaluated each in its own way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lightning.pytorch import Trainer

from app.types import Problem, Sampling
from callbacks.lookup import problems_of


@dataclass(frozen=True)
class Settings:
    """How a set of problems is evaluated; what is None is as for all others.

    Args:
        n: answers to each problem.
        ks: the k of each Pass@k; at most n.
        sampling: how answers are drawn.
    """

    n: int | None = None
    ks: Sequence[int] | None = None
    sampling: Sampling | None = None


@dataclass(frozen=True)
class Evaluated:
    """`Settings` with nothing left open."""

    n: int
    ks: tuple[int, ...]
    sampling: Sampling

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"n={self.n} must be at least 1")
        if not self.ks:
            raise ValueError("ks must name at least one k")
        for k in self.ks:
            if not 1 <= k <= self.n:
                raise ValueError(f"k={k} must lie between 1 and the n={self.n} answers to each problem")

    @property
    def greedy(self) -> Sampling:
        """The most probable answer, under the same limits."""
        return Sampling(0.0, max_new_tokens=self.sampling.max_new_tokens, stop_tokens=self.sampling.stop_tokens)

    def but(self, own: Settings) -> Evaluated:
        """These, where a set has none of its own."""
        return Evaluated(
            self.n if own.n is None else own.n,
            self.ks if own.ks is None else tuple(sorted(own.ks)),
            self.sampling if own.sampling is None else own.sampling,
        )


ALL = ""
"""The label of all problems together."""


class Group:
    """Problems that are reported together.

    Args:
        label: of the group.
        settings: how its problems are evaluated, in one way or several.
    """

    def __init__(self, label: str, settings: frozenset[Evaluated]) -> None:
        self.settings = next(iter(settings)) if len(settings) == 1 else None
        numbers = {each.n for each in settings}
        self.n = numbers.pop() if len(numbers) == 1 else None  # answers to each problem
        self.ks = tuple(sorted(set.intersection(*(set(each.ks) for each in settings))))
        if not self.ks:
            raise ValueError(f"sets: the ks of {label or 'all sets'} have none in common; give each the k 1")


class Sets:
    """Which problems are evaluated how.

    Args:
        default: of all problems that no name below claims.
        own: by the name of a set: one of its problems' `groups`; the first group that is named decides.
    """

    def __init__(self, default: Evaluated, own: Mapping[str, Settings]) -> None:
        self.default = default
        self.own: dict[str, Evaluated] = {}
        for name, settings in own.items():
            try:
                self.own[name] = default.but(settings)
            except ValueError as error:
                raise ValueError(f"sets, {name}: {error}") from None

    def of(self, problem: Problem) -> Evaluated:
        """How a problem is evaluated."""
        return next((self.own[group] for group in problem.groups if group in self.own), self.default)

    def parts(self, problems: Iterable[Problem]) -> dict[Evaluated, list[Problem]]:
        """The problems that are evaluated alike, in the order in which the settings were given."""
        parts: dict[Evaluated, list[Problem]] = {settings: [] for settings in (self.default, *self.own.values())}
        for problem in problems:
            parts[self.of(problem)].append(problem)
        return {settings: part for settings, part in parts.items() if part}

    def groups(self, problems: Iterable[Problem]) -> dict[str, Group]:
        """Each group of problems, and under "" all of them.

        Raises:
            ValueError: for a name that no group has, a group without a k that all its problems have, or one without
                a name of its own.
        """
        found: dict[str, set[Evaluated]] = {}
        for problem in problems:
            for label in problem.groups:
                if not label.strip() or not label.isprintable():
                    raise ValueError(
                        f"the name {label!r} of a set must be a line of text: figures are reported under it"
                    )
            for label in (ALL, *problem.groups):
                found.setdefault(label, set()).add(self.of(problem))
        for name in self.own:
            if found and name not in found:
                raise ValueError(f"sets: {name!r} must be one of {', '.join(sorted(set(found) - {ALL}))}")
        return {label: Group(label, frozenset(settings)) for label, settings in found.items()}


def held_out(trainer: Trainer) -> list[Problem]:
    """The problems of the validation and the test split; none where the data module keeps no splits."""
    return [*problems_of(trainer, "validation"), *problems_of(trainer, "test")]
