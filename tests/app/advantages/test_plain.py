"""The reward against the group's mean."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest
import torch

from app.advantages.base import AdvantageEstimator
from app.advantages.plain import RLOO, DrGRPO, leave_one_out
from app.passk import centred
from app.types import Rollouts
from tests.conftest import EchoProblem

BOTH: list[AdvantageEstimator] = [RLOO(), DrGRPO()]


def batch(rewards: torch.Tensor) -> Rollouts:
    return Rollouts([EchoProblem(str(index)) for index in range(len(rewards))], rewards=rewards)


@pytest.mark.parametrize(
    ("rewards", "rloo", "dr_grpo"),
    [
        ([1, 0, 0, 0], [1, -1 / 3, -1 / 3, -1 / 3], [3 / 4, -1 / 4, -1 / 4, -1 / 4]),
        ([1, 0], [1, -1], [1 / 2, -1 / 2]),
        ([1, 0.5, 0, 0.5], [2 / 3, 0, -2 / 3, 0], [1 / 2, 0, -1 / 2, 0]),
    ],
)
def test_by_hand(rewards: list[float], rloo: list[float], dr_grpo: list[float]) -> None:
    of = batch(torch.tensor([rewards], dtype=torch.float))
    assert RLOO()(of)[0].tolist() == pytest.approx(rloo, abs=1e-12)
    assert DrGRPO()(of)[0].tolist() == pytest.approx(dr_grpo, abs=1e-12)


@pytest.mark.parametrize("n", range(2, 9))
def test_against_exact_means(n: int) -> None:
    rewards = torch.randint(0, 65, (20, n), generator=torch.Generator().manual_seed(n)) / 64
    for row, rloo, dr_grpo in zip(rewards.tolist(), leave_one_out(rewards), centred(rewards), strict=True):
        exact = [Fraction(value) for value in row]
        without = [float(value - sum(exact[:i] + exact[i + 1 :]) / (n - 1)) for i, value in enumerate(exact)]
        assert rloo.tolist() == pytest.approx(without, abs=1e-12)
        assert dr_grpo.tolist() == pytest.approx([float(value - sum(exact) / n) for value in exact], abs=1e-12)


@pytest.mark.parametrize("estimator", BOTH, ids=repr)
@pytest.mark.parametrize("dtype", [torch.float, torch.double])
def test_equal_rewards_teach_exactly_nothing(estimator: AdvantageEstimator, dtype: torch.dtype) -> None:
    values = torch.tensor([0.0, 0.1, 0.3, 0.7, 1.0], dtype=dtype)
    for n in (2, 3, 7, 10):
        assert estimator(batch(values[:, None].repeat(1, n))).eq(0).all()


@pytest.mark.parametrize("estimator", BOTH, ids=repr)
def test_rows_sum_to_zero_in_double(estimator: AdvantageEstimator) -> None:
    rewards = torch.rand(30, 7, generator=torch.Generator().manual_seed(0))
    advantages = estimator(batch(rewards))
    assert advantages.dtype == torch.double
    assert advantages.sum(-1).abs().max() < 1e-12


@pytest.mark.parametrize(("estimator", "share"), [(RLOO(), 1.0), (DrGRPO(), 4 / 5)], ids=repr)
@pytest.mark.parametrize("p", [0.05, 0.5, 0.9])
def test_expected_gradient_over_every_outcome(estimator: AdvantageEstimator, share: float, p: float) -> None:
    """Of a policy that passes with chance p, 5 rollouts: RLOO's is d p / dp = 1, Dr. GRPO's 1 - 1 / N of it."""
    outcomes = torch.tensor(list(product([0.0, 1.0], repeat=5)), dtype=torch.double)
    slopes = outcomes / p - (1 - outcomes) / (1 - p)
    chances = (outcomes * p + (1 - outcomes) * (1 - p)).prod(-1)
    gradients = (estimator(batch(outcomes)) * slopes).mean(-1)
    assert (chances * gradients).sum().item() == pytest.approx(share, abs=1e-12)


@pytest.mark.parametrize("estimator", BOTH, ids=repr)
def test_one_rollout_is_refused(estimator: AdvantageEstimator) -> None:
    with pytest.raises(ValueError, match="N=1 must be at least 2"):
        estimator(batch(torch.ones(3, 1)))
