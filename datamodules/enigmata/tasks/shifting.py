"""Puzzles on boards without a gap: rotate whole rows and columns until the tiles are in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product
from json import dumps
from random import Random
from typing import Any, ClassVar

from datamodules.enigmata.tasks.answers import said
from datamodules.enigmata.tasks.boards import TRIES, Board, board_of, flat, in_rows, inversions, moves_in, text_of
from datamodules.enigmata.tasks.task import Question, Task


class Shifting(Task):
    """A question is `{"board": rows}`.

    Attributes:
        size: tiles per side.
        shuffles: moves that shuffle the tiles.
    """

    size: ClassVar[int]
    shuffles: ClassVar[int]
    impossible: ClassVar[str] = "No valid sequence of moves exists."

    def draw(self, random: Random, least: int, most: int, unsolvable: float) -> tuple[Question, str] | None:
        """A shuffled board with `least` to `most` inversions, with probability `unsolvable` an unsolvable one."""
        size, spoiled = self.size, random.random() < unsolvable
        for _ in range(TRIES):
            tiles, back = shuffled(random, size, self.shuffles)
            if spoiled:
                first, second = random.sample(range(size * size), 2)
                tiles[first], tiles[second] = tiles[second], tiles[first]
            if least <= inversions(tiles) <= most and tiles != sorted(tiles):
                return {"board": in_rows(tiles, size)}, dumps(self.impossible if spoiled else back)
        return None

    def ask(self, question: Question) -> str:
        size = self.size
        row = " ".join(map(str, range(1, size + 1)))
        after = " ".join(map(str, [*range(2, size + 1), 1]))
        return (
            f"The tiles 1 to {size * size} lie on a {size} x {size} board:\n\n{text_of(question['board'])}\n\n"
            f"A move shifts one whole row to the left or one whole column up, by 1 to {size - 1} steps; what leaves "
            f"the board at one end comes back at the other. `R12` shifts row 1 by 2 steps to the left, `C31` shifts "
            f"column 3 by 1 step up: the letter, the number of the row (from the top) or column (from the left), the "
            f"steps. A row `{row}` shifted by 1 step is `{after}`. Reach this order, in any number of moves:\n\n"
            f"{text_of(in_rows(range(1, size * size + 1), size))}\n\nGive the moves in a fenced code block, as a list "
            f'such as `["R12", "C31"]`. If no moves lead to this order, write `"{self.impossible}"` in a fenced code '
            f"block."
        )

    def judge(self, question: Question, answer: str) -> bool:
        board = question["board"]
        if said(answer, self.impossible):
            return not can_be_shifted(board)
        return shifted(flat(board), moves_in(answer), self.size) == sorted(flat(board))

    def meta(self, question: Question) -> dict[str, Any]:
        return {"question": question["board"], "language": "en"}

    def upstream_answer(self, question: Question, answer: str) -> Any:
        """The board again, as in upstream's records, unless it is unsolvable."""
        return question["board"] if can_be_shifted(question["board"]) else self.impossible

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        board = board_of(record, self.size, 1)
        return None if board is None else {"board": board}


def can_be_shifted(board: Board) -> bool:
    """Whether shifts can order the tiles.

    Shifting a row, a column and both back is a cycle of three tiles, and such cycles generate all even permutations.
    A step is an odd permutation if the side is even, so that all boards are solvable, and an even one otherwise.
    """
    return len(board) % 2 == 0 or inversions(flat(board)) % 2 == 0


@cache
def shifts(size: int) -> dict[str, list[int]]:
    """Every move, with the source cell of each cell."""
    moves: dict[str, list[int]] = {}
    for line, step in product(range(size), range(1, size)):
        cells = list(product(range(size), repeat=2))
        moves[f"R{line + 1}{step}"] = [size * r + (c + step * (r == line)) % size for r, c in cells]
        moves[f"C{line + 1}{step}"] = [(r + step * (c == line)) % size * size + c for r, c in cells]
    return moves


def shifted(tiles: list[int], moves: Sequence[str], size: int) -> list[int] | None:
    """The tiles after these moves; None if one is invalid."""
    sources = shifts(size)
    for move in moves:
        if move not in sources:
            return None
        tiles = [tiles[source] for source in sources[move]]
    return tiles


def shuffled(random: Random, size: int, number: int) -> tuple[list[int], list[str]]:
    """Ordered tiles after this many moves, never two of one line in succession, and the moves that reverse them."""
    lines = [letter + str(number + 1) for letter in "RC" for number in range(size)]
    moves: list[tuple[str, int]] = []
    while len(moves) < number:
        line = random.choice(lines)
        if not moves or moves[-1][0] != line:
            moves.append((line, random.randint(1, size - 1)))
    tiles = shifted(list(range(1, size * size + 1)), [f"{line}{step}" for line, step in moves], size)
    assert tiles is not None
    return tiles, [f"{line}{size - step}" for line, step in reversed(moves)]
