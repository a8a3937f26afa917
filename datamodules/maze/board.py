"""Moves and shortest paths in a maze.

Symbols: S start, E end, '.' free, '*' wall. ('*' is the wall in the paper's prompt, data and verifier; one sentence
of its Appendix A.1 says the opposite.)
"""

from __future__ import annotations

from random import Random
from typing import TypeAlias

Grid: TypeAlias = tuple[str, ...]
"""The rows of a maze, top to bottom, all of the same length."""

WALL, FREE, START, END = "*", ".", "S", "E"
MOVES = "UDLR"


def check_grid(grid: Grid) -> None:
    """Raise ValueError unless `grid` is a rectangle of known symbols with one S and one E."""
    if not grid or not grid[0] or len({len(row) for row in grid}) > 1:
        raise ValueError("the maze must be a rectangle of at least one square")
    text = "".join(grid)
    strangers = set(text) - {WALL, FREE, START, END}
    if strangers:
        raise ValueError(f"the maze holds {sorted(strangers)}; it may hold only S, E, '.' and '*'")
    for symbol in (START, END):
        if text.count(symbol) != 1:
            raise ValueError(f"the maze holds {text.count(symbol)} squares {symbol}; it must hold exactly one")


class Board:
    """A grid as one string with walls around it, so that a step is one addition and leaving the grid hits a wall.

    Row r, column c is at `(r + 1) * stride + c`; each row is followed by one wall, and the first
    and last `stride` squares are walls too.

    Args:
        grid: valid by `check_grid`; without an E, `end` is -1 and only distances can be computed.
    """

    def __init__(self, grid: Grid) -> None:
        self.stride = len(grid[0]) + 1
        self.squares = WALL * self.stride + WALL.join(grid) + WALL * (self.stride + 1)
        self.start, self.end = self.squares.find(START), self.squares.find(END)
        self.steps = dict(zip(MOVES, (-self.stride, self.stride, -1, 1), strict=True))

    def square(self, row: int, column: int) -> int:
        """The index of a square of the grid."""
        return (row + 1) * self.stride + column

    def distances(self, source: int) -> dict[int, int]:
        """Steps from `source` to every reachable square, nearest first (breadth-first search)."""
        found = {source: 0}
        frontier = [source]
        for square in frontier:
            for step in self.steps.values():
                neighbour = square + step
                if neighbour not in found and self.squares[neighbour] != WALL:
                    found[neighbour] = found[square] + 1
                    frontier.append(neighbour)
        return found

    def shortest_path(self) -> str | None:
        """The first shortest path from S to E in the letter order U D L R; None if E is not reachable."""
        distances = self.distances(self.end)
        if self.start not in distances:
            return None
        square, path = self.start, []
        while square != self.end:
            path.append(self._downhill(square, distances)[0])
            square += self.steps[path[-1]]
        return "".join(path)

    def random_shortest_path(self, random: Random) -> str:
        """A shortest path from S to E, all with equal probability.

        On each square, the probability of a move is the share of the shortest paths that continue with it.
        """
        distances = self.distances(self.end)
        ways = {self.end: 1}
        for square in distances:
            if square != self.end:
                ways[square] = sum(ways[square + self.steps[move]] for move in self._downhill(square, distances))
        square, path = self.start, []
        while square != self.end:
            moves = self._downhill(square, distances)
            path += random.choices(moves, [ways[square + self.steps[move]] for move in moves])
            square += self.steps[path[-1]]
        return "".join(path)

    def walk(self, path: str) -> list[int]:
        """The squares visited from S on; the walk ends at the first wall, which is included."""
        trodden = [self.start]
        for move in path:
            trodden.append(trodden[-1] + self.steps[move])
            if self.squares[trodden[-1]] == WALL:
                break
        return trodden

    def reaches_end(self, path: str) -> bool:
        """Whether the walk hits no wall and its last square is E; it may pass E before."""
        return self.walk(path)[-1] == self.end

    def draw(self, trodden: list[int]) -> str:
        """The grid as text: 'o' on visited squares, 'x' on a wall that was hit."""
        squares = list(self.squares)
        for square in trodden:
            squares[square] = {FREE: "o", WALL: "x"}.get(squares[square], squares[square])
        rows = range(self.stride, len(squares) - self.stride, self.stride)
        return "\n".join("".join(squares[row : row + self.stride - 1]) for row in rows)

    def _downhill(self, square: int, distances: dict[int, int]) -> list[str]:
        """The moves that reduce the distance by one step."""
        nearer = distances[square] - 1
        return [move for move, step in self.steps.items() if distances.get(square + step) == nearer]
