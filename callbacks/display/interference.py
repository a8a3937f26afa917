"""What training does to problems that are solved rarely or often: each one's pass rate against its rate before."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from matplotlib.figure import Figure
from torch import Tensor

from app.distributed.processes import gather_objects
from app.module import RLVRModule
from callbacks.display.media import files_of, image_of, media_of
from callbacks.lookup import callback_of
from callbacks.roles import Evaluation

GROUPS = ("0", "0-25", "25-50", "50-75", "75-100")
"""Of pass rates, in per cent; a rate on a bound belongs to the lower one."""


class Interference(Callback):
    """Log how the pass rates of held-out problems have changed from one validation to the next, by their rates before.

    Under `interference/<group>/`: `share` of the problems whose rate before was in this group, and the mean `change`
    of their rates. Where rare problems rise and others fall, training on the former costs the latter (2602.21189).

    A problem's group is decided by the first half of its answers, and its change is that of the second half. By the
    same answers, problems that were lucky before would seem to fall. The picture `interference/change` shows the
    latest changes.

    Raises:
        ValueError: at the start of `fit`, where a problem has fewer than two answers.
    """

    def __init__(self) -> None:
        self.before: dict[str, tuple[float, float]] = {}  # by key, the pass rates of both halves

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        evaluation = callback_of(trainer, Evaluation)
        least = min((each.n for each in evaluation.asked), default=2) if evaluation else 2
        if least < 2:
            raise ValueError(f"evaluation.n={least} must be at least 2 with Interference, which halves the answers")

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        evaluation = callback_of(trainer, Evaluation)
        if evaluation is None or trainer.sanity_checking or trainer.state.fn != "fit":
            return
        own = {key: halves(passed) for key, passed in evaluation.passed.items()}
        now = {key: rates for part in gather_objects(own) for key, rates in part.items()}
        known = [key for key in now if key in self.before]
        before, self.before = self.before, now
        if not known:
            return
        first, second = torch.tensor([before[key] for key in known]).unbind(-1)
        change = torch.tensor([now[key][1] for key in known]) - second
        figures = by_group(first, change)
        pl_module.log_dict({f"interference/{name}": value for name, value in figures.items()}, batch_size=1)
        if trainer.is_global_zero:
            image, iteration = image_of(picture(figures)), RLVRModule.of(pl_module).iteration
            for place in (*media_of(trainer), files_of(trainer)):
                place.picture("interference/change", image, iteration)

    def state_dict(self) -> dict[str, Any]:
        return {"before": {key: [*rates] for key, rates in self.before.items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.before = {key: (first, second) for key, (first, second) in state_dict["before"].items()}


def halves(passed: list[bool]) -> tuple[float, float]:
    """The share that passes in the first half of the answers, and in the second."""
    half = len(passed) // 2
    return sum(passed[:half]) / half, sum(passed[half:]) / (len(passed) - half)


def by_group(rates: Tensor, change: Tensor) -> dict[str, float]:
    """The share of each group in the problems, and its mean change.  [P] twice"""
    group = (rates * 4).ceil().long()  # [P], 0 .. 4
    figures: dict[str, float] = {}
    for index, name in enumerate(GROUPS):
        chosen = group == index
        figures[f"{name}/share"] = float(chosen.double().mean())
        if chosen.any():
            figures[f"{name}/change"] = float(change[chosen].double().mean())
    return figures


def picture(figures: dict[str, float]) -> Figure:
    """The mean change of each group, its share of the problems written above."""
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axes = figure.subplots()
    names = [name for name in GROUPS if f"{name}/change" in figures]
    bars = axes.bar(names, [figures[f"{name}/change"] for name in names])
    axes.bar_label(bars, [f"{figures[f'{name}/share']:.0%}" for name in names], fontsize="small")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(xlabel="pass rate before, %", ylabel="mean change of the pass rate")
    return figure
