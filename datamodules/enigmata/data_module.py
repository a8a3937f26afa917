"""Data module of Enigmata's 36 puzzle tasks: generated, or read from the official records, or both."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from app.types import Problem
from datamodules.base.data_module import PuzzleDataModule, check_fits
from datamodules.base.dedup import PRECEDENCE, deduplicate
from datamodules.enigmata.tasks.records import problem_of
from datamodules.enigmata.tasks.task import CATEGORIES, DIFFICULTIES, TaskPuzzle, task_named
from datamodules.sources import HUB_ID, check_source, located, placed, read_jsonl, read_rows
from datamodules.sources.folders import downloaded, folder_and_split, split_files

log = logging.getLogger(__name__)

TASKS = tuple(name for names in CATEGORIES.values() for name in names)

MAX_SKIPPED = 0.05
"""Share of a source's records of the 36 tasks that may be invalid: some of upstream's are contradictory
(docs/enigmata.md)."""
REASONS = 5
"""How many reasons for skipped records are logged, the most frequent ones."""


class EnigmataDataModule(PuzzleDataModule):
    """Enigmata's 36 tasks, weighted by task and difficulty; no puzzle twice within or across splits.

    Each split is a number of problems to generate, or a source of official records: a `.parquet` or `.jsonl` file, a
    hub id, such as `BytedTsinghua-SIA/Enigmata-Eval:train`, or a folder. For a folder, and a hub data set with this
    structure, all files `<split>.jsonl` at any level are read. Records of other tasks are skipped and
    counted. Problems of the test split are neither generated for nor read into the other splits; their number is
    logged by task.

    Args:
        train: a number, or a source; may be 0 for `validate`.
        validation: a number, or a source.
        test: a number, or a source.
        weights: of the mixture, by task or by category, whose tasks share its weight; a task's own weight
            has priority. None weights all 36 tasks equally; otherwise unnamed tasks are left out.
        difficulties: weights of "easy", "medium" and "hard".
        seed: of the problems and of the order of training.
        batch_size: P, problems per iteration over all ranks.
        eval_batch_size: problems per batch and rank in validation, test and prediction.
        cache_dir: folder for generated problems; None: `$XDG_CACHE_HOME/passk` or `~/.cache/passk`.

    Raises:
        ValueError: for an unknown task, a negative weight, a source with more than a few invalid rows, and the
            errors of `PuzzleDataModule`.
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
            if folder_and_split(source) is None:
                check_source(source)
        plan = {split: portions(size, shares) if isinstance(size, int) else [] for split, size in sizes.items()}
        super().__init__(plan, seed, batch_size, eval_batch_size, cache_dir, given={*self.sources, "train"})

    def prepare_data(self) -> None:
        if self.trainer is not None and self.trainer.state.fn == "fit":
            self._check_train()
        super().prepare_data()

    def setup(self, stage: str) -> None:
        if stage == "fit":
            self._check_train()
        super().setup(stage)

    def _check_train(self) -> None:
        """Raise ValueError if too few problems are generated for training."""
        if "train" in self.sources:
            return
        number = sum(number for _, number in self.plan["train"])
        if not number:
            raise ValueError("the train split is empty: it must hold at least one problem")
        check_fits(self.batch_size, number)

    def load_splits(self) -> tuple[dict[str, list[Problem]], dict[str, int]]:
        """Read the records, then generate the other splits."""
        records = {split: self._read(split, source) for split, source in self.sources.items()}
        self.taken = {problem.key for problems in records.values() for problem in problems}
        generated, repeats = super().load_splits()
        everything = {split: [*records.get(split, ()), *generated[split]] for split in generated}
        splits, dropped = deduplicate(everything)
        warn_of_leakage(everything)
        return splits, {split: dropped[split] + repeats[split] for split in splits}

    def _read(self, split: str, source: str) -> list[Problem]:
        """The problems of a source; other tasks, and a few invalid records, are skipped and counted."""
        problems: list[Problem] = []
        reasons, first = Counter[str](), dict[str, str]()
        further = 0
        for where, row in records(source, split):
            try:
                problems.append(placed(problem_of(row), where))
            except ValueError as error:
                reasons[str(error)] += 1
                first.setdefault(str(error), where)
                name = row.get("task_name") if isinstance(row, dict) else None
                further += isinstance(name, str) and name not in TASKS
        skipped = reasons.total()
        if not skipped:
            return problems
        most = [f"{first[reason]}: {reason} ({number} such)" for reason, number in reasons.most_common(REASONS)]
        rest = f"; and {len(reasons) - REASONS} further reasons" if len(reasons) > REASONS else ""
        number, why = f"{skipped} of {skipped + len(problems)} records of {source}", "; ".join(most) + rest
        if not problems or skipped - further > MAX_SKIPPED * (skipped - further + len(problems)):
            raise ValueError(f"{number} can't be read: {why}")
        log.warning("%s are left out: %s", number, why)
        return problems


def records(source: str, split: str) -> Iterator[tuple[str, Any]]:
    """The rows of a source, each with its file and row for errors.

    Raises:
        ValueError: a source cannot be read, or a folder has no file of the split.
    """
    hub, found = HUB_ID.fullmatch(source), folder_and_split(source)
    if found is not None:
        folder, split = found[0], found[1] or split
        if not split_files(folder, split):
            raise ValueError(f"{folder} holds no file {split}.jsonl")
    elif Path(source).is_file() or hub is None or hub[2]:
        folder = None
    else:
        split = hub[3] or split
        folder = downloaded(hub[1], split)
    files = [] if folder is None else split_files(folder, split)
    for file in files:
        yield from located(str(file), read_jsonl(file))
    if not files:
        yield from located(source, read_rows(source, split))


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
    """Raise ValueError for an unknown name or an invalid weight."""
    for name, weight in weights.items():
        if name not in known:
            raise ValueError(f"{argument}: {name!r} {wrong}")
        if not 0 <= weight < float("inf"):
            raise ValueError(f"{argument}: the weight {weight} of {name} must be at least 0")


def task_weights(weights: Mapping[str, float]) -> dict[str, float]:
    """The weight of every task: its own, or its share of its category's, or 0."""
    return {
        name: weights.get(name, weights.get(category, 0.0) / len(names))
        for category, names in CATEGORIES.items()
        for name in names
    }


def portions(number: int, shares: Mapping[TaskPuzzle, float]) -> list[tuple[TaskPuzzle, int]]:
    """Integers in these proportions that sum to `number`; the largest remainders are rounded up."""
    exact = {puzzle: number * share for puzzle, share in shares.items()}
    floors = {puzzle: int(value) for puzzle, value in exact.items()}
    by_remainder = sorted(exact, key=lambda puzzle: floors[puzzle] - exact[puzzle])
    for puzzle in by_remainder[: max(0, number - sum(floors.values()))]:
        floors[puzzle] += 1
    return [(puzzle, count) for puzzle, count in floors.items() if count]


def warn_of_leakage(splits: Mapping[str, list[Problem]]) -> None:
    """Log, by task, how many problems are in two splits, before they are removed from one of them."""
    keys = {split: {problem.key for problem in problems} for split, problems in splits.items()}
    order = [split for split in PRECEDENCE if split in splits]
    for place, split in enumerate(order):
        for other in order[:place]:
            shared = Counter(problem.label for problem in splits[split] if problem.key in keys[other])
            if shared:
                parts = ", ".join(f"{label} {count}" for label, count in sorted(shared.items()))
                log.warning("leakage: %d problems of %s are in %s (%s)", sum(shared.values()), split, other, parts)
