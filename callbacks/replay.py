"""Earlier rollouts used again: what is kept of an iteration, and what stands in for the problems that teach nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from app.advantages.base import informative_problems
from app.distributed.processes import gather_objects, gather_over_processes, rank
from app.draw.record import id_of
from app.metrics.mismatch import mismatch_of
from app.module import RLVRModule
from app.replay import Group, GroupReplay
from app.replay.groups import as_rollouts, with_old_logprobs
from app.types import Problem, ProblemBatch, Rollouts
from callbacks.lookup import problems_of
from callbacks.roles import Replaying
from callbacks.schedule.stages import StageSettings


class Replay(Replaying):
    """Have earlier rollouts trained on again (docs/replay.md).

    All processes replay what one would. What is kept is part of the checkpoint. Figures of rollouts, the record of
    passes and the state of an objective are of fresh rollouts alone; demonstrations are neither kept nor replaced.

    Place it after the RolloutCallback, which samples, and the EntropySwitch, which marks.

    Args:
        groups: keeps informative groups; None replays none.
    """

    def __init__(self, groups: GroupReplay | None = None) -> None:
        self.groups = groups
        self._informative: Tensor | None = None  # of the iteration under way, [P]; None where nothing is kept of it
        self._problems: dict[str, Problem] = {}  # of the train split, by their digests

    # -- before the first iteration -------------------------------------------------------------------

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self.groups is not None and stage == "fit" and not problems_of(trainer, "train"):
            name = type(getattr(trainer, "datamodule", None)).__name__
            raise ValueError(f"replay.groups has no effect on {name}, which keeps no train split")

    def check(self, stages: Sequence[StageSettings], module: RLVRModule) -> None:
        if self.groups is None:
            return
        sampled = [stage for stage in stages if not stage.rollouts.engine.demonstrates]
        if not sampled:
            raise ValueError("replay.groups has no effect: every stage is taught by demonstrations")
        for stage in sampled:
            update = stage.update
            weighed = update.loss.weighs_by_ratio or update.advantage.requires_importance_ratios
            if not weighed and module.correction is None:
                name = type(update.loss).__name__
                raise ValueError(
                    f"stage {stage.name!r}: {name} has no importance ratio, which replay.groups needs: set another "
                    "loss, or model.correction, say to app.losses.TokenTIS"
                )

    # -- an iteration ---------------------------------------------------------------------------------

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: ProblemBatch, batch_idx: int
    ) -> None:
        module, self._informative = RLVRModule.of(pl_module), None
        if self.groups is None or module.rollout_worker.settings.engine.demonstrates:
            return
        rollouts = batch.rollouts
        self._informative = informative_problems(module.settings.advantage, rollouts)
        (problems,) = module.sum_over_processes([len(rollouts)])
        chosen, own = self._assigned(trainer, module, rollouts)
        figures = {"replay/share": len(chosen) / problems, "replay/kept": float(len(self.groups.kept))}
        if chosen:
            figures["replay/age"] = sum(module.iteration - group.iteration for group in chosen) / len(chosen)
            with trainer.precision_plugin.forward_context():
                batch.mixed, figures["replay/ess"] = self._mixed(trainer, module, rollouts, own)
        module.log_metrics(figures)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: ProblemBatch, batch_idx: int
    ) -> None:
        """Keep what was informative: an iteration that a checkpoint redoes has kept nothing yet."""
        if self.groups is None or self._informative is None:
            return
        rollouts, iteration = batch.rollouts, RLVRModule.of(pl_module).iteration - 1
        places = self._informative.nonzero()[:, 0].tolist()
        own = [Group.of(rollouts, place, id_of(rollouts.problems[place]), iteration) for place in places]
        parts = gather_objects(self.groups.newest(own))
        self.groups.keep([group for part in parts for group in part], iteration)

    def _assigned(
        self, trainer: Trainer, module: RLVRModule, rollouts: Rollouts
    ) -> tuple[list[Group], dict[int, Group]]:
        """The groups that all processes replay together, and those of this one by the places that they take."""
        assert self.groups is not None and self._informative is not None
        parts = gather_objects((~self._informative).nonzero()[:, 0].tolist())
        dead = sorted((place, of) for of, places in enumerate(parts) for place in places)  # as one process has them
        usable = self._usable(trainer, module, rollouts) if dead else []
        pairs = [*zip(dead, usable, strict=False)]
        return [group for _, group in pairs], {place: group for (place, of), group in pairs if of == rank()}

    def _usable(self, trainer: Trainer, module: RLVRModule, rollouts: Rollouts) -> list[Group]:
        """What may be replayed now, in the order in which it is drawn: all that would be informative."""
        assert self.groups is not None
        self._problems = self._problems or {id_of(problem): problem for problem in problems_of(trainer, "train")}
        drawn = self.groups.shuffled(module.iteration, module.rollout_worker.seed)
        fitting = [group for group in drawn if group.problem in self._problems and group.fits(rollouts)]
        if not fitting:
            return []
        problems = [self._problems[group.problem] for group in fitting]
        earlier = as_rollouts(fitting, problems, rollouts)
        useful = informative_problems(module.settings.advantage, earlier).tolist()
        return [group for group, teaches in zip(fitting, useful, strict=True) if teaches]

    def _mixed(
        self, trainer: Trainer, module: RLVRModule, rollouts: Rollouts, own: dict[int, Group]
    ) -> tuple[Rollouts, float]:
        """The batch with these groups in these places, and the effective sample size of all replayed tokens.

        Processes do it together, one without a group too.
        """
        places = torch.tensor([*own], dtype=torch.long)
        if own:
            problems = [self._problems[group.problem] for group in own.values()]
            requests = module.rollout_worker.encode(problems, "replay")
            earlier = as_rollouts([*own.values()], problems, rollouts)
            prompts, vision = [each.tokens for each in requests], [each.vision for each in requests]
            rollouts = rollouts.substitute(
                places, replace(earlier, prompts=prompts, vision=vision), torch.arange(len(own))
            )
        nothing = torch.zeros_like(rollouts.rewards)
        rows = replace(rollouts, rewards=nothing).experience(nothing)  # unscored ones too
        rows = rows.select(torch.isin(rows.problem, places.to(rows.problem.device)))
        logprobs = module.rescore(rows)  # [B, T]
        assert rows.sampler_logprobs is not None
        log_rho = (logprobs.double() - rows.sampler_logprobs.double())[rows.mask]
        ess = mismatch_of(gather_over_processes(log_rho)[0])["mismatch_ess"]
        of_each = [row[mask] for row, mask in zip(logprobs, rows.mask, strict=True)]
        rollouts = with_old_logprobs(rollouts, [*own], None if module.correction is None else of_each)
        return replace(rollouts, on_policy=False), ess

    # -- checkpoints ----------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        return {} if self.groups is None else {"groups": self.groups.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if self.groups is not None and "groups" in state_dict:
            self.groups.load_state_dict(state_dict["groups"])
