"""What an estimator of somebody else's may get wrong."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from app.advantages import AdvantageEstimator
from app.types import Rollouts
from tests.app.updates import sampled
from tests.conftest import build_tiny_policy


class OfShape(AdvantageEstimator):
    """Ones of any shape."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return torch.ones(self.shape)


@pytest.fixture(scope="module")
def batch() -> Rollouts:
    return sampled(build_tiny_policy())


def test_right_shapes_pass(batch: Rollouts) -> None:
    shape, longest = batch.rewards.shape, int(batch.lengths.max())
    assert OfShape(*shape)(batch).shape == shape
    assert OfShape(*shape, longest)(batch).shape == (*shape, longest)


@pytest.mark.parametrize("change", ["[P]", "[N]", "[P, 1]", "[P, N, T + 1]", "scalar", "[N, P]", "[1, P, N]"])
def test_another_shape_is_refused_by_the_class_and_both_shapes(batch: Rollouts, change: str) -> None:
    p, n = batch.rewards.shape
    longest = int(batch.lengths.max())
    shape = {
        "[P]": (p,),
        "[N]": (n,),
        "[P, 1]": (p, 1),
        "[P, N, T + 1]": (p, n, longest + 1),
        "scalar": (),
        "[N, P]": (n, p),
        "[1, P, N]": (1, p, n),
    }[change]
    with pytest.raises(ValueError, match=r"OfShape.estimate gave advantages of shape") as caught:
        OfShape(*shape)(batch)
    assert str(shape) in str(caught.value) and f"[P, N] = {(p, n)}" in str(caught.value)
