"""The loaders: an endless stream of training batches that knows its position, and the batches of an evaluation.

Both are plain iterables, not DataLoaders: problems are in memory, and a loader that fetched ahead would lose its place
in a checkpoint. Lightning fetches nothing ahead from an iterable that has a length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random

from app.storage.checkpoint import count_of
from app.types import Problem, ProblemBatch


class ProblemStream:
    """Batches of P problems, epoch after epoch, each epoch in an order of its own.

    The stream is the concatenation of all epochs' orders, cut into batches: a batch may run across the
    border of two epochs, and none is short. The position is the number of problems consumed by all
    ranks together and moves when a batch is handed out, so that it alone tells where to resume.

    Iterating yields `len(self)` batches, one Lightning epoch, and goes on where the last iteration
    stopped. Lightning reads the length once; it therefore stays what it was at first when `batch_size` changes.

    Args:
        problems: at least one.
        batch_size: P, over all ranks; may be set at any time and holds from the next batch on.
        seed: with the epoch's number it gives the epoch's order.
        rank: takes every `world_size`-th problem of each batch, from this one on.
        world_size: number of ranks.
    """

    def __init__(
        self, problems: Sequence[Problem], batch_size: int, seed: int, rank: int = 0, world_size: int = 1
    ) -> None:
        self.problems = problems
        self.batch_size = batch_size
        self.seed = seed
        self.rank, self.world_size = rank, world_size
        self.position = 0
        self._length = max(1, len(problems) // batch_size)
        self._order: tuple[int, list[int]] = (-1, [])

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[ProblemBatch]:
        for _ in range(len(self)):
            yield self.draw()

    def draw(self) -> ProblemBatch:
        """The next batch, or this rank's share of it; ValueError where there are more ranks than problems."""
        batch = self.peek()
        self.position += self.batch_size
        return batch

    def peek(self) -> ProblemBatch:
        """What `draw` will give, unless the batch size is set before."""
        if self.batch_size < self.world_size:
            raise ValueError(f"batch_size={self.batch_size} must be at least the number of ranks, {self.world_size}")
        places = range(self.position + self.rank, self.position + self.batch_size, self.world_size)
        return ProblemBatch([self._at(place) for place in places])

    def replace(self, problems: Sequence[Problem]) -> None:
        """Draw from these problems from now on; the position stays."""
        self.problems = problems
        self._order = (-1, [])
        self._length = max(1, len(problems) // self.batch_size)

    def state_dict(self) -> dict[str, int]:
        return {"position": self.position}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self.position = count_of(state_dict, "position")

    def _at(self, place: int) -> Problem:
        epoch, index = divmod(place, len(self.problems))
        if epoch != self._order[0]:
            self._order = (epoch, self._draw_order(epoch))
        return self.problems[self._order[1][index]]

    def _draw_order(self, epoch: int) -> list[int]:
        order = list(range(len(self.problems)))
        Random(f"{self.seed}/order/{epoch}").shuffle(order)
        return order


class ProblemBatches:
    """A split in order, once, shared out over the ranks: no problem twice, none left out.

    Every rank gets the same number of batches, as collectives demand, of nearly the same size. A rank's
    batch is empty only where the split has fewer problems than there are ranks, or where `batch_size`
    is 1 and the last problems don't go round.

    Args:
        problems: of the split.
        batch_size: problems in a batch of one rank, at most.
        rank: takes every `world_size`-th problem, from this one on.
        world_size: number of ranks.
    """

    def __init__(self, problems: Sequence[Problem], batch_size: int, rank: int = 0, world_size: int = 1) -> None:
        self.problems = problems
        self.rank, self.world_size = rank, world_size
        self._length = -(-len(problems) // (batch_size * world_size))

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[ProblemBatch]:
        share = list(islice(self.problems, self.rank, None, self.world_size))
        for batch in range(len(self)):
            first, last = (len(share) * cut // len(self) for cut in (batch, batch + 1))
            yield ProblemBatch(share[first:last])
