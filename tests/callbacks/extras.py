"""What tests name in YAML: an objective that always teaches, and a callback that takes notes."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback
from torch import Tensor

from app.advantages import AdvantageEstimator
from app.types import RolloutBatch


class ByLength(AdvantageEstimator):
    """Longer answers than their problem's mean are better, whatever they say."""

    def estimate(self, rollouts: RolloutBatch) -> Tensor:
        lengths = rollouts.lengths.float()
        return lengths - lengths.mean(-1, keepdim=True)


class Witness(Callback):
    """Notes, of every iteration, what it ran with."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: RolloutBatch, batch_idx: int) -> None:
        self.updates_in_state = int(max([state["step"] for state in trainer.optimizers[0].state.values()], default=0))

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: RolloutBatch, batch_idx: int
    ) -> None:
        kinds = {type(callback).__name__: callback for callback in trainer.callbacks}
        rollout = kinds["RolloutCallback"]
        self.seen.append(
            {
                "stage": kinds["StageSchedule"].stage.name,
                "advantage": type(pl_module.advantage).__name__,
                "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
                "problems": len(batch),
                "rollouts": batch.rewards.shape[1],
                "engine": type(rollout.stage_engine).__name__,
                "longest": int(batch.lengths.max()),
                "temperature": batch.temperature,
                "minibatch_size": pl_module.minibatch_size,
                "count_skipped_tokens": pl_module.count_skipped_tokens,
                "updates": pl_module.updates,
                "updates_in_state": self.updates_in_state,
                "weights": float(torch.stack([value.detach().sum() for value in pl_module.parameters()]).sum()),
            }
        )


class Silence(Callback):
    """Disables the progress bar, as Lightning does on all processes but the first."""

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        trainer.progress_bar_callback.disable()
