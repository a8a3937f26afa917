"""Clip-Cov and KL-Cov: by the covariance of log-probability and advantage (2505.22617).

cov_t = (A_t - mean A) (log pi_t - mean log pi) over the tokens of an update. The log-probabilities are
those at sampling, so that tokens are chosen once per update, independently of micro-batches.
Equal tokens of equal rows are chosen together, so the chosen share may be exceeded by those.
"""

from __future__ import annotations

from hashlib import blake2b

import torch
from torch import Tensor

from app.distributed.processes import gather_over_processes, sum_over_processes
from app.losses.base import PolicyLoss, ratio_of
from app.losses.reductions import Reduction
from app.losses.tokens import TokenFilter, top
from app.types import Experience


def covariances(update: Experience) -> Tensor:
    """The covariance of every token, with means over the update on all processes.  -> [B, T]; 0 on padding"""
    assert update.sampler_logprobs is not None
    mask = update.mask.double()
    advantages, logprobs = update.advantages.double(), update.sampler_logprobs.double()
    sums = torch.stack([(advantages * mask).sum(), (logprobs * mask).sum(), mask.sum()])
    advantage, logprob, tokens = sum_over_processes(sums)
    mean_advantage, mean_logprob = advantage / tokens.clamp(min=1), logprob / tokens.clamp(min=1)
    return (advantages - mean_advantage) * (logprobs - mean_logprob) * mask


class ClipCov(TokenFilter):
    """Excludes random tokens of high covariance of log-probability and advantage (Clip-Cov, 2505.22617).

    Args:
        share: the largest share of the update's tokens that is excluded, in [0, 1].
        low: lower bound of a high covariance.
        high: upper bound, above low; tokens above it count as outliers and are trained.
    """

    def __init__(self, share: float = 2e-4, low: float = 1.0, high: float = 5.0) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"share={share} must lie in [0, 1]")
        if not low < high:
            raise ValueError(f"low={low} must be below high={high}")
        self.share, self.low, self.high = share, low, high

    def token_mask(self, update: Experience) -> Tensor:
        if update.sampler_logprobs is None:
            return update.mask
        values = covariances(update)
        eligible = (values > self.low) & (values < self.high) & update.mask  # [B, T]
        draws = torch.where(eligible, _draws(update), 2.0)  # the smallest draws of eligible tokens are excluded
        everywhere, _ = gather_over_processes(draws[update.mask])
        number = min(round(self.share * len(everywhere)), int((everywhere < 2).sum()))
        if not number:
            return update.mask
        threshold = everywhere.topk(number, largest=False).values[-1]
        return update.mask & (draws > threshold)


def _draws(update: Experience) -> Tensor:
    """A number in [0, 1) for every token, from its row's contents only: no state, independent of the order of rows."""
    draws = torch.empty(update.mask.shape, dtype=torch.double)
    for row, content in zip(draws, _contents(update), strict=True):
        seed = int.from_bytes(blake2b(content.numpy().tobytes(), digest_size=7).digest(), "little")
        row.uniform_(generator=torch.Generator().manual_seed(seed))
    return draws.to(update.mask.device)


def _contents(update: Experience) -> list[Tensor]:
    assert update.sampler_logprobs is not None
    rows = zip(update.sampler_logprobs.double().cpu(), update.mask.cpu(), strict=True)
    return [logprobs[mask].contiguous() for logprobs, mask in rows]


class KLCov(PolicyLoss):
    """A KL penalty to the old policy on the tokens of highest covariance, as in ClipCov (2505.22617).

    The loss is -r A for every token, without a clip, plus coefficient x |log r| for the chosen tokens, also in rows
    with zero advantage. Only positive covariances are chosen: none in an update whose advantages are all 0.

    Args:
        share: the share of the update's tokens that is penalised, in (0, 1].
        coefficient: coefficient of the penalty, at least 0.
        reduction: the weights of tokens; defaults to TokenMean.
    """

    def __init__(self, share: float = 2e-4, coefficient: float = 1.0, reduction: Reduction | None = None) -> None:
        super().__init__(reduction)
        if not 0 < share <= 1:
            raise ValueError(f"share={share} must lie in (0, 1]")
        if not coefficient >= 0:
            raise ValueError(f"coefficient={coefficient} must be at least 0")
        self.share, self.coefficient = share, coefficient

    def select_tokens(self, update: Experience) -> Tensor | None:
        if update.sampler_logprobs is None:
            return None
        values = covariances(update)
        return top(values, update.mask, self.share) & (values > 0)

    def informative(self, update: Experience) -> Experience:
        if update.token_mask is None:
            return update.informative()
        return update.select((update.advantages.ne(0) | update.token_mask).any(-1))

    def per_token(self, log_ratio: Tensor, logprobs: Tensor, rows: Experience) -> Tensor:
        loss = -ratio_of(log_ratio) * rows.advantages
        if rows.token_mask is None:
            return loss
        return loss + torch.where(rows.token_mask, self.coefficient * log_ratio.abs(), 0.0)
