"""Lattice mazes, the paper's second task (arXiv 2508.10751, Appendix A.1).

In other files: prompts (prompts.py), moves and shortest paths (board.py), layouts (lattice.py) and their number
(lattice_count.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from random import Random
from typing import Any

from app.types import Problem, Prompt
from datamodules.base.generate import Puzzle
from datamodules.maze.board import END, MOVES, START, WALL, Board, Grid, check_grid
from datamodules.maze.lattice import lattice, random_openings
from datamodules.maze.lattice_count import count_mazes
from datamodules.maze.prompts import BarePrompt, GivenPrompt, InstructivePrompt, PromptStyle

__all__ = ["BarePrompt", "GivenPrompt", "InstructivePrompt", "Maze", "MazeProblem", "PromptStyle"]

CLEAN_ANSWER = re.compile(rf"[{MOVES}{MOVES.lower()}\s]*")
MOVES_PER_SQUARE = 4
BARE = BarePrompt()


@dataclass(frozen=True)
class MazeProblem(Problem):
    """One maze: find a path from S to E.

    Args:
        grid: the rows, any rectangle with one S and one reachable E; ValueError otherwise.
        style: the format of the prompt and the answer.
        moves_per_square: the most characters of an answer per free square, including white space
            inside it; a longer one scores 0. The authors' verifier has no such limit.
    """

    grid: Grid
    style: PromptStyle = BARE
    moves_per_square: int = MOVES_PER_SQUARE

    prompt: Prompt = field(init=False, repr=False, compare=False)
    key: str = field(init=False, repr=False, compare=False)
    solution: str = field(init=False, repr=False, compare=False)
    label: str = field(init=False, repr=False, compare=False)
    board: Board = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_grid(self.grid)
        board = Board(self.grid)
        path = board.shortest_path()
        if path is None:
            raise ValueError("the maze has no way from S to E")
        vars(self).update(  # the dataclass is frozen
            prompt=self.style.render(self.grid),
            key="\n".join(self.grid),
            solution=self.style.format(path),
            label=f"{len(self.grid)}x{len(self.grid[0])}",
            board=board,
        )

    @property
    def max_answer_length(self) -> int:
        """The limit in characters."""
        return self.moves_per_square * (len(self.key) - self.key.count(WALL) - self.key.count("\n"))

    def moves(self, response: str) -> str | None:
        """The answer as letters U D L R; None if there is none, it is too long or has anything else.

        Stricter than the authors' verifier, which ignores all other characters and so finds moves in
        prose ("wall" moves left twice). As there, lower-case letters count.
        """
        answer = self.style.answer(response)
        if answer is None:
            return None
        answer = answer.strip()
        if len(answer) > self.max_answer_length or not CLEAN_ANSWER.fullmatch(answer):
            return None
        return "".join(answer.upper().split())

    def score(self, response: str) -> float:
        """1 if the answer leads from S to E on any path without hitting a wall; else 0."""
        moves = self.moves(response)
        return float(moves is not None and self.board.reaches_end(moves))

    def extract_answer(self, response: str) -> str | None:
        """The moves; None also if there are no moves."""
        return self.moves(response) or None

    def demonstrate(self, random: Random) -> str:
        """A shortest path, all with equal probability."""
        return self.style.format(self.board.random_shortest_path(random))

    def draw(self, response: str) -> str:
        """The maze with the path: 'o' on visited squares, 'x' on a wall that was hit; no path if there is no answer."""
        return self.board.draw(self.board.walk(self.moves(response) or ""))


@dataclass(frozen=True)
class Maze(Puzzle[MazeProblem]):
    """Random lattice mazes of one size.

    A layout is a spanning tree, all with equal probability, and a share of the remaining walls, opened. S is
    any cell, E any other cell far enough from it.

    Args:
        size: squares per side, odd, at least 5.
        loop_rate: share in [0, 1] of the remaining internal walls that are opened too; 0 gives perfect
            mazes, with one path between any two squares. The one maze the paper shows has 5 of those 9 open.
        min_distance: least steps of the shortest path, at least 1; cells are two steps apart.
        style: the format of the prompt and the answer.
        moves_per_square: see `MazeProblem`.
    """

    size: int = 7
    loop_rate: float = 0.0
    min_distance: int = 1
    style: PromptStyle = BARE
    moves_per_square: int = MOVES_PER_SQUARE

    def __post_init__(self) -> None:
        longest = 2 * (len(lattice(self.size).cells) - 1)
        if not 0 <= self.loop_rate <= 1:
            raise ValueError(f"loop_rate={self.loop_rate} must lie in [0, 1]")
        if not 1 <= self.min_distance <= longest:
            raise ValueError(
                f"min_distance={self.min_distance} must lie between 1 and {longest}, "
                f"the longest path of a {self.size}x{self.size} maze"
            )
        if self.moves_per_square < 1:
            raise ValueError(f"moves_per_square={self.moves_per_square} must be at least 1")

    @property
    def label(self) -> str:
        """The label, such as "7x7"."""
        return f"{self.size}x{self.size}"

    def generate(self, random: Random) -> MazeProblem | None:
        """A maze; None if no cell is `min_distance` from the start."""
        graph = lattice(self.size)
        squares = graph.carve(random_openings(graph, self.loop_rate, random))
        start = random.choice(graph.cells)
        squares[start] = START
        ends = self._ends(start, squares)
        if not ends:
            return None
        squares[random.choice(ends)] = END
        return MazeProblem(graph.rows(squares), self.style, self.moves_per_square)

    def _ends(self, start: int, squares: list[str]) -> list[int]:
        """The cells at least `min_distance` steps from `start`."""
        others = [cell for cell in lattice(self.size).cells if cell != start]
        if self.min_distance <= 2:  # true for any two cells
            return others
        board = Board(lattice(self.size).rows(squares))
        distances = board.distances(board.start)
        return [cell for cell in others if distances[board.square(*divmod(cell, self.size))] >= self.min_distance]

    def capacity(self) -> int | None:
        return count_mazes(self.size, self.loop_rate, self.min_distance)

    def fingerprint(self) -> dict[str, Any]:
        return {"size": self.size, "loop_rate": self.loop_rate, "min_distance": self.min_distance}

    def dump(self, problem: MazeProblem) -> list[str]:
        return list(problem.grid)

    def load(self, data: list[str]) -> MazeProblem:
        return MazeProblem(tuple(data), self.style, self.moves_per_square)
