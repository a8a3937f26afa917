"""Time whole RL iterations: `python -m benchmarks.step --policy DIR --problems 8 --rollouts 16 --json`.

The real Trainer, module, callback and engine: sampling, scoring, log-probabilities, backward, one
optimizer step over all rollouts. Every rollout gets an advantage that is not zero, so none is
skipped. `benchmarks.trl_step` times TRL's GRPOTrainer on the same workload.
"""

from __future__ import annotations

import argparse
import json
import statistics
from time import perf_counter, process_time
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from app.advantages import AdvantageEstimator
from app.cli.command import quiet
from app.module import RLVRModule
from app.types import ProblemBatch, Rollouts, Sampling
from benchmarks.workload import load_policy, peak_memory_mib, random_problems
from callbacks.rollout import RolloutCallback
from datamodules.base.stream import ProblemStream


class NeverZero(AdvantageEstimator):
    """Advantages 1 and -1 alternately, so that every rollout is trained."""

    def estimate(self, rollouts: Rollouts) -> Tensor:
        signs = torch.arange(rollouts.rewards.shape[1], device=rollouts.rewards.device) % 2 * 2.0 - 1
        return signs.expand_as(rollouts.rewards)


class Clock(Callback):
    """Measures wall-clock and CPU seconds from sampling to the optimizer step; must be the first callback."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.cpu: list[float] = []
        self.tokens: list[int] = []

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.begun, self.cpu_begun = perf_counter(), process_time()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: ProblemBatch, batch_idx: int
    ) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.seconds.append(perf_counter() - self.begun)
        self.cpu.append(process_time() - self.cpu_begun)
        self.tokens.append(int(batch.rollouts.lengths.sum()))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run a warm-up iteration, then the timed ones."""
    policy = load_policy(options.policy, options.threads)
    problems = random_problems(policy.tokenizer, options.problems * (options.steps + 1), options.prompt_chars, 0)
    batches = ProblemStream(problems, options.problems, seed=0)
    clock = Clock()
    rollout = RolloutCallback(rollouts=options.rollouts, sampling=Sampling(max_new_tokens=options.max_new_tokens))
    module = RLVRModule(
        policy, NeverZero(), minibatch_size=options.problems, microbatch_tokens=options.microbatch_tokens
    )
    trainer = Trainer(
        accelerator=options.accelerator,
        devices=1,
        precision=options.precision,
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[clock, rollout],
    )
    trainer.fit(module, batches)
    return {
        "seconds_per_step": clock.seconds[1:],
        "warm_up_seconds": clock.seconds[0],
        "median_seconds_per_step": statistics.median(clock.seconds[1:]),
        "cpu_seconds_per_step": clock.cpu[1:],
        "median_cpu_seconds_per_step": statistics.median(clock.cpu[1:]),
        "tokens_per_second": sum(clock.tokens[1:]) / sum(clock.seconds[1:]),
        "mean_completion_length": sum(clock.tokens[1:]) / (options.problems * options.rollouts * options.steps),
        "peak_memory_mib": peak_memory_mib(),
        "parameters": sum(parameter.numel() for parameter in policy.parameters()),
        "workload": {key: value for key, value in vars(options).items() if key not in ("policy", "json")},
    }


def main(args: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.step", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--policy", required=True, help="a transformers folder (benchmarks.make_policy writes one)")
    parser.add_argument("--problems", type=int, default=8)
    parser.add_argument("--rollouts", type=int, default=16)
    parser.add_argument("--prompt-chars", type=int, default=100)
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--microbatch-tokens", type=int, default=2048)
    parser.add_argument("--precision", default="32-true", help="Lightning's: 32-true, bf16-mixed, bf16-true")
    parser.add_argument("--accelerator", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    options = parser.parse_args(args)
    quiet()
    figures = measure(options)
    if options.json:
        print(json.dumps(figures))
    else:
        print(f"{figures['median_seconds_per_step']:.2f} s per iteration, {figures['tokens_per_second']:.0f} tokens/s")


if __name__ == "__main__":
    main()
