"""Mazes as pictures: what is drawn, and that they are asked and scored as the spelt ones are."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.types.pictures import pictures_of
from datamodules.maze import MazeDataModule
from datamodules.maze.picture_prompts import COLOURS, BarePicturePrompt, InstructivePicturePrompt, MazePicture
from datamodules.maze.prompts import BarePrompt, InstructivePrompt

GRID = ("*****", "*S..*", "*.*.*", "*..E*", "*****")


@pytest.mark.parametrize("pixels", [1, 8])
def test_every_square_has_its_colour(pixels: int) -> None:
    image = MazePicture(GRID, pixels).open()
    assert (image.mode, image.size) == ("RGB", (5 * pixels, 5 * pixels))
    for y in range(image.height):
        for x in range(image.width):
            assert image.getpixel((x, y)) == COLOURS[GRID[y // pixels][x // pixels]]


def test_mazes_and_sizes_are_told_apart() -> None:
    pictures = [MazePicture(GRID, 8), MazePicture(GRID[::-1], 8), MazePicture(GRID, 4), MazePicture(GRID, 8)]
    assert len({picture.digest for picture in pictures}) == 3
    assert len(set(pictures)) == 3


def test_a_picture_stands_alone_or_above_the_instruction() -> None:
    assert BarePicturePrompt(pixels=8).render(GRID) == ({"role": "user", "content": (MazePicture(GRID, 8),)},)
    inner = MazePicture(("S..", ".*.", "..E"), 8)
    assert BarePicturePrompt(border=False, pixels=8).render(GRID) == ({"role": "user", "content": (inner,)},)
    ((picture, text),) = [message["content"] for message in InstructivePicturePrompt(pixels=8).render(GRID)]  # type: ignore[index]
    assert picture == MazePicture(GRID, 8)
    assert "<answer>RRDDLU</answer>" in text
    assert "*" not in text
    with pytest.raises(ValueError, match="pixels=0 must be at least 1"):
        BarePicturePrompt(pixels=0)


@pytest.mark.parametrize(
    ("seen", "spelt"),
    [(BarePicturePrompt(border=False), BarePrompt(border=False)), (InstructivePicturePrompt(), InstructivePrompt())],
    ids=["bare", "instructive"],
)
def test_mazes_are_those_that_are_spelt(tmp_path: Path, seen: BarePicturePrompt, spelt: BarePrompt) -> None:
    """The same splits from the same cache, the same solutions, the same scores."""
    counts = {"train": {7: 8}, "validation": {7: 4}, "test": {5: 4}, "batch_size": 4, "cache_dir": tmp_path}
    one, other = (MazeDataModule(style=style, **counts).load_splits()[0] for style in (seen, spelt))
    assert len(list(tmp_path.iterdir())) == 1
    for split in one:
        for drawn, written in zip(one[split], other[split], strict=True):
            assert (drawn.key, drawn.solution, drawn.label) == (written.key, written.solution, written.label)
            assert drawn.score(drawn.solution) == 1
            assert drawn.score("no") == 0
            assert len(pictures_of(drawn.prompt)) == 1
