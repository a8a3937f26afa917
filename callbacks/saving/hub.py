"""`push_to_hub`: the policy at the end of the last stage, in a repository of the Hugging Face hub."""

from __future__ import annotations

import logging

from lightning.pytorch import Callback, LightningModule, Trainer

from app.upload import UploadError, create_repository, upload
from callbacks.lookup import callback_of
from callbacks.roles import Schedule

log = logging.getLogger(__name__)


class PushToHub(Callback):
    """When the last stage has ended, upload its transformers folder with its model card.

    The repository is made, or found, before training: a hub that can't be reached, and a token that may not write, are
    errors at the start. An upload that fails at the end is a warning with the command that does it again; the folder
    stays on the disk. A run that ends before its last stage uploads nothing, and says so.

    Args:
        hub_model_id: the repository, owner/name.
        hub_private_repo: whether a new one is private; None leaves it to the owner's settings.
    """

    def __init__(self, hub_model_id: str, hub_private_repo: bool | None = None) -> None:
        self.hub_model_id, self.hub_private_repo = hub_model_id, hub_private_repo
        self.repository = hub_model_id  # with its owner, once the hub has told

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
