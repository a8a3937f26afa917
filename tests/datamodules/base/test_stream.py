"""The train stream against the plain concatenation of epochs, and the sharing out over ranks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.draw import Pools
from app.types import Problem, Rollouts
from datamodules.base.stream import ProblemBatches, ProblemStream


@dataclass(frozen=True)
class Word(Problem):
    """A problem of nothing but a key."""

    key: str

    def score(self, response: str) -> float:
        return float(response == self.key)


LETTERS = [Word(letter) for letter in "abcdefg"]


def keys(batch: Rollouts) -> list[str]:
    return [problem.key for problem in batch.problems]


def concatenation(problems: list[Word], seed: int, epochs: int) -> list[str]:
    """All epochs' orders, one after the other."""
    order = []
    for epoch in range(epochs):
        places = list(range(len(problems)))
        Random(f"{seed}/order/{epoch}").shuffle(places)
        order += [problems[place].key for place in places]
    return order


@given(sizes=st.lists(st.integers(1, 7), max_size=20))
def test_batches_are_cut_from_the_concatenation(sizes: list[int]) -> None:
    """Whatever the batch size is set to, it holds from the next batch on, and nothing is lost or short."""
    stream = ProblemStream(LETTERS, 3, seed=5)
    drawn = []
    for size in sizes:
        stream.batch_size = size
        drawn.append(keys(stream.draw()))
    assert list(map(len, drawn)) == sizes
    assert list(chain(*drawn)) == concatenation(LETTERS, 5, 20)[: sum(sizes)]


def test_a_problem_again_in_a_batch_is_known_on_every_rank() -> None:
    """Five of seven problems a batch: most span two epochs."""
    seen = 0
    for world_size in (1, 2, 3):
        streams = [ProblemStream(LETTERS, 5, 1, rank, world_size) for rank in range(world_size)]
        whole = ProblemStream(LETTERS, 5, 1)
        for _ in range(8):
            drawn, parts = keys(whole.draw()), [stream.draw() for stream in streams]
            expected = [drawn[:place].count(key) for place, key in enumerate(drawn)]
            assert [list(part.repeats) for part in parts] == [expected[rank::world_size] for rank in range(world_size)]
            seen += sum(expected)
    assert seen


def test_an_epoch_is_a_fixed_number_of_batches_and_the_next_goes_on() -> None:
    stream = ProblemStream(LETTERS, 3, seed=0)
    assert len(stream) == 2
    drawn = [keys(batch) for _ in range(3) for batch in stream]
    assert list(chain(*drawn)) == concatenation(LETTERS, 0, 3)[:18]
    stream.batch_size = 1
    assert len(stream) == len(list(stream)) == 2
    assert len(ProblemStream(LETTERS[:2], 2, 0)) == 1


def test_nothing_is_drawn_ahead() -> None:
    stream = ProblemStream(LETTERS, 2, seed=0)
    batches = iter(stream)
    assert stream.position == 0
    next(batches)
    assert stream.state_dict()["position"] == 2


def test_resuming_goes_on_exactly() -> None:
    stream = ProblemStream(LETTERS, 3, seed=0)
    for _ in range(4):
        stream.draw()
    resumed = ProblemStream(LETTERS, 3, seed=0)
    resumed.load_state_dict(stream.state_dict())
    assert [keys(resumed.draw()) for _ in range(5)] == [keys(stream.draw()) for _ in range(5)]


def resumed(stream: ProblemStream, kept: list[int]) -> ProblemStream:
    """From the stream's checkpoint, with only these problems of the split."""
    other = ProblemStream(LETTERS, 3, seed=0)
    other.load_state_dict(stream.state_dict())
    other.keep_only(kept)
    return other


def test_a_batch_drawn_ahead_is_that_of_the_same_problems_whatever_is_left_out() -> None:
    stream = ProblemStream(LETTERS, 3, seed=0)
    stream.keep_only([1, 2, 3, 5, 6])
    stream.draw()
    ahead = keys(stream.peek())
    indices = ["abcdefg".index(key) for key in ahead]
    for kept in ([1, 2, 3, 5, 6], [*range(7)], sorted({*indices, 0})):
        assert keys(resumed(stream, kept).draw()) == ahead
    left = [place for place in range(7) if place != indices[0]]
    assert LETTERS[indices[0]].key not in keys(resumed(stream, left).draw())
    assert len(resumed(stream, left).draw()) == 3


def test_problems_drawn_ahead_are_not_those_that_are_being_sampled() -> None:
    """Pools draws those of the longest time ago: an epoch without repeats, sampled ahead or not."""
    for ahead in (False, True):
        stream, drawn = ProblemStream(LETTERS[:6], 2, seed=0), list[list[int]]()
        stream.sampler = Pools()
        for _ in range(9):
            stream.draw()
            drawn.append(stream.last)
            if ahead:
                stream.peek(stream.last)
            stream.record.update(stream.batches - 1, dict.fromkeys(stream.last, (4, 2)), 1.0, 0.0)
        for epoch in range(3):
            assert sorted(chain(*drawn[3 * epoch : 3 * epoch + 3])) == [*range(6)]


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_ranks_share_each_batch(world_size: int) -> None:
    whole = ProblemStream(LETTERS, 3, seed=0)
    ranks = [ProblemStream(LETTERS, 3, 0, rank, world_size) for rank in range(world_size)]
    for _ in range(6):
        batch = keys(whole.draw())
        assert [keys(rank.draw()) for rank in ranks] == [batch[rank::world_size] for rank in range(world_size)]


def test_more_ranks_than_problems() -> None:
    with pytest.raises(ValueError, match="batch_size=2 must be at least the number of ranks, 3"):
        ProblemStream(LETTERS, 2, 0, 0, 3).draw()


@given(number=st.integers(1, 40), batch_size=st.integers(1, 9), world_size=st.integers(1, 5))
def test_evaluation_covers_the_split_once_in_equally_many_batches(
    number: int, batch_size: int, world_size: int
) -> None:
    problems = [Word(str(place)) for place in range(number)]
    ranks = [ProblemBatches(problems, batch_size, rank, world_size) for rank in range(world_size)]
    batches = [[keys(batch) for batch in rank] for rank in ranks]
    assert {len(rank) for rank in batches} == {len(ranks[0])}
    assert sorted(chain(*chain(*batches)), key=int) == [problem.key for problem in problems]
    assert max(len(batch) for rank in batches for batch in rank) <= batch_size
    if batch_size > 1 and number >= world_size:
        assert all(batch for rank in batches for batch in rank)
