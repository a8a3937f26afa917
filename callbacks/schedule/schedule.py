"""Stages: what is trained, for how long, and what comes next."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from app.advantages import AdvantageEstimator
from app.distributed.sharding import empty
from app.engines.base import RolloutEngine
from app.learning_rate import LearningRate
from app.losses import PolicyLoss
from app.storage.checkpoint import count_of
from app.storage.run_folder import run_folder
from app.types import Sampling
from callbacks.checks import check_demonstrations, check_engine, check_export
from callbacks.lookup import callback_of
from callbacks.prompts import Reading, asked, leave_out_unread
from callbacks.rollout import RolloutCallback, rlvr
from callbacks.saving.export import export, replacing_together
from callbacks.triggers import Steps, Trigger

log = logging.getLogger(__name__)


@dataclass
class Stage:
    """An objective, and the condition that ends it; what is None stays as the run has it.

    Args:
        name: under which it is reported.
        advantage: the objective.
        until: ends the stage; only the last may do without, and then lasts as long as the Trainer.
        loss: what an update minimises.
        learning_rate: counted from the stage's first update.
        problems: P, problems in an iteration.
        rollouts: N, answers to each.
        engine: where the answers come from.
        sampling: how they are drawn.
        minibatch_size: problems per optimizer step.
        count_skipped_tokens: see RLVRModule.
        reset_optimizer: begin with an empty optimizer state rather than the last stage's.
    """

    name: str
    advantage: AdvantageEstimator
    until: Trigger | None = None
    loss: PolicyLoss | None = None
    learning_rate: LearningRate | None = None
    problems: int | None = None
    rollouts: int | None = None
    engine: RolloutEngine | None = None
    sampling: Sampling | None = None
    minibatch_size: int | None = None
    count_skipped_tokens: bool | None = None
    reset_optimizer: bool = False


@dataclass
class Rounds:
    """The same stages several times over: "(P@k T. + P@1 T.) x 2".

    Args:
        repeat: how often.
        stages: in order; round r of stage "explore" is named "explore r".
    """

    repeat: int
    stages: list[Stage]

    def unrolled(self) -> list[Stage]:
        rounds = range(1, self.repeat + 1)
        return [replace(stage, name=f"{stage.name} {number}") for number in rounds for stage in self.stages]


class StageSchedule(Callback):
    """Run the stages one after another; the run ends with the last.

    A stage ends after the validation that follows its last iteration, so that every stage is
    measured at its end. At each transition the run folder gets a checkpoint and a transformers
    folder, `stages/<number>-<name>`.

    Args:
        stages: in order, or rounds of them.
        save_stages: whether to write those folders.
    """

    def __init__(self, stages: tuple[Stage | Rounds, ...], save_stages: bool = True) -> None:
        for part in stages:
            if isinstance(part, Rounds) and part.repeat < 1:
                raise ValueError(f"repeat={part.repeat} must be at least 1")
        parts = [part.unrolled() if isinstance(part, Rounds) else [part] for part in stages]
        self.stages = [stage for part in parts for stage in part]
        self.save_stages = save_stages
        _check_stages(self.stages)
        self.index = 0
        self.step = 0  # iterations of this stage
        self.ending = False  # and waiting for its validation
        self.finished = False  # with the last stage
        self.usual: dict[str, Any] = {}
        self.usual_intervals: tuple[Any, Any] | None = None

    @property
    def stage(self) -> Stage:
        return self.stages[self.index]

    @property
    def iterations(self) -> int | None:
        """Of all stages together, where every one has a fixed length."""
        lengths = [stage.until.steps for stage in self.stages if isinstance(stage.until, Steps)]
        return sum(lengths) if len(lengths) == len(self.stages) else None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero:
            check_export(rlvr(pl_module).policy)
        self.usual = self._settings(trainer, pl_module)
        for stage in self.stages:
            try:
                self._check(trainer, pl_module, stage)
            except ValueError as error:
                raise ValueError(f"stage {stage.name!r}: {error}") from error
        self._read(trainer, pl_module)

    def _read(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Every training prompt, with room for the longest answers of all stages."""
        longest = max((stage.sampling or self.usual["sampling"]).max_new_tokens for stage in self.stages)
        engines = {id(engine): engine for stage in self.stages for engine in [stage.engine or self.usual["engine"]]}
        for problems in asked(trainer, "train").values():
            reading = Reading(rlvr(pl_module).policy, [*engines.values()])
            faults = reading.faults(problems, lambda problem: longest)
            leave_out_unread(trainer, faults, rollout_of(trainer).max_skipped_prompts)

    def _check(self, trainer: Trainer, pl_module: LightningModule, stage: Stage) -> None:
        """Raise ValueError for what could not work once the stage is reached."""
        stage.advantage.check(stage.rollouts or self.usual["rollouts"])
        check_engine(stage.engine or self.usual["engine"], rollout_of(trainer).overlap)
        sampling = stage.sampling or self.usual["sampling"]
        if sampling.temperature == 0:
            raise ValueError("temperature=0 gives N equal answers, which teach nothing")
        rlvr(pl_module).policy.stop_ids(sampling)
        check_demonstrations(trainer, stage.engine or self.usual["engine"], rollout_of(trainer).scorer)
        if stage.engine is not None:
            rollout_of(trainer).make_ready(trainer, pl_module, stage.engine)
        train = getattr(getattr(trainer, "datamodule", None), "splits", {}).get("train")
        if train is not None and stage.problems is not None and stage.problems > len(train):
            raise ValueError(f"problems={stage.problems} must be at most the {len(train)} problems of the train split")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._enter(trainer, pl_module)
        if self.finished:
            self.finished = self._fires({})  # as the stage now is configured
        if self.finished or (self.ending and not self._ask_for_validation(trainer)):
            self._next(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.step += 1
        pl_module.log("stage/index", float(self.index))
        if self._fires(rlvr(pl_module).figures) and not self._ask_for_validation(trainer):
            self._next(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        fresh = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("eval/")}
        if self.ending or self._fires(fresh):
            if self.usual_intervals is not None:
                _set_intervals(trainer, *self.usual_intervals)
            self._next(trainer, pl_module)

    def _fires(self, metrics: dict[str, float]) -> bool:
        self.ending = self.stage.until is not None and self.stage.until.fires(self.step, metrics)
        return self.ending

    def _ask_for_validation(self, trainer: Trainer) -> bool:
        """Have Lightning validate after this very batch; false where the run has no validation."""
        if not trainer.enable_validation or trainer.check_val_every_n_epoch not in (None, 1):
            return False
        by_clock: Any = getattr(trainer, "_val_check_time_interval", None)
        self.usual_intervals = trainer.val_check_batch, by_clock
        _set_intervals(trainer, 1, None)
        return True

    def _next(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave this stage, save, and enter the next or stop."""
        name, number, left_before = self.stage.name, self.index + 1, self.finished
        self.ending, self.finished = False, number == len(self.stages)
        rollout_of(trainer).ahead.drop()  # a stage begins with rollouts of the policy as it stands
        if self.finished:
            trainer.should_stop = True
        else:
            self.index, self.step = number, 0
            rlvr(pl_module).begin_stage()
            if self.stage.until is not None:
                self.stage.until.reset()
            if self.stage.reset_optimizer:
                for optimizer in trainer.optimizers:
                    empty(optimizer, rlvr(pl_module).policy)
            self._enter(trainer, pl_module)
        if self.save_stages and not left_before:
            self._save(trainer, f"{number}-{re.sub(r'[^A-Za-z0-9@.]+', '-', name)}")

    def _enter(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the stage's settings where they are read."""
        stage, module, rollout = self.stage, rlvr(pl_module), rollout_of(trainer)
        own = {name: getattr(stage, name) for name in self.usual if getattr(stage, name) is not None}
        settings = {**self.usual, **own}
        module.advantage = stage.advantage
        module.loss = settings["loss"]
        module.learning_rate = settings["learning_rate"]
        module.minibatch_size = settings["minibatch_size"]
        module.count_skipped_tokens = settings["count_skipped_tokens"]
        rollout.rollouts, rollout.sampling = settings["rollouts"], settings["sampling"]
        rollout.stage_engine = settings["engine"]
        if settings["problems"] is not None:
            trainer.datamodule.batch_size = settings["problems"]  # type: ignore[attr-defined]
        log.info("stage %d of %d: %s, %r", self.index + 1, len(self.stages), stage.name, stage.advantage)

    def _settings(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """What the run was configured with: what a stage falls back on."""
        module, rollout = rlvr(pl_module), rollout_of(trainer)
        return {
            "loss": module.loss,
            "learning_rate": module.learning_rate,
            "minibatch_size": module.minibatch_size,
            "count_skipped_tokens": module.count_skipped_tokens,
            "rollouts": rollout.rollouts,
            "sampling": rollout.sampling,
            "engine": rollout.engine,
            "problems": getattr(getattr(trainer, "datamodule", None), "batch_size", None),
        }

    def _save(self, trainer: Trainer, name: str) -> None:
        with replacing_together(trainer, run_folder(trainer) / "stages" / name) as folder:
            trainer.save_checkpoint(folder / "stage.ckpt")
            export(trainer, folder)

    def state_dict(self) -> dict[str, Any]:
        until = self.stage.until
        return {
            "index": self.index,
            "step": self.step,
            "ending": self.ending,
            "finished": self.finished,
            "advantage": {type(self.stage.advantage).__qualname__: self.stage.advantage.state_dict()},
            "until": {} if until is None else {type(until).__qualname__: until.state_dict()},
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        index, self.step = count_of(state_dict, "index"), count_of(state_dict, "step")
        if index >= len(self.stages):
            raise ValueError(f"the checkpoint is in stage {index + 1}, the schedule has {len(self.stages)}")
        self.index, self.ending, self.finished = index, bool(state_dict["ending"]), bool(state_dict["finished"])
        for name in ("advantage", "until"):  # of another class, it begins anew
            part = getattr(self.stage, name)
            if type(part).__qualname__ in state_dict[name]:
                part.load_state_dict(state_dict[name][type(part).__qualname__])


def _set_intervals(trainer: Trainer, batches: Any, seconds: Any) -> None:
    """Have Lightning validate every so many batches, or every so many seconds where that is not None."""
    trainer.val_check_batch = batches
    trainer._val_check_time_interval = seconds  # type: ignore[attr-defined]


def rollout_of(trainer: Trainer) -> RolloutCallback:
    """The run's rollout callback."""
    rollout = callback_of(trainer, RolloutCallback)
    if rollout is None:
        raise ValueError("the Trainer has no RolloutCallback: nobody would sample")
    return rollout


def stage_name(trainer: Trainer) -> str:
    """The stage that is trained, or the command where none is."""
    schedule, fn = callback_of(trainer, StageSchedule), trainer.state.fn
    return schedule.stage.name if schedule and fn == "fit" else str(fn and fn.value)


def _check_stages(stages: list[Stage]) -> None:
    if not stages:
        raise ValueError("stages must hold at least one stage")
    names = [stage.name for stage in stages]
    if len(set(names)) < len(names):
        raise ValueError(f"stage names must differ: {names}")
    for stage in stages:
        for name in ("problems", "rollouts", "minibatch_size"):
            value = getattr(stage, name)
            if value is not None and value < 1:
                raise ValueError(f"stage {stage.name!r}: {name}={value} must be at least 1")
    for stage in stages[:-1]:
        if stage.until is None:
            raise ValueError(f"stage {stage.name!r} needs an `until`: only the last stage may do without")
