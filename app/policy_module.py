"""The LightningModule of a policy: builds it, computes log-probabilities, logs, saves and restores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from numbers import Number
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.distributed.fsdp import FSDPModule
from torch.nn.functional import pad

from app.distributed.processes import sum_over_processes
from app.distributed.sharding import idle_loss, idle_passes, shard
from app.distributed.weights import trained_weights
from app.policy import Policy
from app.storage.checkpoint import FORMAT, CheckpointError, check_policy, count_of, vocabulary_of
from app.types import Experience, ProblemBatch, Rollouts


class PolicyModule(LightningModule):
    """Base class of RLVRModule (`module.py`): all that does not depend on the training method.

    Args:
        policy: the model that is trained.
        microbatch_tokens: tokens in one forward and backward pass; bounds memory, not the result.
    """

    def __init__(self, policy: Policy, microbatch_tokens: int) -> None:
        super().__init__()
        if microbatch_tokens < 1:
            raise ValueError(f"microbatch_tokens={microbatch_tokens} must be at least 1")
        self.policy, self.microbatch_tokens = policy, microbatch_tokens
        self.iteration = 0
        self.updates = 0  # since the stage began
        self.figures: dict[str, float] = {}  # numbers logged in the latest iteration, by their names
        self.of_validation: set[str] = set()  # names of metrics logged in a validation since the schedule took them
        self.of_epoch: dict[str, float] = {}  # numbers logged at the start or end of an epoch since it took those
        self._figures_of = 0

    def configure_model(self) -> None:
        self.policy.build()
        mesh: Any = self._device_mesh  # set by Lightning's ModelParallelStrategy
        if mesh is not None and not isinstance(self.policy, FSDPModule):
            if mesh["tensor_parallel"].size() > 1:
                raise ValueError("tensor_parallel_size must be 1: weights are sharded over data-parallel processes")
            shard(self.policy, mesh["data_parallel"])
            self.strict_loading = self.policy.adapter is None  # True requires frozen weights too

    def validation_step(self, batch: ProblemBatch, batch_idx: int) -> None:
        """Does nothing: callbacks/evaluation/evaluation.py samples and scores. Lightning requires this method."""

    test_step = validation_step

    def predict_step(self, batch: ProblemBatch, batch_idx: int) -> Rollouts:
        return batch.rollouts

    # -- log-probabilities ----------------------------------------------------------------------------

    def microbatches(self, rows: Experience) -> Iterator[Experience]:
        """Split the rows into parts that fit into one forward pass."""
        return rows.microbatches(self.microbatch_tokens, self.policy.shares_prompts)

    def rescore(self, rows: Experience) -> Tensor:
        """Log-probabilities by the current policy, as `scores` gives them.  -> [B, T]"""
        return self.scores(rows, with_entropy=False)[0]

    def scores(self, rows: Experience, with_entropy: bool = True) -> Tensor:
        """Log-probabilities and entropies by the current policy.  -> [2, B, T]

        A collective if the weights are sharded: processes without rows call it too.
        """
        parts = self._scores_of([*self.microbatches(rows)] if len(rows) else [], with_entropy)
        if not parts:
            return torch.zeros(2, *rows.mask.shape, device=rows.mask.device)
        width = rows.mask.shape[1]
        return torch.cat([pad(part, (0, width - part.shape[2])) for part in parts], dim=1)

    @torch.no_grad()
    def _scores_of(self, parts: Sequence[Experience], with_entropy: bool = True) -> list[Tensor]:
        """Scores of micro-batches, in as many passes as any process needs: shards are gathered layer by layer."""
        idle = idle_passes(self.policy, len(parts))
        scored = [torch.stack(self.policy.score(part, with_entropy)) for part in parts]
        for _ in range(idle):
            idle_loss(self.policy)
        return scored

    def rescored(self, rollouts: Rollouts) -> Rollouts:
        """Return the rollouts with log-probabilities and entropies of the trainer.

        The log-probabilities also become `sampler_logprobs` if the sampler gave none. A collective if the weights are
        sharded: processes without problems call it too.
        """
        if not rollouts.problems:
            self._scores_of([])
            return rollouts
        nothing = torch.zeros_like(rollouts.rewards)
        rows = replace(rollouts, rewards=nothing).experience(nothing)
        scored = (
            replace(
                row,
                old_logprobs=logprobs[mask],
                entropies=entropies[mask],
                sampler_logprobs=logprobs[mask] if row.sampler_logprobs is None else row.sampler_logprobs,
            )
            for row, mask, logprobs, entropies in zip(rollouts.rows, rows.mask, *self.scores(rows), strict=True)
        )
        return replace(rollouts, completions=[[*islice(scored, len(group))] for group in rollouts.completions])

    # -- metrics --------------------------------------------------------------------------------------

    def log(self, name: str, value: Any, *args: Any, **kwargs: Any) -> None:
        """Log a metric as Lightning does, and remember it for triggers; callbacks' `self.log` is this method too."""
        super().log(name, value, *args, **kwargs)
        trainer = self._trainer
        if trainer is None:  # Lightning has warned that nothing is logged
            return
        if trainer.validating:
            self.of_validation.add(name)
        elif trainer.training and isinstance(value, Number | Tensor):
            if self._current_fx_name in ("on_train_epoch_start", "on_train_epoch_end"):
                self.of_epoch[name] = float(value)  # type: ignore[arg-type]
                return
            batch = trainer.fit_loop.epoch_loop.total_batch_idx
            if self._figures_of != batch:
                self.figures, self._figures_of = {}, batch
            self.figures[name] = float(value)  # type: ignore[arg-type]

    def on_train_epoch_end(self) -> None:
        """Let metrics over an epoch, if callbacks have logged any, be of its last iteration, not of the one before."""
        results = self.trainer.fit_loop.epoch_loop._results.values()
        if any(metric.meta.on_epoch and not metric.has_reset for metric in results):
            super().log("step", float(self.iteration))

    def log_metrics(self, figures: Mapping[str, float | Tensor]) -> None:
        """Log metrics that are equal on all processes."""
        self.log_dict(dict(figures), batch_size=1)

    def mean_over_processes(self, figures: Mapping[str, float | Tensor], weight: int) -> dict[str, float]:
        """Means of the metrics over processes, weighted by `weight`; {} if all weights are 0.

        All processes must pass the same names.
        """
        *sums, total = self.sum_over_processes([*(float(value) * weight for value in figures.values()), weight])
        return {name: value / total for name, value in zip(figures, sums, strict=True)} if total else {}

    def ratios_over_processes(self, sums: Mapping[str, tuple[Any, Any]], weight: int) -> dict[str, float]:
        """Metrics from their sums and divisors over processes, 0 for a divisor of 0; {} if all weights are 0.

        All processes must pass the same names.
        """
        numbers = [float(number) for pair in sums.values() for number in pair]
        *totals, total = self.sum_over_processes([*numbers, weight])
        pairs = zip(sums, totals[::2], totals[1::2], strict=True)
        return {name: numerator / max(divisor, 1) for name, numerator, divisor in pairs} if total else {}

    def sum_over_processes(self, numbers: list[Any]) -> list[Any]:
        """Sum each number over processes; integers stay integers."""
        exact = all(isinstance(number, int) for number in numbers)
        numbers_of_all = torch.tensor(numbers, device=self.device, dtype=torch.long if exact else torch.double)
        return sum_over_processes(numbers_of_all).tolist()

    # -- checkpoints ----------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["format"] = FORMAT  # here, since one with save_weights_only=true has nothing of callbacks
        checkpoint["iteration"], checkpoint["updates"] = self.iteration, self.updates
        checkpoint["of_epoch"] = dict(self.of_epoch)
        checkpoint["vocabulary"] = vocabulary_of(self.policy.tokenizer)
        checkpoint["trained"] = [*trained_weights(self.policy)]
        if self.policy.adapter is not None:
            checkpoint["adapter"] = self.policy.adapter.state(self.policy.model)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        check_policy(checkpoint, self.state_dict(), vocabulary_of(self.policy.tokenizer))
        own = [*trained_weights(self.policy)]
        if checkpoint.get("trained", own) != own:
            raise CheckpointError("the checkpoint is of another policy: other weights of it are trained")
        if self.policy.adapter is not None and "adapter" in checkpoint:
            self.policy.adapter.check(checkpoint["adapter"], self.policy.model)
        self.iteration, self.updates = count_of(checkpoint, "iteration"), count_of(checkpoint, "updates")
        self.of_epoch = dict(checkpoint.get("of_epoch", {}))
