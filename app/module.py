"""The RLVR training step: clipped policy updates from scored rollouts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor
from torch.distributed.fsdp import FSDPModule
from torch.optim import AdamW, Optimizer

from app.advantages import AdvantageEstimator, PassK
from app.compute.loss_scale import LossScale
from app.distributed.gradients import sum_and_clip
from app.distributed.processes import rank, world_size
from app.distributed.sharding import empty, idle_loss, idle_passes
from app.distributed.weights import trained_weights
from app.learning_rate import Constant, LearningRate
from app.losses import Clipped, Correction, KLPenalty, PolicyLoss
from app.losses.base import ratio_of
from app.metrics.rollouts import fresh_sums
from app.policy import Policy
from app.policy_module import PolicyModule
from app.settings import UpdateSettings
from app.storage.diagnose import NonfiniteUpdates
from app.storage.run_folder import run_folder
from app.types import Experience, Problem, ProblemBatch, Rollouts

if TYPE_CHECKING:
    from app.rollouts.worker import RolloutWorker


class RLVRModule(PolicyModule):
    """Trains a policy by reinforcement learning from verifiable rewards (RLVR).

    One Lightning batch is one iteration: P problems with N scored rollouts each, and
    one optimizer step for every `minibatch_size` problems.

    Args:
        policy: the model that is trained.
        advantage: the objective, defaults to PassK; overridden by each stage of a schedule.
        optimizer: built from parameters, defaults to AdamW; its lr has no effect, since `learning_rate` sets it.
        learning_rate: a function of the number of updates since the stage began.
        loss: what an update minimises, defaults to the clipped surrogate over all tokens.
        kl: penalty on the KL divergence from a reference policy, on responses that the policy sampled.
        entropy_bonus: coefficient of each token's entropy, subtracted from its loss on these responses (Section 3.1).
        correction: importance-sampling correction for the mismatch of sampler and trainer.
        minibatch_size: problems per optimizer step at most, over all processes; an iteration is cut
            into equal parts, the first of which is on-policy.
        microbatch_tokens: tokens in one forward and backward pass; bounds memory, not the result.
        max_grad_norm: largest norm of the gradient over all parameters; a larger one is scaled down.
        max_consecutive_nonfinite_updates: updates in a row that may be skipped because their loss or gradient is not
            finite; one more ends the run. The first is saved in the run folder for `passk diagnose`.
        count_skipped_tokens: whether rows with zero advantage, which are not computed, still count in
            the divisor of the loss, as they do in a plain mean.

    Attributes:
        settings: the settings of updates; a stage replaces them by its own.
        stage: the name of the current stage; "" without a schedule.
        worker: samples and scores; set by a RolloutCallback.
    """

    def __init__(
        self,
        policy: Policy,
        advantage: AdvantageEstimator | None = None,
        optimizer: OptimizerCallable | None = None,
        learning_rate: LearningRate | None = None,
        loss: PolicyLoss | None = None,
        kl: KLPenalty | None = None,
        entropy_bonus: float = 0.0,
        correction: Correction | None = None,
        minibatch_size: int = 32,
        microbatch_tokens: int = 2048,
        max_grad_norm: float = 1.0,
        max_consecutive_nonfinite_updates: int = 3,
        count_skipped_tokens: bool = True,
    ) -> None:
        super().__init__(policy, microbatch_tokens)
        if minibatch_size < 1:
            raise ValueError(f"minibatch_size={minibatch_size} must be at least 1")
        if not entropy_bonus >= 0:
            raise ValueError(f"entropy_bonus={entropy_bonus} must be at least 0")
        if not max_grad_norm > 0:
            raise ValueError(f"max_grad_norm={max_grad_norm} must be above 0")
        self.automatic_optimization = False
        rate = learning_rate or Constant(1e-6, warmup=10)
        objective = advantage or PassK()
        self.settings = UpdateSettings(objective, loss or Clipped(), rate, minibatch_size, count_skipped_tokens)
        self.stage = ""
        self.worker: RolloutWorker | None = None
        self.optimizer = optimizer or AdamW
        self.kl, self.entropy_bonus, self.correction = kl, entropy_bonus, correction
        self.max_grad_norm = max_grad_norm
        self.nonfinite = NonfiniteUpdates(max_consecutive_nonfinite_updates)
        self._observed = objective.state_dict()  # the objective's state after the last whole iteration

    @staticmethod
    def of(pl_module: LightningModule) -> RLVRModule:
        """Return a callback's `pl_module`, typed as RLVRModule; TypeError if it is another module."""
        if not isinstance(pl_module, RLVRModule):
            raise TypeError(f"passk's callbacks need an RLVRModule, not {type(pl_module).__name__}")
        return pl_module

    @property
    def rollout_worker(self) -> RolloutWorker:
        """The worker; ValueError if no RolloutCallback has set one."""
        if self.worker is None:
            raise ValueError("the Trainer has no RolloutCallback, which samples")
        return self.worker

    def configure_model(self) -> None:
        super().configure_model()
        if self.kl is not None and isinstance(self.policy, FSDPModule):
            raise ValueError("kl must be null with sharded weights: the reference needs whole ones")
        if isinstance(self.policy, FSDPModule) and self.loss_scale.scaler is not None:
            raise ValueError("precision 16-mixed is for whole weights: set bf16-mixed for sharded ones")

    def configure_optimizers(self) -> Optimizer:
        optimizer = self.optimizer(self.policy.parameters())
        empty(optimizer, self.policy)
        return optimizer

    @property
    def loss_scale(self) -> LossScale:
        return LossScale(self.trainer)

    def begin_stage(self, name: str, settings: UpdateSettings, is_new: bool) -> None:
        """Train with these settings; a new stage counts updates from 0 and resets the KL reference."""
        self.stage, self.settings = name, settings
        if is_new:
            self.updates = 0
            if self.kl is not None:
                self.kl.reference.begin(self.policy)

    def on_train_start(self) -> None:
        if self.kl is not None and not self.kl.reference.weights:  # not set by a checkpoint or by a stage
            self.kl.reference.begin(self.policy)

    def training_step(self, batch: ProblemBatch, batch_idx: int) -> None:
        """One iteration: rollouts -> advantages -> updates of the policy (Algorithm 3, then DAPO's loss).

        The rollout worker has sampled and scored the batch; the current stage sets the advantage and the loss.
        """
        rollouts, advantage = batch.rollouts, self.settings.advantage
        advantage.observe(rollouts.with_own_rewards())
        advantages = advantage(rollouts)  # [P, N]
        self.log_metrics(self.ratios_over_processes(*fresh_sums(rollouts, advantages)))
        if batch.mixed is not None:  # has replayed rollouts, which metrics and states leave out
            rollouts, advantages = batch.mixed, advantage(batch.mixed)
        (problems,) = self.sum_over_processes([len(rollouts)])
        num_updates = math.ceil(problems / self.settings.minibatch_size)
        experience = rollouts.experience(advantages.float())  # P * N rows of tokens
        experience = self.add_old_and_reference_logprobs(experience, rollouts.on_policy and num_updates == 1)
        for index, update in enumerate(experience.split(num_updates, problems, rank(), world_size())):
            on_policy = index == 0 and rollouts.on_policy
            if advantage.requires_importance_ratios and not on_policy:
                update = self.recompute_advantages(rollouts, update)
            self.update_policy(update, on_policy, rollouts.problems)
        if self.kl is not None:
            self.kl.reference.update(self.policy)
        self._observed = advantage.state_dict()
        self.iteration += 1
        self.log("step", float(self.iteration))  # the x axis of all logged curves

    def add_old_and_reference_logprobs(self, rows: Experience, on_policy: bool) -> Experience:
        """Return the rows with the log-probabilities that must be computed before the first update."""
        if rows.sampler_logprobs is None:
            return rows
        if self.correction is not None and not on_policy and rows.old_logprobs is None:
            rows = replace(rows, old_logprobs=self.rescore(rows))
        if self.kl is not None:
            with self.kl.reference.loaded_into(self.policy):
                rows = replace(rows, reference_logprobs=self.rescore(rows))
        return rows

    def recompute_advantages(self, rollouts: Rollouts, update: Experience) -> Experience:
        """Recompute advantages by the importance ratios of the update's responses, pi_theta / pi_sampler.

        Processes without rows in this update call the estimator too: it may be a collective.
        """
        if update.sampler_logprobs is None:
            return update
        log_ratio = ((self.rescore(update) - update.sampler_logprobs) * update.mask).sum(-1)  # [B]
        problems = update.problem.unique()
        of_update = rollouts.scored.clone()  # [P, N], True for responses with a row in this update
        of_update[~torch.isin(torch.arange(len(rollouts), device=problems.device), problems)] = False
        ratios = torch.ones_like(rollouts.rewards)
        ratios[of_update] = ratio_of(log_ratio).to(ratios)
        rollouts = replace(rollouts, importance_ratios=ratios)
        recomputed = rollouts.experience(self.settings.advantage(rollouts).float())
        return replace(update, advantages=recomputed.select(torch.isin(recomputed.problem, problems)).advantages)

    def update_policy(self, update: Experience, on_policy: bool, problems: Sequence[Problem]) -> None:
        """Make one optimizer step on the rows with a gradient; none if no process has such rows.

        AdamW changes the weights on a zero gradient too (momentum, weight decay). An update without
        informative rows is therefore skipped, by all processes together.
        """
        update = replace(update, token_mask=self.settings.loss.select_tokens(update))
        penalised = self.kl is not None and self.kl.coefficient > 0
        regularised = update.sampler_logprobs is not None and (penalised or self.entropy_bonus > 0)
        trained = update if regularised else self.settings.loss.informative(update)
        counted = update if self.settings.count_skipped_tokens else trained
        num_rows, count = self.sum_over_processes([len(trained), self.settings.loss.reduction.count(counted)])
        if not num_rows:
            self.log_metrics({"train/loss": 0.0, "train/grad_norm": 0.0, "train/updates": float(self.updates)})
            return
        sums: dict[str, Tensor] = {}
        parts = [*self.microbatches(trained)]
        idle = idle_passes(self.policy, len(parts))
        alone = getattr(self.trainer.strategy, "block_backward_sync", nullcontext)
        with alone():  # gradients are summed over processes once, in `step`
            for rows in parts:
                loss, figures = self.loss_of(rows, on_policy)
                self.manual_backward(loss / count)
                sums = {name: value + sums.get(name, 0) for name, value in figures.items()}
            for _ in range(idle):
                self.manual_backward(idle_loss(self.policy))
        norm, figures = self.sum_gradients(), self.figures_of(sums, count, trained)
        if math.isfinite(norm + figures["train/loss"]):
            self.step()
        elif self.loss_scale.overflows(figures["train/loss"]):
            self.loss_scale.lower(self.optimizers(use_pl_optimizer=False), self.iteration + 1)
        else:
            self.skip(trained, problems, figures["train/loss"], norm)
        self.log_metrics({**figures, "train/grad_norm": norm, "train/updates": float(self.updates)})

    def loss_of(self, rows: Experience, on_policy: bool) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of a micro-batch, summed over tokens, and the sums of its logged metrics."""
        shaping, with_entropy = self.settings.loss.shaping(rows), self.entropy_bonus > 0
        logprobs, entropies = self.policy.score(rows, with_entropy, shaping)  # [B, T] twice
        now = logprobs.detach()
        sampled = now if rows.sampler_logprobs is None else rows.sampler_logprobs
        old = now if on_policy else sampled if rows.old_logprobs is None else rows.old_logprobs
        log_ratio = logprobs - old
        losses = self.settings.loss(log_ratio, logprobs, rows)  # [B, T]
        if self.correction is not None:
            losses = losses * self.correction.weights(old - sampled, rows.mask)
        weights = self.settings.loss.reduction.weights(rows.mask)  # [B, T]
        clip_mask = self.settings.loss.clip_mask(log_ratio.detach(), rows)
        figures = {"clip_fraction": clip_mask, "logprob_gap": (logprobs - sampled).abs()}
        if rows.sampler_logprobs is not None and with_entropy:
            losses = losses - self.entropy_bonus * entropies
            figures["entropy"] = entropies
        if rows.reference_logprobs is not None and self.kl is not None:
            plain = logprobs if shaping is None else self.policy.logprobs(rows)  # shaping is for the loss only
            divergence = self.kl.per_token(plain, rows.reference_logprobs)
            losses = losses + self.kl.coefficient * divergence
            figures["kl"] = divergence
        loss = (losses * weights).sum()
        sums = {name: (values.detach() * rows.mask).sum() for name, values in figures.items()}
        return loss, {"loss": loss.detach(), **sums}

    def sum_gradients(self) -> float:
        """Sum gradients over processes and clip them.  -> their norm before clipping"""
        parameters = [*trained_weights(self.policy).values()]
        scale = self.loss_scale.of(parameters[0])
        if self.loss_scale.scaler is not None:
            self.log_metrics({"train/loss_scale": scale})
        return sum_and_clip(parameters, self.max_grad_norm * scale) / scale

    def step(self) -> None:
        """Make an optimizer step with the learning rate of this update, then clear the gradients."""
        optimizer: Any = self.optimizers()
        rate = self.settings.learning_rate(self.updates)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        optimizer.zero_grad()
        self.updates += 1
        self.nonfinite.in_a_row = 0
        self.log_metrics({"train/learning_rate": rate})

    def skip(self, rows: Experience, problems: Sequence[Problem], loss: float, norm: float) -> None:
        """Discard an update whose loss or gradient is not finite, on all processes together."""
        optimizer: Any = self.optimizers()
        optimizer.zero_grad()
        facts = {"iteration": self.iteration, "update": self.updates, "loss": loss, "norm": norm}
        self.nonfinite.add(run_folder(self.trainer), self.policy, rows, problems, facts)

    def figures_of(self, sums: Mapping[str, Tensor], count: int, trained: Experience) -> dict[str, float]:
        """Return an update's metrics: the loss as minimised, all others as means over the computed tokens."""
        names = ["loss", "clip_fraction", "logprob_gap"]
        if trained.sampler_logprobs is not None:
            names += ["entropy"] * (self.entropy_bonus > 0) + ["kl"] * (self.kl is not None)
        values = self.sum_over_processes([*(float(sums.get(name, 0.0)) for name in names), trained.num_tokens])
        figures = {name: value / max(values[-1], 1) for name, value in zip(names, values, strict=False)}
        return {f"train/{name}": value for name, value in (figures | {"loss": values[0] / count}).items()}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        if self.kl is not None:
            checkpoint["reference"] = self.kl.reference.state_dict()
        if not self.stage:  # a schedule saves that of its stage
            checkpoint["objective"] = {type(self.settings.advantage).__qualname__: self._observed}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        if self.kl is not None and "reference" in checkpoint:
            self.kl.reference.load_state_dict(checkpoint["reference"])
        objective = self.settings.advantage
        if type(objective).__qualname__ in checkpoint.get("objective", {}):  # state of another class is not restored
            self._observed = checkpoint["objective"][type(objective).__qualname__]
            objective.load_state_dict(self._observed)
