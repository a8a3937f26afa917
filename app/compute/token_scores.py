"""Log-probabilities and entropies of tokens from their logits, without a copy of the distributions.

With z the logits over the temperature, Z = sum exp(z) and p = exp(z - log Z), a token t has

    log-probability   log p_t = z_t - log Z               d log p_t / dz = 1_t - p
    entropy           H = log Z - sum p z                 dH / dz = -p (log p + H)

Kept for the backward pass are the logits, in the type in which the LM head made them, and log Z; the distributions are
made again, few rows at a time, on a CPU so few that they stay in its cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

IN_CACHE, ON_DEVICE = 2**18, 2**26
"""Logits that are worked on at a time on a CPU and elsewhere: a mebibyte and 256 in single precision."""


def token_scores(logits: Tensor, targets: Tensor, temperature: float, with_entropy: bool) -> tuple[Tensor, Tensor]:
    """Log-probabilities and entropies in nats, in single precision at least; entropies 0 unless asked for.

    [M, V], [M] -> [M] twice
    """
    return TokenScores.apply(logits, targets, temperature, with_entropy)  # type: ignore[return-value]


class TokenScores(torch.autograd.Function):
    """`token_scores` with its gradient."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, targets: Tensor, temperature: float, with_entropy: bool
    ) -> tuple[Tensor, Tensor]:
        logprobs = logits.new_empty(len(logits), dtype=torch.promote_types(logits.dtype, torch.float32))
        log_z, entropies = torch.empty_like(logprobs), torch.zeros_like(logprobs)
        for rows in _row_chunks(logits):
            scaled = _scaled(logits[rows], temperature)  # z
            log_z[rows] = scaled.logsumexp(-1)
            logprobs[rows] = scaled.gather(-1, targets[rows, None])[:, 0] - log_z[rows]
            if with_entropy:
                logs = scaled.sub_(log_z[rows, None])
                entropies[rows] = -(logs.exp() * logs).sum(-1)
        ctx.save_for_backward(logits, targets, log_z, entropies)
        ctx.temperature, ctx.with_entropy = temperature, with_entropy
        return logprobs, entropies

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        logits, targets, log_z, entropies = ctx.saved_tensors
        of_logprob, of_entropy = (grad / ctx.temperature for grad in grads)  # [M] twice
        of_logits = torch.empty_like(logits)
        for rows in _row_chunks(logits):
            logs = _scaled(logits[rows], ctx.temperature).sub_(log_z[rows, None])
            slope = -of_logprob[rows, None]
            if ctx.with_entropy:
                slope = slope - of_entropy[rows, None] * (logs + entropies[rows, None])
            grad = logs.exp_().mul_(slope)
            of_logits[rows] = grad.scatter_add_(-1, targets[rows, None], of_logprob[rows, None])
        return of_logits, None, None, None


def _scaled(logits: Tensor, temperature: float) -> Tensor:
    """z, a tensor of its own.  [R, V]"""
    return logits.to(torch.promote_types(logits.dtype, torch.float32), copy=True).div_(temperature)


def _row_chunks(logits: Tensor) -> Iterator[slice]:
    """Rows to be worked on at a time."""
    size = max(1, (IN_CACHE if logits.device.type == "cpu" else ON_DEVICE) // logits.shape[-1])
    return (slice(first, first + size) for first in range(0, len(logits), size))
