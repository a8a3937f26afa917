"""Makes scored rollouts of problems: encode, sync, generate, score. All sampling goes through this file."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import islice
from time import perf_counter

import torch
from torch import Tensor

from app.advantages.base import AdvantageEstimator, informative_problems
from app.compute.allocation import return_freed_memory
from app.distributed.processes import gather_over_processes, max_over_processes
from app.engines.base import RolloutEngine
from app.policy_module import PolicyModule
from app.rollouts.prefetch import RolloutPrefetcher, thread_autocast
from app.scoring import BatchScorer, Verdict
from app.settings import RolloutSettings
from app.types import Completion, Outcome, Problem, Request, Rollouts

log = logging.getLogger(__name__)

TRUNCATED = Verdict(0.0)
"""The verdict on a truncated answer, which is not given to the scorer."""


class RolloutWorker:
    """Samples and scores for training, evaluation and prediction; callbacks decide when.

    Args:
        settings: those of the run; a stage replaces them by its own.
        scorer: scores the answers.
        max_unscored: the share of a batch's answers, on one process, that may be unscored.
        max_skipped_prompts: the share of the train split that may be skipped because the policy cannot read it.
        overlap: whether an iteration is sampled while the one before it trains.
        seed: rollout r of a problem is sampled with the seed "<seed>/<phase>/<problem>/<r>"; of one that is in a batch
            for the second time with "<seed>/<phase>/again 1/<problem>/<r>".

    Attributes:
        engine: the run's engine, used for evaluation and prediction even if a stage trains with another.
        activity: the current activity: "sampling", "scoring" or "training".
        listeners: functions called with the name of each activity when it begins.
        interruptible: a context entered for sampling and scoring, which a signal may abort at once.
        seconds: spent in each activity since `begin_iteration`.
        outcomes: the answers and passes of each problem sampled for training since `begin_iteration`, resampled
            problems included.
        prefix_of: gives the tokens `[l]` of an earlier answer with which the answers to a training request begin;
            None for no prefixes.
        first_cause: why the first unscored answer has no score.
    """

    def __init__(
        self,
        settings: RolloutSettings,
        scorer: BatchScorer,
        max_unscored: float = 1.0,
        max_skipped_prompts: float = 0.0,
        overlap: bool = False,
        seed: int = 0,
    ) -> None:
        self.settings, self.engine = settings, settings.engine
        self.scorer, self.max_unscored, self.max_skipped_prompts = scorer, max_unscored, max_skipped_prompts
        self.overlap, self.seed = overlap, seed
        self.prefetcher = RolloutPrefetcher()
        self.activity = ""
        self.listeners: set[Callable[[str], None]] = set()
        self.interruptible: Callable[[], AbstractContextManager[None]] = nullcontext
        self.seconds = {"sampling": 0.0, "scoring": 0.0}
        self.first_cause = ""
        self.outcomes: list[Outcome] = []
        self.prefix_of: Callable[[Request], Tensor] | None = None
        self._warned: set[str] = set()  # causes of failed scoring that have been warned of
        self._engines: list[RolloutEngine] = []  # closed by `close`
        self._module: PolicyModule | None = None

    # -- engines ------------------------------------------------------------------------------------

    def attach(self, module: PolicyModule) -> None:
        """Sample this module's policy from now on."""
        self._module = module

    @property
    def module(self) -> PolicyModule:
        if self._module is None:
            raise RuntimeError("the rollout worker is attached to no module")
        return self._module

    def set_up(self, engine: RolloutEngine) -> None:
        """Set up an engine for the policy; `close` closes it."""
        with self._precision():
            engine.setup(self.module.policy)
        self._engines.append(engine)

    def close(self) -> None:
        """End the prefetching thread and close all engines."""
        self.prefetcher.close()
        while self._engines:
            self._engines.pop().close()

    # -- one batch, top to bottom -------------------------------------------------------------------

    def sample(
        self,
        problems: Sequence[Problem],
        phase: str,
        settings: RolloutSettings | None = None,
        training: bool = False,
        repeats: Sequence[int] = (),
    ) -> Rollouts:
        """P problems -> their rollouts, with rewards [P, N].

        Args:
            problems: P problems; may be empty, where all processes have to sample together.
            phase: of the run, such as "fit/12"; part of the seed of each sample.
            settings: defaults to those of the current stage.
            training: whether log-probabilities are needed even if the engine gives none.
            repeats: of the problems, see `ProblemBatch`.

        Raises:
            ValueError: too many answers have no score.
        """
        settings = settings or self.settings
        engine, n, sampling = settings.engine, settings.rollouts, settings.sampling
        begun = self._begin("sampling")
        return_freed_memory()
        requests = self.encode(problems, phase, begun=training and not engine.demonstrates, repeats=repeats)
        with self.interruptible(), self._precision():
            completions = self.prefetcher.take(requests, settings.of_samples)
            on_policy = engine.samples_the_policy and completions is None
            if completions is None:
                engine.sync(self.module.policy)
                completions = engine.generate_checked(requests, n, sampling)
                engine.sleep()
            rollouts = Rollouts(
                problems,
                [request.tokens for request in requests],
                [self._whole(request, rows) for request, rows in zip(requests, completions, strict=True)],
                torch.zeros(len(problems), n, device=self.module.device),
                temperature=sampling.temperature or 1.0,
                on_policy=on_policy,
                vision=[request.vision for request in requests],
                prefixes=[request.prefix for request in requests],
            )
            if engine.is_rescored or (training and lacks_logprobs(engine, rollouts)):
                rollouts = self.module.rescored(rollouts)  # a collective, even without problems
        return_freed_memory()
        sampled = self._begin("scoring")
        with self.interruptible():
            rollouts = self.score(rollouts)
        if training and not engine.demonstrates:
            self.outcomes += rollouts.outcomes(with_passing=self.prefix_of is not None)
        self.seconds["sampling"] += sampled - begun
        self.seconds["scoring"] += perf_counter() - sampled
        return rollouts

    def encode(
        self, problems: Sequence[Problem], phase: str, begun: bool = False, repeats: Sequence[int] = ()
    ) -> list[Request]:
        """Make the requests to an engine: prompts in tokens, with seeds unique to this phase of the run.

        Args:
            begun: whether to append the prefixes of earlier answers that `prefix_of` gives.
            repeats: see `sample`; a problem that is in the batch again has other seeds.
        """
        encoded = [self.module.policy.encode_with_vision(problem.prompt) for problem in problems]
        phases = [f"{phase}/again {number}" if number else phase for number in repeats or [0] * len(problems)]
        requests = [
            Request(problem, tokens.to(self.module.device), f"{self.seed}/{each}/{problem.key}", vision)
            for problem, (tokens, vision), each in zip(problems, encoded, phases, strict=True)
        ]
        if self.prefix_of is None or not begun:
            return requests
        pairs = [(request, self.prefix_of(request).to(request.tokens)) for request in requests]
        return [replace(each, tokens=torch.cat([each.tokens, begins]), prefix=len(begins)) for each, begins in pairs]

    def _whole(self, request: Request, rows: list[Completion]) -> list[Completion]:
        """Return the completions with the text of the whole answer: the given prefix and its continuation."""
        if not request.prefix:
            return rows
        given = request.tokens[-request.prefix :].tolist()
        said = [[*given, *row.tokens[: len(row.tokens) - (row.finish == "stop")].tolist()] for row in rows]
        return [replace(row, text=text) for row, text in zip(rows, self.module.policy.decode(said), strict=True)]

    def score(self, rollouts: Rollouts) -> Rollouts:
        """Return the rollouts with rewards (NaN for an unscored answer, 0 for a truncated one) and extracted answers.

        Raises:
            ValueError: more than `max_unscored` of the answers are unscored; with the first cause.
        """
        of_each = zip(rollouts.problems, rollouts.completions, strict=True)
        pairs = [(problem, row) for problem, rows in of_each for row in rows]
        verdicts = self.scorer([(problem, row.text) for problem, row in pairs if row.finish == "stop"])
        rewards, found, causes = list[float](), list[Verdict](), list[str]()
        for problem, row in pairs:
            verdict = next(verdicts) if row.finish == "stop" else TRUNCATED
            rewards.append(verdict.score)
            found.append(verdict)
            if not verdict.scored:
                causes.append(f"{problem.label}, {problem.key!r:.80}: {verdict.cause}")
                self.first_cause = self.first_cause or causes[-1]
                self._warn(verdict.cause, causes[-1])
            if len(causes) > self.max_unscored * len(pairs):
                raise ValueError(
                    f"more than max_unscored={self.max_unscored:g} of the {len(pairs)} answers have no score; "
                    f"the first: {causes[0]}"
                )
        judged = (replace(row, answer=of.answer, parts=of.parts) for (_, row), of in zip(pairs, found, strict=True))
        completions = [[*islice(judged, len(rows))] for rows in rollouts.completions]
        of_all = torch.tensor(rewards, device=rollouts.rewards.device).view(rollouts.rewards.shape)
        return replace(rollouts, completions=completions, rewards=of_all)

    # -- more than one batch ------------------------------------------------------------------------

    def resample(
        self, rollouts: Rollouts, phase: str, advantage: AdvantageEstimator, others: Iterator[Problem], rounds: int
    ) -> tuple[Rollouts, dict[str, int]]:
        """Dynamic sampling (DAPO, 2503.14476): replace problems with zero advantages by others.

        All processes take part in every round, even without such a problem: an engine may need all of them.

        Args:
            rollouts: of the first round.
            phase: see `sample`.
            advantage: decides which problems are informative.
            others: replacements, used until there are none left; the same on all processes, which divide them.
            rounds: of sampling, at most, the first included.

        Returns:
            The rollouts, and the numbers of problems "sampled", of those with zero advantages ("dead") and of "rounds".
        """
        alive = informative_problems(advantage, rollouts)
        counts = {"sampled": len(rollouts), "dead": int((~alive).sum()), "rounds": 1}
        while counts["rounds"] < rounds:
            wanted = torch.tensor([int((~alive).sum())], device=rollouts.rewards.device)
            of_all, own = gather_over_processes(wanted)
            drawn, before = list(islice(others, int(of_all.sum()))), int(of_all[:own].sum())
            if not drawn:
                break
            fresh = self.sample(drawn[before : before + int(wanted)], phase, training=True)
            counts["rounds"] += 1
            if not len(fresh):
                continue
            useful = informative_problems(advantage, fresh)
            counts["sampled"] += len(fresh)
            counts["dead"] += int((~useful).sum())
            places = (~alive).nonzero()[: int(useful.sum()), 0]
            rollouts = rollouts.substitute(places, fresh, useful.nonzero()[:, 0])
            alive[places] = True
        return rollouts, counts

    def prefetch(self, problems: Sequence[Problem], iteration: int, repeats: Sequence[int] = ()) -> None:
        """Start sampling a later iteration in a thread, with the current weights."""
        begun = perf_counter()
        settings, module = self.settings, self.module
        requests = self.encode(problems, f"fit/{iteration}", repeats=repeats)
        with self._precision():
            settings.engine.sync(module.policy)

        def generate() -> list[list[Completion]]:
            with thread_autocast(module.trainer):
                groups = settings.engine.generate_checked(requests, settings.rollouts, settings.sampling)
            settings.engine.sleep()
            return groups

        self.prefetcher.begin(iteration, requests, settings.of_samples, generate)
        self.seconds["sampling"] += perf_counter() - begun

    # -- state that callbacks read ------------------------------------------------------------------

    def begin_iteration(self) -> None:
        """Reset seconds and outcomes."""
        self.seconds, self.outcomes = dict.fromkeys(self.seconds, 0.0), []

    def begin_training(self) -> float:
        """Tell listeners that training begins.  -> the time, in seconds of `perf_counter`"""
        return self._begin("training")

    def pop_usage(self) -> dict[str, float]:
        """What the run's engine has used since the last call, over all processes: tokens, cost."""
        own = self.engine.pop_usage()
        return dict(zip(own, self.module.sum_over_processes([*own.values()]), strict=True)) if own else {}

    def _begin(self, activity: str) -> float:
        self.activity = activity
        for listener in self.listeners:
            listener(activity)
        return perf_counter()

    def _precision(self) -> AbstractContextManager[None]:
        return self.module.trainer.precision_plugin.forward_context()

    def _warn(self, cause: str, where: str) -> None:
        """Warn of a failing scorer, once for each kind of cause."""
        kind = cause.split(":")[0]
        if kind not in self._warned:
            self._warned.add(kind)
            log.warning("an answer is unscored and left out (rollout/unscored counts them): %s", where)


def lacks_logprobs(engine: RolloutEngine, rollouts: Rollouts) -> bool:
    """Whether the trainer has to compute the log-probabilities of the importance ratio; demonstrations need none.

    A collective: if the rollouts of one process lack them, all processes compute theirs.
    """
    lacking = not engine.demonstrates and any(row.sampler_logprobs is None for row in rollouts.rows)
    return max_over_processes(int(lacking), rollouts.rewards.device) > 0
