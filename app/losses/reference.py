"""The reference policy of a KL penalty: an earlier state of the trained policy.

It is a copy of the trained weights, which replaces them while it scores. For an adapter (LoRA) only the
adapter is copied; there is no second model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from app.distributed.weights import trained_weights


class Reference(ABC):
    """Base class: the trained weights of an earlier policy."""

    def __init__(self) -> None:
        self.weights: list[Tensor] = []

    @torch.no_grad()
    def begin(self, policy: nn.Module) -> None:
        """Copy the policy, at the start of a stage."""
        self.weights = [parameter.detach().clone() for parameter in trained_weights(policy).values()]

    @abstractmethod
    def update(self, policy: nn.Module) -> None:
        """Called after each iteration; a moving average is updated."""

    @contextmanager
    def loaded_into(self, policy: nn.Module) -> Iterator[None]:
        """In this context, the policy has the reference's weights."""
        trained = [parameter.data for parameter in trained_weights(policy).values()]
        try:
            for parameter, weight in zip(trained_weights(policy).values(), self.weights, strict=True):
                parameter.data = weight.to(parameter)
            yield
        finally:
            for parameter, data in zip(trained_weights(policy).values(), trained, strict=True):
                parameter.data = data

    def state_dict(self) -> dict[str, list[Tensor]]:
        return {"weights": self.weights}

    def load_state_dict(self, state: dict[str, list[Tensor]]) -> None:
        self.weights = state["weights"]


class InitialPolicy(Reference):
    """The policy at the start of the stage."""

    def update(self, policy: nn.Module) -> None:
        """The reference stays constant."""


class MovingAverage(Reference):
    """The exponential moving average of the policy over the iterations of the stage.

    In single precision at least: in bfloat16 a small step towards the policy would be rounded to zero.

    Args:
        decay: weight of the old average in each iteration, in [0, 1).
    """

    def __init__(self, decay: float = 0.99) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"decay={decay} must lie in [0, 1)")
        self.decay = decay

    def begin(self, policy: nn.Module) -> None:
        super().begin(policy)
        self.weights = [weight.to(torch.promote_types(weight.dtype, torch.float)) for weight in self.weights]

    @torch.no_grad()
    def update(self, policy: nn.Module) -> None:
        for weight, parameter in zip(self.weights, trained_weights(policy).values(), strict=True):
            weight.lerp_(parameter.detach().to(weight), 1 - self.decay)
