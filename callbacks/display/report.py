"""Writes `results.html`: a run's report as one page that loads no other file."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from app.module import RLVRModule
from app.storage.files import replacing
from app.storage.run_folder import CONFIG, run_folder
from callbacks.display.answers import answer_rows
from callbacks.display.page import CURVES, page
from callbacks.evaluation.results import json_of
from callbacks.lookup import callback_of
from callbacks.roles import Evaluation, Schedule

PAGE = "results.html"


class Report(Callback):
    """Writes `results.html` beside `results.md`, at the end of `fit`, `validate` and `test`.

    It has Pass@k with its intervals, curves of validations and of training, the stages, sampled answers by reward, the
    configuration and the versions of libraries. Everything is escaped, and the page has no scripts.

    Args:
        problems: how many problems of the last validation are shown.
        answers: how many answers to each problem.
    """

    def __init__(self, problems: int = 8, answers: int = 4) -> None:
        if min(problems, answers) < 0:
            raise ValueError(f"problems={problems} and answers={answers} must be at least 0")
        self.problems, self.answers = problems, answers
        self.training: list[dict[str, float]] = []  # for each iteration, the metrics of CURVES

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        module = RLVRModule.of(pl_module)
        known = {name: module.figures[name] for name in CURVES if name in module.figures}
        self.training.append({"iteration": float(module.iteration), **known})

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._write(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit":
            self._write(trainer)

    on_test_end = on_fit_end

    def _write(self, trainer: Trainer) -> None:
        folder, evaluation = run_folder(trainer), callback_of(trainer, Evaluation)
        if evaluation is None or not evaluation.history or not trainer.is_global_zero:
            return
        config = folder / CONFIG
        shown = [] if evaluation.shown is None else [*answer_rows(evaluation.shown, self.problems, self.answers)]
        text = page(
            title=f"{folder.parent.name}/{folder.name}",
            results=json_of(evaluation.results),
            history=evaluation.history,
            training=self.training,
            stages=_stages(callback_of(trainer, Schedule)),
            answers=shown,
            config=config.read_text(encoding="utf-8") if config.exists() else "",
        )
        with replacing(folder / PAGE) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="replace")

    def state_dict(self) -> dict[str, Any]:
        return {"training": self.training}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.training = state_dict["training"]


def _stages(schedule: Schedule | None) -> list[dict[str, str | float | None]]:
    """A row for each stage of a run that trains."""
    return [
        {
            "stage": each.name,
            "objective": repr(each.update.advantage),
            "learning rate": repr(each.update.learning_rate),
            "loss": type(each.update.loss).__name__,
            "problems P": each.problems,
            "rollouts N": each.rollouts.rollouts,
            "temperature": each.rollouts.sampling.temperature,
        }
        for each in (schedule.settings if schedule is not None else ())
    ]
