"""Mazes as pictures: the drawing, and two prompt styles in which the maze is only in the picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

from PIL import Image

from app.types import Prompt
from app.types.pictures import Picture
from datamodules.maze.board import END, FREE, START, WALL, Grid
from datamodules.maze.prompts import BarePrompt, InstructivePrompt, without_border

COLOURS = {WALL: (0, 0, 0), FREE: (255, 255, 255), START: (0, 160, 0), END: (220, 0, 0)}


@dataclass(frozen=True)
class MazePicture(Picture):
    """A maze drawn square by square: walls black, the floor white, S green, E red.

    Args:
        grid: the rows.
        pixels: side of a square, in pixels.
    """

    grid: Grid
    pixels: int

    @cached_property
    def digest(self) -> str:  # type: ignore[override]
        return blake2b("\n".join((*self.grid, str(self.pixels))).encode(), digest_size=16).hexdigest()

    def open(self) -> Image.Image:
        small = Image.new("RGB", (len(self.grid[0]), len(self.grid)))
        small.putdata([COLOURS[square] for row in self.grid for square in row])
        return small.resize((small.width * self.pixels, small.height * self.pixels), Image.Resampling.NEAREST)


@dataclass(frozen=True)
class BarePicturePrompt(BarePrompt):
    """Only the picture; the whole response is the answer. For tiny policies.

    Args:
        border: whether to show the outer ring.
        pixels: side of a square, in pixels; 28 make one token of Qwen2.5-VL.
    """

    pixels: int = 28

    def __post_init__(self) -> None:
        check_pixels(self.pixels)

    def render(self, grid: Grid) -> Prompt:  # type: ignore[override]
        shown = grid if self.border else without_border(grid)
        return ({"role": "user", "content": (MazePicture(shown, self.pixels),)},)


@dataclass(frozen=True)
class InstructivePicturePrompt(InstructivePrompt):
    """The picture, and below it the meaning of its colours and how to answer, in `<answer>` tags.

    Args:
        pixels: side of a square, in pixels; 28 make one token of Qwen2.5-VL.
    """

    pixels: int = 28

    def __post_init__(self) -> None:
        check_pixels(self.pixels)

    def render(self, grid: Grid) -> Prompt:
        return ({"role": "user", "content": (MazePicture(grid, self.pixels), INSTRUCTION)},)


def check_pixels(pixels: int) -> None:
    """Raise ValueError for a side below 1."""
    if pixels < 1:
        raise ValueError(f"pixels={pixels} must be at least 1")


INSTRUCTION = """\
This is a maze of squares, seen from above. The green square is where you stand and the red one is where you want to \
be. White squares are open floor; black squares are walls, which block the way.

Find a way from green to red. Each move takes you to a neighbouring square: U goes one row up, D one row down, L one \
column to the left, R one column to the right. You may think first. Then write all your moves in order, as one string \
of letters between answer tags, like this: <answer>RRDDLU</answer>. Only the last pair of tags is read, and it may \
hold nothing but these letters."""
