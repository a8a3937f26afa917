"""The loaders: an endless stream of training batches that knows its position, and the batches of an evaluation.

Both are plain iterables, not DataLoaders: problems are in memory, and a loader that fetched ahead would lose its place
in a checkpoint. Lightning fetches nothing ahead from an iterable that has a length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch

from app.draw import Objective, PassRecord, Place, ProblemSampler, Uniform
from app.storage.checkpoint import count_of
from app.types import Problem, ProblemBatch


class ProblemStream:
    """Batches of P problems without an end, which ones a sampler decides; none is short.

    The place in the stream is the number of problems consumed by all ranks together, and of batches. It moves when a
    batch is handed out: with the record of passes it alone tells where to resume.

    Iterating yields `len(self)` batches, one Lightning epoch, and goes on where the last iteration
    stopped. Lightning reads the length once; it therefore stays what it was at first when `batch_size` changes.

    Args:
        problems: at least one.
        batch_size: P, over all ranks; may be set at any time and holds from the next batch on.
        seed: of the draws.
        rank: takes every `world_size`-th problem of each batch, from this one on.
        world_size: number of ranks.

    Attributes:
        sampler: decides which problems are drawn.
        record: of how often each was drawn and passed.
        objective: gives what the present stage's objective makes of a pass rate, where one is known.
        last, last_place: the problems of the last batch, over all ranks, and where it was drawn.
    """

    def __init__(
        self, problems: Sequence[Problem], batch_size: int, seed: int, rank: int = 0, world_size: int = 1
    ) -> None:
        self.problems = problems
        self.batch_size = batch_size
        self.seed = seed
        self.rank, self.world_size = rank, world_size
        self.position, self.batches = 0, 0
        self.sampler: ProblemSampler = Uniform()
        self.record = PassRecord(problems)
        self.objective: Callable[[], Objective | None] = lambda: None
        self.last: list[int] = []
        self.last_place = self.place
        self._length = max(1, len(problems) // batch_size)
        self._next: list[int] = []  # what has been peeked at

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[ProblemBatch]:
        for _ in range(len(self)):
            yield self.draw()

    def draw(self) -> ProblemBatch:
        """The next batch, or this rank's share of it; ValueError where there are more ranks than problems."""
        batch = self.peek()
        self.last, self.last_place, self._next = self._next, self.place, []
        self.position += self.batch_size
        self.batches += 1
        return batch

    def peek(self) -> ProblemBatch:
        """What `draw` will give, unless the batch size is set before."""
        if self.batch_size < self.world_size:
            raise ValueError(f"batch_size={self.batch_size} must be at least the number of ranks, {self.world_size}")
        if len(self._next) != self.batch_size:
            self._next = self.sampler.draw(self.record, self.batch_size, self.place)
        return ProblemBatch([self.problems[place] for place in self._next[self.rank :: self.world_size]])

    @property
    def place(self) -> Place:
        """Where the next batch is drawn."""
        return Place(self.seed, self.position, self.batches, self.objective)

    def others(self, sentence: str) -> list[int]:
        """The places of all problems in the order in which they may replace those of a batch."""
        return self.sampler.others(self.record, sentence, self.place)

    def rewind(self) -> None:
        """Begin at the first batch again."""
        self.position, self.batches, self._next = 0, 0, []

    def keep_only(self, places: Sequence[int]) -> None:
        """Draw the problems at these places alone from now on; the place in the stream stays."""
        self.problems = [self.problems[place] for place in places]
        self.record.keep_only(self.problems, torch.tensor(places, dtype=torch.long))
        self._length = max(1, len(places) // self.batch_size)

    def state_dict(self) -> dict[str, Any]:
        state = {"position": self.position, "batches": self.batches, "next": list(self._next)}
        return {**state, "record": self.record.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.position, self.batches = count_of(state_dict, "position"), count_of(state_dict, "batches")
        self.record.load_state_dict(state_dict["record"])
        self._next = [int(place) for place in state_dict["next"]]


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
