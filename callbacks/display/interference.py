"""Measures how training changes the pass rates of problems that were solved rarely or often before."""

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
"""Groups of pass rates, in per cent; a rate on a bound belongs to the lower group."""


class Interference(Callback):
    """Logs changes of held-out problems' pass rates between two validations, by the earlier rate.

    Under `interference/<group>/`: `share` of the problems whose rate before was in this group, and the mean `change`
    of their rates. If rates of rarely solved problems rise and others fall, the former interfere with the latter
    (2602.21189).

    The first half of a problem's answers decides its group, the second half its change. With the same answers for
    both, problems that were passed by chance would seem to get worse. The picture `interference/change` shows the
    latest changes.

    Raises:
        ValueError: at the start of `fit`, if a problem has fewer than two answers.
    """

    def __init__(self) -> None:
        self.before: dict[str, tuple[float, float]] = {}  # pass rates of both halves, by problem key

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
    """The pass rates of the first and of the second half of the answers."""
    half = len(passed) // 2
    return sum(passed[:half]) / half, sum(passed[half:]) / (len(passed) - half)


def by_group(rates: Tensor, change: Tensor) -> dict[str, float]:
    """Each group's share of the problems and its mean change.  rates, change: [P]"""
    group = (rates * 4).ceil().long()  # [P], 0 .. 4
    figures: dict[str, float] = {}
    for index, name in enumerate(GROUPS):
        chosen = group == index
        figures[f"{name}/share"] = float(chosen.double().mean())
        if chosen.any():
            figures[f"{name}/change"] = float(change[chosen].double().mean())
    return figures


def picture(figures: dict[str, float]) -> Figure:
    """Plot the mean change of each group, with its share of the problems above."""
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axes = figure.subplots()
    names = [name for name in GROUPS if f"{name}/change" in figures]
    bars = axes.bar(names, [figures[f"{name}/change"] for name in names])
    axes.bar_label(bars, [f"{figures[f'{name}/share']:.0%}" for name in names], fontsize="small")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(xlabel="pass rate before, %", ylabel="mean change of the pass rate")
    return figure
