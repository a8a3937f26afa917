"""Shows Pass@k against k, sampled answers and drawings of answers after every validation."""

from __future__ import annotations

import gc
import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice
from textwrap import wrap
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from matplotlib import colormaps, rc_context
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font_names

from app.module import RLVRModule
from app.types import Rollouts
from callbacks.display.answers import answer_rows
from callbacks.display.media import files_of, image_of, media_of
from callbacks.lookup import callback_of
from callbacks.roles import Evaluation

LINES = 8
"""The most validations in one plot: the first, the last, and others evenly spaced between them."""

FALLBACKS = ("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Zen Hei", "PingFang SC",
             "Microsoft YaHei", "SimHei", "Arial Unicode MS")  # fmt: skip
"""Fonts with Chinese characters, by system."""


class Samples(Callback):
    """Shows Pass@k against k, a table of sampled answers and drawings of problems after every validation.

    They go to every logger and to the run folder (`callbacks/display/media.py`).

    Args:
        problems: how many problems are shown.
        answers: how many answers to each problem are in the table.
    """

    def __init__(self, problems: int = 4, answers: int = 4) -> None:
        if min(problems, answers) < 0:
            raise ValueError(f"problems={problems} and answers={answers} must be at least 0")
        self.problems, self.answers = problems, answers

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        files = files_of(trainer)
        if trainer.is_global_zero:
            files.forget_after(RLVRModule.of(pl_module).iteration)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        evaluation, files = callback_of(trainer, Evaluation), files_of(trainer)
        if evaluation is None or evaluation.shown is None or trainer.sanity_checking or not trainer.is_global_zero:
            return
        iteration, places = RLVRModule.of(pl_module).iteration, [*media_of(trainer), files]
        figures = {"eval/drawn": drawn_answers(evaluation.shown, self.problems)}
        if evaluation.curves:
            figures["eval/pass_at_k"] = pass_at_k_figure(evaluation.curves)
        for name, figure in figures.items():
            if figure is not None:
                image = image_of(figure)
                for place in places:
                    place.picture(name, image, iteration)
        rows = [*answer_rows(evaluation.shown, self.problems, self.answers)]
        for place in places if rows else ():
            place.table("eval/answers", rows, iteration)
        gc.collect()  # figures are reference cycles: uncollected, they hold megabytes for many validations

    on_test_end = on_validation_end


def pass_at_k_figure(curves: Sequence[Mapping[str, Any]]) -> Figure:
    """Plot Pass@k of all held-out problems against k, a line for each validation; later ones are darker."""
    last = curves[-1]
    number = min(LINES, len(curves))
    places = sorted({round(index * (len(curves) - 1) / max(number - 1, 1)) for index in range(number)})
    figure = Figure(figsize=(6.5, 3.5), layout="constrained")
    axes = figure.subplots()
    for order, curve in enumerate(curves[place] for place in places):
        color = colormaps["viridis_r"]((order + 1) / number)
        label = f"{curve['iteration']} {curve['stage'][:32]}"
        axes.plot(range(1, len(curve["pass@k"]) + 1), curve["pass@k"], marker=".", color=color, label=label)
    axes.set(xlabel="k", ylabel="Pass@k", ylim=(0, 1), title=f"all {last['problems']} held-out problems")
    axes.set_xscale("log", base=2)
    powers = [2**power for power in range(len(last["pass@k"]).bit_length())]
    axes.set_xticks(powers, [*map(str, powers)])
    axes.grid(alpha=0.3)
    with rc_context({"text.parse_math": False}):  # a "$" in a stage's name
        figure.legend(loc="outside right upper", title="iteration", fontsize="small", alignment="left")
    return figure


def drawn_answers(rollouts: Rollouts, problems: int) -> Figure | None:
    """Draw a few problems with the first answer to each; None if the problems cannot be drawn."""
    of_each = zip(rollouts.problems, rollouts.completions, rollouts.rewards.tolist(), strict=True)
    drawings = [
        (text, rows[0].text, rewards[0])
        for problem, rows, rewards in islice(of_each, problems)
        if (text := problem.draw(rows[0].text)) is not None
    ]
    if not drawings:
        return None
    figure = Figure(figsize=(3.2 * len(drawings), 3.9), layout="constrained")
    for axes, (text, answer, reward) in zip(figure.subplots(1, len(drawings), squeeze=False)[0], drawings, strict=True):
        _draw_characters(axes, text)
        title = "passed" if reward >= 1 else "failed" if reward == reward else "no score"
        axes.set_title(title, color="tab:green" if reward >= 1 else "tab:red")
        axes.set_xlabel(caption(answer), fontsize=9, family=families(), parse_math=False)
    return figure


@lru_cache(maxsize=1)
def families() -> list[str]:
    """The fonts of captions: for characters that the first lacks, those of FALLBACKS on this machine."""
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # tells of a font without a normal weight
    installed = set(get_font_names())
    return ["monospace", *(name for name in FALLBACKS if name in installed)]


def caption(answer: str, width: int = 32, lines: int = 3) -> str:
    """An answer in a few short lines; the end of a long one is left out."""
    printable = "".join(letter if letter.isprintable() else " " for letter in answer)
    shown = wrap(printable, width, max_lines=lines, placeholder=" ...") or ["(empty)"]
    return "\n".join(shown)


def _draw_characters(axes: Any, text: str) -> None:
    """Draw a grid of characters: '*' dark, '.' blank, any other as its letter on a light colour."""
    rows = text.splitlines()
    shades = {"*": 0.15, ".": 1.0}
    image = [[shades.get(letter, 0.8) for letter in row.ljust(max(map(len, rows)), "*")] for row in rows]
    axes.imshow(image, cmap="gray", vmin=0, vmax=1)
    for y, row in enumerate(rows):
        for x, letter in enumerate(row):
            if letter not in shades:
                axes.text(x, y, letter, ha="center", va="center", fontsize=8)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
