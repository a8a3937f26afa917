"""Scales the loss in half precision, so that small gradients do not become 0 (16-mixed, arXiv 1710.03740)."""

from __future__ import annotations

import logging
import math
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

log = logging.getLogger(__name__)


class LossScale:
    """The scale of the loss and so of each gradient: torch's GradScaler in 16-mixed, else 1.

    Gradients stay scaled until the optimizer's step, in which Lightning's plugin unscales them.

    Args:
        trainer: its precision plugin has the GradScaler.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.scaler: torch.amp.GradScaler | None = getattr(trainer.precision_plugin, "scaler", None)

    def of(self, parameter: Tensor) -> float:
        """The scale of this parameter's gradient."""
        if self.scaler is None:
            return 1.0
        self.scaler.scale(parameter.detach().new_zeros(()))  # initialises it in a process without rows
        return self.scaler.get_scale()

    def overflows(self, loss: float) -> bool:
        """Whether a gradient is not finite only because of its scale."""
        return self.scaler is not None and math.isfinite(loss) and self.scaler.get_scale() > 1

    def lower(self, optimizer: Any, iteration: int) -> None:
        """Discard an update whose gradient has overflowed, and halve the scale."""
        assert self.scaler is not None
        self.scaler.unscale_(optimizer)  # records the overflow
        self.scaler.update()
        optimizer.zero_grad()
        text = "iteration %d: a gradient overflows in half precision: update skipped, loss scale lowered to %g"
        rank_zero_only(log.info)(text, iteration, self.scaler.get_scale())
