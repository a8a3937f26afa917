"""Rewards weighed towards hard problems, against exact fractions, loops and the expectation over all outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from math import comb, exp, expm1

import pytest
import torch
from torch import Tensor

from app.advantages import PassK, PassOne
from app.advantages.base import AdvantageEstimator
from app.advantages.tail import FGRPO, RSGRPO, MaxRL, TailRL, exponential_advantage
from app.passk import centred
from app.types import Rollouts
from tests.conftest import EchoProblem

SIZES = range(2, 9)
GRADED = [[1.0, 0.5, 0.5, 0.0], [0.25, 0.125, 0.75, 0.75], [1.0, 1.0, 0.5, 0.0], [0.0, 0.0, 0.0, 0.5]]


def batch(rewards: list[list[float]] | Tensor) -> Rollouts:
    rewards = torch.as_tensor(rewards)
    return Rollouts([EchoProblem(str(index)) for index in range(len(rewards))], rewards=rewards)


def every_row(n: int) -> list[list[float]]:
    """All 2^n outcomes for n up to 5; above, one for each number of passes, the passes scattered."""
    if n <= 5:
        return [list(row) for row in product([0.0, 1.0], repeat=n)]
    return [[float(index * 5 % n < c) if n % 5 else float(index < c) for index in range(n)] for c in range(n + 1)]


def fractions(row: list[float]) -> list[Fraction]:
    return [Fraction(value) for value in row]


def likelihood(row: list[Fraction]) -> list[Fraction]:
    mean = sum(row, Fraction(0)) / len(row)
    return [(value - mean) / mean if mean else Fraction(0) for value in row]


def thresholds(row: list[Fraction]) -> list[Fraction]:
    """MaxRL of who reaches a threshold, for every stretch of thresholds between two rewards."""
    total, below = [Fraction(0)] * len(row), Fraction(0)
    for level in sorted(set(row)):
        reached = likelihood([Fraction(value >= level) for value in row])
        total = [old + (level - below) * new for old, new in zip(total, reached, strict=True)]
        below = level
    return total


def close(advantages: Tensor, expected: Sequence[Sequence[float | Fraction]]) -> None:
    wanted = torch.tensor([[float(value) for value in row] for row in expected], dtype=torch.double)
    assert advantages.dtype == torch.double
    assert (advantages - wanted).abs().max() < 1e-10


@pytest.mark.parametrize("n", SIZES)
def test_max_rl_divides_by_the_mean(n: int) -> None:
    rows = every_row(n)
    close(MaxRL()(batch(rows)), [likelihood(fractions(row)) for row in rows])


def test_max_rl_on_graded_rewards() -> None:
    close(MaxRL()(batch(GRADED)), [likelihood(fractions(row)) for row in GRADED])


@pytest.mark.parametrize("n", [2, 5, 8])
def test_max_rl_ascends_the_sum_of_pass_at_k_over_k_below_n(n: int) -> None:
    """In expectation over all outcomes, for a pass rate that is a softmax parameter's sigmoid.

    d log P(y) is 1 - p for a pass and -p for a failure, and dp is p (1 - p).
    """
    p = Fraction(1, 3)
    advantages = MaxRL()(batch([[float(index < c) for index in range(n)] for c in range(n + 1)])).tolist()
    expected = 0.0
    for c, row in enumerate(advantages):
        scores = [(1 - p) if index < c else -p for index in range(n)]
        mean = sum(a * float(s) for a, s in zip(row, scores, strict=True)) / n
        expected += float(comb(n, c) * p**c * (1 - p) ** (n - c)) * mean
    slope = sum(Fraction(1, k) * k * (1 - p) ** (k - 1) for k in range(1, n)) * p * (1 - p)
    assert expected == pytest.approx(float(slope), abs=1e-12)


@pytest.mark.parametrize("n", SIZES)
def test_tail_rl_is_max_rl_on_passing_and_failing(n: int) -> None:
    rewards = batch(every_row(n))
    assert (TailRL()(rewards) - MaxRL()(rewards)).abs().max() < 1e-12


@pytest.mark.parametrize("n", [2, 3, 4])
def test_tail_rl_adds_up_max_rl_over_thresholds(n: int) -> None:
    rows = [list(row) for row in product([0.0, 0.25, 0.5, 1.0], repeat=n)]
    close(TailRL()(batch(rows)), [thresholds(fractions(row)) for row in rows])


def test_tail_rl_before_centring_is_the_printed_sum() -> None:
    row = [Fraction(1, 4), Fraction(1, 2), Fraction(1, 2), Fraction(1)]  # in order
    worth = [
        4 * sum((row[j] - (row[j - 1] if j else 0)) / Fraction(4 - j) for j in range(i + 1)) for i in range(len(row))
    ]
    mean = sum(worth) / 4
    close(TailRL()(batch([[float(value) for value in row]])), [[value - mean for value in worth]])


@pytest.mark.parametrize("beta", [0.1, 2.0, 8.0])
@pytest.mark.parametrize("rows", [every_row(4), every_row(7), GRADED], ids=["4", "7", "graded"])
def test_rs_grpo_is_the_printed_formula(beta: float, rows: list[list[float]]) -> None:
    expected = []
    for row in rows:
        mean = sum(exp(beta * reward) for reward in row) / len(row)
        expected.append([(exp(beta * reward) / mean - 1) / beta for reward in row])
    close(RSGRPO(beta)(batch(rows)), expected)


def test_rs_grpo_neither_overflows_nor_cancels() -> None:
    rewards = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    assert exponential_advantage(rewards, 1e6)[0].tolist() == pytest.approx([3e-6, -1e-6, -1e-6, -1e-6], rel=1e-9)
    assert exponential_advantage(rewards, 1e-14)[0].tolist() == pytest.approx([0.75, -0.25, -0.25, -0.25], rel=1e-9)


def test_rs_grpo_has_the_stated_weight_for_many_rollouts() -> None:
    """w = A_pos - A_neg = (e^beta - 1) / (beta (1 + p (e^beta - 1)))."""
    passing, failing = RSGRPO(2.0)(batch([[1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]]))[0, [0, 7]].tolist()
    assert passing - failing == pytest.approx(expm1(2) / (2 * (1 + 3 / 8 * expm1(2))), abs=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("of", [None, PassK(2)])
def test_f_grpo_weighs_by_the_failing_share(gamma: float, of: AdvantageEstimator | None) -> None:
    rows = every_row(5)
    base = (of or PassOne())(batch(rows)).tolist()
    expected = [
        [(row.count(0.0) / 5) ** gamma * value for value in advantages]
        for row, advantages in zip(rows, base, strict=True)
    ]
    close(FGRPO(of, gamma)(batch(rows)), expected)


def test_f_grpo_of_advantages_per_token() -> None:
    class PerToken(PassOne):
        def estimate(self, rollouts: Rollouts) -> Tensor:
            return super().estimate(rollouts)[..., None].expand(-1, -1, 3)

    rewards = batch([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0]])
    assert torch.equal(FGRPO(PerToken())(rewards), FGRPO()(rewards)[..., None].expand(-1, -1, 3))


@pytest.mark.parametrize("gamma", [0.0, 1.0])
def test_f_grpo_finds_informative_what_it_teaches(gamma: float) -> None:
    class Everything(PassOne):
        def estimate(self, rollouts: Rollouts) -> Tensor:
            return torch.ones_like(rollouts.rewards)

    rewards = batch([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    assert FGRPO(Everything(), gamma).informative(rewards).tolist() == [True, True, gamma == 0]
    assert FGRPO(gamma=gamma).informative(rewards).tolist() == [False, True, False]


@pytest.mark.parametrize("estimator", [MaxRL(), TailRL(), RSGRPO(), FGRPO()], ids=repr)
def test_rows_sum_to_zero(estimator: AdvantageEstimator) -> None:
    assert estimator(batch(every_row(5))).sum(-1).abs().max() < 1e-12


@pytest.mark.parametrize("estimator", [MaxRL(), TailRL(), RSGRPO(), RSGRPO(1e-6)], ids=repr)
@pytest.mark.parametrize("reward", [0.0, 0.1, 1 / 3, 1.0])
def test_equal_rewards_teach_exactly_nothing(estimator: AdvantageEstimator, reward: float) -> None:
    rewards = torch.full((1, 49), reward, dtype=torch.double)
    assert estimator(batch(rewards)).eq(0).all()
    assert not estimator.informative(batch(rewards)).any()


def test_centred_rounds_to_zero_only_what_is_equal() -> None:
    values = torch.tensor([[0.1, 0.1, 0.1], [0.1, 0.1, 0.1 + 1e-15]], dtype=torch.double)
    assert centred(values).ne(0).any(-1).tolist() == [False, True]


@pytest.mark.parametrize("estimator", [MaxRL(), TailRL(), RSGRPO(), FGRPO()], ids=repr)
def test_many_rollouts(estimator: AdvantageEstimator) -> None:
    rewards = torch.zeros(1, 10_000)
    rewards[0, 17] = 1
    advantages = estimator(batch(rewards))
    assert advantages.isfinite().all()
    assert advantages[0].argmax() == 17


@pytest.mark.parametrize("beta", [0.0, -1.0, float("inf"), float("nan")])
def test_beta_is_above_zero(beta: float) -> None:
    with pytest.raises(ValueError, match=f"beta={beta} must be a finite number above 0"):
        RSGRPO(beta)


@pytest.mark.parametrize("gamma", [-0.5, float("inf"), float("nan")])
def test_gamma_is_not_below_zero(gamma: float) -> None:
    with pytest.raises(ValueError, match=f"gamma={gamma} must be a finite number of at least 0"):
        FGRPO(gamma=gamma)


def test_f_grpo_takes_no_graded_rewards_and_asks_the_other_for_bounds() -> None:
    with pytest.raises(ValueError, match=r"FGRPO takes binary rewards: a reward of 0\.5"):
        FGRPO()(batch([[1.0, 0.5]]))
    with pytest.raises(ValueError, match="k=8 must lie between 1 and the 4 rollouts"):
        FGRPO(PassK(8)).check(4)
