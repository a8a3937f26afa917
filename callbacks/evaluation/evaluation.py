"""Evaluates Pass@k on held-out problems, logs it, and writes `results.jsonl`."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from app.distributed.processes import union_over_processes
from app.metrics.components import ComponentMeans
from app.metrics.rollouts import Accuracy, PassAtK, evaluation_metrics, name_of, votes_of
from app.module import RLVRModule
from app.settings import RolloutSettings
from app.storage.files import appending
from app.storage.run_folder import folder_line, run_folder
from app.types import Problem, ProblemBatch, Rollouts, Sampling
from callbacks.checks import check_ends, check_monitored_ks, warn_of_modes
from callbacks.evaluation.results import Tally, line_of, write_results
from callbacks.evaluation.sets import (
    ALL,
    Evaluated,
    EvaluationPlan,
    EvaluationSet,
    Settings,
    by_set,
    held_out,
    shown_sets,
)
from callbacks.evaluation.tables import COLUMNS, UNSHOWN, components_of, print_results
from callbacks.lookup import problems_of, stage_name
from callbacks.prompts import PromptCheck, asked, check_prompts
from callbacks.roles import Evaluation

log = logging.getLogger(__name__)

BEFORE = "before training"
"""Stage name of a sanity check of all held-out problems (`num_sanity_val_steps: -1`), saved as a validation."""


class PassKEvaluation(Evaluation):
    """Samples n answers to every validation or test problem; reports unbiased Pass@k and majority votes.

    Metrics are named "eval/pass@8" over all problems and, if there are several sets (such as maze sizes),
    "eval/<set>/pass@8" for each; the mean of a component of the reward is "eval/reward/<name>" and
    "eval/<set>/reward/<name>". All validations sample with the same seeds, so that differences between them come
    from the policy.

    Args:
        n: answers to each problem; the paper has 32 for mazes and 8 for other tasks.
        ks: the k of each Pass@k; at most n.
        taus: the tau of each Cover@tau: the share of problems of which at least a share tau of the answers passes.
        sampling: temperature, top_p and limits; the paper evaluates at temperature 1 and top_p 0.95. None
            samples as training does.
        greedy: whether to also decode the most probable answer, which distinguishes learning from sharpening.
        sets: n, ks or sampling of a set, by its name. Metrics over all problems are then given for the ks that
            all sets have.
        metrics: further metrics by name (logged as "eval/<name>", "eval/<set>/<name>"): torchmetrics whose
            `update` takes a Rollouts and whose `compute` returns a number. Those of sets are logged if there are
            several sets.
    """

    def __init__(
        self,
        n: int = 32,
        ks: Sequence[int] = (1, 4, 8),
        taus: Sequence[float] = (),
        sampling: Sampling | None = None,
        greedy: bool = True,
        sets: Mapping[str, Settings] | None = None,
        metrics: dict[str, Metric] | None = None,
    ) -> None:
        self.extra_metrics = metrics or {}
        check_names(self.extra_metrics)
        check_taus(taus)
        self.taus = tuple(sorted(taus))
        self.greedy, self.given, self.samples_as_training = greedy, sets or {}, sampling is None
        self.plan = EvaluationPlan(Evaluated(n, tuple(sorted(ks)), sampling or Sampling()), self.given)
        self.sets: dict[str, EvaluationSet] = {}
        self.metrics: dict[str, MetricCollection] = {}
        self.greedy_metrics: dict[str, Accuracy] = {}
        self.components: dict[str, ComponentMeans] = {}
        self.tally = Tally()
        self.history: list[dict[str, Any]] = []
        self.results: list[dict[str, Any]] = []
        self.curves: list[dict[str, Any]] = []
        self.shown: Rollouts | None = None
        self.passed: dict[str, list[bool]] = {}
        self.asked: tuple[Evaluated, ...] = ()  # the evaluation settings of held-out problems

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self.samples_as_training:
            self.plan = EvaluationPlan(
                replace(self.plan.default, sampling=RLVRModule.of(pl_module).rollout_worker.settings.sampling),
                self.given,
            )

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        problems = held_out(trainer)
        if self.plan.by_name and not problems:
            name = type(getattr(trainer, "datamodule", None)).__name__
            raise ValueError(f"evaluation.sets has no effect on {name}, which keeps no held-out splits")
        self.sets = self.plan.sets(problems)
        if trainer.state.fn == "fit":  # other commands call no trigger and keep no best checkpoint
            check_monitored_ks(trainer, self._figures_of_sets(problems_of(trainer, "validation")))
            warn_of_modes(trainer)
        parts = self.plan.parts(problems)
        self.asked = tuple(parts) or (self.plan.default, *self.plan.by_name.values())
        policy = RLVRModule.of(pl_module).policy
        for settings in parts:
            check_ends(policy, settings.sampling)
        splits = asked(trainer, "validation", "test")
        check_prompts(PromptCheck(policy), splits, lambda problem: self.plan.of(problem).sampling.max_new_tokens)

    def _figures_of_sets(self, validation: Sequence[Problem]) -> Iterator[str]:
        """The names of Pass@k, maj@k and Cover@tau that a validation logs."""
        labels = {ALL, *chain.from_iterable(problem.sets for problem in validation)} & self.sets.keys()
        for label in shown_sets(labels):
            evaluated = self.sets[label]
            prefix = "eval/" if label == ALL else f"eval/{label}/"
            yield from (f"{prefix}pass@{k}" for k in evaluated.ks)
            yield from (f"{prefix}maj@{k}" for k in votes_of(evaluated.ks, evaluated.n))
            yield from (prefix + name_of(tau) for tau in self.taus)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit":
            self.on_fit_start(trainer, pl_module)
        self.metrics, self.greedy_metrics, self.tally, self.shown = {}, {}, Tally(), None
        self.passed, self.components = {}, {}

    def on_validation_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: ProblemBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        worker, parts = RLVRModule.of(pl_module).rollout_worker, self.plan.parts(batch.problems)
        for evaluated in self.asked:  # even for no problems: with sharded weights processes sample together
            problems = parts.get(evaluated, [])
            settings = RolloutSettings(worker.engine, evaluated.n, evaluated.sampling)
            sampled, greedy = worker.sample(problems, "evaluation", settings), None
            if self.greedy:
                settings = RolloutSettings(worker.engine, 1, evaluated.greedy)
                greedy = worker.sample(problems, "evaluation", settings)
            if problems:
                self._measure(sampled, greedy, pl_module.device)

    def _measure(self, sampled: Rollouts, greedy: Rollouts | None, device: torch.device) -> None:
        """Add answers to the metrics of all problems and of each set."""
        self.shown = self.shown or sampled
        self.passed |= {
            problem.key: passed for problem, passed in zip(sampled.problems, sampled.passed.tolist(), strict=True)
        }
        for label, part in by_set(sampled):
            for metric in self._metrics(label, device).values():
                metric.update(part.with_own_rewards())
            self.components.setdefault(label, ComponentMeans()).update(part)
            self.tally.update(label, part, self._set(label))
        for label, part in by_set(greedy) if greedy is not None else ():
            self._greedy_metrics(label, device).update(part)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        worker = RLVRModule.of(pl_module).rollout_worker
        spent = worker.pop_usage()
        figures = self.compute(pl_module.device) | {f"eval/{name}": value for name, value in spent.items()}
        if trainer.sanity_checking and trainer.num_sanity_val_steps != float("inf"):
            return
        if trainer.state.fn != "fit" and figures.get("eval/unscored") == 1:
            cause = worker.first_cause or "another process tells"
            raise ValueError(f"none of the answers could be scored; the first: {cause}")
        for k, left_out in self.left_out(pl_module.device).items():
            log.warning("pass@%d leaves %d problems out: fewer than %d of their answers have a score", k, left_out, k)
        pl_module.log_dict(figures, batch_size=1, rank_zero_only=False)
        pl_module.log("step", float(RLVRModule.of(pl_module).iteration), batch_size=1)
        stage = BEFORE if trainer.sanity_checking else stage_name(trainer)
        record = {"iteration": RLVRModule.of(pl_module).iteration, "stage": stage, **figures}
        self.history.append(record)
        self._record(record)
        folder = run_folder(trainer)
        if trainer.is_global_zero:
            write_results(self.results, folder)
            with appending(folder / "results.jsonl") as file:
                file.write(line_of(record))

    on_test_start = on_validation_start
    on_test_batch_start = on_validation_batch_start
    on_test_epoch_end = on_validation_epoch_end

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._print(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit":
            self._print(trainer)

    on_test_end = on_validation_end

    def _print(self, trainer: Trainer) -> None:
        folder = folder_line(trainer)
        if trainer.is_global_zero and self.history:
            print_results(self.history, folder)
        elif trainer.is_global_zero:
            print(f"{folder}, without a validation")

    def compute(self, device: torch.device) -> dict[str, float]:
        """All metrics over all processes, by their logged names."""
        labels = shown_sets(union_over_processes(set(self.metrics)))
        figures: dict[str, float] = {}
        for label in labels:
            prefix = "eval/" if label == ALL else f"eval/{label}/"
            values = self._metrics(label, device).compute()
            check_figures(self.extra_metrics, values)
            if self.greedy:
                values["greedy"] = self._greedy_metrics(label, device).compute()
            values |= self.components.get(label, ComponentMeans()).compute(device)
            known = {name: value for name, value in values.items() if name != "entropy" or not value.isnan()}
            figures |= {prefix + name: round(float(value), 6) for name, value in known.items()}
        return figures

    def _record(self, record: dict[str, Any]) -> None:
        """Keep this validation's record for `results.json`; it replaces an earlier one of the same stage."""
        sets = self.tally.records(self.sets, self.taus)
        of_all = sets[ALL]
        if len(sets) == 2:  # one set, equal to all problems
            sets = {ALL: of_all | {"set": next(label for label in sets if label != ALL)}}
        curve = {name: record[name] for name in ("iteration", "stage")} | {"problems": of_all["problems"]}
        self.curves.append(curve | {"pass@k": self.tally.curve(min(each.n for each in self.asked))})
        for label, of_set in sets.items():
            prefix = "eval/" if label == ALL else f"eval/{label}/"
            of_set |= {"greedy": record[prefix + "greedy"]} if self.greedy else {}
            further = [*self.extra_metrics, *components_of(record, prefix)]
            of_set |= {"metrics": {name: record[prefix + name] for name in further}} if further else {}
        if self.results and self.results[-1]["stage"] == record["stage"]:
            self.results.pop()
        self.results.append({"iteration": record["iteration"], "stage": record["stage"], "sets": sets})

    def left_out(self, device: torch.device) -> dict[int, int]:
        """The number of problems with fewer than k scored answers, for each such k, over all processes."""
        metric = self._metrics(ALL, device)["pass@k"]
        assert isinstance(metric, PassAtK)
        with metric.sync_context():
            counts = metric.left_out.tolist()
        return {k: count for k, count in zip(self.sets[ALL].ks, counts, strict=True) if count}

    def _set(self, label: str) -> EvaluationSet:
        """The set of this name; those of a data module without splits are not known before."""
        return self.sets.setdefault(label, EvaluationSet(label, frozenset((self.plan.default,))))

    def _metrics(self, label: str, device: torch.device) -> MetricCollection:
        if label not in self.metrics:
            evaluated = self._set(label)
            self.metrics[label] = evaluation_metrics(evaluated.ks, evaluated.n, self.extra_metrics, self.taus).to(
                device
            )
        return self.metrics[label]

    def _greedy_metrics(self, label: str, device: torch.device) -> Accuracy:
        if label not in self.greedy_metrics:
            self.greedy_metrics[label] = Accuracy().to(device)
        return self.greedy_metrics[label]

    def state_dict(self) -> dict[str, Any]:
        return {"history": self.history, "results": self.results, "curves": self.curves}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history, self.results, self.curves = (state_dict[name] for name in ("history", "results", "curves"))

    @property
    def ks(self) -> tuple[int, ...]:
        return self.sets[ALL].ks if ALL in self.sets else self.plan.default.ks


def check_names(extra_metrics: Mapping[str, Metric]) -> None:
    """Raise ValueError for a name that is equal to that of another metric, or could be a set's."""
    taken = {*COLUMNS, *UNSHOWN, "pass@k", "cover@tau"}
    for name in extra_metrics:
        if name in taken or not re.fullmatch(r"[\w.-]+", name):
            raise ValueError(
                f"metrics: the name {name!r} must be letters, figures, '_', '-' or '.', and none of "
                f"{', '.join(sorted(taken))}"
            )


def check_taus(taus: Sequence[float]) -> None:
    """Raise ValueError for a tau that is not above 0 and at most 1."""
    for tau in taus:
        if not 0 < tau <= 1:
            raise ValueError(f"taus: {tau:g} must lie in (0, 1]")


def check_figures(extra_metrics: Mapping[str, Metric], values: Mapping[str, Any]) -> None:
    """Raise ValueError unless each of the run's own metrics has returned one number."""
    for name, metric in extra_metrics.items():
        value = values.get(name)
        if not isinstance(value, int | float | Tensor) or (isinstance(value, Tensor) and value.numel() != 1):
            given = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
            raise ValueError(f"metrics: {type(metric).__name__}.compute gave {given} for {name!r}: it must be a number")
