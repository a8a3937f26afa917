"""Reductions of a loss over an update's tokens: the weights of a sum, and its divisor.

Sums and counts are over all rows of the optimizer step, on all processes, so that their division into
micro-batches does not change the gradient.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from app.types import Experience


class Reduction(ABC):
    """Base class: the loss is sum(weights x loss per token) / count"""

    @abstractmethod
    def weights(self, mask: Tensor) -> Tensor:
        """The weights of tokens.  [B, T] bool -> [B, T]"""

    @abstractmethod
    def count(self, rows: Experience) -> int:
        """The contribution of these rows to the divisor."""


class TokenMean(Reduction):
    """Gives all tokens the same weight (DAPO, 2503.14476; used by the paper, Appendix A.2)."""

    def weights(self, mask: Tensor) -> Tensor:
        return mask.float()

    def count(self, rows: Experience) -> int:
        return rows.num_tokens


class SequenceMean(Reduction):
    """Gives all responses the same weight (GRPO, 2402.03300), so tokens of longer ones have less."""

    def weights(self, mask: Tensor) -> Tensor:
        return mask.double() / mask.sum(-1, keepdim=True).clamp(min=1)

    def count(self, rows: Experience) -> int:
        return len(rows)


class ConstantLength(Reduction):
    """Sum over tokens divided by a constant, mean over responses, without lengths (Dr. GRPO, 2503.20783).

    Args:
        length: the constant in tokens, at least 1; usually `max_new_tokens`.
    """

    def __init__(self, length: int) -> None:
        if length < 1:
            raise ValueError(f"length={length} must be at least 1")
        self.length = length

    def weights(self, mask: Tensor) -> Tensor:
        return mask.double() / self.length

    def count(self, rows: Experience) -> int:
        return len(rows)
