"""Every loss, with every reduction, penalty and correction, as the module puts them together, against a loop."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from app.losses import (
    CISPO,
    GSPO,
    K1,
    K2,
    K3,
    SAPO,
    ClipCov,
    Clipped,
    ConstantLength,
    Correction,
    GeometricMIS,
    IcePop,
    KLCov,
    KLPenalty,
    PolicyLoss,
    Reduction,
    Reinforce,
    SequenceMean,
    SequenceMIS,
    SequenceTIS,
    TokenMean,
    TokenTIS,
    TopEntropy,
)  # fmt: skip
from app.module import RLVRModule
from app.types import Experience
from tests.app.losses import loops
from tests.app.losses.loops import CORRECTIONS, LOGPROBS, REDUCTIONS, TokenLoss, looped, random_rows

LOSSES: dict[str, tuple[PolicyLoss, TokenLoss]] = {
    "clipped": (Clipped(), loops.clipped()),
    "dual clip": (Clipped(dual_clip=3.0), loops.clipped(dual=3.0)),
    "reinforce": (Reinforce(), loops.reinforce),
    "gspo": (GSPO(0.1, 0.2, TokenMean()), loops.gspo),
    "cispo": (CISPO(0.5, 0.3), loops.cispo),
    "sapo": (SAPO(reduction=TokenMean()), loops.sapo),
    "kl-cov": (KLCov(share=0.2, coefficient=0.7), loops.kl_cov),
    "top entropy": (Clipped(tokens=TopEntropy(0.3)), loops.filtered(loops.clipped())),
    "clip-cov": (Clipped(tokens=ClipCov(0.2, 0.05, 5.0)), loops.filtered(loops.clipped())),
    "gspo, top entropy": (GSPO(0.1, 0.2, TokenMean(), TopEntropy(0.3)), loops.filtered(loops.gspo)),
    "cispo, clip-cov": (CISPO(0.5, 0.3, tokens=ClipCov(0.2, 0.05, 5.0)), loops.filtered(loops.cispo)),
    "sapo, top entropy": (SAPO(1.0, 1.05, TokenMean(), TopEntropy(0.3)), loops.filtered(loops.sapo)),
    "reinforce, top entropy": (Reinforce(tokens=TopEntropy(0.3)), loops.filtered(loops.reinforce)),
}
PENALTIES: dict[str, tuple[KLPenalty | None, TokenLoss | None]] = {
    "no kl": (None, None),
    "k1": (K1(0.3), loops.k1),
    "k2": (K2(0.3), loops.k2),
    "k3": (K3(0.3), loops.k3),
}
OF_REDUCTIONS: dict[str, Reduction] = {
    "TokenMean": TokenMean(), "SequenceMean": SequenceMean(), "ConstantLength": ConstantLength(9),
}  # fmt: skip
OF_CORRECTIONS: dict[str, Correction] = {
    "TokenTIS": TokenTIS(1.1), "SequenceTIS": SequenceTIS(1.1), "IcePop": IcePop(0.9, 1.2),
    "SequenceMIS": SequenceMIS(0.8, 1.1), "GeometricMIS": GeometricMIS(0.95, 1.05),
}  # fmt: skip


class LogitsPolicy(nn.Module):
    """Scores rows by logits [B, T, V]."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def score(self, rows: Experience, with_entropy: bool = False, shaping: object = None) -> tuple[Tensor, Tensor]:
        everything = self.logits.log_softmax(-1)
        logprobs = everything.gather(-1, rows.tokens[..., None])[..., 0]
        entropies = -(everything.exp() * everything).sum(-1)
        return logprobs * rows.mask, entropies * rows.mask if with_entropy else torch.zeros_like(logprobs)


def of_module(rows: Experience, logits: Tensor, on_policy: bool = False, **arguments: Any) -> Tensor:
    module = RLVRModule(cast(Any, LogitsPolicy(logits)), **arguments)
    return module.loss_of(rows, on_policy)[0]


def assert_equal(mine: Tensor, naive: Tensor, logits: Tensor) -> None:
    """Values and gradients."""
    assert mine.item() == pytest.approx(naive.item(), abs=1e-8)
    (ours,), (theirs,) = torch.autograd.grad(mine, logits), torch.autograd.grad(naive, logits)
    assert theirs.abs().max() > 1e-2
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-8)


@pytest.mark.parametrize("bonus", [0.0, 0.2])
@pytest.mark.parametrize(("kl", "penalty"), PENALTIES.values(), ids=PENALTIES)
@pytest.mark.parametrize(("loss", "loop"), LOSSES.values(), ids=LOSSES)
def test_a_loss_is_a_loop_over_tokens(
    loss: PolicyLoss, loop: TokenLoss, kl: KLPenalty | None, penalty: TokenLoss | None, bonus: float
) -> None:
    rows, logits = random_rows()
    rows = replace(rows, token_mask=loss.select_tokens(rows))
    mine = of_module(rows, logits, loss=loss, kl=kl, entropy_bonus=bonus)
    assert_equal(mine, looped(rows, logits, loop, penalty=penalty, coefficient=0.3, bonus=bonus), logits)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("reduction", OF_REDUCTIONS)
@pytest.mark.parametrize("name", ["clipped", "dual clip", "reinforce", "gspo", "cispo", "sapo", "kl-cov"])
def test_every_reduction_weighs_tokens_as_a_loop_does(name: str, reduction: str, seed: int) -> None:
    (usual, loop), (rows, logits) = LOSSES[name], random_rows(seed)
    loss = copy(usual)
    loss.reduction = OF_REDUCTIONS[reduction]
    rows = replace(rows, token_mask=loss.select_tokens(rows))
    mine = of_module(rows, logits, loss=loss, kl=K3(0.3), entropy_bonus=0.2)
    naive = looped(rows, logits, loop, REDUCTIONS[reduction], loops.k3, 0.3, 0.2)
    assert_equal(mine, naive, logits)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("correction", CORRECTIONS)
@pytest.mark.parametrize("name", ["clipped", "gspo", "kl-cov", "top entropy"])
def test_corrections_multiply_the_policy_loss_alone(name: str, correction: str, seed: int) -> None:
    """Not the penalty, nor the bonus."""
    (loss, loop), (rows, logits) = LOSSES[name], random_rows(seed)
    rows = replace(rows, token_mask=loss.select_tokens(rows))
    mine = of_module(rows, logits, loss=loss, kl=K2(0.3), entropy_bonus=0.2, correction=OF_CORRECTIONS[correction])
    naive = looped(rows, logits, loop, REDUCTIONS["TokenMean"], loops.k2, 0.3, 0.2, CORRECTIONS[correction])
    assert_equal(mine, naive, logits)


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_on_policy_the_correction_is_by_what_the_policy_says_now(correction: str) -> None:
    """rows.old_logprobs stands for a later moment of no concern: the first update takes its own log-probabilities."""
    rows, logits = random_rows()
    now = logits.log_softmax(-1).gather(-1, rows.tokens[..., None])[..., 0].detach()
    mine = of_module(rows, logits, on_policy=True, correction=OF_CORRECTIONS[correction])
    naive = looped(replace(rows, old_logprobs=now), logits, loops.clipped(), correction=CORRECTIONS[correction])
    assert_equal(mine, naive, logits)


@pytest.mark.parametrize("name", LOSSES)
def test_without_old_the_sampled_logprobs_stand_in_the_ratio(name: str) -> None:
    (loss, loop), (rows, logits) = LOSSES[name], random_rows()
    rows = replace(rows, token_mask=loss.select_tokens(rows), old_logprobs=None)
    naive = looped(replace(rows, old_logprobs=rows.sampler_logprobs), logits, loop)
    assert_equal(of_module(rows, logits, loss=loss, correction=TokenTIS()), naive, logits)


@pytest.mark.parametrize("name", LOSSES)
def test_padding_adds_nothing(name: str) -> None:
    loss, (rows, logits) = LOSSES[name][0], random_rows()
    rows = replace(rows, token_mask=loss.select_tokens(rows))
    noise = {field: torch.where(rows.mask, getattr(rows, field), 3.0) for field in LOGPROBS}
    arguments: dict[str, Any] = {"loss": loss, "kl": K3(0.3), "entropy_bonus": 0.2, "correction": SequenceTIS(1.1)}
    assert_equal(of_module(replace(rows, **noise), logits, **arguments), of_module(rows, logits, **arguments), logits)


@pytest.mark.parametrize("name", [name for name in LOSSES if "entropy" not in name and "clip-cov" not in name])
def test_on_policy_every_loss_has_the_gradient_of_advantage_times_logprob(name: str) -> None:
    """GSPO's too where a row's tokens share an advantage: each then has the mean of their gradients."""
    loss, (rows, logits) = LOSSES[name][0], random_rows()
    rows = replace(rows, advantages=rows.advantages[:, :1] * rows.mask)
    mine = of_module(replace(rows, token_mask=loss.select_tokens(rows)), logits, on_policy=True, loss=loss)
    (ours,) = torch.autograd.grad(mine, logits)
    (theirs,) = torch.autograd.grad(looped(rows, logits, loops.reinforce), logits)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", LOSSES)
def test_a_token_that_became_far_more_probable_keeps_gradients_finite(name: str) -> None:
    loss, (rows, logits) = LOSSES[name][0], random_rows()
    assert rows.old_logprobs is not None
    rows = replace(rows, token_mask=loss.select_tokens(rows), old_logprobs=rows.old_logprobs - 1000 * rows.mask)
    mine = of_module(rows, logits, loss=loss)
    assert mine.isfinite()
    assert torch.autograd.grad(mine, logits)[0].isfinite().all()
