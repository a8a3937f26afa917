"""Base class of policy losses.

The functions are pure and return a loss for every token, [B, T]; the classes have the settings.
The caller divides by the count of all rows of the optimizer step, so that micro-batches,
skipped rows and the number of processes never change the gradient.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from app.compute.token_scores import Shaping
from app.losses.reductions import Reduction, TokenMean
from app.losses.tokens import TokenFilter
from app.types import Experience


class PolicyLoss(ABC):
    """Log-probabilities and rows -> a loss for every token.

    Args:
        reduction: the weights of tokens; defaults to TokenMean.
        tokens: which tokens are trained; defaults to all.

    Attributes:
        weighs_by_ratio: whether tokens are weighted by their importance ratio; required for earlier policies' rollouts.
    """

    weighs_by_ratio: bool = True

    def __init__(self, reduction: Reduction | None = None, tokens: TokenFilter | None = None) -> None:
        self.reduction = reduction or TokenMean()
        self.tokens = tokens

    def __call__(self, log_ratio: Tensor, logprobs: Tensor, rows: Experience) -> Tensor:
        """`per_token` on the trained tokens, 0 on the others.  -> [B, T]

        Raises:
            ValueError: `per_token` returned another shape, which would broadcast silently.
        """
        loss = self.per_token(log_ratio, logprobs, rows)
        if loss.shape != logprobs.shape:
            raise ValueError(
                f"{type(self).__name__}.per_token gave a loss of shape {tuple(loss.shape)}: "
                f"it must be [B, T] = {tuple(logprobs.shape)}"
            )
        trained = rows.mask if self.tokens is None or rows.token_mask is None else rows.mask & rows.token_mask
        return torch.where(trained, loss, 0.0)

    @abstractmethod
    def per_token(self, log_ratio: Tensor, logprobs: Tensor, rows: Experience) -> Tensor:
        """The loss of every token; values on padding are ignored.

        Args:
            log_ratio: `[B, T]`, log pi_now / pi_old.
            logprobs: `[B, T]`, log pi_now.
            rows: with `advantages` `[B, T]`.
        """

    def clip_mask(self, log_ratio: Tensor, rows: Experience) -> Tensor:
        """Tokens whose gradient is stopped by clipping; logged as `clip_fraction`.  -> [B, T], bool"""
        return torch.zeros_like(rows.mask)

    def shaping(self, rows: Experience) -> Shaping | None:
        """Changes to the gradients of log-probabilities in this loss, `[B, T]`; None: no changes.

        A KL penalty's gradient is not changed; with both, an update takes a second forward and backward pass.
        """
        return None

    def select_tokens(self, update: Experience) -> Tensor | None:
        """Which tokens of an update are trained, or penalised; called before the split into micro-batches."""
        return None if self.tokens is None else self.tokens.token_mask(update)

    def informative(self, update: Experience) -> Experience:
        """The rows on which this loss has a gradient: those with an advantage."""
        return update.informative()


def ratio_of(log_ratio: Tensor) -> Tensor:
    """exp(log_ratio), bounded to be finite, because 0 x inf is no gradient.  [B, T] -> [B, T]"""
    return log_ratio.clamp(max=20).exp()
