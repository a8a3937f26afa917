"""Supervised learning as advantages."""

from __future__ import annotations

import pytest
import torch

from app.advantages import Imitate, RejectionSampling
from app.types import Rollouts
from tests.conftest import EchoProblem


def batch() -> Rollouts:
    return Rollouts([EchoProblem("x"), EchoProblem("y")], rewards=torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.0, 1.0]]))


def test_imitate_counts_every_row() -> None:
    assert Imitate()(batch()).tolist() == [[1, 1, 1], [1, 1, 1]]


def test_rejection_sampling_counts_what_passes() -> None:
    assert RejectionSampling()(batch()).tolist() == [[1, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize("estimator", [Imitate(), RejectionSampling()])
def test_one_answer_is_enough_and_none_is_not(estimator: Imitate) -> None:
    estimator.check(1)
    with pytest.raises(ValueError, match="N=0 must be at least 1"):
        estimator.check(0)
