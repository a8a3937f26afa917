"""The 9 puzzle: shift whole rows and columns of nine tiles into order."""

from __future__ import annotations

from typing import ClassVar

from datamodules.enigmata.tasks.shifting import Shifting
from datamodules.enigmata.tasks.task import Levels


class NinePuzzle(Shifting):
    """One board in ten is unsolvable; so few that answering so for all boards does not pay."""

    name = "nine_puzzle"
    size = 3
    shuffles = 10
    levels: ClassVar[Levels] = {
        "easy": ({"least": 0, "most": 10, "unsolvable": 0.1},),
        "medium": ({"least": 12, "most": 16, "unsolvable": 0.1},),
        "hard": ({"least": 18, "most": 100, "unsolvable": 0.1},),
    }


TASK = NinePuzzle()
