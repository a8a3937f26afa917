"""Runs the stages of a schedule one after another."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities.model_helpers import is_overridden

from app.distributed.sharding import empty
from app.module import RLVRModule
from app.storage.checkpoint import count_of
from app.storage.run_folder import run_folder
from callbacks.checks import (
    at_iteration,
    check_demonstrations,
    check_ends,
    check_engine,
    check_export,
    check_knobs,
    check_learning_rate,
    check_sampling,
    check_trigger,
    check_validated,
    warn_of_trigger,
)
from callbacks.lookup import batch_size_of, callback_of, problems_of
from callbacks.prompts import PromptCheck, asked, skip_prompts
from callbacks.roles import Replaying, Schedule
from callbacks.saving.export import export, replacing_together
from callbacks.schedule.stages import Rounds, Stage, StageSettings, check_stages, with_own_objectives
from callbacks.triggers import Steps

log = logging.getLogger(__name__)


class StageSchedule(Schedule):
    """Runs the stages one after another; the run ends with the last.

    A stage ends after the validation that follows its last iteration, so that every stage is
    evaluated at its end. At the end of each stage a checkpoint and a transformers folder are
    written to `stages/<number>-<name>` in the run folder.

    Args:
        stages: the stages in order, or rounds of them; one is changed by its name, as in `--schedule.explore.k 4`.
        save_stages: whether to write `stages/<number>-<name>`.
    """

    def __init__(self, stages: tuple[Stage | Rounds, ...], save_stages: bool = True) -> None:
        for part in stages:
            if isinstance(part, Rounds) and part.repeat < 1:
                raise ValueError(f"repeat={part.repeat} must be at least 1")
        parts = [part.unrolled() if isinstance(part, Rounds) else [part] for part in stages]
        self.stages = with_own_objectives([stage for part in parts for stage in part])
        self.save_stages = save_stages
        check_stages(self.stages)
        self.index = 0
        self.step = 0  # iterations since this stage began
        self.ending = False  # the stage has ended but for its validation
        self.finished = False  # the last stage has ended
        self.settings: list[StageSettings] = []  # resolved, of each stage
        self.validated: set[str] = set()  # names of metrics that validations have logged
        self.observed: dict[str, Any] = {}  # the objective's state after the last whole iteration
        self.usual_intervals: tuple[Any, Any, Any] | None = None
        self.exported: Path | None = None

    @property
    def stage(self) -> Stage:
        return self.stages[self.index]

    @property
    def iterations(self) -> int | None:
        """The number of iterations of all stages; None unless every stage has a fixed length."""
        lengths = [stage.until.steps for stage in self.stages if isinstance(stage.until, Steps)]
        return sum(lengths) if len(lengths) == len(self.stages) else None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Come after all callbacks that may log at an iteration's end, but before those that write checkpoints."""
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        own = callbacks.index(self)
        last = max(
            place
            for place, each in enumerate(callbacks)
            if is_overridden("on_train_batch_end", each, parent=Callback) and not isinstance(each, Checkpoint)
        )
        if last > own:
            moved = [*callbacks[:own], *callbacks[own + 1 : last + 1], self, *callbacks[last + 1 :]]
            trainer.callbacks = moved  # type: ignore[attr-defined]

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        module = RLVRModule.of(pl_module)
        if trainer.is_global_zero:
            check_export(module.policy)
        run = StageSettings("", module.settings, module.rollout_worker.settings, batch_size_of(trainer))
        self.settings = [stage.resolved(run) for stage in self.stages]
        self.observed = self.stage.advantage.state_dict()
        for stage, settings in zip(self.stages, self.settings, strict=True):
            check_validated(stage, trainer.enable_validation)
            try:
                self._check(trainer, module, settings)
            except ValueError as error:
                raise ValueError(f"stage {settings.name!r}: {error}") from error
            if trainer.is_global_zero:
                check_learning_rate(module.policy, settings.name, settings.update.learning_rate)
            if stage.engine is not None:
                module.rollout_worker.set_up(stage.engine)
        replaying = callback_of(trainer, Replaying)
        if replaying is not None:
            replaying.check(self.settings, module)
        self._read(trainer, module)

    def _read(self, trainer: Trainer, module: RLVRModule) -> None:
        """Check every training prompt, with room for the longest answers of all stages; skip those that do not fit."""
        longest = max(settings.rollouts.sampling.max_new_tokens for settings in self.settings)
        engines = {id(engine): engine for engine in (settings.rollouts.engine for settings in self.settings)}
        for problems in asked(trainer, "train").values():
            faults = PromptCheck(module.policy, [*engines.values()]).faults(problems, lambda problem: longest)
            skip_prompts(trainer, faults, module.rollout_worker.max_skipped_prompts)

    @staticmethod
    def _check(trainer: Trainer, module: RLVRModule, settings: StageSettings) -> None:
        """Raise ValueError at the start for settings that would fail when the stage begins."""
        worker, rollouts = module.rollout_worker, settings.rollouts
        check_engine(rollouts.engine, worker.overlap)
        check_knobs(settings.knobs, rollouts, worker.overlap)
        for iteration, values in settings.knobs.all_values:
            with at_iteration(iteration, values):
                now = settings.rollouts_at(iteration)
                if "k" in values:
                    settings.update.advantage.set_k(int(values["k"]))
                settings.update.advantage.check(now.rollouts)
                check_sampling(now.engine, now.sampling)
        if settings.knobs.k is not None:
            settings.update.advantage.set_k(int(settings.knobs.at(0)["k"]))  # for AdvantageCurves, drawn at the start
        check_ends(module.policy, rollouts.sampling)
        check_demonstrations(problems_of(trainer, "train"), rollouts.engine, worker.scorer)
        if settings.problems is not None and batch_size_of(trainer) is None:
            data = type(getattr(trainer, "datamodule", None)).__name__
            raise ValueError(f"problems={settings.problems} must be null: the data module, {data}, has no batch_size")
        number = len(problems_of(trainer, "train"))
        if number and settings.problems is not None and settings.problems > number:
            raise ValueError(f"problems={settings.problems} must be at most the {number} problems of the train split")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.step == 0 and self.stage.until is not None and not self.ending:
            self.stage.until.reset()
        self._enter(trainer, RLVRModule.of(pl_module), is_new=False)
        if self.finished:
            self.finished = self._fires(trainer, {})  # by the stage's present configuration
        if self.finished or (self.ending and not self._ask_for_validation(trainer)):
            self._next(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.observed = self.stage.advantage.state_dict()
        knobs = self.settings[self.index].knobs.at(self.step)
        self.step += 1
        pl_module.log_dict(
            {"stage/index": float(self.index), **{f"stage/{name}": float(knobs[name]) for name in knobs}}
        )
        module = RLVRModule.of(pl_module)
        figures = {**module.of_epoch, **module.figures}
        module.of_epoch.clear()
        if self.step == 1 and trainer.is_global_zero:
            warn_of_trigger(self.stage, figures)
        if self._fires(trainer, figures) and not self._ask_for_validation(trainer):
            self._next(trainer, pl_module)
        self._turn(module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        module = RLVRModule.of(pl_module)
        logged = {name: trainer.callback_metrics.get(name) for name in module.of_validation}
        fresh = {name: float(value) for name, value in logged.items() if value is not None}
        module.of_validation.clear()
        self.validated |= set(fresh)
        for stage in self.stages[self.index :]:
            check_trigger(stage, self.validated)
        if self.ending or self._fires(trainer, fresh):
            if self.usual_intervals is not None:
                _set_intervals(trainer, *self.usual_intervals)
            self._next(trainer, pl_module)

    def _fires(self, trainer: Trainer, metrics: dict[str, float]) -> bool:
        """Whether the stage ends, by the metrics of rank 0: those of a user's callback may differ between processes."""
        fires = self.stage.until is not None and self.stage.until.fires(self.step, metrics)
        self.ending = bool(trainer.strategy.broadcast(fires))
        return self.ending

    def _ask_for_validation(self, trainer: Trainer) -> bool:
        """Make Lightning validate after this batch; False if the run has no validation."""
        if not _can_validate(trainer):
            return False
        by_clock, epochs = getattr(trainer, "_val_check_time_interval", None), trainer.check_val_every_n_epoch
        self.usual_intervals = trainer.val_check_batch, by_clock, epochs
        _set_intervals(trainer, 1, None, 1 if epochs == 1 else None)
        return True

    def _next(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End this stage, save it, and begin the next one or stop."""
        module = RLVRModule.of(pl_module)
        name, number, left_before = self.stage.name, self.index + 1, self.finished
        self.ending, self.finished = False, number == len(self.stages)
        module.rollout_worker.prefetcher.drop()  # a stage begins with rollouts of the current policy
        if self.finished:
            trainer.should_stop = True
        else:
            self.index, self.step = number, 0
            if self.stage.until is not None:
                self.stage.until.reset()
            if self.stage.reset_optimizer:
                for optimizer in trainer.optimizers:
                    empty(optimizer, module.policy)
            self._enter(trainer, module, is_new=True)
        if self.save_stages and not left_before:
            self._save(trainer, number, name)

    def _enter(self, trainer: Trainer, module: RLVRModule, is_new: bool) -> None:
        """Pass the stage's settings to the module, the rollout worker and the data module."""
        settings = self.settings[self.index]
        module.begin_stage(settings.name, settings.update, is_new)
        self._turn(module)
        if settings.problems is not None:
            trainer.datamodule.batch_size = settings.problems  # type: ignore[attr-defined]
        what = f"{settings.update.advantage!r}, learning rate {settings.update.learning_rate!r}"
        log.info("stage %d of %d: %s, %s", self.index + 1, len(self.stages), settings.name, what)

    def _turn(self, module: RLVRModule) -> None:
        """Set the values that change with the iteration: k, N and the temperature."""
        settings, values = self.settings[self.index], self.settings[self.index].knobs.at(self.step)
        module.rollout_worker.settings = settings.rollouts_at(self.step)
        if "k" in values:
            settings.update.advantage.set_k(int(values["k"]))
        self.observed = settings.update.advantage.state_dict()

    def _save(self, trainer: Trainer, number: int, name: str) -> None:
        self.exported = run_folder(trainer) / "stages" / f"{number}-{re.sub(r'[^A-Za-z0-9@.]+', '-', name)}"
        with replacing_together(trainer, self.exported) as folder:
            trainer.save_checkpoint(folder / "stage.ckpt")
            export(trainer, folder, name)

    def state_dict(self) -> dict[str, Any]:
        until = self.stage.until
        return {
            "index": self.index,
            "step": self.step,
            "ending": self.ending,
            "finished": self.finished,
            "advantage": {type(self.stage.advantage).__qualname__: self.observed},
            "until": {} if until is None else {type(until).__qualname__: until.state_dict()},
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        index, self.step = count_of(state_dict, "index"), count_of(state_dict, "step")
        if index >= len(self.stages):
            raise ValueError(f"the checkpoint is in stage {index + 1}, the schedule has {len(self.stages)}")
        self.index, self.ending, self.finished = index, bool(state_dict["ending"]), bool(state_dict["finished"])
        for name in ("advantage", "until"):  # state of another class is not restored
            part = getattr(self.stage, name)
            if type(part).__qualname__ in state_dict[name]:
                part.load_state_dict(state_dict[name][type(part).__qualname__])
        self.observed = self.stage.advantage.state_dict()


def _can_validate(trainer: Trainer) -> bool:
    """Whether a validation has a batch: a data module may have no loader, or an empty one, which Lightning skips."""
    loop = trainer.fit_loop.epoch_loop.val_loop
    if trainer.enable_validation and loop._combined_loader is None:  # Lightning loads it at the first validation
        trainer.validating = True
        loop.setup_data()
        trainer.training = True
    return trainer.enable_validation and sum(loop.max_batches) > 0


def _set_intervals(trainer: Trainer, batches: Any, seconds: Any, epochs: int | None) -> None:
    """Make Lightning validate every `batches` batches, or every `seconds` if that is not None.

    epochs: in every epoch of which number; None: in all, counting batches over epochs.
    """
    trainer.val_check_batch = batches
    trainer._val_check_time_interval = seconds  # type: ignore[attr-defined]
    trainer.check_val_every_n_epoch = epochs
