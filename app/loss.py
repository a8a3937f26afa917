"""Policy losses: pure functions of log-probabilities and advantages.

Each is a sum over tokens; the caller divides by the number of tokens that share the optimizer
step, so that micro-batches, skipped rows and the number of processes never change the gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor


def clipped_token_loss(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, mask: Tensor, clip_low: float, clip_high: float
) -> Tensor:
    """Summed clip-higher surrogate of every response token (Eq. 4 without its KL term; DAPO).

    logprobs, old_logprobs, mask: [B, T]; advantages: [B] -> []
    With old_logprobs = logprobs (on-policy) the ratio is 1 and the gradient that of advantage x logprob.
    """
    advantage = advantages[:, None]  # [B, 1]
    ratio = (logprobs - old_logprobs).clamp(max=20).exp()  # [B, T], finite: 0 x inf is no gradient
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)  # [B, T]
    surrogate = torch.minimum(ratio * advantage, clipped * advantage)  # [B, T]
    return -(surrogate * mask).sum()


def clipped_share(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, mask: Tensor, low: float, high: float
) -> Tensor:
    """How many tokens the clip holds back.  Shapes as above -> [], a count"""
    ratio = (logprobs - old_logprobs).exp()
    held = torch.where(advantages[:, None] > 0, ratio > 1 + high, ratio < 1 - low)
    return (held & mask).sum()
