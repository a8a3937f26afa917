"""ARC problems, and parsing of grids from responses."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from app.types import Problem, Prompt
from datamodules.enigmata.tasks.answers import FENCE, LONGEST

Grid: TypeAlias = tuple[tuple[int, ...], ...]
Pair: TypeAlias = tuple[Grid, Grid]
"""A grid, and the grid that the rule makes of it."""

LARGEST = 30
"""The most rows and columns of a grid."""
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
        examples: pairs of grids.
        tests: the test grids with the right answers; all answers must be right.
        label: the set under which it is reported.
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


def is_grid(rows: list[list[Any]]) -> bool:
    """Whether it is a rectangle of digits 0 to 9, with sides of 1 to 30."""
    widths = {len(row) for row in rows}
    return (
        1 <= len(rows) <= LARGEST
        and len(widths) == 1
        and 1 <= min(widths) <= LARGEST
        and all(type(figure) is int and 0 <= figure <= 9 for row in rows for figure in row)
    )


def drawn(grid: Grid) -> str:
    """The grid as text, a line for each row."""
    return "\n".join(" ".join(map(str, row)) for row in grid)


def last_grids(response: str, number: int) -> list[Grid] | None:
    """The grids in the last `number` fenced blocks; None unless each is a grid.  Takes linear time."""
    blocks = response.split(FENCE)[1:-1:2]
    grids = [parse_grid(block) for block in blocks[-number:]]
    return None if len(blocks) < number or None in grids else [grid for grid in grids if grid is not None]


def parse_grid(block: str) -> Grid | None:
    """The grid in a block, without its language tag; None if it is no grid.

    Rows are lines, or nested brackets with any line breaks. White space, commas or bars separate all
    digits of a row, or nothing does.
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
    figures = [parse_row(row) for row in rows]
    found = [row for row in figures if row is not None]
    return tuple(map(tuple, found)) if len(found) == len(figures) and is_grid(found) else None


def holds_a_figure_a_line(row: str) -> bool:
    """Whether each line has at most one digit, as in indented JSON."""
    return all(len(line.strip(" \t,")) <= 1 for line in row.split("\n"))


def parse_row(text: str) -> list[int] | None:
    """The digits of a row, all separated or none; None if it has anything else."""
    figures = [figure for figure in _BETWEEN.split(text) if figure]
    figures = [*figures[0]] if len(figures) == 1 else figures
    return [*map(int, figures)] if all(figure in FIGURES for figure in figures) else None
