"""Estimates how much the run will write to the disk, before it begins."""

from __future__ import annotations

import logging
import shutil

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from app.module import RLVRModule
from app.storage.disk import Disk, estimate
from app.storage.run_folder import run_folder
from callbacks.lookup import callback_of
from callbacks.roles import Schedule

log = logging.getLogger(__name__)


class DiskEstimate(Callback):
    """Logs the estimate of `app/storage/disk.py`; warns if the disk of the run folder has less space."""

    def __init__(self) -> None:
        self.disk: Disk | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        folder, module = run_folder(trainer), RLVRModule.of(pl_module)
        if trainer.fast_dev_run or not trainer.is_global_zero:  # type: ignore[attr-defined]
            return
        self.disk = estimate(module, trainer.optimizers[0], *_kept(trainer))
        free = shutil.disk_usage(folder).free
        log.info("%s; %.3g GB are free", self.disk, free / 1e9)
        if self.disk.most > free:
            log.warning(
                "this is more than the %.3g GB that are free in %s: set schedule.save_stages=false, or keep fewer "
                "checkpoints (save_top_k)",
                free / 1e9,
                folder,
            )


def _kept(trainer: Trainer) -> tuple[int, int]:
    """How many checkpoints and exports a run keeps; a ModelCheckpoint that keeps all counts as one."""
    checkpoints, exports = 1, 0
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint):
            number = abs(callback.save_top_k)
            checkpoints, exports = checkpoints + number, exports + number * getattr(callback, "exports", False)
    schedule = callback_of(trainer, Schedule)
    if schedule is not None and schedule.save_stages:
        checkpoints, exports = checkpoints + len(schedule.settings), exports + len(schedule.settings)
    return checkpoints, exports
