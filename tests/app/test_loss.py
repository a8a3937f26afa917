"""The clipped loss against a loop over tokens."""

from __future__ import annotations

from math import exp

import pytest
import torch
from torch import Tensor

from app.advantages import Imitate
from app.loss import clipped_share, clipped_token_loss
from app.types import RolloutBatch
from tests.conftest import EchoProblem

LOW, HIGH = 0.2, 0.28


def rows(seed: int = 0, num_rows: int = 6, width: int = 7) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Log-probabilities, old ones up to 0.5 away, advantages (one of them 0), a ragged mask."""
    generator = torch.Generator().manual_seed(seed)
    logprobs = -3 * torch.rand(num_rows, width, generator=generator, dtype=torch.double)
    old = logprobs + torch.rand(num_rows, width, generator=generator, dtype=torch.double) - 0.5
    advantages = torch.randn(num_rows, generator=generator, dtype=torch.double)
    advantages[0] = 0
    mask = torch.arange(width) < torch.tensor([width, 1, 3, width, 5, 2])[:num_rows, None]
    return logprobs, old, advantages, mask


@pytest.mark.parametrize("seed", range(5))
def test_loss_is_a_loop_over_tokens(seed: int) -> None:
    logprobs, old, advantages, mask = rows(seed)
    loss, held = 0.0, 0
    for b, advantage in enumerate(advantages.tolist()):
        for t in range(logprobs.shape[1]):
            if not mask[b, t]:
                continue
            ratio = exp(logprobs[b, t].item() - old[b, t].item())
            clipped = min(max(ratio, 1 - LOW), 1 + HIGH)
            loss -= min(ratio * advantage, clipped * advantage)
            held += (advantage > 0 and ratio > 1 + HIGH) or (advantage < 0 and ratio < 1 - LOW)
    assert clipped_token_loss(logprobs, old, advantages, mask, LOW, HIGH).item() == pytest.approx(loss, abs=1e-8)
    informative = advantages != 0
    share = clipped_share(
        logprobs[informative], old[informative], advantages[informative], mask[informative], LOW, HIGH
    )
    assert share.item() == held > 0


def test_on_policy_gradient_is_the_advantage() -> None:
    logprobs, _, advantages, mask = rows()
    logprobs.requires_grad_()
    clipped_token_loss(logprobs, logprobs.detach(), advantages, mask, LOW, HIGH).backward()
    assert torch.equal(logprobs.grad, -(advantages[:, None] * mask))


@pytest.mark.parametrize(
    ("advantage", "ratio", "moves"),
    [
        (+1.0, 1.27, True),  # below 1 + high
        (+1.0, 1.29, False),  # far enough up
        (+1.0, 0.50, True),  # an answer worth more than it is given is never held back
        (-1.0, 0.81, True),
        (-1.0, 0.79, False),  # far enough down
        (-1.0, 2.00, True),
    ],
)
def test_clip_higher(advantage: float, ratio: float, moves: bool) -> None:
    old = torch.tensor([[-1.0]], dtype=torch.double)
    logprobs = (old + torch.tensor(ratio).double().log()).requires_grad_()
    advantages, mask = torch.tensor([advantage], dtype=torch.double), torch.ones(1, 1, dtype=torch.bool)
    clipped_token_loss(logprobs, old, advantages, mask, LOW, HIGH).backward()
    assert logprobs.grad.item() == pytest.approx(-advantage * ratio if moves else 0.0)
    assert clipped_share(logprobs, old, advantages, mask, LOW, HIGH).item() == (not moves)


def test_padding_adds_nothing() -> None:
    logprobs, old, advantages, mask = rows()
    other = torch.where(mask, logprobs, 5.0), torch.where(mask, old, -5.0)
    loss = clipped_token_loss(logprobs, old, advantages, mask, LOW, HIGH)
    assert torch.equal(clipped_token_loss(*other, advantages, mask, LOW, HIGH), loss)


def test_imitation_has_the_gradient_of_cross_entropy() -> None:
    """Advantage 1 with the ratio at 1: bit for bit."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 11, generator=generator, dtype=torch.double, requires_grad=True)
    tokens = torch.randint(11, (2, 5), generator=generator)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], dtype=torch.bool)
    batch = RolloutBatch([EchoProblem("x"), EchoProblem("y")], rewards=torch.zeros(2, 1))

    logprobs = logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
    advantages = Imitate()(batch).flatten()
    (ours,) = torch.autograd.grad(clipped_token_loss(logprobs, logprobs.detach(), advantages, mask, LOW, HIGH), logits)
    (theirs,) = torch.autograd.grad(
        torch.nn.functional.cross_entropy(logits[mask], tokens[mask], reduction="sum"), logits
    )
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-15)


def test_a_token_that_became_far_more_probable_keeps_gradients_finite() -> None:
    logprobs = torch.tensor([[-0.1, -0.1]], requires_grad=True)
    old = torch.tensor([[-120.0, -0.1]])
    clipped_token_loss(logprobs, old, torch.ones(1), torch.ones(1, 2, dtype=torch.bool), LOW, HIGH).backward()
    assert logprobs.grad.tolist() == [[0.0, -1.0]]
