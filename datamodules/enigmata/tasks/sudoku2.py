"""Sudoku2: sudoku with 4 x 4 cells."""

from __future__ import annotations

from typing import ClassVar

from datamodules.enigmata.tasks.sudoku import Sudoku
from datamodules.enigmata.tasks.task import Levels


class Sudoku2(Sudoku):
    """A sudoku with boxes of 2 x 2."""

    name = "sudoku2"
    levels: ClassVar[Levels] = {
        "easy": ({"holes": 4}, {"holes": 5}),
        "medium": ({"holes": 6}, {"holes": 7}),
        "hard": ({"holes": 8}, {"holes": 9}),
    }
    box: ClassVar[int] = 2


TASK = Sudoku2()
