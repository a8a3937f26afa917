"""Log-probabilities and entropies of tokens from their logits, without storing the distributions.

Only the logits are kept for the backward pass, in the LM head's data type. The distributions are recomputed,
a few rows at a time; on a CPU so few that they stay in its cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

IN_CACHE, ON_DEVICE = 2**18, 2**26
"""Logits computed at a time on a CPU and on other devices: 1 MiB and 256 MiB in single precision."""


@dataclass(frozen=True)
class Shaping:
    """How a loss changes the gradients of log-probabilities, depending on the tokens' distributions.

    With the K most probable tokens v_1 .. v_K of a token's distribution, s its smoothing and w its `top_weight` if it
    is v_1, else 1, the gradient of log pi is `w ((1 - s) grad log pi + s / K sum_k grad log pi(v_k))`.

    Attributes:
        candidates: K, at least 1; all tokens of a smaller vocabulary.
        smoothing, top_weight: for each token, `[B, T]` or `[M]`.
    """

    candidates: int
    smoothing: Tensor
    top_weight: Tensor

    def __getitem__(self, tokens: Any) -> Shaping:
        """Only for these tokens."""
        return Shaping(self.candidates, self.smoothing[tokens], self.top_weight[tokens])

    def padded(self, more: int) -> Shaping:
        """With this many further tokens.  [M] -> [M + more]"""
        return Shaping(self.candidates, pad(self.smoothing, (0, more)), pad(self.top_weight, (0, more)))


def token_scores(
    logits: Tensor, targets: Tensor, temperature: float, with_entropy: bool, shaping: Shaping | None = None
) -> tuple[Tensor, Tensor]:
    """Log-probabilities and entropies in nats, in single precision or better; entropies 0 unless `with_entropy`.

    [M, V], [M] -> [M] twice

    Args:
        shaping: for M tokens; changes gradients of log-probabilities, not their values.
    """
    return TokenScores.apply(logits, targets, temperature, with_entropy, shaping)  # type: ignore[return-value]


class TokenScores(torch.autograd.Function):
    """`token_scores` as an autograd function."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, targets: Tensor, temperature: float, with_entropy: bool, shaping: Shaping | None
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(logits, targets)
        ctx.temperature, ctx.with_entropy, ctx.shaping = temperature, with_entropy, shaping
        logprobs = logits.new_empty(len(logits), dtype=torch.promote_types(logits.dtype, torch.float32))
        entropies = torch.zeros_like(logprobs)
        for rows in _row_chunks(logits):
            logprobs[rows], entropies[rows] = _scores(logits[rows], targets[rows], temperature, with_entropy)
        return logprobs, entropies

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        logits, targets = ctx.saved_tensors
        temperature, with_entropy, shaping = ctx.temperature, ctx.with_entropy, ctx.shaping
        of_logits = torch.empty_like(logits)
        for rows in _row_chunks(logits):
            with torch.enable_grad():
                given = logits[rows].detach().requires_grad_()
                scores = _scores(given, targets[rows], temperature, with_entropy, shaping and shaping[rows])
            used = 2 if with_entropy else 1  # without entropies, only the log-probabilities
            (of_logits[rows],) = torch.autograd.grad(scores[:used], given, [grad[rows] for grad in grads[:used]])
        return of_logits, None, None, None, None


def _scores(
    logits: Tensor, targets: Tensor, temperature: float, with_entropy: bool, shaping: Shaping | None = None
) -> tuple[Tensor, Tensor]:
    """See `token_scores`; with a shaping, log-probabilities have its gradients, and other values."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    logs = (logits if temperature == 1 else logits / temperature).log_softmax(-1)  # [R, V]
    logprobs = logs.gather(-1, targets[:, None])[:, 0]
    entropies = -(logs.exp() * logs).sum(-1) if with_entropy else torch.zeros_like(logprobs)
    if shaping is not None:
        best = logs.topk(min(shaping.candidates, logs.shape[-1]), -1)
        weight = torch.where(best.indices[:, 0] == targets, shaping.top_weight, 1.0)
        logprobs = weight * torch.lerp(logprobs, best.values.mean(-1), shaping.smoothing.to(logs.dtype))
    return logprobs, entropies


def _row_chunks(logits: Tensor) -> Iterator[slice]:
    """Slices of rows that are computed at a time."""
    size = max(1, (IN_CACHE if logits.device.type == "cpu" else ON_DEVICE) // logits.shape[-1])
    return (slice(first, first + size) for first in range(0, len(logits), size))
