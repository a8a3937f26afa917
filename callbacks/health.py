"""Warnings of a run that goes astray: a policy that has left the one that sampled, a policy that no longer doubts."""

from __future__ import annotations

import logging
from math import exp
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from callbacks.rollout import rlvr

log = logging.getLogger(__name__)


class Health(Callback):
    """Warn once of each, with the value and the iteration.

    Args:
        ratio: a warning once a token of an update has on average become this much likelier, or less likely,
            than when it was sampled.
        entropy: a warning once a sampled token's distribution has on average no more than this, in nats.
    """

    def __init__(self, ratio: float = 2.0, entropy: float = 0.01) -> None:
        if not ratio > 1:
            raise ValueError(f"ratio={ratio} must be above 1")
        if not entropy >= 0:
            raise ValueError(f"entropy={entropy} must be at least 0")
        self.ratio, self.entropy = ratio, entropy
        self.warned: set[str] = set()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        module = rlvr(pl_module)
        ratio = exp(min(module.figures.get("train/logprob_gap", 0.0), 700.0))
        if ratio >= self.ratio:
            self._warn(trainer, "the policy has left the one that sampled: tokens are on average %.3g times as likely "
                       "or unlikely as then, at iteration %d", ratio, module.iteration)  # fmt: skip
        entropy = module.figures.get("entropy/mean")
        if entropy is not None and entropy <= self.entropy:
            self._warn(trainer, "the policy no longer doubts: %.3g nats of entropy a token, at iteration %d; "
                       "its answers to a problem will all be the same", entropy, module.iteration)  # fmt: skip

    def _warn(self, trainer: Trainer, text: str, value: float, iteration: int) -> None:
        if text not in self.warned and trainer.is_global_zero:
            self.warned.add(text)
            log.warning(text, value, iteration)
