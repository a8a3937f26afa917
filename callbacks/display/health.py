"""Warnings: large importance ratios, collapsed entropy, no informative problems, or no answer that passes."""

from __future__ import annotations

import logging
from itertools import compress
from math import exp
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from app.advantages import AdvantageEstimator
from app.module import RLVRModule
from app.types import ProblemBatch, Rollouts
from app.types.pictures import text_of
from callbacks.lookup import callback_of
from callbacks.roles import Evaluation

log = logging.getLogger(__name__)


class Health(Callback):
    """Warns, once each, of large importance ratios, low entropy and iterations with zero advantages only.

    Args:
        ratio: warn when the tokens of an update have become, on average, this many times more or less probable
            than when they were sampled.
        entropy: warn when the mean entropy of sampled tokens is at most this, in nats.
        idle: warn when this many iterations in a row had no informative problem, with the cause; and at the end of
            a run that never had one.

    In `validate` and `test` it warns, with an example, if no answer to the problems of the first batch passes.
    """

    def __init__(self, ratio: float = 2.0, entropy: float = 0.01, idle: int = 3) -> None:
        if not ratio > 1:
            raise ValueError(f"ratio={ratio} must be above 1")
        if not entropy >= 0:
            raise ValueError(f"entropy={entropy} must be at least 0")
        if idle < 1:
            raise ValueError(f"idle={idle} must be at least 1")
        self.ratio, self.entropy, self.idle = ratio, entropy, idle
        self.warned: set[str] = set()
        self.iterations = self.in_a_row = 0  # of this process; those in a row without an informative problem
        self.cause = ""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: ProblemBatch, batch_idx: int
    ) -> None:
        module = RLVRModule.of(pl_module)
        self._check_idle(trainer, module, batch)
        ratio = exp(min(module.figures.get("train/logprob_gap", 0.0), 700.0))
        if ratio >= self.ratio:
            text = f"{ratio:.3g} times as likely or unlikely as then, at iteration {module.iteration}"
            self._warn(trainer, "ratio", f"the policy has left the one that sampled: tokens are on average {text}")
        entropy = module.figures.get("entropy/mean")
        if entropy is not None and entropy <= self.entropy:
            text = f"{entropy:.3g} nats of entropy a token, at iteration {module.iteration}"
            result = "its answers to a problem will all be the same"
            self._warn(trainer, "entropy", f"the entropy has collapsed: {text}; {result}")

    def _check_idle(self, trainer: Trainer, module: RLVRModule, batch: ProblemBatch) -> None:
        self.iterations += 1
        informative = module.figures.get("rollout/informative", 1.0)  # missing if all answers began with a prefix
        if informative > 0 or batch.mixed is not None:
            self.in_a_row = 0
            return
        self.in_a_row += 1
        kind, self.cause = why_idle(batch.rollouts, module.settings.advantage)
        if self.in_a_row == self.idle:
            text = f"nothing was learnt in the last {self.idle} iterations, to iteration {module.iteration}"
            self._warn(trainer, kind, f"{text}: {self.cause}")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.iterations and self.in_a_row == self.iterations:
            self._warn(trainer, "end", f"nothing was learnt in any of the {self.iterations} iterations: {self.cause}")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        evaluation = callback_of(trainer, Evaluation)
        shown = None if evaluation is None or trainer.state.fn == "fit" else evaluation.shown
        if shown is not None and (shown.rewards == 0).any() and not (shown.rewards > 0).any():
            self._warn(trainer, "evaluated", f"of the first {len(shown)} problems, {nothing_passes(shown)}")

    on_test_end = on_validation_end

    def _warn(self, trainer: Trainer, kind: str, text: str) -> None:
        if kind not in self.warned and trainer.is_global_zero:
            self.warned.add(kind)
            log.warning("%s", text)


def why_idle(batch: Rollouts, advantage: AdvantageEstimator) -> tuple[str, str]:
    """Why no problem is informative: the kind of cause and a text, with an example if all fail."""
    number, unscored, truncated = batch.rewards.numel(), int((~batch.scored).sum()), int(batch.truncated.sum())
    rewards = batch.rewards.nan_to_num(0.0).where(batch.scored, batch.rewards.nan_to_num(0.0).amax(-1, keepdim=True))
    if truncated == number:
        return "truncated", f"all {number} answers ran into max_new_tokens and were cut off, so that none passes"
    if unscored == number:
        return "unscored", f"none of the {number} answers has a score"
    if (rewards == 0).all():
        return "failed", nothing_passes(batch)
    if (rewards == 1).all():
        return "passed", f"all {number - unscored} answers pass: the problems are too easy"
    if (rewards == rewards[:, :1]).all():
        return "alike", "the answers to each problem all have the same score"
    return "advantage", f"scores differ, but {advantage!r} is zero for these numbers of passes"


def nothing_passes(batch: Rollouts) -> str:
    """How many answers failed and why, with an example, of rollouts of which none passes."""
    truncated, unscored = int(batch.truncated.sum()), int((~batch.scored).sum())
    whole = (batch.scored & ~batch.truncated).tolist()
    answers = [
        row.answer for group, kept in zip(batch.completions, whole, strict=True) for row in compress(group, kept)
    ]
    silent = f", {answers.count(None)} have no final answer" if None in answers else ""
    counts = f"{truncated} were cut off, {unscored} have no score{silent}"
    return f"none of the {batch.rewards.numel()} answers passes ({counts}); for example, {example(batch)}"


def example(batch: Rollouts) -> str:
    """A question, a failing answer and the reference; preferably an answer that is not truncated."""
    failed = (batch.rewards == 0) & ~batch.truncated
    places = (failed if failed.any() else batch.rewards == 0).nonzero()
    problem, row = places[0].tolist()
    asked, answer = batch.problems[problem], batch.completions[problem][row]
    question = asked.prompt if isinstance(asked.prompt, str) else text_of(asked.prompt[-1]["content"])
    return f"to {short(question)} it says {short(answer.text)}, the reference is {short(asked.solution)}"


def short(text: object, limit: int = 200) -> str:
    """The text on one line; the middle of a long one is left out."""
    shown = repr(text)
    return shown if len(shown) <= limit else f"{shown[: limit // 2]} ... {shown[-limit // 2 :]}"
