"""Pictures for TensorBoard: Pass@k against k, sampled answers, problems with an answer drawn in."""

from __future__ import annotations

import gc
import html
from itertools import islice
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib.figure import Figure

from app.metrics.rollouts import pass_at_ks
from app.module import RLVRModule
from app.types import Rollouts
from app.types.pictures import text_of
from callbacks.lookup import callback_of
from callbacks.roles import Evaluation


class TensorBoardPictures(Callback):
    """After every validation: a figure of Pass@k against k, sampled answers as text, a few problems drawn.

    Args:
        problems: how many problems are shown.
        answers: how many answers to each are shown as text.
    """

    def __init__(self, problems: int = 4, answers: int = 4) -> None:
        if min(problems, answers) < 0:
            raise ValueError(f"problems={problems} and answers={answers} must be at least 0")
        self.problems, self.answers = problems, answers

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        evaluation = callback_of(trainer, Evaluation)
        board = next((logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)), None)
        if evaluation is None or board is None or evaluation.shown is None or trainer.sanity_checking:
            return
        if not trainer.is_global_zero:
            return
        shown, step = evaluation.shown, RLVRModule.of(pl_module).iteration
        writer: Any = board.experiment
        writer.add_figure("eval/pass@k against k", pass_at_k_figure(shown), step)
        writer.add_text("eval/answers", answers_text(shown, self.problems, self.answers), step)
        drawing = drawn_answers(shown, self.problems)
        if drawing is not None:
            writer.add_figure("eval/drawn", drawing, step)
        gc.collect()  # figures are knots of references: left to themselves they hold megabytes for many validations

    on_test_end = on_validation_end


def pass_at_k_figure(rollouts: Rollouts) -> Figure:
    """Unbiased Pass@k of these problems for every k from 1 to N."""
    ks = range(1, rollouts.rewards.shape[-1] + 1)
    total, problems = pass_at_ks(rollouts, ks)
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(ks, (total / problems).tolist(), marker=".")
    axes.set(xlabel="k", ylabel="Pass@k", ylim=(0, 1), title=f"{len(rollouts)} held-out problems")
    axes.set_xscale("log", base=2)
    axes.grid(alpha=0.3)
    return figure


def answers_text(rollouts: Rollouts, problems: int, answers: int) -> str:
    """Problems and sampled answers as TensorBoard shows them: what the policy wrote stands there letter by letter."""
    parts = []
    of_each = zip(rollouts.problems, rollouts.completions, rollouts.rewards.tolist(), strict=True)
    for problem, rows, rewards in islice(of_each, problems):
        parts.append(problem.prompt if isinstance(problem.prompt, str) else text_of(problem.prompt[-1]["content"]))
        parts += [
            f"{reward:.2f} {row.finish:6s} {row.text}"
            for row, reward in islice(zip(rows, rewards, strict=True), answers)
        ]
    return "\n\n".join(map(preformatted, parts))


def preformatted(text: str) -> str:
    """HTML that shows a text as it is, in Markdown too, which looks for fences of code before it looks for HTML."""
    whole = text.encode(errors="replace").decode()  # halves of pairs can't be written
    return f"<pre>{html.escape(whole).replace('`', '&#96;').replace('~', '&#126;')}</pre>"


def drawn_answers(rollouts: Rollouts, problems: int) -> Figure | None:
    """The first answer to each of a few problems drawn into it, where problems can be drawn."""
    of_each = zip(rollouts.problems, rollouts.completions, rollouts.rewards.tolist(), strict=True)
    drawings = ((problem.draw(rows[0].text), rewards[0]) for problem, rows, rewards in islice(of_each, problems))
    texts = [(text, reward) for text, reward in drawings if text is not None]
    if not texts:
        return None
    figure = Figure(figsize=(2.6 * len(texts), 2.9), layout="constrained")
    for axes, (text, reward) in zip(figure.subplots(1, len(texts), squeeze=False)[0], texts, strict=True):
        _draw_characters(axes, text)
        axes.set_title("passed" if reward >= 1 else "failed", color="tab:green" if reward >= 1 else "tab:red")
    return figure


def _draw_characters(axes: Any, text: str) -> None:
    """A grid of characters: '*' dark, '.' blank, anything else as its letter on a tint."""
    rows = text.splitlines()
    shades = {"*": 0.15, ".": 1.0}
    image = [[shades.get(letter, 0.8) for letter in row.ljust(max(map(len, rows)), "*")] for row in rows]
    axes.imshow(image, cmap="gray", vmin=0, vmax=1)
    for y, row in enumerate(rows):
        for x, letter in enumerate(row):
            if letter not in shades:
                axes.text(x, y, letter, ha="center", va="center", fontsize=7)
    axes.set_axis_off()
