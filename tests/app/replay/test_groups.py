"""What is kept of informative groups, and what is drawn of it: against lists kept by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from random import Random
from typing import Any

import pytest
import torch

from app.engines.transformers import TransformersEngine
from app.replay import Group, GroupReplay
from app.replay.groups import as_rollouts, with_old_logprobs
from app.settings import RolloutSettings
from app.storage.checkpoint import check_plain
from app.types import Completion, Rollouts, Sampling
from tests.app.updates import sampled
from tests.conftest import build_tiny_policy


@pytest.fixture(scope="module")
def batch() -> Rollouts:
    """Four problems with six rollouts each."""
    found = sampled(build_tiny_policy())
    return replace(found, explore=torch.tensor([True, False, True, True]))


def settings(rollouts: int, **changes: Any) -> str:
    sampling = Sampling(**{"max_new_tokens": 24, **changes})
    return RolloutSettings(TransformersEngine(), rollouts, sampling).of_samples


SAMPLING = settings(6)


def equal(mine: Any, theirs: Any) -> bool:
    if isinstance(mine, torch.Tensor):
        return mine.dtype == theirs.dtype and torch.equal(mine, theirs)
    return mine == theirs


def test_a_group_is_kept_whole_as_plain_data(batch: Rollouts) -> None:
    groups = [Group.of(batch, place, f"problem {place}", 7, SAMPLING) for place in range(4)]
    replay = GroupReplay()
    replay.keep(groups, 7)
    check_plain(replay.state_dict())
    other = GroupReplay()
    other.load_state_dict(replay.state_dict())
    back = as_rollouts(other.kept, batch.problems, batch)
    assert equal(back.rewards, batch.rewards)
    assert equal(back.explore, batch.explore)
    for mine, theirs in zip(back.rows, batch.rows, strict=True):
        assert all(equal(value, vars(theirs)[name]) for name, value in vars(mine).items())


@pytest.mark.parametrize(("max_age", "size"), [(1, 3), (3, 4), (3, 100), (100, 5)])
def test_the_newest_are_kept_and_drawn_until_they_are_too_old(batch: Rollouts, max_age: int, size: int) -> None:
    """By hand: all that ever came, sorted and cut when it is drawn from."""
    replay, ever, random = GroupReplay(max_age, size), list[tuple[int, str]](), Random(0)
    for iteration in range(12):
        newest = sorted(ever, key=lambda pair: (-pair[0], pair[1]))[:size]
        expected = [pair for pair in newest if iteration - pair[0] <= max_age]
        drawn = [(group.iteration, group.problem) for group in replay.shuffled(iteration, seed=0)]
        assert sorted(drawn) == sorted(expected)
        assert drawn == [(group.iteration, group.problem) for group in replay.shuffled(iteration, seed=0)]
        new = random.sample("abcdefg", random.randint(0, 4))
        ever += [(iteration, name) for name in new]
        replay.keep([Group.of(batch, 0, name, iteration, SAMPLING) for name in new], iteration)
        assert len(replay.kept) <= size


def test_all_are_drawn_first_equally_often(batch: Rollouts) -> None:
    replay = GroupReplay()
    replay.keep([Group.of(batch, 0, name, 0, SAMPLING) for name in "abcd"], 0)
    firsts = [replay.shuffled(1, seed)[0].problem for seed in range(400)]
    assert all(70 < firsts.count(name) < 130 for name in "abcd")  # 100, give or take 8.7


def test_a_group_fits_rollouts_of_its_own_kind_alone(batch: Rollouts) -> None:
    group = Group.of(batch, 0, "a", 0, SAMPLING)
    bare = [[replace(row, entropies=None) for row in rows] for rows in batch.completions]
    assert group.fits(batch, SAMPLING)
    assert group.fits(replace(batch, completions=bare), SAMPLING)
    assert not Group.of(replace(batch, completions=bare), 0, "a", 0, SAMPLING).fits(batch, SAMPLING)
    assert not group.fits(replace(batch, explore=None), SAMPLING)
    for changes in ({"temperature": 0.9}, {"max_new_tokens": 25}, {"stop_tokens": ("D",)}):
        assert not group.fits(batch, settings(6, **changes))
    assert not group.fits(batch, settings(5))


def test_a_problem_that_is_twice_in_a_batch_is_kept_in_the_order_of_the_batch(batch: Rollouts) -> None:
    """Whichever process had which copy."""
    groups = [Group.of(batch, index, "a", 0, SAMPLING, place) for index, place in enumerate([4, 1, 3])]
    for order in permutations(groups):
        replay = GroupReplay(size=2)
        replay.keep(order, 0)
        assert [group.place for group in replay.kept] == [1, 3]


def plus(row: Completion, by: float) -> torch.Tensor:
    assert row.sampler_logprobs is not None
    return row.sampler_logprobs + by


def olds(rollouts: Rollouts) -> list[float]:
    """By how much the log-probabilities of each group are above the sampler's."""
    gaps = [[(row.old_logprobs - row.sampler_logprobs) for row in group] for group in rollouts.completions]  # type: ignore[operator]
    assert all(gap.max() - gap.min() < 1e-5 for group in gaps for gap in group)
    return [round(torch.cat(group).mean().item(), 4) for group in gaps]


def test_ratios_are_against_who_sampled_or_against_the_present_policy(batch: Rollouts) -> None:
    """Of the replayed rollouts, two groups of four; the others stay as they are."""

    def moved(group: int, by: float) -> list[Completion]:
        """As by a trainer whose log-probabilities are others than the engine's."""
        return [replace(row, old_logprobs=plus(row, by)) for row in batch.completions[group]]

    mixed = replace(batch, completions=[moved(0, 1), batch.completions[1], moved(2, 2), moved(3, 3)])
    then = with_old_logprobs(mixed, [2, 1], True, None)
    assert olds(then) == [1, 0, 2, 3]
    present = [plus(row, 4) for row in [*batch.completions[1], *batch.completions[2]]]
    corrected = with_old_logprobs(mixed, [2, 1], True, present)
    assert olds(corrected) == [1, 4, 4, 3]


def test_where_others_have_none_replayed_rollouts_have_none(batch: Rollouts) -> None:
    rescored = [replace(row, old_logprobs=plus(row, 1)) for row in batch.completions[2]]
    mixed = replace(batch, completions=[*batch.completions[:2], rescored, batch.completions[3]])
    present = [plus(row, 4) for row in rescored]
    for given in (None, present):
        assert {row.old_logprobs for row in with_old_logprobs(mixed, [2], False, given).rows} == {None}


@pytest.mark.parametrize("argument", ["max_age", "size"])
def test_nothing_kept_is_refused(argument: str) -> None:
    with pytest.raises(ValueError, match=f"{argument}=0 must be at least 1"):
        GroupReplay(**{argument: 0})
