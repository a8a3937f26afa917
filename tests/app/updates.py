"""Real iterations in a real Trainer, and the same written out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import SGD
from torch.utils.data import DataLoader

from app.advantages import PassOne
from app.engines.transformers import TransformersEngine
from app.learning_rate import Constant
from app.module import RLVRModule
from app.policy import TinyPolicy
from app.types import ProblemBatch, Request, Rollouts, Sampling
from tests.app.architectures import plain_scores
from tests.conftest import EchoProblem, build_tiny_policy

PROBLEMS = [EchoProblem(text) for text in ("Who is there?", "a", "one two", "left or right")]
PASSES = torch.tensor([[1, 0, 0, 0, 0, 1], [0] * 6, [1] * 6, [0, 0, 1, 0, 0, 0]]).float()
"""The second and the third problem teach nothing."""


def sampled(policy: TinyPolicy, rewards: Tensor = PASSES, problems: list[EchoProblem] = PROBLEMS) -> Rollouts:
    """Six answers to each problem, of different lengths, with these rewards."""
    engine = TransformersEngine()
    engine.sync(policy)
    prompts = [policy.encode(problem.prompt) for problem in problems]
    requests = [Request(problem, prompt, problem.key) for problem, prompt in zip(problems, prompts, strict=True)]
    sampling = Sampling(max_new_tokens=7, stop_tokens=tuple("abcdefghijklmno"))
    completions = engine.generate(requests, rewards.shape[1], sampling)
    assert len({len(row.tokens) for group in completions for row in group}) > 2
    return Rollouts(problems, prompts, completions, rewards, on_policy=True)


def perturbed(batch: Rollouts, scale: float = 0.3) -> Rollouts:
    """The same as from an engine that is not the policy: log-probabilities moved by up to `scale`, by what was said."""
    moved = replace(deepcopy(batch), on_policy=False)
    for row in moved.rows:
        generator = torch.Generator().manual_seed(int(row.tokens.sum()))
        row.sampler_logprobs.add_(scale * (2 * torch.rand(row.sampler_logprobs.shape, generator=generator) - 1))  # type: ignore[union-attr]
    return moved


def fit(module: RLVRModule, batches: Sequence[Rollouts | ProblemBatch], **arguments: Any) -> Trainer:
    off = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary", "use_distributed_sampler")
    usual: dict[str, Any] = {"accelerator": "cpu", "devices": 1, "max_epochs": 1, "limit_val_batches": 0}
    trainer = Trainer(**{**usual, **dict.fromkeys(off, False), **arguments})
    given = [each if isinstance(each, ProblemBatch) else ProblemBatch(each.problems, each) for each in batches]
    trainer.fit(module, DataLoader(given, batch_size=None))  # type: ignore[arg-type]
    return trainer


def fitted(
    batches: list[Rollouts],
    strategy: str = "auto",
    devices: int = 1,
    callbacks: list[Callback] | None = None,
    precision: str = "32-true",
    policy: TinyPolicy | None = None,
    **arguments: Any,
) -> RLVRModule:
    """A module after these iterations; plain SGD, so that gradients can be read off the parameters."""
    usual = {"advantage": PassOne(), "optimizer": SGD, "learning_rate": Constant(0.5), "max_grad_norm": 1e9}
    module = RLVRModule(policy or build_tiny_policy(), **{**usual, **arguments})
    fit(module, deepcopy(batches), strategy=strategy, devices=devices, callbacks=callbacks, precision=precision)
    return module


def parameters(module: RLVRModule | TinyPolicy) -> list[Tensor]:
    policy = module.policy if isinstance(module, RLVRModule) else module
    return [value.detach().clone() for value in policy.parameters()]


def distance(left: list[Tensor], right: list[Tensor]) -> float:
    return max((mine - other).abs().max().item() for mine, other in zip(left, right, strict=True))


def naive_update(
    policy: TinyPolicy,
    batch: Rollouts,
    advantages: Tensor,
    count: int,
    on_policy: bool,
    rate: float = 0.5,
    max_grad_norm: float = 1e9,
) -> float:
    """One SGD step on all rows, zero advantages too, one row and one token at a time.  -> the loss"""
    rows = batch.experience(advantages.float())
    logprobs = plain_scores(policy.model, rows)[0]
    loss = torch.zeros(())
    for b, row in enumerate(rows.advantages.tolist()):
        for t, advantage in enumerate(row[: int(rows.mask[b].sum())]):
            old = logprobs[b, t].detach() if on_policy else rows.sampler_logprobs[b, t]
            ratio = (logprobs[b, t] - old).exp()
            loss = loss - torch.minimum(ratio * advantage, ratio.clamp(1 - 0.2, 1 + 0.28) * advantage)
    loss = loss / count
    grads = torch.autograd.grad(loss, list(policy.parameters()))
    norm = torch.stack([grad.norm() for grad in grads]).norm()
    scale = min(1.0, max_grad_norm / (norm.item() + 1e-6))
    with torch.no_grad():
        for parameter, grad in zip(policy.parameters(), grads, strict=True):
            parameter -= rate * scale * grad
    return loss.item()


def part(batch: Rollouts, problems: list[int]) -> Rollouts:
    return Rollouts(
        [batch.problems[index] for index in problems],
        [batch.prompts[index] for index in problems],
        [batch.completions[index] for index in problems],
        batch.rewards[problems],
        on_policy=batch.on_policy,
    )


class Watch(Callback):
    """Keeps parameters, optimizer state, rate and figures after every iteration."""

    def __init__(self) -> None:
        self.parameters: list[list[Tensor]] = []
        self.states: list[dict[str, Any]] = []
        self.rates: list[float] = []
        self.figures: list[dict[str, float]] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, RLVRModule)
        self.parameters.append(parameters(pl_module))
        self.states.append(deepcopy(trainer.optimizers[0].state_dict()["state"]))
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])
        self.figures.append({name: float(value) for name, value in trainer.callback_metrics.items()})
