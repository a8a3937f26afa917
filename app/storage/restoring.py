"""Lightning's restoring of checkpoints, with errors of one line for values that do not fit."""

from __future__ import annotations

import os
from typing import Any

from lightning.pytorch.trainer.connectors.checkpoint_connector import _CheckpointConnector
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torch.optim import Optimizer

from app.storage.checkpoint import CheckpointError, restoring

Forms = list[dict[str, Any]]
"""The optimizer's state for each parameter, by name: the shape of a tensor, the type of any other value."""


class Restoring(_CheckpointConnector):
    """Restores a checkpoint's values; CheckpointError if one does not fit."""

    def _parse_ckpt_path(self, state_fn: TrainerFn, ckpt_path: Any, model_provided: bool, model_connected: bool) -> Any:
        """The checkpoint that was asked for; without one, that of a job which SLURM has requeued.

        Lightning would also begin with an `on_exception.ckpt`, or in a SLURM job an `hpc_ckpt_*.ckpt`, that another
        run has left, and evaluate the latter.
        """
        requeued = state_fn is TrainerFn.FITTING and os.environ.get("SLURM_RESTART_COUNT", "0") != "0"
        if ckpt_path is None and not requeued:
            return None
        return super()._parse_ckpt_path(state_fn, ckpt_path, model_provided, model_connected)

    def _restore_modules_and_callbacks(self, checkpoint_path: Any = None, weights_only: bool | None = None) -> None:
        with restoring(checkpoint_path):
            super()._restore_modules_and_callbacks(checkpoint_path, weights_only)

    def restore_training_state(self) -> None:
        with restoring(self._ckpt_path):
            super().restore_training_state()

    def restore_optimizers(self) -> None:
        """Restore as Lightning does, but only state of the same form as the optimizers', which already have state."""
        before = [forms(optimizer) for optimizer in self.trainer.optimizers]
        if len(self._loaded_checkpoint["optimizer_states"]) != len(before):
            raise CheckpointError("the checkpoint is damaged: it has lost the optimizer's state")
        super().restore_optimizers()
        for optimizer, wanted in zip(self.trainer.optimizers, before, strict=True):
            if forms(optimizer) != wanted:
                raise CheckpointError("the checkpoint is damaged, or of another optimizer: its state does not fit")
            if not all(part.isfinite().all() for part in tensors(optimizer) if part.is_floating_point()):
                raise CheckpointError("the checkpoint is damaged: the optimizer's state is not finite")


def forms(optimizer: Optimizer) -> Forms:
    """The form of an optimizer's state, in the order of its parameters."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    return [
        {name: tuple(part.shape) if isinstance(part, Tensor) else type(part) for name, part in state.items()}
        for state in (optimizer.state.get(parameter, {}) for parameter in parameters)
    ]


def tensors(optimizer: Optimizer) -> list[Tensor]:
    """All tensors of an optimizer's state."""
    return [part for state in optimizer.state.values() for part in state.values() if isinstance(part, Tensor)]
