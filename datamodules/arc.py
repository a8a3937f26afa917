"""Data module of ARC-AGI 1 (arXiv 1911.01547; docs/generalisation.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.types import Problem
from datamodules.arc_grids import LARGEST, ArcProblem, Grid, Pair, is_grid
from datamodules.base.data_module import ProblemDataModule
from datamodules.base.dedup import deduplicate
from datamodules.base.solutions import passing
from datamodules.sources import check_source, located, placed, read_rows


class ArcDataModule(ProblemDataModule):
    """ARC tasks from files or the hub; deduplicated by examples and test grids, duplicates stay in test.

    A source is a folder of task files (`<id>.json`), one .json file of tasks by id, or a .jsonl or .parquet file or
    hub id whose rows are tasks: `train` and `test`, lists of pairs of `input` and `output`.

    Args:
        validation: a source.
        train: a source, or None for none.
        test: a source, or None.
        seed: of the order of training.
        batch_size: P, problems per iteration over all ranks.
        eval_batch_size: problems per batch and rank in validation, test and prediction.

    Raises:
        ValueError: a source cannot be read; names it and the task.
    """

    def __init__(
        self,
        validation: str,
        train: str | None = None,
        test: str | None = None,
        seed: int = 0,
        batch_size: int = 16,
        eval_batch_size: int = 64,
    ) -> None:
        super().__init__(seed, batch_size, eval_batch_size)
        self.sources = {"train": train, "validation": validation, "test": test}
        for source in self.sources.values():
            if source is not None and not Path(source).is_dir() and Path(source).suffix != ".json":
                check_source(source)

    def load_splits(self) -> tuple[dict[str, list[Problem]], dict[str, int]]:
        """Every split in the order of its source, then deduplicated."""
        return deduplicate({split: self._read(split, source) for split, source in self.sources.items()})

    @staticmethod
    def _read(split: str, source: str | None) -> list[Problem]:
        problems: list[Problem] = []
        for where, task in tasks_of(source, split) if source else ():
            try:
                problems.append(placed(passing(problem_of(task)), where))
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from None
        return problems


def tasks_of(source: str, split: str) -> Iterator[tuple[str, Any]]:
    """The tasks of a source, each with its name in errors."""
    path = Path(source)
    if path.is_dir():
        for file in sorted(path.glob("*.json")):
            yield f"{path}, {file.name}", read_json(file)
    elif path.suffix == ".json":
        tasks = read_json(path)
        tasks = tasks if isinstance(tasks, dict) and "test" not in tasks else {"its task": tasks}
        yield from ((f"{path}, {name}", task) for name, task in tasks.items())
    else:
        yield from located(source, read_rows(source, split))


def read_json(path: Path) -> Any:
    """The JSON value in a file; ValueError if it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise ValueError(f"{path} can't be read: {error}") from None


def problem_of(task: Any) -> ArcProblem:
    """The problem of a task; ValueError if it is no valid task."""
    if not isinstance(task, dict):
        raise ValueError("not an object with train and test")
    examples, tests = (pairs_of(task.get(name), name) for name in ("train", "test"))
    return ArcProblem(examples, tests)


def pairs_of(pairs: Any, name: str) -> tuple[Pair, ...]:
    """At least one pair of grids; ValueError if there is none, or one has no output."""
    if not isinstance(pairs, list) or not pairs or not all(isinstance(pair, dict) for pair in pairs):
        raise ValueError(f"{name} is no list of pairs")
    return tuple((as_grid(pair.get("input"), name), as_grid(pair.get("output"), name)) for pair in pairs)


def as_grid(rows: Any, name: str) -> Grid:
    """A rectangle of digits 0 to 9; ValueError if it is not one."""
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows) or not is_grid(rows):
        raise ValueError(f"a grid of {name} is no rectangle of figures 0 to 9 with sides of 1 to {LARGEST}")
    return tuple(map(tuple, rows))
