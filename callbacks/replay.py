"""Replays earlier rollouts: what is kept of each iteration, and where it is used again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from app.advantages.base import informative_problems
from app.distributed.processes import gather_objects, gather_over_processes, rank, world_size
from app.draw.record import id_of
from app.metrics.mismatch import mismatch_of
from app.module import RLVRModule
from app.policy import VisionPolicy
from app.replay import Answered, Group, GroupReplay, PrefixReplay
from app.replay.groups import as_rollouts, with_old_logprobs
from app.rollouts.worker import RolloutWorker
from app.types import Outcome, Problem, ProblemBatch, Request, Rollouts, Sampling
from callbacks.lookup import callback_of, problems_of
from callbacks.roles import Replaying, Schedule
from callbacks.schedule.stages import StageSettings

T = TypeVar("T")


class Replay(Replaying):
    """Uses earlier rollouts again in training (docs/replay.md).

    The result does not depend on the number of processes. What is kept is part of the checkpoint. Replayed groups are
    left out of metrics, of the record of passes and of the objective's state. Answers that began with a prefix are left
    out of the first two. Demonstrations are neither kept nor replaced.

    Place it after the RolloutCallback, which samples, and the EntropySwitch, which marks problems to explore.

    Args:
        groups: keeps informative groups, which replace those with zero advantages; None replays none.
        prefixes: keeps beginnings of passing answers, with which answers to hard problems begin; None uses none.
    """

    def __init__(self, groups: GroupReplay | None = None, prefixes: PrefixReplay | None = None) -> None:
        self.groups, self.prefixes = groups, prefixes
        self._informative: Tensor | None = None  # of the current iteration, [P]; None if none of it is kept
        self._problems: dict[str, Problem] = {}  # of the train split, by digest
        self._stops: tuple[Sampling, Tensor] | None = None  # the tokens that end an answer with these settings

    # -- before the first iteration -------------------------------------------------------------------

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage != "fit" or (self.groups is None and self.prefixes is None):
            return
        if not problems_of(trainer, "train"):
            name = type(getattr(trainer, "datamodule", None)).__name__
            raise ValueError(f"replay has no effect on {name}, which keeps no train split")
        worker = RLVRModule.of(pl_module).rollout_worker
        if self.prefixes is not None:
            if worker.overlap:
                raise ValueError("replay.prefixes must be null with overlap=true, which samples before they are known")
            worker.prefix_of = partial(self._prefix_of, worker)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        module = RLVRModule.of(pl_module)
        if callback_of(trainer, Schedule) is None:  # a Schedule calls `check` itself
            self.check([StageSettings("", module.settings, module.rollout_worker.settings, None)], module)

    def check(self, stages: Sequence[StageSettings], module: RLVRModule) -> None:
        if self.groups is None and self.prefixes is None:
            return
        sampled = [stage for stage in stages if not stage.rollouts.engine.demonstrates]
        if not sampled:
            raise ValueError("replay has no effect: every stage is taught by demonstrations")
        if self.prefixes is not None and isinstance(module.policy, VisionPolicy):
            raise ValueError("replay.prefixes must be null with VisionPolicy: an answer's beginning is text alone")
        for stage in sampled:
            update, engine = stage.update, stage.rollouts.engine
            if self.prefixes is not None and not engine.continues_tokens:
                raise ValueError(
                    f"stage {stage.name!r}: replay.prefixes needs an engine that continues tokens, which "
                    f"{type(engine).__name__} does not say it does (continues_tokens)"
                )
            weighed = update.loss.weighs_by_ratio or update.advantage.requires_importance_ratios
            if self.groups is not None and not weighed and module.correction is None:
                raise ValueError(
                    f"stage {stage.name!r}: {type(update.loss).__name__} has no importance ratio, which replay.groups "
                    "needs: set another loss, or model.correction, such as app.losses.TokenTIS"
                )

    # -- an iteration ---------------------------------------------------------------------------------

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: ProblemBatch, batch_idx: int
    ) -> None:
        module, self._informative = RLVRModule.of(pl_module), None
        if module.rollout_worker.settings.engine.demonstrates:
            return
        if self.prefixes is not None:
            module.log_metrics(self._prefix_figures(module, self.prefixes, batch.rollouts))
        if self.groups is not None:
            self._replace_dead(trainer, module, batch)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: ProblemBatch, batch_idx: int
    ) -> None:
        """Keep this iteration's rollouts, at its end: an iteration that a resumed run repeats is kept once."""
        module, rollouts = RLVRModule.of(pl_module), batch.rollouts
        iteration = module.iteration - 1
        if self.prefixes is not None:
            parts = gather_objects([told(outcome) for outcome in module.rollout_worker.outcomes])
            self.prefixes.keep(as_by_one_process(parts), iteration)
        if self.groups is None or self._informative is None:
            return
        sampling, problems = module.rollout_worker.settings.of_samples, rollouts.problems
        own = [
            Group.of(rollouts, index, id_of(problems[index]), iteration, sampling, rank() + index * world_size())
            for index in self._informative.nonzero()[:, 0].tolist()
        ]
        parts = gather_objects(self.groups.newest(own))
        self.groups.keep([group for part in parts for group in part], iteration)

    # -- prefixes -------------------------------------------------------------------------------------

    def _prefix_of(self, worker: RolloutWorker, request: Request) -> Tensor:
        """The prefix of the answers to a request, cut so that a whole answer fits into the context.  -> [l]

        It ends before a stop token of the stage, at which an answer from the prompt alone would have ended.
        """
        assert self.prefixes is not None
        policy, engine, sampling = worker.module.policy, worker.settings.engine, worker.settings.sampling
        room = min(policy.context_length, engine.max_length) - sampling.max_new_tokens - len(request.tokens)
        prefix = self.prefixes.prefix(id_of(request.problem))[: max(room, 0)]
        if self._stops is None or self._stops[0] != sampling:  # of a large vocabulary it takes long
            self._stops = sampling, torch.tensor(policy.stop_ids(sampling), dtype=prefix.dtype)
        ends = torch.isin(prefix, self._stops[1])
        return prefix[: int(ends.int().argmax())] if ends.any() else prefix

    @staticmethod
    def _prefix_figures(module: RLVRModule, prefixes: PrefixReplay, rollouts: Rollouts) -> dict[str, float]:
        """The share of problems with a prefix, its mean length, and the mean reward of their answers."""
        given = ~rollouts.from_beginning
        rewards = rollouts.rewards[given]
        rewards = rewards[~rewards.isnan()]
        number, tokens, problems, answers = module.sum_over_processes(
            [int(given.sum()), sum(rollouts.prefixes), len(rollouts), rewards.numel()]
        )
        (reward,) = module.sum_over_processes([float(rewards.double().sum())])
        figures = {"prefix/share": number / problems, "prefix/kept": float(len(prefixes.steered))}
        if number:
            figures |= {"prefix/tokens": tokens / number, "prefix/reward": reward / max(answers, 1)}
        return figures

    # -- groups ---------------------------------------------------------------------------------------

    def _replace_dead(self, trainer: Trainer, module: RLVRModule, batch: ProblemBatch) -> None:
        """Replace groups with zero advantages by kept ones, as far as there are any."""
        assert self.groups is not None
        rollouts = batch.rollouts
        self._informative = informative_problems(module.settings.advantage, rollouts)
        (problems,) = module.sum_over_processes([len(rollouts)])
        chosen, own = self._assigned(trainer, module, rollouts)
        figures = {"replay/share": len(chosen) / problems, "replay/kept": float(len(self.groups.kept))}
        if chosen:
            figures["replay/age"] = sum(module.iteration - group.iteration for group in chosen) / len(chosen)
            with trainer.precision_plugin.forward_context():
                batch.mixed, figures["replay/ess"] = self._mixed(module, rollouts, own)
        module.log_metrics(figures)

    def _assigned(
        self, trainer: Trainer, module: RLVRModule, rollouts: Rollouts
    ) -> tuple[list[Group], dict[int, Group]]:
        """The groups that all processes replay, and those of this process by the position that they replace."""
        assert self.groups is not None and self._informative is not None
        parts = gather_objects((~self._informative).nonzero()[:, 0].tolist())
        dead = sorted((place, of) for of, places in enumerate(parts) for place in places)  # as with one process
        usable = self._usable(trainer, module, rollouts) if dead else []
        pairs = [*zip(dead, usable, strict=False)]
        return [group for _, group in pairs], {place: group for (place, of), group in pairs if of == rank()}

    def _usable(self, trainer: Trainer, module: RLVRModule, rollouts: Rollouts) -> list[Group]:
        """The groups that can be replayed now, in random order: those that are informative to the objective."""
        assert self.groups is not None
        self._problems = self._problems or {id_of(problem): problem for problem in problems_of(trainer, "train")}
        drawn = self.groups.shuffled(module.iteration, module.rollout_worker.seed)
        sampling = module.rollout_worker.settings.of_samples
        fitting = [group for group in drawn if group.problem in self._problems and group.fits(rollouts, sampling)]
        if not fitting:
            return []
        problems = [self._problems[group.problem] for group in fitting]
        earlier = as_rollouts(fitting, problems, rollouts)
        useful = informative_problems(module.settings.advantage, earlier).tolist()
        return [group for group, teaches in zip(fitting, useful, strict=True) if teaches]

    def _mixed(self, module: RLVRModule, rollouts: Rollouts, own: dict[int, Group]) -> tuple[Rollouts, float]:
        """The batch with these groups at these positions, and the effective sample size of all replayed tokens.

        A collective: processes without a group take part.
        """
        places = torch.tensor([*own], dtype=torch.long)
        rescored = all(row.old_logprobs is not None for row in rollouts.rows)
        if own:
            problems = [self._problems[group.problem] for group in own.values()]
            requests = module.rollout_worker.encode(problems, "replay")
            begun = [
                torch.cat([each.tokens, own[place].prefix.to(each.tokens)])
                for place, each in zip(own, requests, strict=True)
            ]
            earlier = replace(
                as_rollouts([*own.values()], problems, rollouts),
                prompts=begun,
                vision=[each.vision for each in requests],
                prefixes=[len(group.prefix) for group in own.values()],
            )
            rollouts = rollouts.substitute(places, earlier, torch.arange(len(own)))
        nothing = torch.zeros_like(rollouts.rewards)
        rows = replace(rollouts, rewards=nothing).experience(nothing)  # unscored ones too
        rows = rows.select(torch.isin(rows.problem, places.to(rows.problem.device)))
        logprobs = module.rescore(rows)  # [B, T]
        assert rows.sampler_logprobs is not None
        log_rho = (logprobs.double() - rows.sampler_logprobs.double())[rows.mask]
        ess = mismatch_of(gather_over_processes(log_rho)[0])["mismatch_ess"]
        of_each = [row[mask] for row, mask in zip(logprobs, rows.mask, strict=True)]
        rollouts = with_old_logprobs(rollouts, [*own], rescored, None if module.correction is None else of_each)
        return replace(rollouts, on_policy=False), ess

    # -- checkpoints ----------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        parts = {"groups": self.groups, "prefixes": self.prefixes}
        return {name: part.state_dict() for name, part in parts.items() if part is not None}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore both parts; one that the checkpoint lacks starts empty."""
        for name, part in {"groups": self.groups, "prefixes": self.prefixes}.items():
            if part is not None and name in state_dict:
                part.load_state_dict(state_dict[name])


def as_by_one_process(parts: Sequence[Sequence[T]]) -> list[T]:
    """What each process has of a batch, in the order of a single process: problem i of process r is i x processes + r.

    Problems that dynamic sampling has drawn follow, each of which is there once.
    """
    placed = [(index, of, each) for of, part in enumerate(parts) for index, each in enumerate(part)]
    return [each for _, _, each in sorted(placed, key=lambda item: item[:2])]


def told(outcome: Outcome) -> Answered:
    """An outcome to be sent to other processes: the problem by its digest, tensors on the CPU."""
    passing = None if outcome.passing is None else outcome.passing.to("cpu", torch.int)
    return Answered(id_of(outcome.problem), outcome.answers, outcome.passes, passing)
