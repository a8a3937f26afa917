"""PPO's clipped surrogate with DAPO's clip-higher; the dual clip is optional."""

from __future__ import annotations

import torch
from torch import Tensor

from app.losses.base import PolicyLoss, ratio_of
from app.losses.reductions import Reduction
from app.losses.tokens import TokenFilter
from app.types import Experience


def clipped_loss(
    log_ratio: Tensor, advantages: Tensor, clip_low: float, clip_high: float, dual_clip: float | None = None
) -> Tensor:
    """-min(r A, clip(r, 1 - low, 1 + high) A) per token (Eq. 4 without KL).  [B, T] twice -> [B, T]

    At r = 1 (on-policy) the gradient is that of advantage x logprob. A dual clip c bounds the
    loss if A < 0 and the ratio is large: it is at most c |A| (1912.09729).
    """
    ratio = ratio_of(log_ratio)
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
    surrogate = torch.minimum(ratio * advantages, clipped * advantages)
    if dual_clip is not None:
        surrogate = torch.where(advantages < 0, torch.maximum(surrogate, dual_clip * advantages), surrogate)
    return -surrogate


class Clipped(PolicyLoss):
    """The paper's loss: clip-higher, mean over all tokens (Eq. 4, Appendix A.2; DAPO, 2503.14476).

    Args:
        clip_low: how far a token's ratio may fall below 1 before its gradient is zero, in [0, 1].
        clip_high: how far it may rise above 1, at least 0.
        dual_clip: above 1; if A < 0 the loss is at most dual_clip x |A|. verl's default is 3, the paper has none.
        reduction: the weights of tokens; with SequenceMean it is GRPO's loss, with ConstantLength Dr. GRPO's.
        tokens: which tokens are trained.
    """

    def __init__(
        self,
        clip_low: float = 0.2,
        clip_high: float = 0.28,
        dual_clip: float | None = None,
        reduction: Reduction | None = None,
        tokens: TokenFilter | None = None,
    ) -> None:
        super().__init__(reduction, tokens)
        check_clip(clip_low, clip_high)
        if dual_clip is not None and not dual_clip > 1:
            raise ValueError(f"dual_clip={dual_clip} must be above 1")
        self.clip_low, self.clip_high, self.dual_clip = clip_low, clip_high, dual_clip

    def per_token(self, log_ratio: Tensor, logprobs: Tensor, rows: Experience) -> Tensor:
        return clipped_loss(log_ratio, rows.advantages, self.clip_low, self.clip_high, self.dual_clip)

    def clip_mask(self, log_ratio: Tensor, rows: Experience) -> Tensor:
        too_bad = torch.zeros_like(rows.mask)
        if self.dual_clip is not None:
            too_bad = (rows.advantages < 0) & (log_ratio.exp() > self.dual_clip)
        return beyond(log_ratio.exp(), rows.advantages, self.clip_low, self.clip_high) | too_bad


def beyond(ratio: Tensor, advantages: Tensor, clip_low: float, clip_high: float) -> Tensor:
    """Which tokens have no gradient: the ratio is outside the interval, on the advantage's side.  -> bool"""
    return torch.where(advantages > 0, ratio > 1 + clip_high, ratio < 1 - clip_low) & (advantages != 0)


def check_clip(clip_low: float, clip_high: float) -> None:
    """Raise ValueError for invalid clip bounds."""
    if not 0 <= clip_low <= 1:
        raise ValueError(f"clip_low={clip_low} must lie in [0, 1]")
    if not clip_high >= 0:
        raise ValueError(f"clip_high={clip_high} must be at least 0")
