"""What is asked of, and done for, two estimators together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from app.advantages import AdvantageEstimator, PassK, PassOne
from app.advantages.adaptive import Adaptive
from app.advantages.easy import ByAccuracy
from app.advantages.pair import Pair, mix
from app.advantages.shaped import Combination
from app.types import Completion, Problem, Rollouts
from tests.conftest import EchoProblem

PAIRS = [Adaptive, ByAccuracy, Combination]


class Counting(AdvantageEstimator):
    """Per token, from what it reads; counts how often it was asked."""

    requires = ("sampler_logprobs",)
    requires_importance_ratios = True

    def __init__(self) -> None:
        self.asked = 0

    def estimate(self, rollouts: Rollouts) -> Tensor:
        self.asked += 1
        return rollouts.mask * rollouts.rewards[..., None].double()

    def state_dict(self) -> dict[str, Any]:
        return {"asked": self.asked}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.asked = state["asked"]


def rollouts(logprobs: bool = True) -> Rollouts:
    """Four problems with 0 to 3 passes of 3, and responses of 1 to 3 tokens."""
    rewards = torch.tensor([[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]]).float()
    lengths = [1, 3, 2]
    said = [
        [Completion("x", torch.ones(n).long(), "stop", torch.zeros(n) if logprobs else None) for n in lengths]
        for _ in rewards
    ]
    problems: list[Problem] = [EchoProblem(str(index)) for index in range(4)]
    return Rollouts(problems, completions=said, rewards=rewards, explore=torch.tensor([True, False, True, False]))


@pytest.mark.parametrize("pair", PAIRS)
def test_it_asks_what_either_asks(pair: type[Adaptive | ByAccuracy | Combination]) -> None:
    for two in (pair(PassOne(), PassK(3)), pair(PassK(3), PassOne())):
        assert two.binary
        with pytest.raises(ValueError, match="k=3 must lie between 1 and the 2 rollouts"):
            two.check(2)
    graded = pair(PassOne(), PassOne())
    assert not graded.binary and not graded.requires and not graded.requires_importance_ratios
    for two in (pair(PassOne(), Counting()), pair(Counting(), PassOne()), pair(Counting(), Counting())):
        assert two.requires == ("sampler_logprobs",)
        assert two.requires_importance_ratios
        with pytest.raises(ValueError, match=f"{pair.__name__} requires sampler_logprobs"):
            two(rollouts(logprobs=False))


@pytest.mark.parametrize("pair", PAIRS)
def test_it_carries_on_what_either_carries_on(pair: type[Adaptive | ByAccuracy | Combination]) -> None:
    assert pair(PassOne(), PassK(2)).state_dict() == {}
    for first, second in ((Counting, PassOne), (PassOne, Counting), (Counting, Counting)):
        before, after = pair(first(), second()), pair(first(), second())
        for _ in range(3):
            before(rollouts())
        after.load_state_dict(before.state_dict())
        assert after.state_dict() == before.state_dict() != {}
        assert [each.asked for each in after.both.values() if isinstance(each, Counting)] == [
            3 for kind in (first, second) if kind is Counting
        ]


@pytest.mark.parametrize("pair", PAIRS)
def test_one_may_tell_tokens_apart(pair: type[Adaptive | ByAccuracy | Combination]) -> None:
    """[P, N] beside [P, N, T] stands for all tokens of a response."""
    batch = rollouts()
    of_rows, of_tokens = PassOne()(batch)[..., None].expand(-1, -1, 3), Counting()(batch)
    for first, second, arguments in (
        (of_rows, of_tokens, (PassOne(), Counting())),
        (of_tokens, of_rows, (Counting(), PassOne())),
    ):
        share = {
            Adaptive: [1, 0, 1, 0],  # of the first
            ByAccuracy: [1, 1, 0, 0],
            Combination: [1, 2 / 3, 1 / 3, 0],
        }[pair]
        expected = torch.stack([share[p] * first[p] + (1 - share[p]) * second[p] for p in range(4)])
        torch.testing.assert_close(pair(*arguments)(batch), expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(mix(torch.tensor(share), first, second), expected, rtol=0, atol=1e-6)


def test_a_pair_is_nothing_by_itself() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Pair(one=PassOne(), other=PassOne())  # type: ignore[abstract]
