"""SimKO: the clipped loss, with gradients less concentrated on the most probable token."""

from __future__ import annotations

import torch
from torch import Tensor

from app.compute.token_scores import Shaping
from app.losses.clipped import Clipped
from app.losses.reductions import Reduction
from app.losses.tokens import TokenFilter
from app.types import Experience


class SimKO(Clipped):
    """Clipped, with gradients spread over the K most probable tokens (2510.14807 and its code).

    It concerns the tokens whose entropy, as sampled, is above a quantile of their response's. With A > 0 a
    token's grad log pi is mixed with the mean of that of the K most probable tokens; with A < 0 it is larger if the
    token is the most probable one. Values of losses and ratios are those of `Clipped`.

    The paper writes the mixture for ratios, `(1 - a) r + a / K sum_k sg(r / r_k) r_k`; as each `sg(r / r_k) r_k` has
    the value r and the gradient `r grad log pi(v_k)`, no earlier log-probability of these tokens is needed.

    Args:
        candidates: K, the number of most probable tokens.
        smoothing: a, the share of the K most probable tokens in the gradient, in [0, 1].
        top_weight: factor of the gradient of the most probable token with A < 0, at least 1.
        quantile: the quantile of a response's entropies, in [0, 1); tokens above it are concerned.
        clip_low: see `Clipped`.
        clip_high: see `Clipped`.
        dual_clip: see `Clipped`.
        reduction: the weights of tokens.
        tokens: which tokens are trained.
    """

    def __init__(
        self,
        candidates: int = 3,
        smoothing: float = 0.01,
        top_weight: float = 1.1,
        quantile: float = 0.8,
        clip_low: float = 0.2,
        clip_high: float = 0.28,
        dual_clip: float | None = None,
        reduction: Reduction | None = None,
        tokens: TokenFilter | None = None,
    ) -> None:
        super().__init__(clip_low, clip_high, dual_clip, reduction, tokens)
        if candidates < 1:
            raise ValueError(f"candidates={candidates} must be at least 1")
        if not 0 <= smoothing <= 1:
            raise ValueError(f"smoothing={smoothing} must lie in [0, 1]")
        if not top_weight >= 1:
            raise ValueError(f"top_weight={top_weight} must be at least 1")
        if not 0 <= quantile < 1:
            raise ValueError(f"quantile={quantile} must lie in [0, 1)")
        self.candidates, self.smoothing, self.top_weight, self.quantile = candidates, smoothing, top_weight, quantile

    def shaping(self, rows: Experience) -> Shaping | None:
        """None for demonstrations, which have no entropies."""
        if rows.entropies is None:
            return None
        uncertain = above_quantile(rows.entropies, rows.mask, self.quantile)  # [B, T]
        return Shaping(
            self.candidates,
            smoothing=torch.where(uncertain & (rows.advantages > 0), self.smoothing, 0.0),
            top_weight=torch.where(uncertain & (rows.advantages < 0), self.top_weight, 1.0),
        )


def above_quantile(values: Tensor, mask: Tensor, quantile: float) -> Tensor:
    """Whether a value is above its row's quantile, over masked values.  [B, T] -> [B, T], bool"""
    alone = values.double().masked_fill(~mask, float("nan"))
    return mask & (alone > alone.nanquantile(quantile, dim=-1, keepdim=True))
