"""The relative weights of an update's tokens: weights of a sum, and a count to divide it by.

Sums and counts are over all rows that share the optimizer step, on all processes, so that no cut of
them changes the gradient.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from app.types import Experience


class Reduction(ABC):
    """sum(weights x loss) / count"""

    @abstractmethod
    def weights(self, mask: Tensor) -> Tensor:
        """[B, T] bool -> [B, T]"""

    @abstractmethod
    def count(self, rows: Experience) -> int:
        """What these rows add to the divisor."""


class TokenMean(Reduction):
    """Every token counts alike, whatever response it is in (DAPO, 2503.14476; the paper's choice, Appendix A.2)."""

    def weights(self, mask: Tensor) -> Tensor:
        return mask.float()

    def count(self, rows: Experience) -> int:
        return rows.num_tokens


class SequenceMean(Reduction):
    """Every response counts alike, whatever its length (GRPO, 2402.03300): a token of a long one counts less."""

    def weights(self, mask: Tensor) -> Tensor:
        return mask.double() / mask.sum(-1, keepdim=True).clamp(min=1)

    def count(self, rows: Experience) -> int:
        return len(rows)


class ConstantLength(Reduction):
    """Sum over tokens divided by a constant, mean over responses (Dr. GRPO, 2503.20783): no length in the gradient.

    Args:
        length: the constant, usually `max_new_tokens`.
    """

    def __init__(self, length: int) -> None:
        if length < 1:
            raise ValueError(f"length={length} must be at least 1")
        self.length = length

    def weights(self, mask: Tensor) -> Tensor:
        return mask.double() / self.length

    def count(self, rows: Experience) -> int:
        return len(rows)
