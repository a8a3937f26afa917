"""Who explores, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from app.advantages import PassK, PassOne
from app.advantages.adaptive import Adaptive, to_explore
from app.types import Rollouts
from tests.conftest import EchoProblem


def every_count(n: int) -> Rollouts:
    """N + 1 problems, the c-th with c passes."""
    rewards = torch.stack([(torch.arange(n) < c).double() for c in range(n + 1)])
    return Rollouts([EchoProblem(str(c)) for c in range(n + 1)], rewards=rewards)


def naive_ranking(entropies: Sequence[float], share: float) -> list[bool]:
    """Takes the highest away one by one, the first of equal ones."""
    left = dict(enumerate(entropies))
    for _ in range(round(share * len(entropies))):
        del left[max(left, key=lambda index: (left[index], -index))]
    return [index in left for index in range(len(entropies))]


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("num_problems", [1, 2, 5, 8, 33])
@pytest.mark.parametrize("ties", [False, True])
def test_all_but_the_highest_explore(share: float, num_problems: int, ties: bool) -> None:
    generator = torch.Generator().manual_seed(num_problems)
    entropies = torch.rand(num_problems, generator=generator, dtype=torch.double)
    entropies = (entropies * 3).floor() if ties else entropies
    explore = to_explore(entropies, share)
    assert explore.tolist() == naive_ranking(entropies.tolist(), share)
    assert (~explore).sum() == round(share * num_problems)


def test_what_the_paper_says_of_high_entropy() -> None:
    """The half with the highest entropy takes Pass@1."""
    assert to_explore(torch.tensor([0.1, 0.9, 0.5, 0.2]), 0.5).tolist() == [True, False, False, True]


@pytest.mark.parametrize("k", [1, 3, 8])
def test_each_problem_takes_what_it_is_marked_for(k: int) -> None:
    explore = torch.tensor([True, False, True, True, False, False, True, False, True])
    rollouts = replace(every_count(8), explore=explore)
    many, one = PassK(k)(rollouts).tolist(), PassOne()(rollouts).tolist()
    expected = [many[c] if marked else one[c] for c, marked in enumerate(explore.tolist())]
    adaptive = Adaptive(PassK(k))
    assert adaptive(rollouts).tolist() == expected
    assert adaptive.informative(rollouts).tolist() == [any(row) for row in expected]


def test_unmarked_problems_cannot_be_trained() -> None:
    with pytest.raises(ValueError, match="Adaptive needs the EntropySwitch callback"):
        Adaptive(PassK(2))(every_count(4))


def test_an_unmarked_problem_may_teach_if_either_would_learn() -> None:
    """Pass@8 of 8 learns from nothing, Pass@1 from all that neither fails nor passes throughout."""
    rollouts = every_count(8)
    for adaptive in (Adaptive(PassK(8)), Adaptive(PassOne(), PassK(8))):
        assert adaptive.informative(rollouts).tolist() == [0 < c < 8 for c in range(9)]
    assert Adaptive(PassK(4), PassK(6)).informative(rollouts).tolist() == [0 < c <= 4 for c in range(9)]
    assert Adaptive(Adaptive(PassK(8)), PassK(8)).informative(rollouts).tolist() == [0 < c < 8 for c in range(9)]


def test_unmarked_rewards_are_looked_at_too() -> None:
    graded = replace(every_count(8), rewards=torch.full((9, 8), 0.5))
    with pytest.raises(ValueError, match=r"a reward of 0.5 must be 0 or 1"):
        Adaptive(PassK(2)).informative(graded)


def test_the_defaults_are_documented_ones() -> None:
    assert repr(Adaptive()) == "Adaptive(explore=PassK(k=8), exploit=PassOne())"
