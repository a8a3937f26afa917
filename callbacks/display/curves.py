"""Plots the advantages of a run's objectives against the pass rate of a problem, at the start of the run."""

from __future__ import annotations

from collections.abc import Mapping

from lightning.pytorch import Callback, LightningModule, Trainer
from matplotlib import rc_context
from matplotlib.figure import Figure

from app.advantages.curves import Curves, curves
from app.module import RLVRModule
from callbacks.display.media import files_of, image_of, media_of
from callbacks.lookup import callback_of
from callbacks.roles import Schedule
from callbacks.saving.logs import CURVES


class AdvantageCurves(Callback):
    """Plots A_pos, A_neg and eta of every stage's objective for every logger, at the start of `fit`.

    They are plotted against the pass rate, each for its stage's number of rollouts (Section 4.1, Eq. 16, Figure 9).
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        files, iteration = files_of(trainer), RLVRModule.of(pl_module).iteration
        drawn = trainer.ckpt_path is not None and iteration > 0  # at iteration 0 the checkpoint comes before the plot
        if drawn or not trainer.is_global_zero:
            return
        image = image_of(curves_figure(_objectives(trainer, pl_module)))
        for place in (*media_of(trainer), files):
            place.picture(CURVES, image, iteration)


def _objectives(trainer: Trainer, pl_module: LightningModule) -> dict[str, Curves]:
    """The curves of each stage's objective, by name; without a schedule those of the module's objective."""
    schedule, module = callback_of(trainer, Schedule), RLVRModule.of(pl_module)
    if schedule is None:
        return {"": curves(module.settings.advantage, module.rollout_worker.settings.rollouts)}
    return {each.name: curves(each.update.advantage, each.rollouts.rollouts) for each in schedule.settings}


def curves_figure(objectives: Mapping[str, Curves]) -> Figure:
    """Plot A_pos, A_neg and eta against the pass rate, a line for each objective."""
    figure = Figure(figsize=(12.5, 3.4), layout="constrained")
    panels = figure.subplots(1, 3)
    for name, curve in objectives.items():
        rates = curve.pass_rates
        panels[0].plot(rates[1:], curve.positive[1:], marker=".", label=name)
        panels[1].plot(rates[:-1], curve.negative[:-1], marker=".", label=name)
        panels[2].plot(rates, curve.eta, marker=".", label=name)
    for axes, title in zip(panels, ("A_pos", "A_neg", "eta (Eq. 16)"), strict=True):
        axes.set(title=title, xlabel="pass rate")
        axes.grid(alpha=0.3)
    with rc_context({"text.parse_math": False}):  # a "$" in a stage's name
        figure.legend(*panels[2].get_legend_handles_labels(), loc="outside right upper")
    return figure
