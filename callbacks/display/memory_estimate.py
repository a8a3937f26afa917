"""What the run will hold in memory, said before it begins."""

from __future__ import annotations

import logging

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from app.compute.memory import Memory, estimate
from app.distributed.weights import trained_weights
from app.module import RLVRModule
from app.types.pictures import extent
from callbacks.lookup import batch_size_of, problems_of

log = logging.getLogger(__name__)


class MemoryEstimate(Callback):
    """One line, from `app/compute/memory.py`; and another where the trained weights are too coarse to be trained."""

    def __init__(self) -> None:
        self.memory: Memory | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        module = RLVRModule.of(pl_module)
        settings = module.rollout_worker.settings
        longest = max(problems_of(trainer, "train"), key=lambda problem: extent(problem.prompt), default=None)
        prompt = 0 if longest is None else len(module.policy.encode(longest.prompt))
        cached = (batch_size_of(trainer) or 1) * (prompt + settings.rollouts * settings.sampling.max_new_tokens)
        compute = torch.bfloat16 if "bf16" in str(trainer.precision) else module.policy.model.dtype
        self.memory = estimate(module.policy, trainer.optimizers[0], compute, module.microbatch_tokens, cached)
        log.info("%s", self.memory)
        coarse = {weight.dtype for weight in trained_weights(module.policy).values()} & {torch.bfloat16, torch.float16}
        if coarse:
            log.warning(
                "trained weights are in %s, which loses updates of less than 1/500 of a weight: set the policy's "
                "dtype to float32 (precision: bf16-mixed still computes in bfloat16)",
                str(coarse.pop()).removeprefix("torch."),
            )
