"""`push_to_hub`: uploads the policy at the end of the last stage to the Hugging Face hub."""

from __future__ import annotations

import logging

from lightning.pytorch import Callback, LightningModule, Trainer

from app.upload import UploadError, create_repository, upload
from callbacks.lookup import callback_of
from callbacks.roles import Schedule

log = logging.getLogger(__name__)


class PushToHub(Callback):
    """Uploads the transformers folder of the last stage with its model card when the stage has ended.

    The repository is created, or found, before training: an unreachable hub and a token without write access are
    errors at the start. If the upload fails, a warning gives the command that repeats it; the folder stays on the
    disk. A run that ends before its last stage uploads nothing and logs that.

    Args:
        hub_model_id: the repository, owner/name.
        hub_private_repo: whether a new repository is private; None uses the owner's default.
    """

    def __init__(self, hub_model_id: str, hub_private_repo: bool | None = None) -> None:
        self.hub_model_id, self.hub_private_repo = hub_model_id, hub_private_repo
        self.repository = hub_model_id  # the owner is added when the hub is asked

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        schedule = callback_of(trainer, Schedule)
        if schedule is None or not schedule.save_stages:
            raise ValueError("PushToHub needs a schedule with save_stages=true: a stage's folder is what it uploads")
        if trainer.is_global_zero and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            try:
                self.repository = create_repository(self.hub_model_id, self.hub_private_repo)
            except UploadError as error:
                raise ValueError(str(error)) from None

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        schedule = callback_of(trainer, Schedule)
        if schedule is None or not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        if not schedule.finished or schedule.exported is None:
            log.warning("nothing was pushed to %s: the run has not come to the end of its last stage", self.repository)
            return
        try:
            log.info("pushed to %s", upload(schedule.exported, self.repository))
        except UploadError as error:
            log.warning("%s; to try again: passk push %s %s", error, schedule.exported, self.repository)
