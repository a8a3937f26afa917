import pytest
import torch

from app.compute import token_scores
from app.compute.token_scores import token_scores as scores


def naive(logits, targets, temperature):
    logs = (logits / temperature).log_softmax(-1)
    return logs.gather(-1, targets[:, None])[:, 0], -(logs.exp() * logs).sum(-1)


@pytest.fixture(params=[2**18, 1], ids=["at once", "row by row"])
def rows_at_a_time(request, monkeypatch):
    monkeypatch.setattr(token_scores, "IN_CACHE", request.param)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_scores_and_gradients_are_those_of_log_softmax(rows_at_a_time, temperature):
    torch.manual_seed(0)
    logits = torch.randn(7, 11, dtype=torch.float64).requires_grad_()
    targets, slopes = torch.randint(11, (7,)), torch.randn(2, 7, dtype=torch.float64)
    for ours, theirs in zip(
        scores(logits, targets, temperature, True), naive(logits, targets, temperature), strict=True
    ):
        torch.testing.assert_close(ours, theirs)
    gradients = []
    for function in (lambda: scores(logits, targets, temperature, True), lambda: naive(logits, targets, temperature)):
        logprobs, entropies = function()
        (gradient,) = torch.autograd.grad((slopes[0] * logprobs + slopes[1] * entropies).sum(), logits)
        gradients.append(gradient)
    torch.testing.assert_close(*gradients)


def test_entropies_are_zero_unless_asked_for():
    logits = torch.randn(3, 5, requires_grad=True)
    logprobs, entropies = scores(logits, torch.tensor([0, 1, 2]), 1.0, False)
    assert entropies.eq(0).all()
    (ours,) = torch.autograd.grad(logprobs.sum() + entropies.sum(), logits)
    (theirs,) = torch.autograd.grad(naive(logits, torch.tensor([0, 1, 2]), 1.0)[0].sum(), logits)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits_are_scored_in_single_precision(dtype):
    torch.manual_seed(0)
    logits, targets = (4 * torch.randn(6, 5000)).to(dtype).requires_grad_(), torch.randint(5000, (6,))
    exact = logits.detach().double().requires_grad_()
    logprobs, entropies = scores(logits, targets, 1.0, True)
    of_exact = naive(exact, targets, 1.0)
    assert logprobs.dtype == entropies.dtype == torch.float32
    torch.testing.assert_close(torch.stack([logprobs, entropies]).double(), torch.stack(of_exact), rtol=1e-5, atol=1e-5)
    (ours,) = torch.autograd.grad(logprobs.sum() - entropies.sum(), logits)
    (theirs,) = torch.autograd.grad(of_exact[0].sum() - of_exact[1].sum(), exact)
    assert ours.dtype == dtype
    torch.testing.assert_close(ours.double(), theirs, rtol=torch.finfo(dtype).eps, atol=1e-6)


def test_the_logits_are_left_as_they_were():
    logits = torch.randn(4, 6)
    before = logits.clone()
    scores(logits, torch.zeros(4, dtype=torch.long), 0.5, True)
    assert logits.equal(before)


def test_no_rows():
    logprobs, entropies = scores(torch.zeros(0, 5), torch.zeros(0, dtype=torch.long), 1.0, True)
    assert len(logprobs) == len(entropies) == 0
