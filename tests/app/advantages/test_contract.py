"""What holds for every estimator: a new one is added to the list."""

from __future__ import annotations

from inspect import signature

import pytest
import torch

from app.advantages import (
    AdvantageEstimator,
    Imitate,
    KeepPassing,
    PassK,
    PassKBootstrap,
    PassKFullSampling,
    PassOne,
)
from app.types import RolloutBatch
from tests.conftest import EchoProblem

CENTRED = [PassOne(), PassK(1), PassK(3), PassKBootstrap(3), PassKBootstrap(3, reduce="mean"), PassKFullSampling(3)]
ALL = [*CENTRED, Imitate(), KeepPassing()]


def rollouts(num_problems: int = 9) -> RolloutBatch:
    rewards = torch.stack([(torch.arange(8) < c % 9).float() for c in range(num_problems)])
    return RolloutBatch([EchoProblem(str(index)) for index in range(num_problems)], rewards=rewards)


@pytest.mark.parametrize("estimator", ALL, ids=repr)
def test_one_finite_advantage_for_each_rollout(estimator: AdvantageEstimator) -> None:
    advantages = estimator(rollouts())
    assert advantages.shape == (9, 8)
    assert advantages.isfinite().all()


@pytest.mark.parametrize("estimator", ALL, ids=repr)
def test_rewards_are_left_as_they_are(estimator: AdvantageEstimator) -> None:
    batch = rollouts()
    before = batch.rewards.clone()
    estimator(batch)
    assert torch.equal(batch.rewards, before)


@pytest.mark.parametrize("estimator", CENTRED, ids=repr)
def test_nothing_is_learnt_where_all_rollouts_agree(estimator: AdvantageEstimator) -> None:
    advantages = estimator(rollouts())
    assert advantages[0].eq(0).all()
    assert advantages[8].eq(0).all()


@pytest.mark.parametrize("estimator", ALL, ids=repr)
def test_its_name_says_its_arguments(estimator: AdvantageEstimator) -> None:
    assert repr(estimator).startswith(type(estimator).__name__ + "(")
    arguments = signature(type(estimator)).parameters
    assert all(f"{name}={getattr(estimator, name)}" in repr(estimator) for name in arguments)
