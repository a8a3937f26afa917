"""A SAT solver as the second opinion on puzzles of choices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations, islice

from pysat.solvers import Minisat22


def exactly_one(literals: Sequence[int]) -> list[list[int]]:
    """Clauses of a choice."""
    return [list(literals), *([-a, -b] for a, b in combinations(literals, 2))]


def models(clauses: Iterable[Sequence[int]], most: int = 2) -> list[set[int]]:
    """The true variables of so many models."""
    with Minisat22(bootstrap_with=clauses) as solver:
        return [{literal for literal in model if literal > 0} for model in islice(solver.enum_models(), most)]
