"""Enigmata's 36 puzzle tasks as Lightning data: generated, or read from the official records, or both."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from app.types import Problem
from datamodules.base import PuzzleDataModule
from datamodules.dedup import PRECEDENCE, deduplicate
from datamodules.puzzles.enigmata.records import problem_of
from datamodules.puzzles.enigmata.task import CATEGORIES, DIFFICULTIES, TaskPuzzle, task_named
from datamodules.sources import check_source, read_rows

log = logging.getLogger(__name__)

TASKS = tuple(name for names in CATEGORIES.values() for name in names)

UNREAD = 0.05
"""Share of a source's records that may be unreadable: upstream has contradictory ones (docs/enigmata.md)."""


class EnigmataDataModule(PuzzleDataModule):
    """A mixture of tasks and difficulties, distinct within and across splits by the puzzle itself.

    Each split is a number of problems to generate, or a source of official records: a `.parquet`
    file, a `.jsonl` file, or a hub id, such as `BytedTsinghua-SIA/Enigmata-Eval:train`. Whatever
    is also in the test split is not generated for, nor read into, the others; how much that was is logged by task.

    Args:
        train, validation, test: a number, or a source.
        weights: of the mixture, by task or by category, whose tasks share its weight; a task's own weight
            comes first. None takes all 36 tasks alike; otherwise what is not named is left out.
        difficulties: weights of "easy", "medium" and "hard".
        seed: of the problems and of the order of training.
        batch_size: P, problems per iteration over all ranks.
        eval_batch_size: problems per batch and rank in validation, test and prediction.
        cache_dir: where generated problems are kept; `$XDG_CACHE_HOME/passk` or `~/.cache/passk` where None.

    Raises:
        ValueError: for an unknown task, a negative weight, a source with more than a few bad rows, and what
            `PuzzleDataModule` refuses.
    """

    def __init__(
        self,
        train: int | str = 3600,
        validation: int | str = 216,
        test: int | str = 216,
        weights: dict[str, float] | None = None,
        difficulties: dict[str, float] | None = None,
        seed: int = 0,
        batch_size: int = 32,
        eval_batch_size: int = 64,
        cache_dir: str | Path | None = None,
    ) -> None:
        shares = mixture(weights, difficulties)
        sizes = {"train": train, "validation": validation, "test": test}
        self.sources = {split: size for split, size in sizes.items() if isinstance(size, str)}
        for source in self.sources.values():
            check_source(source)
        plan = {split: portions(size, shares) if isinstance(size, int) else [] for split, size in sizes.items()}
        super().__init__(plan, seed, batch_size, eval_batch_size, cache_dir, given=self.sources)

    def load_splits(self) -> tuple[dict[str, list[Problem]], dict[str, int]]:
        """The records, then what is generated beside them."""
        records = {split: self._read(split, source) for split, source in self.sources.items()}
        self.taken = {problem.key for problems in records.values() for problem in problems}
        generated, repeats = super().load_splits()
        everything = {split: [*records.get(split, ()), *generated[split]] for split in generated}
        splits, dropped = deduplicate(everything)
        report_leakage(everything)
        return splits, {split: dropped[split] + repeats[split] for split in splits}

    def _read(self, split: str, source: str) -> list[Problem]:
        """The problems of a source; a few records that can't be read are left out and counted."""
        problems: list[Problem] = []
        unread: list[str] = []
        for number, row in enumerate(read_rows(source, split), start=1):
            try:
                problems.append(problem_of(row))
            except ValueError as error:
                unread.append(f"{source}, row {number}: {error}")
        total = len(problems) + len(unread)
        if len(unread) > UNREAD * total:
            raise ValueError(unread[0])
        if unread:
            log.warning("%d of %d records are left out; the first: %s", len(unread), total, unread[0])
        return problems


def mixture(weights: Mapping[str, float] | None, difficulties: Mapping[str, float] | None) -> dict[TaskPuzzle, float]:
    """The weight of every task and difficulty; they sum to 1."""
    levels = dict[str, float](dict.fromkeys(DIFFICULTIES, 1.0) if difficulties is None else difficulties)
    check_weights("weights", weights or {}, (*CATEGORIES, *TASKS), "is neither a task nor a category of Enigmata")
    check_weights("difficulties", levels, DIFFICULTIES, f"must be one of {', '.join(DIFFICULTIES)}")
    tasks = dict.fromkeys(TASKS, 1.0) if not weights else task_weights(weights)
    total = sum(tasks.values()) * sum(levels.values())
    if not total:
        raise ValueError("weights and difficulties must leave something to ask")
    return {
        TaskPuzzle(task_named(name), level): weight * levels[level] / total
        for name, weight in tasks.items()
        for level in DIFFICULTIES
        if weight * levels.get(level, 0.0)
    }


def check_weights(argument: str, weights: Mapping[str, float], known: Collection[str], wrong: str) -> None:
    """Raise ValueError for a name that is not known, or a weight that is none."""
    for name, weight in weights.items():
        if name not in known:
            raise ValueError(f"{argument}: {name!r} {wrong}")
        if not 0 <= weight < float("inf"):
            raise ValueError(f"{argument}: the weight {weight} of {name} must be at least 0")


def task_weights(weights: Mapping[str, float]) -> dict[str, float]:
    """Of every task: its own, or its share of its category's, or 0."""
    return {
        name: weights.get(name, weights.get(category, 0.0) / len(names))
        for category, names in CATEGORIES.items()
        for name in names
    }


def portions(number: int, shares: Mapping[TaskPuzzle, float]) -> list[tuple[TaskPuzzle, int]]:
    """Whole numbers in these proportions that sum to `number`; the largest remainders are rounded up."""
    exact = {puzzle: number * share for puzzle, share in shares.items()}
    floors = {puzzle: int(value) for puzzle, value in exact.items()}
    by_remainder = sorted(exact, key=lambda puzzle: floors[puzzle] - exact[puzzle])
    for puzzle in by_remainder[: max(0, number - sum(floors.values()))]:
        floors[puzzle] += 1
    return [(puzzle, count) for puzzle, count in floors.items() if count]


def report_leakage(splits: Mapping[str, list[Problem]]) -> None:
    """Log by task what occurs in two splits, before the later of the two loses it."""
    keys = {split: {problem.key for problem in problems} for split, problems in splits.items()}
    order = [split for split in PRECEDENCE if split in splits]
    for place, split in enumerate(order):
        for other in order[:place]:
            shared = Counter(problem.label for problem in splits[split] if problem.key in keys[other])
            if shared:
                parts = ", ".join(f"{label} {count}" for label, count in sorted(shared.items()))
                log.warning("leakage: %d problems of %s are in %s (%s)", sum(shared.values()), split, other, parts)
