"""The loaders: an endless stream of training batches, and the batches of an evaluation.

Both are plain iterables, not DataLoaders: problems are in memory, and prefetching would make the position
in a checkpoint wrong. Lightning does not prefetch from an iterable with a length.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from typing import Any

import torch

from app.draw import Objective, PassRecord, Place, ProblemSampler, Uniform
from app.storage.checkpoint import count_of
from app.types import Problem, ProblemBatch


class ProblemStream:
    """An endless stream of batches of exactly P problems, chosen by a sampler.

    The position in the stream is the number of problems consumed by all ranks together, and of batches. It changes when
    a batch is returned; resuming needs only it and the record of passes.

    Iterating yields `len(self)` batches, one Lightning epoch, and continues where the last iteration
    stopped. Lightning reads the length once; therefore it does not change when `batch_size` changes.

    Args:
        problems: at least one.
        batch_size: P, over all ranks; may be set at any time, for the next batch on.
        seed: of the draws.
        rank: takes every `world_size`-th problem of each batch, starting with this one.
        world_size: number of ranks.

    Attributes:
        sampler: decides which problems are drawn.
        record: how often each problem was drawn and passed.
        objective: gives the current stage's objective as a function of the pass rate, if there is one.
        last, last_place: the problems of the last batch, over all ranks, and the position at which it was drawn.
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
        self._next: list[int] = []  # drawn by `peek`

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[ProblemBatch]:
        for _ in range(len(self)):
            yield self.draw()

    def draw(self) -> ProblemBatch:
        """The next batch, or this rank's share of it; ValueError if there are more ranks than problems."""
        batch = self.peek()
        self.last, self.last_place, self._next = self._next, self.place, []
        self.position += self.batch_size
        self.batches += 1
        return batch

    def peek(self, pending: Collection[int] = ()) -> ProblemBatch:
        """The next result of `draw`, unless the batch size is changed before.

        pending: indices of problems whose latest draw is not in the record yet; for the sampler they are those of the
            last batch.
        """
        if self.batch_size < self.world_size:
            raise ValueError(f"batch_size={self.batch_size} must be at least the number of ranks, {self.world_size}")
        if len(self._next) != self.batch_size:
            self.record.last[[*pending]] = self.batches - 1
            self._next = self.sampler.draw_checked(self.record, self.batch_size, self.place)
        repeats = [self._next[:index].count(place) for index, place in enumerate(self._next)]
        own = slice(self.rank, None, self.world_size)
        return ProblemBatch([self.problems[place] for place in self._next[own]], repeats=repeats[own])

    @property
    def place(self) -> Place:
        """The position at which the next batch is drawn."""
        return Place(self.seed, self.position, self.batches, self.objective)

    def others(self, sentence: str) -> list[int]:
        """The indices of all problems in the order in which they may replace those of a batch."""
        return self.sampler.others_checked(self.record, sentence, self.place)

    def rewind(self) -> None:
        """Start again at the first batch."""
        self.position, self.batches, self._next = 0, 0, []

    def keep_only(self, places: Sequence[int]) -> None:
        """Draw only the problems with these indices from now on; the position does not change."""
        drawn_ahead = self._of_split()
        self.problems = [self.problems[place] for place in places]
        self.record.keep_only(self.problems, torch.tensor(places, dtype=torch.long))
        self._next = self._kept(drawn_ahead)
        self._length = max(1, len(places) // self.batch_size)

    def state_dict(self) -> dict[str, Any]:
        state = {"position": self.position, "batches": self.batches, "next": self._of_split()}
        return {**state, "record": self.record.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.position, self.batches = count_of(state_dict, "position"), count_of(state_dict, "batches")
        self.record.load_state_dict(state_dict["record"])
        self._next = self._kept(state_dict["next"])

    def _of_split(self) -> list[int]:
        """The batch drawn by `peek`, in indices of the split before `keep_only`."""
        return self.record.kept[torch.tensor(self._next, dtype=torch.long)].tolist()

    def _kept(self, of_split: Sequence[int]) -> list[int]:
        """A batch in such indices, in those of the kept problems; empty, to be drawn again, if one is not kept."""
        places = {index: place for place, index in enumerate(self.record.kept.tolist())} if of_split else {}
        found = [places[index] for index in of_split if index in places]
        return found if len(found) == len(of_split) else []


class ProblemBatches:
    """The problems of a split in order, each exactly once, divided among the ranks.

    Every rank gets the same number of batches, as collectives require, of nearly the same size. A rank's
    batch is empty only if the split has fewer problems than there are ranks, or if `batch_size`
    is 1 and the last problems are fewer than the ranks.

    Args:
        problems: those of the split.
        batch_size: problems in a batch of one rank, at most.
        rank: takes every `world_size`-th problem, starting with this one.
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
