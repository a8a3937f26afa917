"""Penalties over a small distribution, all of whose tokens are enumerated."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from app.losses import K1, K2, K3, KLPenalty


def expected(penalty: KLPenalty, logits: Tensor, reference: Tensor) -> tuple[float, Tensor]:
    """Over tokens that the policy samples: the value's mean and the gradient's.  -> [], [V]"""
    logprobs, probabilities = logits.log_softmax(-1), logits.softmax(-1).detach()
    values = penalty.per_token(logprobs, reference.log_softmax(-1))
    mean = (probabilities * values).sum()
    return mean.item(), torch.autograd.grad(mean, logits)[0]


def divergence(from_logits: Tensor, to: Tensor) -> Tensor:
    """KL(from || to)"""
    logs, others = from_logits.log_softmax(-1), to.log_softmax(-1)
    return (logs.exp() * (logs - others)).sum()


def distributions(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits, reference = 2 * torch.randn(2, 5, generator=generator, dtype=torch.double)
    return logits.clone().requires_grad_(), reference


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("penalty", [K1(), K3()], ids=["k1", "k3"])
def test_values_are_the_divergence(penalty: KLPenalty, seed: int) -> None:
    logits, reference = distributions(seed)
    assert expected(penalty, logits, reference)[0] == pytest.approx(divergence(logits, reference).item(), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_k2_is_half_the_mean_square(seed: int) -> None:
    logits, reference = distributions(seed)
    gaps = (logits.log_softmax(-1) - reference.log_softmax(-1)).tolist()
    naive = sum(p * gap**2 / 2 for p, gap in zip(logits.softmax(-1).tolist(), gaps, strict=True))
    assert expected(K2(), logits, reference)[0] == pytest.approx(naive, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("penalty", [K1(), K2()], ids=["k1", "k2"])
def test_gradients_of_k1_and_k2_are_those_of_the_divergence(penalty: KLPenalty, seed: int) -> None:
    logits, reference = distributions(seed)
    (gradient,) = torch.autograd.grad(divergence(logits, reference), logits)
    assert gradient.abs().max() > 1e-2
    torch.testing.assert_close(expected(penalty, logits, reference)[1], gradient, rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_of_k3_is_that_of_the_other_divergence(seed: int) -> None:
    logits, reference = distributions(seed)
    (gradient,) = torch.autograd.grad(divergence(reference, logits), logits)
    assert gradient.abs().max() > 1e-2
    torch.testing.assert_close(expected(K3(), logits, reference)[1], gradient, rtol=0, atol=1e-12)


@pytest.mark.parametrize("penalty", [K1(), K2(), K3()], ids=["k1", "k2", "k3"])
def test_at_the_reference_there_is_nothing(penalty: KLPenalty) -> None:
    logprobs = torch.tensor([[-1.0, -2.0]], requires_grad=True)
    values = penalty.per_token(logprobs, logprobs.detach())
    assert values.tolist() == [[0.0, 0.0]]
    assert torch.autograd.grad(values.sum(), logprobs)[0].tolist() == [[0.0, 0.0]]


def test_k3_stays_finite_and_is_never_negative() -> None:
    logprobs = torch.tensor([[-1000.0, -1e-4, 0.0]], requires_grad=True)
    values = K3().per_token(logprobs, torch.tensor([[0.0, -1e-4 - 1e-5, -1000.0]]))
    values.sum().backward()
    assert logprobs.grad is not None
    assert values.isfinite().all()
    assert logprobs.grad.isfinite().all()
    assert (values >= 0).all()


@pytest.mark.parametrize("coefficient", [-0.1, float("nan")])
@pytest.mark.parametrize("penalty", [K1, K2, K3])
def test_a_bad_coefficient_raises(penalty: type[KLPenalty], coefficient: float) -> None:
    with pytest.raises(ValueError, match=f"coefficient={coefficient} must be at least 0"):
        penalty(coefficient)
