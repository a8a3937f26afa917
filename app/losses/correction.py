"""Importance-sampling correction for sampler/trainer mismatch.

With other kernels or another precision, the engine computes a different probability of the same token. With
rho_t = pi_trainer(token) / pi_engine(token), both before the update and without gradient, a correction
multiplies every token's loss by a weight computed from rho. Without one, off-policy updates take the sampler's
log-probabilities as pi_old in the importance ratio, unless the engine's samples are rescored by the trainer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Correction(ABC):
    """Base class: log rho [B, T] -> weights [B, T]."""

    @abstractmethod
    def weights(self, log_rho: Tensor, mask: Tensor) -> Tensor:
        """The factor of every token's loss.  log_rho and mask (bool) [B, T] -> [B, T]"""


class TokenTIS(Correction):
    """min(rho_t, cap): truncated importance sampling per token (Yao et al., August 2025).

    Args:
        cap: upper bound of a weight.
    """

    def __init__(self, cap: float = 2.0) -> None:
        self.cap = _positive("cap", cap)

    def weights(self, log_rho: Tensor, mask: Tensor) -> Tensor:
        return log_rho.exp().clamp(max=self.cap)


class SequenceTIS(Correction):
    """min(prod rho_t, cap) per response: unbiased except for the cap; high variance for long ones.

    Args:
        cap: upper bound of a weight.
    """

    def __init__(self, cap: float = 2.0) -> None:
        self.cap = _positive("cap", cap)

    def weights(self, log_rho: Tensor, mask: Tensor) -> Tensor:
        return _total(log_rho, mask).exp().clamp(max=self.cap).expand_as(log_rho)


class IcePop(Correction):
    """rho_t if it is in [low, high], else 0: tokens with a large mismatch are masked (2510.18855).

    Args:
        low: lower bound of rho.
        high: upper bound of rho.
    """

    def __init__(self, low: float = 0.5, high: float = 5.0) -> None:
        self.low, self.high = _interval(low, high)

    def weights(self, log_rho: Tensor, mask: Tensor) -> Tensor:
        rho = log_rho.exp()
        return torch.where((rho >= self.low) & (rho <= self.high), rho, 0.0)


class SequenceMIS(Correction):
    """prod rho_t if it is in [low, high], else 0 for the whole response (Liu, Li et al., 2025).

    The product grows or shrinks with the length, so long responses are often rejected: see GeometricMIS.

    Args:
        low: lower bound of the product.
        high: upper bound of the product.
    """

    def __init__(self, low: float = 0.0, high: float = 2.0) -> None:
        self.low, self.high = _interval(low, high)

    def weights(self, log_rho: Tensor, mask: Tensor) -> Tensor:
        ratio = _total(log_rho, mask).exp()  # [B, 1]
        return torch.where((ratio >= self.low) & (ratio <= self.high), ratio, 0.0).expand_as(log_rho)


class GeometricMIS(Correction):
    """1 if the geometric mean of rho_t over a response is in [low, high], else 0 (Liu, Li et al., 2025).

    The mean does not grow with the length. Accepted responses are not reweighted, only others are rejected.

    Args:
        low: lower bound of the mean.
        high: upper bound of the mean.
    """

    def __init__(self, low: float = 0.99, high: float = 1.01) -> None:
        self.low, self.high = _interval(low, high)

    def weights(self, log_rho: Tensor, mask: Tensor) -> Tensor:
        mean = (_total(log_rho, mask) / mask.sum(-1, keepdim=True).clamp(min=1)).exp()  # [B, 1]
        return ((mean >= self.low) & (mean <= self.high)).to(log_rho.dtype).expand_as(log_rho)


def _total(log_rho: Tensor, mask: Tensor) -> Tensor:
    return (log_rho * mask).sum(-1, keepdim=True)


def _positive(name: str, value: float) -> float:
    if not value > 0:
        raise ValueError(f"{name}={value} must be above 0")
    return value


def _interval(low: float, high: float) -> tuple[float, float]:
    if not 0 <= low < high:
        raise ValueError(f"low={low} must be at least 0 and below high={high}")
    return low, high
