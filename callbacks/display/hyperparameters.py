"""Logs a run's configuration: to TensorBoard's HPARAMS, W&B's config and MLflow's parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from app.module import RLVRModule
from callbacks.display.media import Value, media_of
from callbacks.lookup import callback_of
from callbacks.roles import Evaluation, Saving

NOT_OF_THE_RUN = (
    *("config", "ckpt_path", "auto_resume", "verbose", "weights_only"),
    *("data.cache_dir", "trainer.callbacks", "trainer.logger", "trainer.default_root_dir"),
)
"""Arguments on saving and display, which are left out."""


class Hyperparameters(Callback):
    """Sends the resolved configuration to every logger at the start of `fit`.

    Loggers compare runs by Pass@k of the last validation over all held-out problems, for all k.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        saving, evaluation = callback_of(trainer, Saving), callback_of(trainer, Evaluation)
        if saving is None or not trainer.is_global_zero:
            return
        resumed = trainer.ckpt_path is not None and RLVRModule.of(pl_module).iteration > 0
        ks = [] if evaluation is None else evaluation.ks
        found = dict(flattened(saving.config))
        for media in media_of(trainer):
            media.begin(found, [f"eval/pass@{k}" for k in ks], resumed)


def flattened(config: Any, name: str = "") -> Iterator[tuple[str, Value]]:
    """The values of a configuration by dotted name, without `init_args`.

    Lists of values become text; null becomes "null".
    """
    if name in NOT_OF_THE_RUN:
        return
    if isinstance(config, dict) and "class_path" in config:
        yield name, config["class_path"]
        config = config.get("init_args") or {}
    if isinstance(config, list) and any(isinstance(each, dict | list) for each in config):
        config = dict(enumerate(config))
    if isinstance(config, dict):
        for key, value in config.items():
            yield from flattened(value, f"{name}.{key}" if name else str(key))
    elif isinstance(config, bool | int | float | str):
        yield name, config
    else:
        yield name, "null" if config is None else str(config)
