"""Sum skyscraper: the skyscraper puzzle with sums of the visible heights as clues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from datamodules.enigmata.tasks.skyscraper import Skyscraper, visible


class SumSkyscraper(Skyscraper):
    """Clues are sums of heights."""

    name = "sum_skyscraper"
    clue_says: ClassVar[str] = (
        "the sum of the heights of all buildings that are seen when one looks along that row or column from there"
    )

    def clue(self, line: Sequence[int]) -> int:
        """The clue for the buildings visible from the front of the line."""
        return sum(visible(line))


TASK = SumSkyscraper()
