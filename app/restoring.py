"""Lightning's restoring of checkpoints, with what goes wrong said in a line."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.trainer.connectors.checkpoint_connector import _CheckpointConnector

from app.checkpoint import restoring


class Restoring(_CheckpointConnector):
    """Puts a checkpoint's values in place; CheckpointError where one does not fit."""

    def _restore_modules_and_callbacks(self, checkpoint_path: Any = None, weights_only: bool | None = None) -> None:
        with restoring(checkpoint_path):
            super()._restore_modules_and_callbacks(checkpoint_path, weights_only)

    def restore_training_state(self) -> None:
        with restoring(self._ckpt_path):
            super().restore_training_state()
