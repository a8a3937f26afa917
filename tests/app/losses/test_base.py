"""What a loss of somebody else's may get wrong."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from app.losses import PolicyLoss
from app.types import Experience
from tests.app.updates import sampled
from tests.conftest import build_tiny_policy


class Reduced(PolicyLoss):
    """A loss that was reduced already, to a number or to one a row."""

    def __init__(self, over: tuple[int, ...]) -> None:
        super().__init__()
        self.over = over

    def per_token(self, log_ratio: Tensor, logprobs: Tensor, rows: Experience) -> Tensor:
        return -(log_ratio.exp() * rows.advantages).mean(self.over)


@pytest.mark.parametrize("over", [(0, 1), (0,), (1,)])
def test_a_loss_that_would_broadcast_is_refused(over: tuple[int, ...]) -> None:
    batch = sampled(build_tiny_policy())
    rows = batch.experience(torch.ones_like(batch.rewards))
    assert rows.sampler_logprobs is not None
    with pytest.raises(ValueError, match=r"Reduced.per_token gave a loss of shape .*it must be \[B, T\] = "):
        Reduced(over)(torch.zeros_like(rows.sampler_logprobs), rows.sampler_logprobs, rows)
