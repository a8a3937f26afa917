"""The progress bar of a run, with the stage and the current activity; without a terminal, log lines."""

from __future__ import annotations

import sys
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column

from app.module import RLVRModule
from callbacks.evaluation.tables import columns
from callbacks.lookup import callback_of, stage_name
from callbacks.roles import Evaluation, Schedule


class Dashboard(ProgressBar):
    """Shows a rich progress bar on a terminal; elsewhere it logs a line for every iteration.

    Args:
        every: iterations between two lines if there is no terminal.
    """

    def __init__(self, every: int = 1) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(f"every={every} must be at least 1")
        self.every = every
        self.console = Console()
        self.bar: Progress | None = None
        self.enabled = True

    def disable(self) -> None:
        self.enabled = False

    def enable(self) -> None:
        self.enabled = True

    def print(self, *args: Any, **kwargs: Any) -> None:
        (self.bar.console if self.bar else self.console).print(*args, **kwargs)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        self.schedule = callback_of(trainer, Schedule)
        worker = RLVRModule.of(pl_module).worker
        if worker is not None:
            worker.listeners.add(self._show_activity)

    # -- training ---------------------------------------------------------------------------------

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        total = self.schedule.iterations if self.schedule else None
        self._open(total, completed=RLVRModule.of(pl_module).iteration)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        iteration = RLVRModule.of(pl_module).iteration
        figures = self._figures(trainer)
        if self.bar is not None:
            self.bar.update(self.task, completed=iteration, figures=figures)
        elif self.enabled and iteration % self.every == 0:
            total = self.schedule.iterations if self.schedule else None
            print(f"[{stage_name(self.trainer)}] {iteration}/{total or '?'}  {figures}", flush=True)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._close()

    # -- evaluation and prediction ----------------------------------------------------------------

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit":
            self._open(int(sum(trainer.num_val_batches)))

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if trainer.state.fn != "fit" and self.bar is not None:
            self.bar.update(self.task, advance=1)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit":
            self._close()
        elif not trainer.sanity_checking:
            self._print_validation(trainer)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._open(int(sum(trainer.num_test_batches)))

    on_test_batch_end = on_validation_batch_end

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._close()

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._open(int(sum(trainer.num_predict_batches)))

    on_predict_batch_end = on_validation_batch_end

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._close()

    # -- the bar ----------------------------------------------------------------------------------

    def _open(self, total: int | None, completed: int = 0) -> None:
        if not (self.enabled and sys.stdout.isatty()):
            return
        counted = Column(no_wrap=True, min_width=2 * len(str(total or "?")) + 1)  # visible on a narrow terminal
        counts = MofNCompleteColumn(table_column=counted)
        columns = [TextColumn("{task.description}"), BarColumn(bar_width=16), counts, TimeElapsedColumn()]
        self.bar = Progress(*columns, TimeRemainingColumn(), TextColumn("{task.fields[figures]}"), console=self.console)
        self.bar.start()
        self.task = self.bar.add_task(stage_name(self.trainer), total=total, completed=completed, figures="")

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def _show_activity(self, activity: str) -> None:
        if self.bar is not None:
            self.bar.update(self.task, description=f"[bold]{stage_name(self.trainer)}[/] {activity:8s}")

    def _figures(self, trainer: Trainer) -> str:
        values = trainer.callback_metrics
        names = {
            "reward": "rollout/reward",
            "informative": "rollout/informative",
            "entropy": "entropy/mean",
            "tokens": "rollout/length",
        }
        shown = [f"{short} {float(values[name]):.3f}" for short, name in names.items() if name in values]
        seconds = values.get("time/iteration")
        return " ".join([*shown, *([f"{float(seconds):.2f} s"] if seconds is not None else [])])

    def _print_validation(self, trainer: Trainer) -> None:
        evaluation = callback_of(trainer, Evaluation)
        if not self.enabled or evaluation is None or not evaluation.history:
            return
        record = evaluation.history[-1]
        values = " ".join(f"{name} {record['eval/' + name]:.3f}" for name in columns(record))
        line = f"[{record['stage']}] validation at {record['iteration']}: {values}"
        self.bar.console.print(line, markup=False, highlight=False) if self.bar else print(line, flush=True)
