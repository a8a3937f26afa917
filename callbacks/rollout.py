"""Sampling and verifying: a batch of problems becomes a batch of rollouts before the step sees it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import islice
from random import Random
from time import perf_counter
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.distributed.fsdp import FSDPModule

from app.advantages.base import check_share, informative_problems
from app.engines.base import RolloutEngine
from app.engines.transformers import TransformersEngine
from app.mismatch import mismatch
from app.module import RLVRModule
from app.policy import Policy
from app.processes import union_over_processes
from app.scoring import BatchScorer, Contained, Verdict
from app.types import Completion, Problem, Request, RolloutBatch, Sampling
from callbacks.ahead import Ahead, aside
from callbacks.checks import check_engine, check_overlap, check_policy
from callbacks.prompts import Reading, asked, check_prompts

log = logging.getLogger(__name__)


class RolloutCallback(Callback):
    """Have an engine answer every problem N times, and the problems score the answers.

    A truncated answer has no end and does not pass, whatever it says. One whose scorer fails is
    unscored (`app/scoring.py`): it counts as one that was not drawn. Once as many answers in a row as an iteration
    draws have no score, the run ends with the first cause.

    Args:
        engine: samples the policy; a stage may put another in its place.
        rollouts: N, answers to each problem in training and in `predict`.
        sampling: how they are drawn.
        attempts: dynamic sampling (DAPO, 2503.14476): problems that teach nothing under the objective are
            replaced by others of the train split, which are sampled too, until none is left or so many
            times in all have been tried; 1 keeps them.
        scorer: has the answers scored, in a process of their own where None.
        max_skipped_prompts: the share of the train split that the policy may be unable to read, or to answer for want of
            context: such problems are left out and counted. Where there are more, the first ends the run at its start.
        max_unscored: the share of a batch's answers, on one process, that may be unscored before the run ends.
        overlap: sample every iteration of a stage but its first while the one before it trains, with the weights
            from before that training: one iteration off-policy, which `model.correction` has to mend.
        seed: rollout r of a problem in iteration i draws from "<seed>/fit/<i>/<problem>/<r>"; None
            takes the run's `seed_everything`.
    """

    def __init__(
        self,
        engine: RolloutEngine | None = None,
        rollouts: int = 32,
        sampling: Sampling | None = None,
        attempts: int = 1,
        scorer: BatchScorer | None = None,
        max_unscored: float = 1.0,
        max_skipped_prompts: float = 0.0,
        overlap: bool = False,
        seed: int | None = None,
    ) -> None:
        for name, value in {"rollouts": rollouts, "attempts": attempts}.items():
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        check_share("max_unscored", max_unscored)
        check_share("max_skipped_prompts", max_skipped_prompts)
        self.max_skipped_prompts = max_skipped_prompts
        self.scorer, self.max_unscored = scorer or Contained(), max_unscored
        self.failures: set[str] = set()  # kinds of them that the user has been told of
        self.unscored = 0  # answers of training in a row, over all processes
        self.first_cause = ""
        self.engine = engine or TransformersEngine()
        self.stage_engine = self.engine
        self.rollouts, self.sampling, self.seed = rollouts, sampling or Sampling(), seed or 0
        self.attempts = attempts
        self.overlap, self.ahead = overlap, Ahead()
        self.ready: list[RolloutEngine] = []  # to be closed
        self.phase = ""
        self.listeners: set[Callable[[str], None]] = set()  # told of every phase that begins
        self.around: Callable[[], AbstractContextManager[None]] = nullcontext  # entered to sample, and to score
        self.seconds = {"sampling": 0.0, "scoring": 0.0, "start": 0.0}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        check_policy(self.engine, policy_of(pl_module))
        if stage == "fit":
            check_engine(self.engine, self.overlap)
            if self.overlap:
                check_overlap(trainer, rlvr(pl_module))
            if self.attempts > 1 and trainer.overfit_batches:  # type: ignore[attr-defined]
                raise ValueError(f"attempts={self.attempts} must be 1 with overfit_batches, which keeps its problems")
        self.scorer.begin()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.attempts > 1 and isinstance(policy_of(pl_module), FSDPModule):
            raise ValueError(f"attempts={self.attempts} must be 1 with sharded weights: processes would wait for ever")
        if self.attempts > 1 and trainer.world_size > 1 and self.engine.syncs_together:
            name = type(self.engine).__name__
            raise ValueError(
                f"attempts={self.attempts} must be 1 with {name} and several processes: they would wait for ever"
            )
        self.make_ready(trainer, pl_module, self.engine)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit":
            self.make_ready(trainer, pl_module, self.engine)

    on_test_start = on_validation_start

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        policy = policy_of(pl_module)
        policy.stop_ids(self.sampling)
        check_prompts(Reading(policy), asked(trainer, "test"), lambda problem: self.sampling.max_new_tokens)
        self.make_ready(trainer, pl_module, self.engine)

    def make_ready(self, trainer: Trainer, pl_module: LightningModule, engine: RolloutEngine) -> None:
        """Set an engine up for the policy, and have it closed with the run."""
        with trainer.precision_plugin.forward_context():
            engine.setup(policy_of(pl_module))
        self.ready.append(engine)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.ahead.close()
        while self.ready:
            self.ready.pop().close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self.teardown(trainer, pl_module, "")

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if self.overlap:
            checkpoint["ahead"] = self.ahead.save(rlvr(pl_module).iteration)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if self.overlap and checkpoint.get("ahead"):
            self.ahead.load(checkpoint["ahead"])

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The same batches in every epoch, where `overfit_batches` asks for so many."""
        stream = getattr(getattr(trainer, "datamodule", None), "stream", None)
        if trainer.overfit_batches and stream is not None:  # type: ignore[attr-defined]
            stream.position = 0

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: RolloutBatch, batch_idx: int
    ) -> None:
        self.seconds = {"sampling": 0.0, "scoring": 0.0}
        self._fill_for_training(trainer, pl_module, batch)
        self._end_where_nothing_is_scored(rlvr(pl_module), batch)
        if self.attempts > 1:
            self._replace_dead(trainer, pl_module, batch)
        if self.stage_engine.is_rescored and self.sampling.is_whole:
            rlvr(pl_module).report(mismatch(batch))
        if self.overlap:
            self._look_ahead(trainer, pl_module)
        self.enter("training")
        self.seconds["start"] = perf_counter()

    def _fill_for_training(self, trainer: Trainer, pl_module: LightningModule, batch: RolloutBatch) -> None:
        occasion = f"fit/{rlvr(pl_module).iteration}"
        self.fill(trainer, pl_module, batch, self.stage_engine, self.rollouts, self.sampling, occasion)

    def _end_where_nothing_is_scored(self, module: RLVRModule, batch: RolloutBatch) -> None:
        """Raise ValueError once as many answers in a row as an iteration draws, to two problems or more, have no score.

        Truncated answers, which no scorer was asked about, neither count nor break the row.
        """
        scored = int((batch.scored & ~batch.truncated).sum())
        scored, unscored, problems = module.sum_over_processes([scored, int((~batch.scored).sum()), len(batch)])
        self.unscored = 0 if scored else self.unscored + unscored
        if unscored and self.unscored >= max(problems, 2) * self.rollouts:
            cause = self.first_cause or "another process tells"
            raise ValueError(f"none of the last {self.unscored} answers could be scored; the first: {cause}")

    def _look_ahead(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to sample the next iteration with the weights as they stand."""
        start = perf_counter()
        module, engine = rlvr(pl_module), self.stage_engine
        problems = trainer.datamodule.stream.peek().problems  # type: ignore[attr-defined]
        requests = self.requests(pl_module, problems, f"fit/{module.iteration + 1}")
        n, sampling = self.rollouts, self.sampling
        with trainer.precision_plugin.forward_context():
            engine.sync(module.policy)

        def sample() -> list[list[Completion]]:
            with aside(trainer):
                groups = engine.generate_checked(requests, n, sampling)
            engine.rest()
            return groups

        self.ahead.begin(module.iteration + 1, requests, sample)
        self.seconds["sampling"] += perf_counter() - start

    def _replace_dead(self, trainer: Trainer, pl_module: LightningModule, batch: RolloutBatch) -> None:
        """Put problems that teach something in the places of those in the objective's dead zone."""
        module = rlvr(pl_module)
        others = self._others(trainer, f"{self.seed}/dynamic/{module.iteration}", batch)
        alive = informative_problems(module.advantage, batch)
        sampled, dead, attempt = len(batch), int((~alive).sum()), 1
        while attempt < self.attempts and not alive.all():
            fresh = RolloutBatch(list(islice(others, int((~alive).sum()))))
            if not fresh.problems:
                break
            attempt += 1
            self._fill_for_training(trainer, pl_module, fresh)
            useful = informative_problems(module.advantage, fresh)
            sampled, dead = sampled + len(fresh), dead + int((~useful).sum())
            places = (~alive).nonzero()[: int(useful.sum()), 0]
            batch.replace(places, fresh, useful.nonzero()[:, 0])
            alive[places] = True
        share, total = module.mean_over_processes({"dead": dead / sampled}, sampled), {"attempts": attempt}
        module.report(
            {"rollout/dead": share["dead"], "rollout/attempts": module.mean_over_processes(total, 1)["attempts"]}
        )

    @staticmethod
    def _others(trainer: Trainer, sentence: str, batch: RolloutBatch) -> Iterator[Problem]:
        """Problems of the train split, shuffled, that no process has in its batch; no two processes get the same."""
        seen = union_over_processes({problem.key for problem in batch.problems})
        train: list[Problem] = trainer.datamodule.splits["train"]  # type: ignore[attr-defined]
        order = Random(sentence).sample(range(len(train)), len(train))
        mine = (train[index] for index in order[trainer.global_rank :: trainer.world_size])
        return (problem for problem in mine if problem.key not in seen)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: RolloutBatch, batch_idx: int
    ) -> None:
        seconds = {
            "time/sampling": self.seconds["sampling"],
            "time/scoring": self.seconds["scoring"],
            "time/training": perf_counter() - self.seconds["start"],
        }
        tokens = float(batch.lengths.sum())
        pl_module.log_dict({**seconds, "time/iteration": sum(seconds.values())}, batch_size=len(batch))
        pl_module.log("time/tokens_per_second", tokens / sum(seconds.values()), batch_size=len(batch))

    def on_predict_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: RolloutBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self.fill(trainer, pl_module, batch, self.engine, self.rollouts, self.sampling, "predict")

    def fill(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: RolloutBatch,
        engine: RolloutEngine,
        n: int,
        sampling: Sampling,
        occasion: str,
    ) -> None:
        """Sample and score: the batch of P problems gets its completions and its rewards [P, n]."""
        self.enter("sampling")
        start = perf_counter()
        requests = self.requests(pl_module, batch.problems, occasion)
        batch.prompts = [request.tokens for request in requests]
        batch.vision = [request.vision for request in requests]
        batch.temperature = sampling.temperature or 1.0
        with self.around(), trainer.precision_plugin.forward_context():
            ahead = self.ahead.take(requests)
            if ahead is None:
                engine.sync(policy_of(pl_module))
                batch.completions = engine.generate_checked(requests, n, sampling)
                engine.rest()
            else:
                batch.completions = ahead
            if engine.is_rescored and len(batch):
                rlvr(pl_module).score_completions(batch)
        batch.on_policy = engine.samples_the_policy and ahead is None
        self.enter("scoring")
        sampled = perf_counter()
        with self.around():
            batch.rewards = torch.tensor(self.score(batch), device=pl_module.device).view(len(batch), n)
        self.seconds["sampling"] += sampled - start
        self.seconds["scoring"] += perf_counter() - sampled

    def requests(self, pl_module: LightningModule, problems: Sequence[Problem], occasion: str) -> list[Request]:
        """What an engine is asked, with seeds that belong to this occasion alone."""
        policy = policy_of(pl_module)
        read = [policy.read(problem.prompt) for problem in problems]
        return [
            Request(problem, tokens.to(pl_module.device), f"{self.seed}/{occasion}/{problem.key}", vision)
            for problem, (tokens, vision) in zip(problems, read, strict=True)
        ]

    def score(self, batch: RolloutBatch) -> list[float]:
        """The reward of every answer, problem by problem; NaN where it is unscored. Completions get their answers.

        Raises:
            ValueError: more of them are unscored than may be, with the first cause.
        """
        pairs = [
            (problem, row) for problem, rows in zip(batch.problems, batch.completions, strict=True) for row in rows
        ]
        verdicts = self.scorer([(problem, row.text) for problem, row in pairs if row.finish == "stop"])
        rewards, causes, answers = [], [], []
        for problem, row in pairs:
            verdict = next(verdicts) if row.finish == "stop" else TRUNCATED
            rewards.append(verdict.score)
            answers.append(verdict.answer)
            if not verdict.scored:
                causes.append(f"{problem.label}, {problem.key!r:.80}: {verdict.cause}")
                self.first_cause = self.first_cause or causes[-1]
                self._tell(verdict.cause, causes[-1])
            if len(causes) > self.max_unscored * len(pairs):
                raise ValueError(
                    f"more than max_unscored={self.max_unscored:g} of the {len(pairs)} answers have no score; "
                    f"the first: {causes[0]}"
                )
        found = iter(answers)
        batch.completions = [[replace(row, answer=next(found)) for row in rows] for rows in batch.completions]
        return rewards

    def _tell(self, cause: str, where: str) -> None:
        """Warn of a failing scorer, once of each kind."""
        kind = cause.split(":")[0]
        if kind not in self.failures:
            self.failures.add(kind)
            log.warning("an answer is unscored and left out (rollout/unscored counts them): %s", where)

    def spent(self, pl_module: LightningModule) -> dict[str, float]:
        """What the engine's answers cost since this was last asked, over all processes."""
        own = self.engine.spent()
        return dict(zip(own, rlvr(pl_module).sum_over_processes(list(own.values())), strict=True)) if own else {}

    def enter(self, phase: str) -> None:
        """Name what is being done, and tell those who show it."""
        self.phase = phase
        for listener in self.listeners:
            listener(phase)


TRUNCATED = Verdict(0.0)
"""On an answer without an end, which its problem is not asked about."""


def policy_of(pl_module: LightningModule) -> Policy:
    """The policy of the run."""
    return rlvr(pl_module).policy


def rlvr(pl_module: LightningModule) -> RLVRModule:
    """The module as what it must be; TypeError otherwise."""
    if not isinstance(pl_module, RLVRModule):
        raise TypeError(f"rollouts need an RLVRModule, not {type(pl_module).__name__}")
    return pl_module
