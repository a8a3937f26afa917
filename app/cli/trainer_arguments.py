"""Checks arguments of Lightning's Trainer at the start; errors for unsupported ones say what to use instead.

The training step uses Lightning's manual optimization on batches of problems. Features of Lightning that change
gradients or tensors in a batch, or that copy the module, cannot be used.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch import Callback
from lightning.pytorch import callbacks as lightning_callbacks
from lightning.pytorch.plugins import MixedPrecision, Precision
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, SingleDeviceStrategy
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.model_helpers import is_overridden

from app.storage.places import check_local, last_checkpoint

log = logging.getLogger(__name__)

LAST = last_checkpoint(Path()).stem
STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_false", "ddp_find_unused_parameters_true")
STRATEGY_CLASSES = (SingleDeviceStrategy, DDPStrategy, ModelParallelStrategy)
FORKING = re.compile(r"ddp_(fork|spawn|notebook)(?=$|_)")
KNOWN_STRATEGIES = "auto or ddp, or the ModelParallelStrategy of configs/fsdp.yaml"
KNOWN_PRECISIONS = "32-true, bf16-mixed or 16-mixed"
PRECISIONS = ("32-true", "32", "bf16-mixed", "bf16", "16-mixed", "16")

INSTEAD = {
    "gradient_clip_val": "model.max_grad_norm clips the gradient",
    "gradient_clip_algorithm": "model.max_grad_norm clips the gradient, by its norm",
    "accumulate_grad_batches": "model.microbatch_tokens bounds the tokens of a pass, whose gradients are summed, and "
    "data.batch_size and model.minibatch_size say what an update is made of",
    "min_steps": "the schedule's stages say how long a run lasts",
    "min_epochs": "the schedule's stages say how long a run lasts",
    "barebones": "a run keeps its checkpoints and results",
    "enable_checkpointing": "a run keeps checkpoints/last.ckpt to go on from (for fewer files: "
    "schedule.save_stages=false, and leave callbacks.saving.checkpoints.BestCheckpoints out of trainer.callbacks)",
}
"""Training arguments without effect here, and what to use instead."""
UNSET = {"accumulate_grad_batches": 1, "enable_checkpointing": True, "barebones": False}
"""Their values, besides null, that are allowed because they do nothing."""
LIMITS = ("limit_train_batches", "max_steps", "max_epochs")
OF_COMMAND = {"validate": "limit_val_batches", "test": "limit_test_batches", "predict": "limit_predict_batches"}

COPIES = "it keeps copies of the module's weights of its own, which no checkpoint or export here holds"
CALLBACKS: dict[str, str] = {
    "WeightAveraging": COPIES,
    "StochasticWeightAveraging": COPIES,
    "GradientAccumulationScheduler": INSTEAD["accumulate_grad_batches"],
    "BatchSizeFinder": "model.microbatch_tokens and rollout.rollouts set what fits into memory",
    "LearningRateFinder": "model.learning_rate, or a stage's, is to be set",
    "BaseFinetuning": "model.policy.adapter, as in configs/lora.yaml, trains a part of the weights",
    "ModelPruning": "the weights of a policy are saved whole",
}
"""Lightning's callbacks that do not work here, with their subclasses, and why."""
NO_CLOCK = "can't be had: give every_n_train_steps, which counts updates; checkpoints.every writes last.ckpt"


def check_trainer(arguments: Mapping[str, Any], command: str) -> None:
    """Raise ValueError for an unsupported argument of the Trainer, and name what to use instead.

    command: "fit", "validate", "test" or "predict"; training arguments are checked only for "fit".
    """
    check_strategy(arguments.get("strategy"))
    precision = arguments.get("precision")
    if precision is not None and str(precision) not in PRECISIONS:
        raise ValueError(
            f"trainer.precision={precision} must be {KNOWN_PRECISIONS}: "
            "what type weights are loaded in is model.policy's dtype"
        )
    if command in OF_COMMAND and arguments.get(OF_COMMAND[command]) == 0:
        raise ValueError(f"trainer.{OF_COMMAND[command]}=0 leaves nothing to {command}")
    if command != "fit":
        return
    for name, instead in INSTEAD.items():
        value = arguments.get(name)
        if value is not None and value != UNSET.get(name):
            raise ValueError(f"trainer.{name}={value} can't be had: {instead}")
    for name in LIMITS:
        if arguments.get(name) == 0:
            raise ValueError(f"trainer.{name}={arguments[name]} leaves nothing to train on")


def launched(strategy: Any) -> Any:
    """Replace a DDP strategy that forks or spawns processes by the one that launches them, and log it.

    Forks would share the scorer's process and the callbacks' state; spawned processes would need pickling.
    """
    if not isinstance(strategy, str) or not FORKING.match(strategy):
        return strategy
    rank_zero_only(log.warning)("trainer.strategy=%s: processes are launched, as by ddp", strategy)
    return FORKING.sub("ddp", strategy)


def check_strategy(strategy: Any) -> None:
    """Raise ValueError for an unsupported strategy, given by name or as a class with arguments."""
    if strategy is None or strategy in STRATEGIES:
        return
    refusal = f"must be one of {KNOWN_STRATEGIES}"
    if isinstance(strategy, str):
        raise ValueError(f"trainer.strategy={strategy} {refusal}")
    name = strategy["class_path"]
    arguments = strategy.get("init_args") or {}
    module, _, own = name.rpartition(".")
    if getattr(import_module(module), own) not in STRATEGY_CLASSES:
        raise ValueError(f"trainer.strategy={name} {refusal}")
    if arguments.get("start_method") not in (None, "popen"):
        raise ValueError(f"start_method={arguments['start_method']} of {name} must be popen: a run can't be forked")
    if {**arguments, **(strategy.get("dict_kwargs") or {})}.get("static_graph"):
        raise ValueError(f"static_graph=true of {name} must be false: the number of passes differs between updates")


def check_parts(callbacks: Iterable[Callback], plugins: Iterable[Any]) -> None:
    """Raise ValueError for an unsupported callback or plugin, with the reason."""
    for callback in callbacks:
        for kind, reason in CALLBACKS.items():
            if isinstance(callback, getattr(lightning_callbacks, kind)):
                raise ValueError(f"trainer.callbacks: {type(callback).__name__} can't be had: {reason}")
        check_local(getattr(callback, "dirpath", ""))
        interval = getattr(callback, "_train_time_interval", None)  # Lightning ignores it in manual optimization
        if isinstance(callback, lightning_callbacks.ModelCheckpoint) and interval is not None:
            raise ValueError(f"trainer.callbacks: {type(callback).__name__}: train_time_interval={interval} {NO_CLOCK}")
    for plugin in plugins:
        name = type(plugin).__name__
        if isinstance(plugin, Precision) and type(plugin) not in (Precision, MixedPrecision):
            raise ValueError(f"trainer.plugins: {name} can't be had: set trainer.precision to {KNOWN_PRECISIONS}")
        if isinstance(plugin, CheckpointIO):
            raise ValueError(f"trainer.plugins: {name} can't be had: passk writes checkpoints itself")


def check_collisions(callbacks: Sequence[Callback]) -> None:
    """Raise ValueError for two callbacks of which one would replace the other's state or files."""
    check_state_keys(callbacks)
    check_files(callbacks)


def check_files(callbacks: Iterable[Callback]) -> None:
    """Raise ValueError for two ModelCheckpoints that write the same files, of which Lightning would number none.

    Also for one that would replace `checkpoints/last.ckpt`, from which a run resumes.
    """
    seen: set[tuple[Any, ...]] = set()
    for callback in callbacks:
        if isinstance(callback, lightning_callbacks.ModelCheckpoint) and not callback._enable_version_counter:
            names = {callback.filename, callback.CHECKPOINT_NAME_LAST if callback.save_last else None}
            if callback.dirpath is None and LAST in names:
                raise ValueError(
                    f"trainer.callbacks: {type(callback).__name__} would replace {LAST}.ckpt, from which the run "
                    "resumes: set enable_version_counter=true, another filename or a dirpath"
                )
            files = (callback.dirpath, callback.filename)
            if files in seen:
                raise ValueError(
                    f"trainer.callbacks: {type(callback).__name__}: filename={callback.filename} is that of "
                    "another one: each would replace the other's checkpoints"
                )
            seen.add(files)


def check_state_keys(callbacks: Iterable[Callback]) -> None:
    """Raise ValueError for two callbacks whose states have the same key in a checkpoint."""
    seen: set[str] = set()
    for callback in callbacks:
        if is_overridden("state_dict", callback, parent=Callback):
            name, key = type(callback).__name__, callback.state_key
            if key in seen:
                raise ValueError(
                    f"trainer.callbacks: a checkpoint holds the state of only one {name} with the state_key {key!r}: "
                    f"give the whole list of trainer.callbacks with one of them, or one with another state_key"
                )
            seen.add(key)


def one_progress_bar(callbacks: Sequence[Callback]) -> list[Callback]:
    """The callbacks with only the last progress bar: the user's come after the defaults.

    Lightning allows only one.
    """
    bars = [each for each in callbacks if isinstance(each, lightning_callbacks.ProgressBar)]
    for bar in bars[:-1]:
        text = "trainer.callbacks: %s takes the place of %s"
        rank_zero_only(log.info)(text, type(bars[-1]).__name__, type(bar).__name__)
    return [each for each in callbacks if each not in bars[:-1]]
