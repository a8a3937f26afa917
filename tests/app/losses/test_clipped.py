"""The clipped loss at its borders; `test_loops.py` compares it with a loop over tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from app.advantages import Imitate
from app.losses import Clipped, PolicyLoss, Reinforce, TokenFilter
from app.losses.clipped import clipped_loss
from app.types import Experience, Rollouts
from tests.app.losses.loops import random_rows
from tests.conftest import EchoProblem


def one_token(advantage: float, ratio: float) -> tuple[Tensor, Tensor, Experience]:
    """-> log ratio and log-probability of one token, with gradient, and its row"""
    mask = torch.ones(1, 1, dtype=torch.bool)
    logprobs = (torch.tensor([[-1.0]], dtype=torch.double) + torch.tensor(ratio).double().log()).requires_grad_()
    rows = Experience([], torch.tensor([0]), mask.long(), mask, torch.full((1, 1), advantage, dtype=torch.double))
    return logprobs + 1.0, logprobs, rows


@pytest.mark.parametrize(
    ("advantage", "ratio", "moves"),
    [
        (+1.0, 1.27, True),  # below 1 + high
        (+1.0, 1.29, False),  # far enough up
        (+1.0, 0.50, True),  # an answer worth more than it is given is never held back
        (-1.0, 0.81, True),
        (-1.0, 0.79, False),  # far enough down
        (-1.0, 5.00, True),
    ],
)
def test_clip_higher(advantage: float, ratio: float, moves: bool) -> None:
    log_ratio, logprobs, rows = one_token(advantage, ratio)
    loss = Clipped()
    (gradient,) = torch.autograd.grad(loss(log_ratio, logprobs, rows).sum(), logprobs)
    assert gradient.item() == pytest.approx(-advantage * ratio if moves else 0.0)
    assert loss.clip_mask(log_ratio.detach(), rows).item() == (not moves)


@pytest.mark.parametrize(
    ("advantage", "ratio", "moves", "value"),
    [(-2.0, 2.9, True, 5.8), (-2.0, 3.1, False, 6.0), (+2.0, 3.1, False, -2.56), (-2.0, 0.5, False, 1.6)],
)
def test_a_dual_clip_bounds_what_a_bad_token_costs(advantage: float, ratio: float, moves: bool, value: float) -> None:
    log_ratio, logprobs, rows = one_token(advantage, ratio)
    loss = Clipped(dual_clip=3.0)
    cost = loss(log_ratio, logprobs, rows).sum()
    assert cost.item() == pytest.approx(value)
    (gradient,) = torch.autograd.grad(cost, logprobs)
    assert gradient.item() == pytest.approx(-advantage * ratio if moves else 0.0)
    assert loss.clip_mask(log_ratio.detach(), rows).item() == (not moves)


@pytest.mark.parametrize("loss", [Clipped(), Clipped(dual_clip=3.0), Clipped(0.0, 0.0)], ids=["usual", "dual", "shut"])
def test_on_policy_gradient_is_the_advantage(loss: Clipped) -> None:
    """Bit for bit, with an interval of a single ratio too."""
    rows, _ = random_rows()
    logprobs = torch.randn(rows.mask.shape, dtype=torch.double, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(logprobs - logprobs.detach(), logprobs, rows).sum(), logprobs)
    assert torch.equal(gradient, -(rows.advantages * rows.mask))


@pytest.mark.parametrize("dual_clip", [None, 3.0])
def test_held_are_the_tokens_without_gradient(dual_clip: float | None) -> None:
    rows, _ = random_rows()
    log_ratio = (3 * torch.rand(rows.mask.shape, dtype=torch.double) - 1.5).requires_grad_()
    loss = Clipped(dual_clip=dual_clip)
    (gradient,) = torch.autograd.grad(loss(log_ratio, log_ratio, rows).sum(), log_ratio)
    held = loss.clip_mask(log_ratio.detach(), rows)
    assert 0 < held.sum() < rows.num_tokens
    assert torch.equal(held & rows.mask, gradient.eq(0) & rows.mask & rows.advantages.ne(0))


@pytest.mark.parametrize("loss", [Clipped(), Reinforce()], ids=["clipped", "reinforce"])
def test_imitation_has_the_gradient_of_cross_entropy(loss: PolicyLoss) -> None:
    """Advantage 1 with the ratio at 1: bit for bit."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 11, generator=generator, dtype=torch.double, requires_grad=True)
    tokens = torch.randint(11, (2, 5), generator=generator)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], dtype=torch.bool)
    batch = Rollouts([EchoProblem("x"), EchoProblem("y")], rewards=torch.zeros(2, 1))

    logprobs = logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
    rows = Experience([], torch.tensor([0, 1]), tokens, mask, Imitate()(batch) * mask)
    (ours,) = torch.autograd.grad(loss(logprobs - logprobs.detach(), logprobs, rows).sum(), logits)
    (theirs,) = torch.autograd.grad(
        torch.nn.functional.cross_entropy(logits[mask], tokens[mask], reduction="sum"), logits
    )
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-15)


def test_a_token_that_became_far_more_probable_keeps_gradients_finite() -> None:
    log_ratio = torch.tensor([[119.9, 0.0]], requires_grad=True)
    clipped_loss(log_ratio, torch.ones(1, 2), 0.2, 0.28).sum().backward()
    assert log_ratio.grad is not None
    assert log_ratio.grad.tolist() == [[0.0, -1.0]]


def test_only_chosen_tokens_are_trained() -> None:
    rows, _ = random_rows()
    chosen = torch.rand(rows.mask.shape) < 0.5
    rows = replace(rows, token_mask=chosen)
    logprobs = torch.zeros(rows.mask.shape, dtype=torch.double)
    trained = Clipped(tokens=AllTokens())(logprobs, logprobs, rows).ne(0)
    assert torch.equal(trained, rows.mask & chosen & rows.advantages.ne(0))


class AllTokens(TokenFilter):
    """A filter that says nothing: what is chosen stands in the rows."""

    def token_mask(self, update: Experience) -> Tensor:
        return update.mask


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clip_low": -0.1}, r"clip_low=-0.1 must lie in \[0, 1\]"),
        ({"clip_low": 1.1}, r"clip_low=1.1 must lie in \[0, 1\]"),
        ({"clip_high": -0.1}, "clip_high=-0.1 must be at least 0"),
        ({"clip_high": float("nan")}, "clip_high=nan must be at least 0"),
        ({"dual_clip": 1.0}, "dual_clip=1.0 must be above 1"),
    ],
)
def test_bad_arguments_raise(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Clipped(**arguments)
