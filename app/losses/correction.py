"""Importance-sampling correction for sampler/trainer mismatch.

Other kernels or another precision in the engine give the same token a different probability. With
rho_t = pi_trainer(token) / pi_engine(token), both before the update and without gradient, a correction
multiplies every token's loss by a weight computed from rho. Without one, off-policy updates take the sampler's
log-probabilities as pi_old in the importance ratio, unless the engine's samples are rescored by the trainer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Correction(ABC):
    """log rho -> weights"""

    @abstractmethod
    def weights(self, log_rho: Tensor, mask: Tensor) -> Tensor:
        """The factor of every token's loss.  [B, T] twice -> [B, T]"""


class TokenTIS(Correction):
    """min(rho_t, cap): truncated importance sampling, token by token (Yao et al., August 2025).

    Args:
        cap: upper bound of a weight.
    """

    def __init__(self, cap: float = 2.0) -> None:
        self.cap = _positive("cap", cap)

    def weights(self, log_rho: Tensor, mask: Tensor) -> Tensor:
        return log_rho.exp().clamp(max=self.cap)


class SequenceTIS(Correction):
    """min(prod rho_t, cap) for all tokens of a response: unbiased but for the cap; high variance in long responses.

    Args:
        cap: upper bound of a weight.
    """

    def __init__(self, cap: float = 2.0) -> None:
        self.cap = _positive("cap", cap)

    def weights(self, log_rho: Tensor, mask: Tensor) -> Tensor:
        return _total(log_rho, mask).exp().clamp(max=self.cap).expand_as(log_rho)


class IcePop(Correction):
    """rho_t where it lies in [low, high], 0 elsewhere: tokens with a large mismatch are masked (2510.18855).

    Args:
        low, high: bounds of rho.
    """

    def __init__(self, low: float = 0.5, high: float = 5.0) -> None:
        self.low, self.high = _interval(low, high)

    def weights(self, log_rho: Tensor, mask: Tensor) -> Tensor:
        rho = log_rho.exp()
        return torch.where((rho >= self.low) & (rho <= self.high), rho, 0.0)


class SequenceMIS(Correction):
    """prod rho_t where it lies in [low, high]; a response outside is left out whole (Liu, Li et al., 2025).

    The product drifts out of any bounds as responses grow long: see GeometricMIS.

    Args:
        low, high: bounds of the product.
    """

    def __init__(self, low: float = 0.0, high: float = 2.0) -> None:
        self.low, self.high = _interval(low, high)

    def weights(self, log_rho: Tensor, mask: Tensor) -> Tensor:
        ratio = _total(log_rho, mask).exp()  # [B, 1]
        return torch.where((ratio >= self.low) & (ratio <= self.high), ratio, 0.0).expand_as(log_rho)


class GeometricMIS(Correction):
    """1 where the geometric mean of rho_t over a response lies in [low, high], else 0 (Liu, Li et al., 2025).

    The mean does not grow with the length. Accepted responses are not reweighted: this rejects, it does not correct.

    Args:
        low, high: bounds of the mean.
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
