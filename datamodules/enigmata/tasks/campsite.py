"""Campsite (known as Tents): a tent beside every tree, no two tents touch, given numbers in each row and column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from random import Random
from typing import Any, ClassVar, TypeAlias

from datamodules.enigmata.tasks.answers import integers, rows
from datamodules.enigmata.tasks.grids import BEGIN, END, board, spaced
from datamodules.enigmata.tasks.task import Levels, Question, Task

OPEN, TREE, TENT = ".X*"
ATTEMPTS = 30
HEADERS = ("total number of tents", "tents in each row", "tents in each column")

Cell: TypeAlias = tuple[int, int]


class Campsite(Task):
    """A question is `{"board": rows, "rows": counts, "columns": counts}` with `.` and `X`; it has one solution."""

    name = "campsite"
    levels: ClassVar[Levels] = {
        "easy": ({"size": 4, "tents": 4},),
        "medium": ({"size": 5, "tents": 5},),
        "hard": ({"size": 6, "tents": 6},),
    }

    def draw(self, random: Random, size: int, tents: int) -> tuple[Question, str] | None:
        """Place `tents` tents, or as many as fit, at random; None if no attempt has exactly one solution."""
        for _ in range(ATTEMPTS):
            lines = board_with_tents(random, size, tents)
            if lines is None:
                continue
            columns = ["".join(column) for column in zip(*lines, strict=True)]
            question = {
                "board": [line.replace(TENT, OPEN) for line in lines],
                "rows": [line.count(TENT) for line in lines],
                "columns": [column.count(TENT) for column in columns],
            }
            if sum(1 for _ in solutions(question)) == 1:
                return question, f"{BEGIN}\n{spaced(lines)}\n{END}"
        return None

    def ask(self, question: Question) -> str:
        return (
            f"Pitch tents on this campsite. X is a tree, a dot is open ground. Every tree gets one tent of its own and "
            f"every tent belongs to one tree, so there are {sum(question['rows'])} tents. A tent stands on open "
            "ground, directly above, below, left or right of its tree; it may be beside other trees, too. No two "
            "tents touch, not even at a corner. Each row and column has as many tents as stated.\n\n"
            f"{spaced(question['board'])}\n\n"
            f"Tents in the rows, from top to bottom: {' '.join(map(str, question['rows']))}\n"
            f"Tents in the columns, from left to right: {' '.join(map(str, question['columns']))}\n\n"
            "Give the board with every tent written as * in place of its dot, and all else unchanged, in a fenced "
            f"code block, between a line {BEGIN} and a line {END}."
        )

    def judge(self, question: Question, answer: str) -> bool:
        solved = board(answer, len(question["rows"]), len(question["columns"]))
        if solved is None or [line.replace(TENT, OPEN) for line in solved] != question["board"]:
            return False
        if [line.count(TENT) for line in solved] != question["rows"]:
            return False
        if [column.count(TENT) for column in zip(*solved, strict=True)] != question["columns"]:
            return False
        tents = cells(solved, TENT)
        return apart(tents) and paired(tents, cells(solved, TREE))

    def meta(self, question: Question) -> dict[str, Any]:
        return {"question": f"{headed(question)}\n{spaced(question['board'])}"}

    def upstream_answer(self, question: Question, answer: str) -> Any:
        lines = board(answer, len(question["rows"]), len(question["columns"]))
        return f"{headed(question)}\n{BEGIN}\n{spaced(lines or [])}\n{END}"

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        """Also None if the numbers of a record are contradictory (upstream's generator makes such records)."""
        meta = record.get("meta")
        text = meta.get("question") if isinstance(meta, Mapping) else None
        lines = rows(text) if isinstance(text, str) else []
        heads, drawn = [line.partition(":") for line in lines[:3]], lines[3:]
        if tuple(head for head, _, _ in heads) != HEADERS:
            return None
        total, across, down = (integers(numbers) or [] for _, _, numbers in heads)
        ground = board("\n".join(drawn), len(across), len(down))
        if ground is None or any(TENT in line for line in ground) or total != [sum(across)] or total != [sum(down)]:
            return None
        return {"board": ground, "rows": across, "columns": down}


def board_with_tents(random: Random, size: int, tents: int) -> list[str] | None:
    """A board with this many tents, or as many as fit, and a tree for each; None if there is no place for a tree."""
    places = [(row, column) for row in range(size) for column in range(size)]
    pitches: list[Cell] = []
    for cell in random.sample(places, len(places)):
        if len(pitches) < tents and apart([*pitches, cell]):
            pitches.append(cell)
    taken = dict.fromkeys(pitches, TENT)
    for row, column in pitches:
        free = [cell for cell in beside(row, column) if cell in places and cell not in taken]
        if not free:
            return None
        taken[random.choice(free)] = TREE
    return ["".join(taken.get((row, column), OPEN) for column in range(size)) for row in range(size)]


def solutions(question: Question) -> Iterator[list[Cell]]:
    """All ways to place the tents, row by row, checking columns."""
    ground, across, down = question["board"], question["rows"], question["columns"]
    trees = cells(ground, TREE)
    near = {cell for tree in trees for cell in beside(*tree)}

    def pitch(tents: list[Cell], row: int) -> Iterator[list[Cell]]:
        counts = [sum(column == c for _, column in tents) for c in range(len(down))]
        if row == len(across):
            if counts == down and paired(tents, trees):
                yield tents
            return
        open_cells = [
            (row, c) for c in range(len(down)) if ground[row][c] == OPEN and (row, c) in near and counts[c] < down[c]
        ]
        for more in combinations(open_cells, across[row]):
            if apart([*(tent for tent in tents if tent[0] == row - 1), *more]):
                yield from pitch([*tents, *more], row + 1)

    return pitch([], 0)


def paired(tents: Sequence[Cell], trees: Sequence[Cell]) -> bool:
    """Whether tents and adjacent trees have a perfect matching."""
    owner: dict[Cell, Cell] = {}

    def settle(tent: Cell, asked: set[Cell]) -> bool:
        for tree in beside(*tent):
            if tree in trees and tree not in asked:
                asked.add(tree)
                if tree not in owner or settle(owner[tree], asked):
                    owner[tree] = tent
                    return True
        return False

    return len(tents) == len(trees) and all(settle(tent, set()) for tent in tents)


def apart(tents: Sequence[Cell]) -> bool:
    """Whether no two tents touch, also not at a corner."""
    return all(max(abs(a - c), abs(b - d)) > 1 for (a, b), (c, d) in combinations(tents, 2))


def beside(row: int, column: int) -> tuple[Cell, ...]:
    """The cells above, below, left and right, also outside the board."""
    return ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1))


def cells(lines: Sequence[str], symbol: str) -> list[Cell]:
    """The cells with this symbol."""
    return [(row, column) for row, line in enumerate(lines) for column, cell in enumerate(line) if cell == symbol]


def headed(question: Question) -> str:
    """The three lines above upstream's boards."""
    counts = ([sum(question["rows"])], question["rows"], question["columns"])
    return "\n".join(f"{head}: {' '.join(map(str, numbers))}" for head, numbers in zip(HEADERS, counts, strict=True))


TASK = Campsite()
