"""The RLVR step: verified rollouts in, clipped policy updates out."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
import torch.distributed as dist
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor
from torch.optim import AdamW, Optimizer

from app.advantages import AdvantageEstimator, PassK
from app.learning_rate import Constant, LearningRate
from app.loss import clipped_share, clipped_token_loss
from app.metrics import rollout_metrics
from app.policy import Policy
from app.types import Experience, RolloutBatch


class RLVRModule(LightningModule):
    """One policy and one step: reinforcement learning from verifiable rewards.

    One Lightning batch is one iteration: P problems with N verified rollouts each, turned into
    one optimizer step for every `minibatch_size` problems.

    Args:
        policy: the model that is trained.
        advantage: the objective; the stages of a schedule replace it.
        optimizer: built from parameters, AdamW where None; its learning rate comes from `learning_rate`.
        learning_rate: of each update since the stage began.
        minibatch_size: problems per optimizer step at most, over all processes; an iteration is cut
            into equal parts, the first of which is on-policy.
        microbatch_tokens: tokens in one forward and backward pass; bounds memory, not the result.
        clip_low, clip_high: how far a token's ratio may fall or rise before its gradient stops
            (clip-higher; Appendix A.2).
        max_grad_norm: of the gradient over all parameters.
        count_skipped_tokens: whether the tokens of rows without advantage, which are not computed,
            still count in the loss's denominator, as they do in a plain token mean.
    """

    def __init__(
        self,
        policy: Policy,
        advantage: AdvantageEstimator | None = None,
        optimizer: OptimizerCallable | None = None,
        learning_rate: LearningRate | None = None,
        minibatch_size: int = 32,
        microbatch_tokens: int = 2048,
        clip_low: float = 0.2,
        clip_high: float = 0.28,
        max_grad_norm: float = 1.0,
        count_skipped_tokens: bool = True,
    ) -> None:
        super().__init__()
        for name, value in {"minibatch_size": minibatch_size, "microbatch_tokens": microbatch_tokens}.items():
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        if not 0 <= clip_low <= 1:
            raise ValueError(f"clip_low={clip_low} must lie in [0, 1]")
        if clip_high < 0:
            raise ValueError(f"clip_high={clip_high} must be at least 0")
        if not max_grad_norm > 0:
            raise ValueError(f"max_grad_norm={max_grad_norm} must be above 0")
        self.automatic_optimization = False
        self.policy = policy
        self.advantage = advantage or PassK()
        self.optimizer = optimizer or AdamW
        self.learning_rate = learning_rate or Constant(1e-6, warmup=10)
        self.minibatch_size, self.microbatch_tokens = minibatch_size, microbatch_tokens
        self.clip_low, self.clip_high, self.max_grad_norm = clip_low, clip_high, max_grad_norm
        self.count_skipped_tokens = count_skipped_tokens
        self.iteration = 0
        self.updates = 0  # since the stage began
        self.figures: dict[str, float] = {}  # of the present iteration, by their logged names

    def configure_model(self) -> None:
        self.policy.build()

    def configure_optimizers(self) -> Optimizer:
        optimizer = self.optimizer(self.policy.parameters())
        usual = inspect.signature(type(optimizer)).parameters["lr"].default
        if optimizer.defaults["lr"] != usual:
            raise ValueError(f"lr={optimizer.defaults['lr']} of the optimizer has no effect: set model.learning_rate")
        return optimizer

    def training_step(self, rollouts: RolloutBatch, batch_idx: int) -> None:
        """Turn one batch of verified rollouts into policy updates (Algorithm 3, then DAPO's loss).

        The batch arrives sampled and verified (callbacks/rollout.py); which advantage it meets
        was decided by the current stage (callbacks/schedule.py).
        """
        advantages = self.advantage(rollouts)  # [P, N]
        experience = rollouts.experience(advantages.float())  # P * N rows of T tokens

        self.figures = {}
        self.report(self.mean_over_processes(rollout_metrics(rollouts, advantages), len(rollouts)))
        (num_problems,) = self.sum_over_processes([len(rollouts)])
        for index, update in enumerate(experience.split(math.ceil(num_problems / self.minibatch_size))):
            self.update_policy(update, on_policy=index == 0 and rollouts.on_policy)
        self.iteration += 1
        self.log("step", float(self.iteration))  # the x of every curve

    def update_policy(self, update: Experience, on_policy: bool) -> None:
        """One optimizer step on the informative rows; none where no process has any.

        AdamW moves on a zero gradient too (momentum, weight decay), so an update without a single
        informative row is left out, by all processes or by none.
        """
        trained = update.informative()
        counted = update if self.count_skipped_tokens else trained
        num_rows, num_tokens = self.sum_over_processes([len(trained), counted.num_tokens])
        if not num_rows:
            self.report({"train/loss": 0.0, "train/grad_norm": 0.0, "train/updates": float(self.updates)})
            return
        sums = torch.zeros(3, device=self.device)
        alone = getattr(self.trainer.strategy, "block_backward_sync", nullcontext)
        with alone():  # gradients are summed over processes once, in `step`
            for rows in trained.microbatches(self.microbatch_tokens, self.policy.shares_prompts):
                logprobs = self.policy.logprobs(rows)  # [B, T]
                old = logprobs.detach() if on_policy or rows.logprobs is None else rows.logprobs
                clip = (self.clip_low, self.clip_high)
                loss = clipped_token_loss(logprobs, old, rows.advantages, rows.mask, *clip) / num_tokens
                self.manual_backward(loss)
                sums += self._sums(loss.detach(), logprobs.detach(), old, rows)
        self.step()
        self.log_update(sums, trained.num_tokens)

    def step(self) -> None:
        """Sum gradients over processes, clip, step, forget."""
        optimizer: Any = self.optimizers()
        parameters = [parameter for parameter in self.policy.parameters() if parameter.requires_grad]
        if dist.is_initialized() and dist.get_world_size() > 1:
            for parameter in parameters:
                parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                dist.all_reduce(parameter.grad)
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.max_grad_norm)
        rate = self.learning_rate(self.updates)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        optimizer.zero_grad()
        self.updates += 1
        self.report({"train/grad_norm": norm, "train/learning_rate": rate, "train/updates": float(self.updates)})

    def log_update(self, sums: Tensor, num_tokens: int) -> None:
        """Of one update, over all processes.  sums: [3], those of `_sums`"""
        loss, clipped, gap, tokens = self.sum_over_processes([*sums.tolist(), num_tokens])
        self.report({"train/loss": loss, "train/clipped": clipped / tokens, "train/logprob_gap": gap / tokens})

    def _sums(self, loss: Tensor, logprobs: Tensor, old: Tensor, rows: Experience) -> Tensor:
        """Of one micro-batch: loss, clipped tokens, |trainer - engine| log-probabilities."""
        clipped = clipped_share(logprobs, old, rows.advantages, rows.mask, self.clip_low, self.clip_high)
        gap = 0.0 if rows.logprobs is None else ((logprobs - rows.logprobs).abs() * rows.mask).sum()
        return torch.stack([loss, clipped, torch.as_tensor(gap, device=loss.device)]).to(self.device)

    def report(self, figures: Mapping[str, float | Tensor]) -> None:
        """Log figures that all processes share, and keep those of this iteration for whoever decides by them."""
        self.log_dict(dict(figures), batch_size=1)
        self.figures |= {name: float(value) for name, value in figures.items()}

    def mean_over_processes(self, figures: Mapping[str, float | Tensor], weight: int) -> dict[str, float]:
        """The figures' means, each process counting by its weight; all must bring the same names."""
        *sums, total = self.sum_over_processes([*(float(value) * weight for value in figures.values()), weight])
        return {name: value / total for name, value in zip(figures, sums, strict=True)}

    def sum_over_processes(self, numbers: list[Any]) -> list[Any]:
        """Each number's sum over processes; integers stay integers."""
        if not (dist.is_initialized() and dist.get_world_size() > 1):
            return numbers
        exact = all(isinstance(number, int) for number in numbers)
        total = torch.tensor(numbers, device=self.device, dtype=torch.long if exact else torch.double)
        dist.all_reduce(total)
        return total.tolist()

    def validation_step(self, rollouts: RolloutBatch, batch_idx: int) -> None:
        """Sampled and scored by callbacks/evaluation.py; here for Lightning to have a loop to run."""

    test_step = validation_step

    def predict_step(self, rollouts: RolloutBatch, batch_idx: int) -> RolloutBatch:
        return rollouts

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["iteration"], checkpoint["updates"] = self.iteration, self.updates

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.iteration, self.updates = checkpoint["iteration"], checkpoint["updates"]
