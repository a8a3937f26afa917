"""GRPO's advantage."""

from __future__ import annotations

from math import sqrt

import pytest
import torch

from app.advantages import PassOne
from app.types import Rollouts
from tests.conftest import EchoProblem

TABLE = [
    ([1, 0, 0, 0], [sqrt(3), -sqrt(1 / 3), -sqrt(1 / 3), -sqrt(1 / 3)]),
    ([1, 1, 0, 0], [1, 1, -1, -1]),
    ([0, 0, 0, 0], [0, 0, 0, 0]),
    ([1, 1, 1, 1], [0, 0, 0, 0]),
    ([1, 0.5, 0, 0.5], [sqrt(2), 0, -sqrt(2), 0]),
]


@pytest.mark.parametrize(("rewards", "expected"), TABLE)
def test_deviation_from_the_mean_in_population_deviations(rewards: list[float], expected: list[float]) -> None:
    batch = Rollouts([EchoProblem("x")], rewards=torch.tensor([rewards], dtype=torch.float))
    assert PassOne()(batch)[0].tolist() == pytest.approx(expected, abs=1e-12)


def test_one_rollout_is_refused() -> None:
    with pytest.raises(ValueError, match="N=1 must be at least 2"):
        PassOne().check(1)
