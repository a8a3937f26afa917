"""What is kept of informative groups, and what is drawn of it: against lists kept by hand."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
import torch

from app.replay import Group, GroupReplay
from app.replay.groups import as_rollouts, with_old_logprobs
from app.storage.checkpoint import check_plain
from app.types import Rollouts
from tests.app.updates import sampled
from tests.conftest import build_tiny_policy


@pytest.fixture(scope="module")
def batch() -> Rollouts:
    """Four problems with six rollouts each."""
    found = sampled(build_tiny_policy())
    return replace(found, explore=torch.tensor([True, False, True, True]))


def equal(mine: Any, theirs: Any) -> bool:
    if isinstance(mine, torch.Tensor):
        return mine.dtype == theirs.dtype and torch.equal(mine, theirs)
    return mine == theirs


def test_a_group_is_kept_whole_as_plain_data(batch: Rollouts) -> None:
    groups = [Group.of(batch, place, f"problem {place}", 7) for place in range(4)]
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
        replay.keep([Group.of(batch, 0, name, iteration) for name in new], iteration)
        assert len(replay.kept) <= size


def test_all_are_drawn_first_equally_often(batch: Rollouts) -> None:
    replay = GroupReplay()
    replay.keep([Group.of(batch, 0, name, 0) for name in "abcd"], 0)
    firsts = [replay.shuffled(1, seed)[0].problem for seed in range(400)]
    assert all(70 < firsts.count(name) < 130 for name in "abcd")  # 100, give or take 8.7


def test_a_group_fits_rollouts_of_its_own_kind_alone(batch: Rollouts) -> None:
    group = Group.of(batch, 0, "a", 0)
    bare = [[replace(row, entropies=None) for row in rows] for rows in batch.completions]
    assert group.fits(batch)
    assert group.fits(replace(batch, completions=bare))
    assert not Group.of(replace(batch, completions=bare), 0, "a", 0).fits(batch)
    assert not group.fits(replace(batch, temperature=0.9))
    assert not group.fits(replace(batch, explore=None))
    assert not group.fits(batch.select(torch.arange(4), torch.arange(6).expand(4, 6) < 5))


def test_ratios_are_against_who_sampled_or_against_the_present_policy(batch: Rollouts) -> None:
    """Of the replayed rollouts; the others stay as they are."""
    rescored = [[replace(row, old_logprobs=row.sampler_logprobs + 1) for row in batch.completions[2]]]  # type: ignore[operator]
    mixed = replace(batch, completions=[*batch.completions[:2], *rescored, batch.completions[3]])
    behaviour = with_old_logprobs(mixed, [1, 2], None).completions
    assert [row.old_logprobs for row in [*behaviour[0], *behaviour[3]]] == [None] * 12
    assert all(row.old_logprobs is row.sampler_logprobs for row in behaviour[1])
    assert all(equal(row.old_logprobs, mine.old_logprobs) for row, mine in zip(behaviour[2], rescored[0], strict=True))

    present = [row.sampler_logprobs + 2 for row in [*batch.completions[1], *batch.completions[2]]]  # type: ignore[operator]
    corrected = with_old_logprobs(mixed, [2, 1], present).completions
    assert [row.old_logprobs for row in [*corrected[0], *corrected[3]]] == [None] * 12
    assert all(equal(row.old_logprobs, row.sampler_logprobs + 2) for row in [*corrected[1], *corrected[2]])  # type: ignore[operator]


@pytest.mark.parametrize("argument", ["max_age", "size"])
def test_nothing_kept_is_refused(argument: str) -> None:
    with pytest.raises(ValueError, match=f"{argument}=0 must be at least 1"):
        GroupReplay(**{argument: 0})
