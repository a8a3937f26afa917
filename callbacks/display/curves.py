"""The objectives of a run drawn at its start: how hard each trains on a problem, by how often it is solved."""

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
    """At the start of `fit`, every logger gets A_pos, A_neg and eta of every stage's objective on one figure.

    They are drawn against the pass rate, each for its stage's number of rollouts (Section 4.1, Eq. 16, Figure 9).
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        files, iteration = files_of(trainer), RLVRModule.of(pl_module).iteration
        drawn = trainer.ckpt_path is not None and iteration > 0  # the first checkpoint is written just before
        if drawn or not trainer.is_global_zero:
            return
        image = image_of(curves_figure(_objectives(trainer, pl_module)))
        for place in (*media_of(trainer), files):
            place.picture(CURVES, image, iteration)


def _objectives(trainer: Trainer, pl_module: LightningModule) -> dict[str, Curves]:
    """The curves of each stage's objective, by name; of the module's own where there is no schedule."""
    schedule, module = callback_of(trainer, Schedule), RLVRModule.of(pl_module)
    if schedule is None:
        return {"": curves(module.settings.advantage, module.rollout_worker.settings.rollouts)}
    return {each.name: curves(each.update.advantage, each.rollouts.rollouts) for each in schedule.settings}


def curves_figure(objectives: Mapping[str, Curves]) -> Figure:
    """A_pos, A_neg and eta against the pass rate, a line for each objective."""
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
    with rc_context({"text.parse_math": False}):  # of a stage's name
        figure.legend(*panels[2].get_legend_handles_labels(), loc="outside right upper")
    return figure
