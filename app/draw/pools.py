"""A sampler with pools of solved, hard and other problems, by their pass rates."""

from __future__ import annotations

import torch
from torch import Tensor

from app.draw.base import Place, ProblemSampler
from app.draw.record import PassRecord
from app.seeds import generator_of


class Pools(ProblemSampler):
    """Draws mostly problems that are neither solved nor hard, with a fixed share of both.

    A problem is in the pool "solved" after `in_a_row` consecutive draws at or above a pass rate, in "hard" after as
    many at or below another, and in "normal" otherwise. It leaves a pool at the first other draw. A batch has
    a share of solved and a share of hard problems, the rest are normal; if a pool has too few, the others are taken
    from the next of normal, hard, solved. Within a pool, problems drawn the longest time ago come first.

    Args:
        in_a_row: consecutive draws after which a problem changes its pool.
        solved_share: share of a batch from the pool of solved problems.
        hard_share: share of a batch from the pool of hard ones.
        solved_at: a draw with at least this pass rate is solved.
        hard_at: a draw with at most this pass rate is failed.
    """

    def __init__(
        self,
        in_a_row: int = 2,
        solved_share: float = 0.05,
        hard_share: float = 0.25,
        solved_at: float = 1.0,
        hard_at: float = 0.0,
    ) -> None:
        if in_a_row < 1:
            raise ValueError(f"in_a_row={in_a_row} must be at least 1")
        for name, value in {"solved_share": solved_share, "hard_share": hard_share}.items():
            if not 0 <= value <= 1:
                raise ValueError(f"{name}={value} must lie in [0, 1]")
        if solved_share + hard_share > 1:
            raise ValueError(f"solved_share={solved_share} and hard_share={hard_share} must be at most 1 together")
        if not 0 <= hard_at < solved_at <= 1:
            raise ValueError(f"hard_at={hard_at} must lie below solved_at={solved_at}, both in [0, 1]")
        self.in_a_row, self.solved_share, self.hard_share = in_a_row, solved_share, hard_share
        self.solved_at, self.hard_at, self.failed_at = solved_at, hard_at, hard_at

    def pools(self, record: PassRecord) -> dict[str, Tensor]:
        """Which problems are in which pool.  each [n], bool"""
        solved, hard = record.solved >= self.in_a_row, record.failed >= self.in_a_row
        return {"normal": ~solved & ~hard, "hard": hard, "solved": solved}

    def draw(self, record: PassRecord, number: int, place: Place) -> list[int]:
        queues = self._queues(record, place.sentence)
        solved = self._count(self.solved_share, number, f"{place.sentence}/solved")
        hard = min(self._count(self.hard_share, number, f"{place.sentence}/hard"), number - solved)
        chosen: list[int] = []
        for name, wanted in {"solved": solved, "hard": hard, "normal": number - solved - hard}.items():
            chosen += queues[name][:wanted]
            queues[name] = queues[name][wanted:]
        rest = [place for queue in queues.values() for place in queue]  # normal, hard, solved
        return chosen + rest[: number - len(chosen)]

    def others(self, record: PassRecord, sentence: str, place: Place) -> list[int]:
        return [place for queue in self._queues(record, sentence).values() for place in queue]

    def figures(self, record: PassRecord, drawn: Tensor, place: Place) -> dict[str, float]:
        pools = self.pools(record)
        shares = {f"draw/{name}": pool[drawn].double().mean().item() for name, pool in pools.items()}
        return {**shares, **{f"draw/pool_{name}": pool.double().mean().item() for name, pool in pools.items()}}

    def _queues(self, record: PassRecord, sentence: str) -> dict[str, list[int]]:
        """Each pool, problems drawn the longest time ago first; in random order within one batch."""
        shuffled = torch.randperm(len(record), generator=generator_of(sentence))
        order = shuffled[record.last[shuffled].argsort(stable=True)]
        return {name: order[pool[order]].tolist() for name, pool in self.pools(record).items()}

    @staticmethod
    def _count(share: float, number: int, sentence: str) -> int:
        """`share * number`, randomly rounded up or down so that its mean is exact."""
        return int(share * number + torch.rand((), generator=generator_of(sentence), dtype=torch.double).item())
