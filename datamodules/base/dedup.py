"""Deduplication: a problem is in one split only, and held-out problems are never trained on.

The train split has each problem once. A held-out set keeps its own repeats, so that its metrics are over the published
set; each repeat is sampled with its own seed and counts as a problem.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import TypeVar

from app.distributed.processes import rank
from app.types import Problem
from datamodules.base.wrapped import RepeatedProblem
from datamodules.values import squeezed

log = logging.getLogger(__name__)

T = TypeVar("T")

PRECEDENCE = ("test", "validation", "train")
"""A problem that is in several splits stays in the first of these."""


def deduplicate(
    splits: Mapping[str, Sequence[Problem]], strict: bool = False
) -> tuple[dict[str, list[Problem]], dict[str, int]]:
    """Keep each key in one split only, the first in the order of precedence, and only once in train.

    Problems read from files also count as equal if they differ only in white space and characters without width, and
    have the same answer, as copies of a published question do. With another answer they are different problems.

    Args:
        splits: problems by the name of their split; every name must be in `PRECEDENCE`.
        strict: whether repeats are dropped from held-out splits too, as for generated problems.

    Returns:
        The splits, each in its own order, and the number of problems dropped from each.
    """
    if rank() == 0:
        warn_of_other_answers(splits, strict)
    seen: set[str] = set()
    copies: dict[str, set[str]] = {}  # answers by squeezed key
    kept: dict[str, list[Problem]] = {}
    for name in (name for name in PRECEDENCE if name in splits):
        new = (problem for problem in splits[name] if problem.key not in seen)
        fresh = [problem for problem in new if not (problem.origin and _is_copy(problem, copies))]
        seen |= {problem.key for problem in fresh}
        for problem in fresh:
            if problem.origin and name != "train":
                copies.setdefault(squeezed(problem.key), set()).add(_answer(problem))
        kept[name] = [*(distinct(fresh) if strict or name == "train" else renamed(fresh))]
    if rank() == 0:
        warn_of_near_duplicates(kept)
    return {name: kept[name] for name in splits}, {name: len(splits[name]) - len(kept[name]) for name in splits}


def deduplicate_sets(
    sets: Mapping[str, Mapping[str, T]], read: Callable[[str, str, T], Iterable[Problem]]
) -> tuple[dict[str, list[Problem]], dict[str, int]]:
    """The same for splits of named sets, each of which `read(split, name, set)` reads."""
    return deduplicate(
        {split: [each for name in named for each in read(split, name, named[name])] for split, named in sets.items()}
    )


def distinct(problems: Iterable[Problem]) -> Iterator[Problem]:
    """The first problem of each key."""
    seen: set[str] = set()
    for problem in problems:
        if problem.key not in seen:
            seen.add(problem.key)
            yield problem


def renamed(problems: Iterable[Problem]) -> Iterator[Problem]:
    """All problems; repeated keys are replaced by new ones."""
    seen: set[str] = set()
    for problem in problems:
        if problem.key in seen:
            repeats = (RepeatedProblem(problem, number) for number in count(2))
            problem = next(repeat for repeat in repeats if repeat.key not in seen)
        seen.add(problem.key)
        yield problem


def warn_of_other_answers(splits: Mapping[str, Sequence[Problem]], strict: bool = False) -> None:
    """Warn of rows that have the question of an earlier one, in the order of precedence, and another answer."""
    first: dict[str, tuple[str, Problem]] = {}
    for name in (name for name in PRECEDENCE if name in splits):
        left_out, stay = list[str](), list[str]()
        for problem in splits[name]:
            split, earlier = first.setdefault(problem.key, (name, problem))
            if earlier is problem or not (problem.reference and earlier.reference):
                continue
            if squeezed(problem.reference) != squeezed(earlier.reference):
                both = f"{_place(problem)} says {problem.reference!r:.40}, {_place(earlier)} {earlier.reference!r:.40}"
                (stay if split == name != "train" and not strict else left_out).append(both)
        for rows, what in ((left_out, "left out"), (stay, "both are kept")):
            if rows:
                log.warning(
                    "rows of %s with the question of an earlier row and another answer: %d, %s; the first: %s",
                    name,
                    len(rows),
                    what,
                    rows[0],
                )


def warn_of_near_duplicates(splits: Mapping[str, Sequence[Problem]]) -> None:
    """Warn of train problems that differ from held-out ones only in white space and answer, among those read."""
    held_out = [problem for name in splits if name != "train" for problem in splits[name] if problem.origin]
    keys = {squeezed(problem.key) for problem in held_out}
    near = [each for each in splits.get("train", ()) if keys and each.origin and squeezed(each.key) in keys]
    if near:
        log.warning(
            "%d problems of train differ from held-out ones by white space and the answer alone, and are trained on; "
            "the first: %s",
            len(near),
            near[0].origin,
        )


def _is_copy(problem: Problem, copies: Mapping[str, Collection[str]]) -> bool:
    answers = copies.get(squeezed(problem.key)) if copies else None
    return answers is not None and _answer(problem) in answers


def _answer(problem: Problem) -> str:
    """What tells apart two problems whose questions differ only in white space."""
    return squeezed(problem.reference) or squeezed(problem.identity)


def _place(problem: Problem) -> str:
    return problem.origin or "another"
