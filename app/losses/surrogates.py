"""Losses with other uses of the importance ratio: GSPO, CISPO, SAPO; and Reinforce, without a ratio."""

from __future__ import annotations

import torch
from torch import Tensor

from app.losses.base import PolicyLoss, ratio_of
from app.losses.clipped import beyond, check_clip
from app.losses.reductions import Reduction, SequenceMean
from app.losses.tokens import TokenFilter
from app.types import Experience


class Reinforce(PolicyLoss):
    """-A log pi: the policy gradient without an importance ratio.

    Exact on-policy. Off-policy only with advantages that include the ratio, such as those of
    `app.advantages.MaxKOffPolicy`.
    """

    weighs_by_ratio = False

    def per_token(self, log_ratio: Tensor, logprobs: Tensor, rows: Experience) -> Tensor:
        return -rows.advantages * logprobs


def sequence_log_ratio(log_ratio: Tensor, mask: Tensor) -> Tensor:
    """The mean over a response's tokens: the logarithm of its length-normalised ratio.  [B, T] -> [B, 1]"""
    return (log_ratio * mask).sum(-1, keepdim=True) / mask.sum(-1, keepdim=True).clamp(min=1)


class GSPO(PolicyLoss):
    """One clipped ratio per response, the geometric mean of its tokens' ratios (2507.18071, Eqs. 5-7).

    Assumes that the reward is one of the whole response.

    Args:
        clip_low: how far the response's ratio, which varies far less than a token's, may fall below 1, in [0, 1].
        clip_high: how far it may rise above 1, at least 0.
        reduction: the weights of tokens; defaults to SequenceMean, as in its paper.
        tokens: which tokens are trained.
    """

    def __init__(
        self,
        clip_low: float = 3e-4,
        clip_high: float = 4e-4,
        reduction: Reduction | None = None,
        tokens: TokenFilter | None = None,
    ) -> None:
        super().__init__(reduction or SequenceMean(), tokens)
        check_clip(clip_low, clip_high)
        self.clip_low, self.clip_high = clip_low, clip_high

    def per_token(self, log_ratio: Tensor, logprobs: Tensor, rows: Experience) -> Tensor:
        ratio = ratio_of(sequence_log_ratio(log_ratio, rows.mask))  # [B, 1]
        clipped = ratio.clamp(1 - self.clip_low, 1 + self.clip_high)
        return -torch.minimum(ratio * rows.advantages, clipped * rows.advantages)

    def clip_mask(self, log_ratio: Tensor, rows: Experience) -> Tensor:
        ratio = sequence_log_ratio(log_ratio, rows.mask).exp().expand_as(log_ratio)
        return beyond(ratio, rows.advantages, self.clip_low, self.clip_high)


class CISPO(PolicyLoss):
    """-sg(clip(r)) A log pi: clipped weights, and a gradient on every token (2506.13585, Eqs. 4-5).

    Args:
        clip_low: the weight is at least 1 - clip_low; the paper has no lower bound, which is clip_low = 1.
        clip_high: the weight is at most 1 + clip_high.
        reduction: the weights of tokens; defaults to TokenMean.
        tokens: which tokens are trained.
    """

    def __init__(
        self,
        clip_low: float = 1.0,
        clip_high: float = 5.0,
        reduction: Reduction | None = None,
        tokens: TokenFilter | None = None,
    ) -> None:
        super().__init__(reduction, tokens)
        check_clip(clip_low, clip_high)
        self.clip_low, self.clip_high = clip_low, clip_high

    def per_token(self, log_ratio: Tensor, logprobs: Tensor, rows: Experience) -> Tensor:
        weight = ratio_of(log_ratio.detach()).clamp(1 - self.clip_low, 1 + self.clip_high)
        return -weight * rows.advantages * logprobs


class SAPO(PolicyLoss):
    """A smooth function instead of the clip: sigmoid(tau (r - 1)) 4 / tau, slope 1 at r = 1 (2511.20347).

    Args:
        tau_positive: how fast the slope decreases away from r = 1 for positive advantages, above 0.
        tau_negative: the same for negative ones; larger, because lowering a token's probability raises those of all
            others.
        reduction: the weights of tokens; defaults to SequenceMean, as in its paper.
        tokens: which tokens are trained.
    """

    def __init__(
        self,
        tau_positive: float = 1.0,
        tau_negative: float = 1.05,
        reduction: Reduction | None = None,
        tokens: TokenFilter | None = None,
    ) -> None:
        super().__init__(reduction or SequenceMean(), tokens)
        for name, tau in {"tau_positive": tau_positive, "tau_negative": tau_negative}.items():
            if not tau > 0:
                raise ValueError(f"{name}={tau} must be above 0")
        self.tau_positive, self.tau_negative = tau_positive, tau_negative

    def per_token(self, log_ratio: Tensor, logprobs: Tensor, rows: Experience) -> Tensor:
        fast = log_ratio.new_full((), self.tau_negative)
        tau = torch.where(rows.advantages > 0, self.tau_positive, fast)  # [B, T]
        gate = torch.sigmoid(tau * (ratio_of(log_ratio) - 1)) * 4 / tau
        return -gate * rows.advantages
