"""Tic-tac-toe: find the best move in a position."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from random import Random
from typing import Any, ClassVar

from datamodules.enigmata.tasks.answers import rows, unquoted
from datamodules.enigmata.tasks.task import Levels, Question, Task

LINES = (0b111, 0b111000, 0b111000000, 0b1001001, 0b10010010, 0b100100100, 0b100010001, 0b1010100)
"""Three cells in a line, as bits: 1 is the top left cell, 256 the bottom right one."""
FULL = 0b111111111
BLANKS = ("", "_", ".", "-")
"""Symbols of an empty cell."""


class TicTacToe(Task):
    """A question is `{"board": three rows of X, O and ., "player": the player to move}`; X began.

    Upstream's levels are ranges of the number of marks; here also whether there is an immediate win or threat.
    There are 1,624 easy, 1,308 medium and 458 hard ones, which is all that 3 x 3 cells allow.
    """

    name = "tic_tac_toe"
    levels: ClassVar[Levels] = {
        "easy": ({"marks": (6, 7), "at_hand": True},),
        "medium": ({"marks": (3, 4, 5), "at_hand": True},),
        "hard": ({"marks": (2, 3, 3, 4, 4, 4, 5, 5, 6), "at_hand": False},),
    }

    def draw(self, random: Random, marks: tuple[int, ...], at_hand: bool) -> tuple[Question, str] | None:
        """This many random marks; None if the game is over or lost, or if no move would be wrong."""
        number = random.choice(marks)
        cells = [1 << cell for cell in random.sample(range(9), number)]
        crosses, noughts = sum(cells[::2]), sum(cells[1::2])
        mine, theirs = (noughts, crosses) if number % 2 else (crosses, noughts)
        if won(mine) or won(theirs) or value(mine, theirs) < 0:
            return None
        best = best_moves(mine, theirs)
        open_cells = FULL & ~(mine | theirs)
        if sum(best) == open_cells or at_hand != bool(wins(mine, theirs) or wins(theirs, mine)):
            return None
        question = {"board": drawn(crosses, noughts), "player": "O" if number % 2 else "X"}
        move = random.choice(best)
        after = drawn(crosses, noughts | move) if number % 2 else drawn(crosses | move, noughts)
        return question, written(after)

    def ask(self, question: Question) -> str:
        player = question["player"]
        return (
            "Tic-tac-toe on a board of 3 x 3 cells: X and O put their marks on empty cells in turn, X began, and who "
            "has three marks in a row, column or diagonal wins; a full board without that is a draw.\n\n"
            f'You play {player}, and it is your turn. The board, with "" for an empty cell:\n\n'
            f"{written(question['board'])}\n\n"
            "Make the best move, which is: one that wins at once, if there is one; if not, one on a cell where your "
            "opponent would otherwise win at once, if there is one; if not, one after which you can force the best "
            "result that you can force at all (a win, or else a draw).\n\n"
            f"Give the whole board after your move, one {player} more than now, in a fenced code block: a row to a "
            'line, and in each three cells "X", "O" or "", separated by spaces.'
        )

    def judge(self, question: Question, answer: str) -> bool:
        board, player = question["board"], question["player"]
        after = board_in(answer)
        if after is None:
            return False
        mine, theirs = masks(board, player)
        now_mine, now_theirs = masks(after, player)
        return now_theirs == theirs and now_mine in [mine | move for move in best_moves(mine, theirs)]

    def meta(self, question: Question) -> dict[str, Any]:
        return {"current_board": nested(question["board"]), "active_player": question["player"]}

    def upstream_answer(self, question: Question, answer: str) -> list[list[str]]:
        after = board_in(answer)
        assert after is not None
        return nested(after)

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        """None for a board that X and O could not have reached in turn, or on which the game is over."""
        meta = record.get("meta")
        board, player = (meta.get("current_board"), meta.get("active_player")) if isinstance(meta, Mapping) else (0, 0)
        if not isinstance(board, list) or len(board) != 3 or player not in ("X", "O"):
            return None
        if not all(isinstance(line, list) and len(line) == 3 for line in board):
            return None
        if not all(isinstance(cell, str) and cell in ("", "X", "O") for line in board for cell in line):
            return None
        lines = ["".join(cell or "." for cell in line) for line in board]
        mine, theirs = masks(lines, player)
        ahead = theirs.bit_count() - mine.bit_count()
        over = won(mine) or won(theirs) or mine | theirs == FULL
        return None if over or ahead != (player == "O") else {"board": lines, "player": player}


def won(marks: int) -> bool:
    """Whether three of these marks are in a line."""
    return any(marks & line == line for line in LINES)


def moves(taken: int) -> list[int]:
    """The empty cells, one bit each."""
    return [1 << cell for cell in range(9) if not taken >> cell & 1]


def wins(mine: int, theirs: int) -> list[int]:
    """The moves that win immediately."""
    return [move for move in moves(mine | theirs) if won(mine | move)]


@cache
def value(mine: int, theirs: int) -> int:
    """The value for the player to move: 1 a win, 0 a draw, -1 a loss. There are 5,478 positions."""
    if won(theirs):
        return -1
    return max((-value(theirs, mine | move) for move in moves(mine | theirs)), default=0)


def best_moves(mine: int, theirs: int) -> list[int]:
    """Immediate wins; if there are none, blocks; if there are none, moves that keep the position's value."""
    urgent = wins(mine, theirs) or wins(theirs, mine)
    goal = value(mine, theirs)
    return urgent or [move for move in moves(mine | theirs) if -value(theirs, mine | move) == goal]


def drawn(crosses: int, noughts: int) -> list[str]:
    """Convert bits to three rows of X, O and `.`."""
    cells = ["X" if crosses >> cell & 1 else "O" if noughts >> cell & 1 else "." for cell in range(9)]
    return ["".join(cells[start : start + 3]) for start in (0, 3, 6)]


def masks(board: list[str], player: str) -> tuple[int, int]:
    """The player's marks and the other's, as bits."""
    cells = list(enumerate("".join(board)))
    mine = sum(1 << place for place, cell in cells if cell == player)
    return mine, sum(1 << place for place, cell in cells if cell not in (player, "."))


def nested(board: list[str]) -> list[list[str]]:
    """Rows of cells in upstream's format, with "" for an empty cell."""
    return [[cell.strip(".") for cell in line] for line in board]


def written(board: list[str]) -> str:
    """One row per line, every cell in quotes."""
    return "\n".join(" ".join(f'"{cell}"' for cell in line) for line in nested(board))


def board_in(text: str) -> list[str] | None:
    """Three rows of X, O and `.`, separated by bars, commas or white space; lines of dashes are ignored."""
    lines = [cells_in(line) for line in rows(text.replace("],", "]\n")) if "---" not in line]
    if len(lines) != 3 or any(len(cells) != 3 or set(cells) - {"X", "O", "."} for cells in lines):
        return None
    return ["".join(cells) for cells in lines]


def cells_in(line: str) -> list[str]:
    """The cells of a row: X, O, `.` for an empty one, anything else unchanged."""
    line = line.strip("[] \t").rstrip(",]")
    cells = line.split("|") if "|" in line else line.split(",") if "," in line else line.split()
    if len(cells) == 5 and not cells[0].strip() and not cells[-1].strip():  # bars around the row too
        cells = cells[1:-1]
    marks = [unquoted(cell).upper() for cell in cells[:6]]
    return ["." if mark in BLANKS else mark for mark in marks]


TASK = TicTacToe()
