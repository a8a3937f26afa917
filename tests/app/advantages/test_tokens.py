"""Terms on finished advantages, against loops over tokens and exact fractions."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from torch import Tensor

from app.advantages import PassK, PassOne
from app.advantages.base import AdvantageEstimator
from app.advantages.tokens import (
    EntropyBonusAdvantage,
    SoftOverlong,
    WeightedPositives,
    entropy_bonus,
    overlong_penalty,
)
from app.types import Completion, Problem, Rollouts
from tests.conftest import EchoProblem

REWARDS = [[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 1.0], [0.0] * 4, [1.0] * 4]
ENTROPIES = [
    [[0.0, 0.1, 5.0], [0.3], [4.0, 0.2], [0.0]],
    [[1.0], [2.0, 0.5], [0.7, 0.01, 0.02], [9.0]],
    [[1.0], [1.0], [2.0], [1.0]],
    [[1.0], [1.0, 3.0], [1.0], [1.0]],
]


class PerToken(PassOne):
    """Advantages that grow along a response of 3 tokens."""

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return super().estimate(rollouts)[..., None] * torch.tensor([1.0, 2.0, 3.0])


def batch(rewards: list[list[float]], entropies: list[list[list[float]]]) -> Rollouts:
    completions = [
        [
            Completion("", torch.arange(len(row)), "stop", entropies=torch.tensor(row, dtype=torch.double))
            for row in group
        ]
        for group in entropies
    ]
    problems: list[Problem] = [EchoProblem(str(index)) for index in range(len(rewards))]
    return Rollouts(problems, completions=completions, rewards=torch.tensor(rewards))


def of_lengths(lengths: list[list[int]], rewards: list[list[float]] | None = None) -> Rollouts:
    """Failing responses of these lengths, unless rewards are given."""
    zeros = [[0.0] * len(row) for row in lengths]
    return batch(rewards or zeros, [[[0.0] * length for length in row] for row in lengths])


@pytest.mark.parametrize("alpha", [0.0, 0.4, 3.0])
@pytest.mark.parametrize("kappa", [1.01, 2.0, float("inf")])
@pytest.mark.parametrize("of", [None, PassK(2), PerToken()], ids=repr)
def test_entropy_bonus_token_by_token(alpha: float, kappa: float, of: AdvantageEstimator | None) -> None:
    rollouts = batch(REWARDS, ENTROPIES)
    base = (of or PassOne())(rollouts)
    expected = torch.zeros(4, 4, 3, dtype=torch.double)
    for p, group in enumerate(ENTROPIES):
        for n, row in enumerate(group):
            for t, entropy in enumerate(row):
                advantage = (base[p, n] if base.ndim == 2 else base[p, n, t]).item()
                expected[p, n, t] = advantage + min(alpha * entropy, abs(advantage) / kappa)
    assert (EntropyBonusAdvantage(of, alpha, kappa)(rollouts) - expected).abs().max() < 1e-10


def test_entropy_bonus_changes_no_sign_and_nothing_that_is_zero() -> None:
    rollouts = batch(REWARDS, ENTROPIES)
    bonus = EntropyBonusAdvantage(alpha=100.0, kappa=1.01)
    raised, base = bonus(rollouts), PassOne()(rollouts)[..., None]
    assert torch.equal(raised.sign(), (base * rollouts.mask).sign())
    assert raised[2:].eq(0).all()
    assert bonus.informative(rollouts).tolist() == [True, True, False, False]


def test_an_entropy_rounded_below_zero_counts_as_zero() -> None:
    found = entropy_bonus(torch.tensor([[0.0], [1.0]]), torch.tensor([[-1e-7], [-1e-7]]), 0.4, 2.0)
    assert found.tolist() == [[0.0], [1.0]]


def test_the_bonus_reaches_the_rows_that_are_trained() -> None:
    rollouts = batch(REWARDS, ENTROPIES)
    rollouts = replace(rollouts, prompts=[torch.zeros(1, dtype=torch.long)] * 4)
    advantages = EntropyBonusAdvantage()(rollouts)
    rows = rollouts.experience(advantages)
    assert torch.equal(rows.advantages, advantages.flatten(0, 1))
    assert rows.advantages[0].unique().numel() > 1


def test_penalty_is_linear_between_its_ends() -> None:
    """As exact fractions: 0 up to 12 - 5 = 7 tokens, -1 from 12 on."""
    for length in range(1, 16):
        exact = Fraction(0) if length <= 7 else Fraction(-1) if length >= 12 else Fraction(7 - length, 5)
        assert overlong_penalty(torch.tensor([length]), 12, 5).item() == pytest.approx(float(exact), abs=1e-12)


def test_a_margin_as_wide_as_the_bound() -> None:
    assert overlong_penalty(torch.tensor([1, 2, 4, 5]), 4, 4).tolist() == [-0.25, -0.5, -1.0, -1.0]


@pytest.mark.parametrize("of", [None, PassK(2)], ids=repr)
def test_overlong_adds_the_centred_penalty_to_the_advantage(of: AdvantageEstimator | None) -> None:
    lengths = [[3, 9, 5, 6], [8, 8, 1, 7], [4, 5, 6, 7], [20, 1, 1, 1]]
    rollouts = of_lengths(lengths, REWARDS)
    base = (of or PassOne())(rollouts).tolist()
    expected = []
    for row, advantages in zip(lengths, base, strict=True):
        penalties = [max(Fraction(-1), min(Fraction(0), Fraction(4 - length, 4))) for length in row]
        mean = sum(penalties, Fraction(0)) / 4
        expected.append([a + float(penalty - mean) for a, penalty in zip(advantages, penalties, strict=True)])
    found = SoftOverlong(of, max_tokens=8, margin=4)(rollouts)
    assert (found - torch.tensor(expected, dtype=torch.double)).abs().max() < 1e-10
    assert found.sum(-1).abs().max() < 1e-10


def test_overlong_of_advantages_per_token() -> None:
    rollouts = of_lengths([[1, 3, 2, 1]], REWARDS[:1])
    found = SoftOverlong(PerToken(), max_tokens=3, margin=2)(rollouts)
    term = SoftOverlong(max_tokens=3, margin=2)(rollouts) - PassOne()(rollouts)
    torch.testing.assert_close(found, PerToken()(rollouts) + term[..., None])


def test_length_teaches_where_all_rollouts_agree_and_only_where_lengths_differ() -> None:
    rollouts = of_lengths([[2, 9, 2], [7, 7, 7], [2, 3, 4]])
    overlong = SoftOverlong(max_tokens=9, margin=5)
    assert overlong(rollouts).ne(0).any(-1).tolist() == [True, False, False]
    assert overlong.informative(rollouts).tolist() == [True, False, False]


def test_a_long_passing_response_still_passes() -> None:
    """As a reward the penalty would have made Pass@k blind to it."""
    rollouts = of_lengths([[9, 1, 1, 1]], REWARDS[:1])
    found = SoftOverlong(PassK(2), max_tokens=9, margin=5)(rollouts)
    torch.testing.assert_close(found, PassK(2)(rollouts) + torch.tensor([[-0.75, 0.25, 0.25, 0.25]]).double())


@pytest.mark.parametrize("weight", [0.0, 0.1, 1.0, 2.0])
def test_weighted_positives(weight: float) -> None:
    rollouts = batch(REWARDS, ENTROPIES)
    base = PassOne()(rollouts).tolist()
    expected = [[weight * value if value > 0 else value for value in row] for row in base]
    wrapped = WeightedPositives(weight=weight)
    assert wrapped(rollouts).tolist() == expected
    assert torch.equal(wrapped.informative(rollouts), wrapped(rollouts).ne(0).any(-1))


def test_wrapped_in_one_another_they_read_what_each_reads() -> None:
    both = SoftOverlong(EntropyBonusAdvantage(PassK(2)), max_tokens=3, margin=1)
    assert both.requires == ("entropies",)
    assert both.binary
    assert both(batch(REWARDS, ENTROPIES)).shape == (4, 4, 3)
    with pytest.raises(ValueError, match="N=1 must be at least 2"):
        both.check(1)


def test_completions_without_entropies_are_refused() -> None:
    rollouts = batch(REWARDS, ENTROPIES)
    rollouts.completions[0][0] = Completion("", torch.arange(3), "stop")
    with pytest.raises(ValueError, match="EntropyBonusAdvantage requires entropies"):
        EntropyBonusAdvantage()(rollouts)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="alpha=-1 must be a finite number of at least 0"):
        EntropyBonusAdvantage(alpha=-1)
    for kappa in (1.0, float("nan")):
        with pytest.raises(ValueError, match=f"kappa={kappa} must be above 1"):
            EntropyBonusAdvantage(kappa=kappa)
    for margin in (0, 9, -1):
        with pytest.raises(ValueError, match=f"margin={margin} must lie between 1 and max_tokens=8"):
            SoftOverlong(max_tokens=8, margin=margin)
    with pytest.raises(ValueError, match=r"weight=-0.1 must be a finite number of at least 0"):
        WeightedPositives(weight=-0.1)
