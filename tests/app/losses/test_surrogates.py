"""What the other surrogates hold back, and what they refuse; `test_loops.py` compares them with loops over tokens."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from app.losses import CISPO, GSPO, SAPO, SequenceMean, TokenMean
from tests.app.losses.loops import random_rows


def test_the_usual_reductions_are_those_of_the_papers() -> None:
    assert type(GSPO().reduction) is type(SAPO().reduction) is SequenceMean
    assert type(CISPO().reduction) is TokenMean


def test_gspo_holds_a_response_back_as_a_whole() -> None:
    rows, _ = random_rows()
    log_ratio = (torch.rand(rows.mask.shape, dtype=torch.double) - 0.5).requires_grad_()
    loss = GSPO(0.05, 0.05)
    (gradient,) = torch.autograd.grad(loss(log_ratio, log_ratio, rows).sum(), log_ratio)
    held = loss.clip_mask(log_ratio.detach(), rows) & rows.mask
    assert 0 < held.sum() < rows.num_tokens
    assert torch.equal(held, gradient.eq(0) & rows.mask & rows.advantages.ne(0))
    assert [len(row[mask].unique()) for row, mask in zip(held, rows.mask, strict=True)] == [1] * len(rows)


def test_cispo_stops_no_token() -> None:
    rows, _ = random_rows()
    log_ratio = (4 * torch.rand(rows.mask.shape, dtype=torch.double) - 2).requires_grad_()
    loss = CISPO(0.5, 0.5)
    (gradient,) = torch.autograd.grad(loss(log_ratio, log_ratio, rows).sum(), log_ratio)
    assert torch.equal(gradient.ne(0), rows.advantages.ne(0))
    assert not loss.clip_mask(log_ratio.detach(), rows).any()


def test_sapos_gate_fades_on_both_sides() -> None:
    rows, _ = random_rows()
    slopes = []
    for shift in (-2.0, 0.0, 2.0):
        log_ratio = torch.full(rows.mask.shape, shift, dtype=torch.double, requires_grad=True)
        (gradient,) = torch.autograd.grad(SAPO()(log_ratio, log_ratio, rows).sum(), log_ratio)
        slopes.append((gradient / (-rows.advantages * torch.tensor(shift).exp()))[rows.advantages != 0])
    below, at, above = slopes
    assert at.min().item() == pytest.approx(1) == at.max().item()
    assert below.max() < 0.9
    assert 0 < above.min() < above.max() < 0.02


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: GSPO(clip_low=-1.0), r"clip_low=-1.0 must lie in \[0, 1\]"),
        (lambda: GSPO(clip_high=-1.0), "clip_high=-1.0 must be at least 0"),
        (lambda: CISPO(clip_low=2.0), r"clip_low=2.0 must lie in \[0, 1\]"),
        (lambda: CISPO(clip_high=-1.0), "clip_high=-1.0 must be at least 0"),
        (lambda: SAPO(tau_positive=0.0), "tau_positive=0.0 must be above 0"),
        (lambda: SAPO(tau_negative=-1.0), "tau_negative=-1.0 must be above 0"),
    ],
)
def test_bad_arguments_raise(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
