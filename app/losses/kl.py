"""KL penalties to a reference policy, added to the loss of every token.

KL(pi || ref) is estimated from the sampled tokens (Schulman's k1, k2, k3). With d = log pi - log ref:
k1 = d, k2 = d^2 / 2, k3 = exp(-d) - 1 + d. The paper trains without (Appendix A.2).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from app.losses.reference import InitialPolicy, Reference


class KLPenalty(ABC):
    """coefficient x KL, per token, on responses that the policy sampled.

    Args:
        coefficient: at least 0.
        reference: the reference policy; defaults to the policy at the start of the stage.
    """

    def __init__(self, coefficient: float = 0.001, reference: Reference | None = None) -> None:
        if not coefficient >= 0:
            raise ValueError(f"coefficient={coefficient} must be at least 0")
        self.coefficient = coefficient
        self.reference = reference or InitialPolicy()

    @abstractmethod
    def per_token(self, logprobs: Tensor, reference: Tensor) -> Tensor:
        """An estimate of KL(pi || ref) for every token.  [B, T] twice -> [B, T]"""


class K1(KLPenalty):
    """The estimate d = log pi - log ref: unbiased, with high variance.

    The gradient of d itself is zero on average, so as a penalty it has no effect. This one has the value of
    d and the gradient of k2, (d) grad log pi, which is that of the KL divergence.
    """

    def per_token(self, logprobs: Tensor, reference: Tensor) -> Tensor:
        gap = logprobs - reference
        return gap.detach() + straight_through(gap.square() / 2)


class K2(KLPenalty):
    """The estimate d^2 / 2, d as in K1: biased; on-policy its gradient is unbiased for the KL divergence."""

    def per_token(self, logprobs: Tensor, reference: Tensor) -> Tensor:
        return (logprobs - reference).square() / 2


class K3(KLPenalty):
    """The estimate exp(-d) - 1 + d, d as in K1: unbiased, at least 0; with the gradient of KL(ref || pi).

    The most common one (GRPO, 2402.03300, Eq. 4).
    """

    def per_token(self, logprobs: Tensor, reference: Tensor) -> Tensor:
        gap = (logprobs - reference).clamp(-20, 20)
        return torch.expm1(-gap) + gap


def straight_through(values: Tensor) -> Tensor:
    """A tensor with value 0 and the gradient of `values`."""
    return values - values.detach()
