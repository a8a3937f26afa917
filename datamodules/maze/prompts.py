"""Prompt styles of mazes: the prompt, and how the answer is extracted from a response."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from app.types import Prompt
from datamodules.maze.board import WALL, Grid

ANSWER_OPEN, ANSWER_CLOSE = "<answer>", "</answer>"
BOX_OPEN, BOX_CLOSE = "\\boxed{", "}"


class PromptStyle(ABC):
    """Base class of prompt styles: the format of prompts, responses and demonstrations."""

    @abstractmethod
    def render(self, grid: Grid) -> Prompt:
        """The prompt of a maze."""

    @abstractmethod
    def answer(self, response: str) -> str | None:
        """The answer in a response; None if there is none. Never raises."""

    @abstractmethod
    def format(self, path: str) -> str:
        """A path of letters in the format of an answer."""


@dataclass(frozen=True)
class BarePrompt(PromptStyle):
    """Only the grid, then a newline and '>'; the whole response is the answer. For tiny policies.

    Args:
        border: whether to show the outer ring, which is always wall in a lattice maze.
    """

    border: bool = True

    def render(self, grid: Grid) -> str:
        """One row per line; ValueError if a ring that is left out is not all wall."""
        return "\n".join((*(grid if self.border else without_border(grid)), ">"))

    def answer(self, response: str) -> str:
        return response

    def format(self, path: str) -> str:
        return path


@dataclass(frozen=True)
class InstructivePrompt(PromptStyle):
    """One chat message that explains the symbols and asks for `<answer>` tags, as in the paper (Figure 14)."""

    def render(self, grid: Grid) -> Prompt:
        return ({"role": "user", "content": INSTRUCTION.format(maze="\n".join(grid))},)

    def answer(self, response: str) -> str | None:
        """The content of the last answer block or, if that has boxes, of its last box.

        If the last block or box is not closed, there is no answer.
        """
        block = last_between(response, ANSWER_OPEN, ANSWER_CLOSE)
        if block is not None and BOX_OPEN in block:
            return last_between(block, BOX_OPEN, BOX_CLOSE)
        return block

    def format(self, path: str) -> str:
        return f"{ANSWER_OPEN}{path}{ANSWER_CLOSE}"


@dataclass(frozen=True)
class GivenPrompt(InstructivePrompt):
    """The unchanged prompt of published data; answers as with the instructive prompt.

    Args:
        prompt: the prompt that `render` returns for any grid.
    """

    prompt: Prompt = field(hash=False)

    def render(self, grid: Grid) -> Prompt:
        return self.prompt


def last_between(text: str, opening: str, closing: str) -> str | None:
    """The text after the last `opening`, up to the next `closing`; None if either is missing."""
    _, found, rest = text.rpartition(opening)
    inside, closed, _ = rest.partition(closing)
    return inside if found and closed else None


def without_border(grid: Grid) -> Grid:
    """The grid without its outer ring; ValueError if that ring is not all wall."""
    ring = grid[0] + grid[-1] + "".join(row[0] + row[-1] for row in grid)
    if set(ring) != {WALL}:
        raise ValueError("border=False needs a maze whose outer ring is all wall")
    return tuple(row[1:-1] for row in grid[1:-1])


INSTRUCTION = """\
Below is a maze drawn with one character per square. S is where you stand and E is where you want to be. \
A dot is open floor; an asterisk (*) is a wall, which blocks the way.

{maze}

Find a way from S to E. Each move takes you to a neighbouring square: U goes one row up, D one row down, L one column \
to the left, R one column to the right. You may think first. Then write all your moves in order, as one string of \
letters between answer tags, like this: <answer>RRDDLU</answer>. Only the last pair of tags is read, and it may hold \
nothing but these letters."""
