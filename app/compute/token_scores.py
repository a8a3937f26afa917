"""Log-probabilities and entropies of tokens from their logits, without a copy of the distributions.

Kept for the backward pass are the logits, in the type in which the LM head made them. The distributions are made again,
few rows at a time, on a CPU so few that they stay in its cache.
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
        ctx.save_for_backward(logits, targets)
        ctx.options = temperature, with_entropy
        logprobs = logits.new_empty(len(logits), dtype=torch.promote_types(logits.dtype, torch.float32))
        entropies = torch.zeros_like(logprobs)
        for rows in _row_chunks(logits):
            logprobs[rows], entropies[rows] = _scores(logits[rows], targets[rows], *ctx.options)
        return logprobs, entropies

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        logits, targets = ctx.saved_tensors
        of_logits = torch.empty_like(logits)
        for rows in _row_chunks(logits):
            with torch.enable_grad():
                given = logits[rows].detach().requires_grad_()
                scores = _scores(given, targets[rows], *ctx.options)
            used = 2 if ctx.options[1] else 1  # without entropies, the log-probabilities alone
            (of_logits[rows],) = torch.autograd.grad(scores[:used], given, [grad[rows] for grad in grads[:used]])
        return of_logits, None, None, None


def _scores(logits: Tensor, targets: Tensor, temperature: float, with_entropy: bool) -> tuple[Tensor, Tensor]:
    """See `token_scores`."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    logs = (logits if temperature == 1 else logits / temperature).log_softmax(-1)  # [R, V]
    logprobs = logs.gather(-1, targets[:, None])[:, 0]
    return logprobs, -(logs.exp() * logs).sum(-1) if with_entropy else torch.zeros_like(logprobs)


def _row_chunks(logits: Tensor) -> Iterator[slice]:
    """Rows to be worked on at a time."""
    size = max(1, (IN_CACHE if logits.device.type == "cpu" else ON_DEVICE) // logits.shape[-1])
    return (slice(first, first + size) for first in range(0, len(logits), size))
