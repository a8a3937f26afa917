"""ARC-AGI 1: grids that a rule, shown by examples, turns into others (arXiv 1911.01547; docs/generalisation.md)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from app.types import Problem, Prompt
from datamodules.base import ProblemDataModule
from datamodules.base.dedup import deduplicate
from datamodules.base.solutions import passing
from datamodules.enigmata.tasks.answers import FENCE, LONGEST
from datamodules.sources import check_source, located, placed, read_rows

Grid: TypeAlias = tuple[tuple[int, ...], ...]
Pair: TypeAlias = tuple[Grid, Grid]
"""A grid and what the rule makes of it."""

LARGEST = 30
"""Rows and columns of a grid, at most."""
FIGURES = frozenset("0123456789")

_ARRAY = re.compile(r"(?:np\.|numpy\.)?array\(")
_ROUND = str.maketrans("()", "[]")
_INNER = re.compile(r"\[([^\[\]]*)\]")
_AROUND = re.compile(r"[\[\s]*R(?:[\s,;]*R)*[\],\s]*")
_BETWEEN = re.compile(r"[\s,|]+")


@dataclass(frozen=True)
class ArcProblem(Problem):
    """Examples of a rule, and one or more grids to apply it to.

    Args:
        examples: of the rule.
        tests: the grids to answer for, with the right answers; all must be right.
        label: the set it is reported under.
    """

    examples: tuple[Pair, ...]
    tests: tuple[Pair, ...]
    label: str = "ARC-AGI 1"

    @property
    def prompt(self) -> Prompt:  # type: ignore[override]
        shown = "\n\n".join(
            f"Example {number}, input:\n{drawn(given)}\nExample {number}, output:\n{drawn(made)}"
            for number, (given, made) in enumerate(self.examples, start=1)
        )
        asked = "\n\n".join(f"Test {number}, input:\n{drawn(given)}" for number, (given, _) in enumerate(self.tests, 1))
        blocks = (
            "in a fenced code block"
            if len(self.tests) == 1
            else "in the order of the tests, each in its own code block"
        )
        request = (
            "One rule turns each input grid into its output grid; figures are colours. Find the rule and apply it to "
            f"the test.\n\n{shown}\n\n{asked}\n\nEnd with the output {blocks} (three backquotes before and after), "
            "a line for each row, its figures separated by spaces."
        )
        return ({"role": "user", "content": request},)

    @property
    def key(self) -> str:  # type: ignore[override]
        return json.dumps([self.examples, [given for given, _ in self.tests]])

    @property
    def solution(self) -> str:  # type: ignore[override]
        return "\n".join(f"{FENCE}\n{drawn(made)}\n{FENCE}" for _, made in self.tests)

    def score(self, response: str) -> float:
        grids = last_grids(response, len(self.tests))
        return float(grids == [made for _, made in self.tests])

    def extract_answer(self, response: str) -> str | None:
        grids = last_grids(response, len(self.tests))
        return None if grids is None else "\n\n".join(map(drawn, grids))


class ArcDataModule(ProblemDataModule):
    """ARC tasks from files or the hub; deduplicated by examples and test grids, test wins.

    A source is a folder of task files (`<id>.json`), one .json file of tasks by id, or a .jsonl or .parquet file or
    hub id whose rows hold a task: `train` and `test`, lists of pairs of `input` and `output`.

    Args:
        validation: a source.
        train: a source, or None where there is nothing to train on.
        test: a source, or None.
        seed: of the order of training.
        batch_size: P, problems per iteration over all ranks.
        eval_batch_size: problems per batch and rank in validation, test and prediction.

    Raises:
        ValueError: where a source can't be read, naming it and the task.
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
    """The tasks of a source, each with what to call it in an error."""
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
    """What a file holds as JSON; ValueError where it can't be read."""
    try:
        return json.loads(path.read_text())
    except (ValueError, RecursionError, OSError) as error:
        raise ValueError(f"{path} can't be read: {error}") from None


def problem_of(task: Any) -> ArcProblem:
    """The problem of a task; ValueError where it is none."""
    if not isinstance(task, dict):
        raise ValueError("not an object with train and test")
    examples, tests = (pairs_of(task.get(name), name) for name in ("train", "test"))
    return ArcProblem(examples, tests)


def pairs_of(pairs: Any, name: str) -> tuple[Pair, ...]:
    """At least one pair of grids; ValueError where there is none, or one has no output."""
    if not isinstance(pairs, list) or not pairs or not all(isinstance(pair, dict) for pair in pairs):
        raise ValueError(f"{name} is no list of pairs")
    return tuple((as_grid(pair.get("input"), name), as_grid(pair.get("output"), name)) for pair in pairs)


def as_grid(rows: Any, name: str) -> Grid:
    """A rectangle of figures 0 to 9; ValueError where it is none."""
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows) or not is_grid(rows):
        raise ValueError(f"a grid of {name} is no rectangle of figures 0 to 9 with sides of 1 to {LARGEST}")
    return tuple(map(tuple, rows))


def is_grid(rows: list[list[Any]]) -> bool:
    """Is it a rectangle of figures 0 to 9, with sides of 1 to 30?"""
    widths = {len(row) for row in rows}
    return (
        1 <= len(rows) <= LARGEST
        and len(widths) == 1
        and 1 <= min(widths) <= LARGEST
        and all(type(figure) is int and 0 <= figure <= 9 for row in rows for figure in row)
    )


def drawn(grid: Grid) -> str:
    """A line for each row."""
    return "\n".join(" ".join(map(str, row)) for row in grid)


def last_grids(response: str, number: int) -> list[Grid] | None:
    """What the last so many fenced blocks hold, where each is a grid; None otherwise.  Linear in the text."""
    blocks = response.split(FENCE)[1:-1:2]
    grids = [read_grid(block) for block in blocks[-number:]]
    return None if len(blocks) < number or None in grids else [grid for grid in grids if grid is not None]


def read_grid(block: str) -> Grid | None:
    """The rows of figures in a block, its language tag aside.

    Rows are lines, or brackets within brackets wherever lines end. White space, commas or bars stand between all
    figures of a row, or nothing does.
    """
    if len(block) > LONGEST:
        return None
    first, _, rest = block.partition("\n")
    text = (rest if first.strip().isalpha() else block).strip()
    if array := _ARRAY.match(text):
        text = text[array.end() :].removesuffix(")").partition("dtype=")[0]
    text = text.translate(_ROUND)
    rows = _INNER.findall(text)
    if rows and not _AROUND.fullmatch(_INNER.sub("R", text)):
        return None
    if len(rows) <= 1 and not (rows and text.count("[") > 1 and holds_a_figure_a_line(rows[0])):
        rows = [line for line in re.split(r"[\n;]", rows[0] if rows else text.strip("[] \t\n")) if line.strip()]
    figures = [read_row(row) for row in rows]
    found = [row for row in figures if row is not None]
    return tuple(map(tuple, found)) if len(found) == len(figures) and is_grid(found) else None


def holds_a_figure_a_line(row: str) -> bool:
    """Whether each line holds one figure at most, as indented JSON has them."""
    return all(len(line.strip(" \t,")) <= 1 for line in row.split("\n"))


def read_row(text: str) -> list[int] | None:
    """The figures of a row: all of them apart, or all of them together; None where it holds anything else."""
    figures = [figure for figure in _BETWEEN.split(text) if figure]
    figures = [*figures[0]] if len(figures) == 1 else figures
    return [*map(int, figures)] if all(figure in FIGURES for figure in figures) else None
