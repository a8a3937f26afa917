"""Estimates how much memory the run needs, before it begins."""

from __future__ import annotations

import logging

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from app.compute.allocation import resident_bytes
from app.compute.memory import Memory, available_bytes, estimate
from app.distributed.weights import trained_weights
from app.engines.transformers import TransformersEngine
from app.module import RLVRModule
from app.settings import RolloutSettings
from app.types.pictures import extent
from callbacks.lookup import batch_size_of, callback_of, problems_of
from callbacks.roles import Evaluation

log = logging.getLogger(__name__)


class MemoryEstimate(Callback):
    """Logs the estimate of `app/compute/memory.py`; warns if the device has less memory.

    Also warns if the trained weights' data type is too coarse for training.
    """

    def __init__(self) -> None:
        self.memory: Memory | None = None
        self.process = 0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if trainer.strategy.root_device.type == "cpu":
            built = sum(
                weight.nbytes for weight in pl_module.parameters()
            )  # usually not built yet: `configure_model` comes later
            self.process = max(0, resident_bytes() - built)

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.on_train_start(trainer, pl_module)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.memory is not None:
            return
        module = RLVRModule.of(pl_module)
        compute = torch.bfloat16 if "bf16" in str(trainer.precision) else module.policy.model.dtype
        cached, rows = max(_sampled_at_once(trainer, module))
        self.memory = estimate(
            module.policy, trainer.optimizers[0], compute, module.microbatch_tokens, cached, rows, self.process
        )
        log.info("%s", self.memory)
        available = available_bytes(module.device)
        if available is not None and self.memory.most > available:
            log.warning(
                "this is more than the %.3g GB that are available: lower model.microbatch_tokens=%d or "
                "model.policy.head_tokens=%d, or set model.policy.gradient_checkpointing, or train an adapter "
                "(configs/lora.yaml); for sampling, lower rollout.engine.memory_gb",
                available / 1e9,
                module.microbatch_tokens,
                module.policy.head_tokens,
            )
        coarse = {weight.dtype for weight in trained_weights(module.policy).values()} & {torch.bfloat16, torch.float16}
        if coarse:
            log.warning(
                "trained weights are in %s, which loses updates of less than 1/500 of a weight: set the policy's "
                "dtype to float32 (precision: bf16-mixed still computes in bfloat16)",
                str(coarse.pop()).removeprefix("torch."),
            )


def _sampled_at_once(trainer: Trainer, module: RLVRModule) -> list[tuple[int, int]]:
    """Tokens and rollouts that are sampled at once, in training and for each evaluation setting."""
    settings = module.rollout_worker.settings
    calls = [("train", batch_size_of(trainer) or 1, settings)]
    evaluation, validation = callback_of(trainer, Evaluation), problems_of(trainer, "validation")
    if evaluation is not None and validation:
        problems = min(trainer.datamodule.eval_batch_size, len(validation))  # type: ignore[attr-defined]
        engine = module.rollout_worker.engine
        calls += [("validation", problems, RolloutSettings(engine, each.n, each.sampling)) for each in evaluation.asked]
    found = []
    for split, problems, how in calls:
        longest = max(problems_of(trainer, split), key=lambda problem: extent(problem.prompt), default=None)
        prompt = 0 if longest is None else len(module.policy.encode(longest.prompt))
        if isinstance(how.engine, TransformersEngine):
            problems = min(problems, how.engine.problems_at_once(module.policy, prompt, how.rollouts, how.sampling))
        found.append((problems * (prompt + how.rollouts * how.sampling.max_new_tokens), problems * how.rollouts))
    return found
