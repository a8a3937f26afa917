"""Compares objectives on the same rollouts: their gradients, and their advantages by pass rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.distributed.fsdp import FSDPModule

from app.advantages import AdvantageEstimator, PassK, PassOne
from app.distributed.processes import sum_over_processes
from app.distributed.weights import trained_weights
from app.module import RLVRModule
from app.types import ProblemBatch, Rollouts
from callbacks.lookup import callback_of
from callbacks.roles import Schedule

QUARTERS = ("0-25", "25-50", "50-75", "75-100")
"""Quarters of pass rates, in per cent; a rate on a bound belongs to the lower one."""


class Objectives(Callback):
    """Logs how several objectives would train on the current rollouts; training itself is not changed.

    Under `objectives/<name>/`:

    - `cosine`, `norm_ratio`: of the gradient of the run's loss with this objective's advantages and with those of the
      first objective, over all trained weights, before clipping, without KL penalty, entropy bonus and correction.
      Not logged if one of both is zero.
    - `share/<quarter>`: the share of the sum of |advantage| (eta, Eq. 16) on problems with such a pass rate.
    - `dead`: the share of problems with zero advantages among those with passing and failing rollouts.

    Args:
        objectives: by name; the others are compared with the first. Defaults to Pass@1 and Pass@8.
        every: iterations between measurements. A measurement costs a forward and a backward pass for each
            objective.

    Raises:
        ValueError: for no objectives, for `every` below 1, and, at the start of training, for sharded weights and
            for an objective that needs more rollouts than a stage has.
    """

    def __init__(self, objectives: dict[str, AdvantageEstimator] | None = None, every: int = 20) -> None:
        if objectives is not None and not objectives:
            raise ValueError("objectives must name at least one")
        if every < 1:
            raise ValueError(f"every={every} must be at least 1")
        self.objectives = objectives or {"pass@1": PassOne(), "pass@8": PassK(8)}
        self.every = every

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        module, schedule = RLVRModule.of(pl_module), callback_of(trainer, Schedule)
        if isinstance(module.policy, FSDPModule):
            raise ValueError("callbacks.display.objectives.Objectives is for whole weights: leave it out of this run")
        stages = [each.rollouts for each in schedule.settings] if schedule else [module.rollout_worker.settings]
        for number in {each.rollouts for each in stages if not each.engine.demonstrates}:
            for name, objective in self.objectives.items():
                try:
                    objective.check(number)
                except ValueError as error:
                    raise ValueError(f"objective {name!r}: {error}") from error

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: ProblemBatch, batch_idx: int
    ) -> None:
        module, rollouts = RLVRModule.of(pl_module), batch.rollouts
        if module.iteration % self.every or rollouts.padded("sampler_logprobs") is None:  # demonstrations
            return
        advantages = {name: objective(rollouts) for name, objective in self.objectives.items()}
        with trainer.precision_plugin.train_step_context():
            gradients = {name: gradient(module, rollouts, each) for name, each in advantages.items()}
        first, *others = gradients
        figures = {
            f"{name}/{figure}": value
            for name in others
            for figure, value in compared(gradients[name], gradients[first]).items()
        }
        spent = {
            f"{name}/{figure}": value
            for name, each in advantages.items()
            for figure, value in advantage_shares(rollouts, each).items()
        }
        figures |= module.mean_over_processes(spent, len(rollouts))
        module.log_metrics({f"objectives/{name}": value for name, value in figures.items()})


def gradient(module: RLVRModule, rollouts: Rollouts, advantages: Tensor) -> Tensor:
    """The gradient of the run's loss with these advantages.  -> [number of trained weights]

    The parameters' `grad`, the optimizer and the random state are not changed.
    """
    loss, weights = module.settings.loss, [*trained_weights(module.policy).values()]
    rows = rollouts.experience(advantages.float())
    count = sum_over_processes(torch.tensor(float(loss.reduction.count(rows)), device=module.device))
    total = torch.zeros(sum(weight.numel() for weight in weights), device=module.device)
    with torch.random.fork_rng([module.device] if module.device.type == "cuda" else []):
        rows = loss.informative(replace(rows, token_mask=loss.select_tokens(rows)))
        for part in module.microbatches(rows):
            logprobs, _ = module.policy.score(part, shaping=loss.shaping(part))
            old = logprobs.detach() if rollouts.on_policy or part.sampler_logprobs is None else part.sampler_logprobs
            losses = loss(logprobs - old, logprobs, part) * loss.reduction.weights(part.mask)
            gradients = torch.autograd.grad(losses.sum() / count, weights, allow_unused=True, materialize_grads=True)
            total += torch.cat([each.flatten().float() for each in gradients])
    return sum_over_processes(total)


def compared(one: Tensor, other: Tensor) -> dict[str, float]:
    """The cosine of two gradients and the ratio of their norms; {} if one of them is zero."""
    norms = one.norm() * other.norm()
    if not norms > 0:
        return {}
    return {"cosine": float(one @ other / norms), "norm_ratio": float(one.norm() / other.norm())}


def advantage_shares(rollouts: Rollouts, advantages: Tensor) -> Mapping[str, float]:
    """The metrics `share/<quarter>` and `dead`.  advantages: [P, N] or [P, N, T]"""
    eta = advantages.abs().flatten(1).sum(-1)  # [P]
    passes, answers = rollouts.passed.sum(-1), rollouts.scored.sum(-1)
    quarter = (passes * 4 / answers.clamp(min=1)).ceil().long().clamp(1, 4) - 1  # [P]
    shares = {
        f"share/{name}": float(eta[quarter == index].sum() / eta.sum().clamp(min=1e-12))
        for index, name in enumerate(QUARTERS)
    }
    mixed = (passes > 0) & (passes < answers)
    return {**shares, "dead": float((mixed & (eta == 0)).sum() / mixed.sum().clamp(min=1))}
