"""When a run is saved, how it resumes, and how it stops early."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterable
from contextlib import nullcontext
from copy import deepcopy
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import SIGTERMException

from app.module import RLVRModule
from app.storage.files import replacing
from app.storage.places import last_checkpoint
from app.storage.run_folder import CONFIG, run_folder
from callbacks.checks import check_monitors
from callbacks.evaluation.results import line_of, write_results
from callbacks.lookup import callback_of
from callbacks.roles import Evaluation, Saving, Schedule
from callbacks.saving.ending import why_ended
from callbacks.saving.export import export, replacing_together, save_checkpoint
from callbacks.saving.logs import AT_START, copy_logs, flush_logs, folders_of, ids_of
from callbacks.saving.loop_state import Loops, at_rest, is_due
from callbacks.saving.signals import Signals

log = logging.getLogger(__name__)


class Checkpoints(Saving):
    """Writes `checkpoints/last.ckpt`; a killed run resumes from it and ends as if it had not been killed.

    It is written at the start, every `every` iterations, after each validation and at the end, always between two
    iterations; a resumed run repeats later ones. A checkpoint saved during an iteration has the state before it.
    Only one that a user's callback saves on an exception, after an update, has weights and optimizer after that update.
    On SIGTERM and on Ctrl-C sampling is aborted, or the current micro-batch is finished; then the checkpoint is
    written, and the run exits with status 0 on SIGTERM and 130 on Ctrl-C. An iteration that has made an
    update is finished first; so is every iteration with several processes. A second Ctrl-C ends the run at once.

    It makes itself the first callback, to read the state before others change it.

    Args:
        every: iterations between two checkpoints, at most.

    Attributes:
        config: the run's configuration as plain data, saved in checkpoints.
        command: the command that started the run.
        changed: the values of `config` that differ from those in the checkpoint being resumed, by dotted name.
    """

    def __init__(self, every: int = 20) -> None:
        if every < 1:
            raise ValueError(f"every={every} must be at least 1")
        self.every = every
        self.config: dict[str, Any] = {}
        self.command = ""
        self.changed: Iterable[str] = ()
        self.signals = Signals()
        self.loops: Loops = {}  # state after the last complete iteration
        self.data: dict[str, Any] = {}
        self.precision: dict[str, Any] = {}  # the loss scale of 16-mixed
        self.folder = ""
        self.logs: list[str] = []
        self.phase = "rest"  # or "batch end", "validation"
        self.untouched = True  # no update has been made since the last complete iteration
        self.saved: tuple[int, bool] | None = None  # iteration of the last checkpoint; was its validation due?
        self.validated = False  # since that checkpoint

    # -- following the run --------------------------------------------------------------------------

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        trainer.callbacks = [self, *(each for each in callbacks if each is not self)]  # type: ignore[attr-defined]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.signals.listen(trainer)
        worker = RLVRModule.of(pl_module).rollout_worker
        worker.interruptible = lambda: self.signals.stopping_at_once(trainer)
        if self.loops:
            self._resume(trainer, pl_module)
        else:
            self._pass_border(trainer)
        self.save(trainer, pl_module)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.phase = "rest"
        loop = trainer.fit_loop.epoch_loop
        loop._batches_that_stepped = RLVRModule.of(pl_module).iteration  # Lightning counts one too few after a restart
        for metric in loop._results.values():  # or Lightning logs old values of metrics that this iteration has not
            metric._forward_cache = None  # of a step; what an epoch has accumulated stays
        self.signals.stop_if_signaled(trainer)
        assert self.saved is not None
        if self.validated or RLVRModule.of(pl_module).iteration - self.saved[0] >= self.every:
            self.save(trainer, pl_module)

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.untouched and trainer.world_size == 1:
            self.signals.stop_if_signaled(trainer)

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        self.untouched = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.phase = "batch end"
        self._pass_border(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self.phase = "validation"

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if self.phase == "validation":
            self.signals.stop_if_signaled(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.phase == "validation":
            check_monitors(trainer)
        self.phase, self.validated = "rest", self.phase == "validation"

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.phase, self.saved = "rest", None
        self.save(trainer, pl_module)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        schedule = callback_of(trainer, Schedule)
        if schedule is not None and not schedule.finished:
            self._log_how_to_resume("ended before the schedule", trainer, f" ({why_ended(trainer)})")

    def _log_how_to_resume(self, what: str, trainer: Trainer, why: str = "") -> None:
        iteration, last = RLVRModule.of(trainer.lightning_module).iteration, last_of(trainer)
        how = f"; to go on: --ckpt_path {last}" if last.exists() else ""
        rank_zero_only(log.info)("%s after iteration %d%s%s", what, iteration, why, how)

    def _pass_border(self, trainer: Trainer) -> None:
        """At the end of an iteration, record the states of Lightning's loops and of the data."""
        self.untouched = True
        self.loops = trainer.fit_loop.state_dict()
        datamodule: Any = trainer.datamodule  # type: ignore[attr-defined]
        self.data = deepcopy(datamodule.state_dict()) if datamodule is not None else {}
        self.precision = trainer.precision_plugin.state_dict()

    # -- stopping early -----------------------------------------------------------------------------

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._let_go(pl_module)
        if isinstance(exception, KeyboardInterrupt):  # before or after training; Lightning then ignores the next
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        if not isinstance(exception, SIGTERMException) or not self.loops:
            return
        self.save(trainer, pl_module)
        self.signals.requeue_job(trainer)
        self._log_how_to_resume("stopped", trainer)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._let_go(pl_module)

    @staticmethod
    def _let_go(pl_module: LightningModule) -> None:
        """Disconnect the worker from the run's signals: a later validation, as in a notebook, is not ended by them."""
        worker = RLVRModule.of(pl_module).worker
        if worker is not None:
            worker.interruptible = nullcontext

    # -- writing and reading ------------------------------------------------------------------------

    def save(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write `last.ckpt`, unless it already has this state."""
        state = (RLVRModule.of(pl_module).iteration, self.validation_due(trainer))
        if state != self.saved and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            save_checkpoint(trainer, last_of(trainer))
        self.saved, self.validated = state, False

    def validation_due(self, trainer: Trainer) -> bool:
        """Whether the validation after the last complete iteration has not been run to its end yet."""
        loop = trainer.fit_loop
        if self.phase == "batch end" and trainer.enable_validation and loop._data_fetcher is not None:
            return loop.epoch_loop._should_check_val_fx(loop._data_fetcher)
        return self.phase == "validation"

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["config"] = self.config
        if trainer.state.fn != "fit" or not self.loops:
            return
        checkpoint["loops"]["fit_loop"] = at_rest(self.loops, self.validation_due(trainer))
        checkpoint["folder"] = str(run_folder(trainer).absolute())
        checkpoint |= {"logs": folders_of(trainer.loggers), "ids": ids_of(trainer.loggers)}
        if self.precision:
            checkpoint[type(trainer.precision_plugin).__qualname__] = self.precision
        if self.data:
            checkpoint[type(trainer.datamodule).__qualname__] = self.data  # type: ignore[attr-defined]
        if trainer.is_global_zero:
            flush_logs(trainer)  # a checkpoint must not be newer than the logs

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if trainer.state.fn != "fit":
            return
        trainer.num_sanity_val_steps = 0  # Lightning would have a sanity check if the checkpoint is at an epoch's end
        self.loops, self.folder = checkpoint["loops"]["fit_loop"], checkpoint["folder"]
        self.logs = checkpoint.get("logs", [])
        self.data = checkpoint.get(type(trainer.datamodule).__qualname__, {})  # type: ignore[attr-defined]
        self.precision = checkpoint.get(type(trainer.precision_plugin).__qualname__, {})
        self.phase = "validation" if is_due(self.loops) else "rest"

    def _resume(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Truncate curves and results to the checkpoint, and apply changed optimizer settings."""
        folder, source = run_folder(trainer), _source(trainer, Path(self.folder))
        iteration, due = RLVRModule.of(pl_module).iteration, self.phase == "validation"
        own = source.is_dir() and source.samefile(folder)
        if trainer.is_global_zero:
            mine = folders_of(trainer.loggers)
            theirs = mine if own else [str(source), *self.logs[1:]]
            copy_logs(trainer, theirs, iteration, ("eval/",) * due + AT_START * (iteration == 0))
            restore_results(trainer, folder)
        if own:
            self.saved = (iteration, due)
        of_optimizer = [name.rsplit(".", 1)[1] for name in self.changed if name.startswith("model.optimizer.")]
        for optimizer in trainer.optimizers:  # restoring has overwritten them
            for group in optimizer.param_groups:
                group.update({name: optimizer.defaults[name] for name in of_optimizer if name in optimizer.defaults})


class BestCheckpoints(ModelCheckpoint):
    """Lightning's ModelCheckpoint that also writes a transformers folder `<name>` for each `<name>.ckpt`."""

    exports = True

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        super()._save_checkpoint(trainer, filepath)
        with replacing_together(trainer, Path(filepath).with_suffix("")) as folder:
            export(trainer, folder)

    def _remove_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        super()._remove_checkpoint(trainer, filepath)
        trainer.strategy.remove_checkpoint(Path(filepath).with_suffix(""))

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "saved_at": self._last_global_step_saved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the scores of best checkpoints even if the folder was moved; Lightning would discard them."""
        if state_dict["dirpath"] != self.dirpath:
            state_dict = _moved(state_dict, Path(str(self.dirpath)))
        super().load_state_dict(state_dict)
        self.current_score = state_dict["current_score"]
        self._last_global_step_saved = state_dict["saved_at"]  # a resumed run saves no step twice


def _moved(state: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The state of a ModelCheckpoint with paths in another folder; unchanged if none of its checkpoints are there."""
    places = {name: str(folder / Path(name).name) for name in state["best_k_models"]}
    places = {name: place for name, place in places.items() if Path(place).exists()}
    if not places:
        return state
    models = {place: state["best_k_models"][name] for name, place in places.items()}
    paths = {each: places.get(state[each], "") for each in ("best_model_path", "kth_best_model_path")}
    return {**state, **paths, "best_k_models": models, "dirpath": str(folder)}


def last_of(trainer: Trainer) -> Path:
    """The path of the run's last checkpoint."""
    return last_checkpoint(run_folder(trainer))


def restore_results(trainer: Trainer, folder: Path) -> None:
    """Write the result files of all validations up to the checkpoint."""
    evaluation = callback_of(trainer, Evaluation)
    path = folder / "results.jsonl"
    if evaluation is not None and evaluation.history:
        with replacing(path) as temporary:
            temporary.write_text("".join(map(line_of, evaluation.history)), encoding="utf-8")
        write_results(evaluation.results, folder)
    else:
        path.unlink(missing_ok=True)


def _source(trainer: Trainer, recorded: Path) -> Path:
    """The run folder that contains the checkpoint; if it was moved out of it, the folder it was written to."""
    above = Path(str(trainer.ckpt_path)).absolute().parents
    inside = (folder.parent for folder in above[:3] if folder.name in ("checkpoints", "stages"))
    return next((folder for folder in inside if (folder / CONFIG).exists()), recorded)
