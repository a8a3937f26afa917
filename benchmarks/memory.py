"""Peak memory of RL iterations with a random policy of the size of Qwen2.5-0.5B: `python -m benchmarks.memory --json`.

Qwen2.5-0.5B's config with random weights, the real Trainer, module, callback and engine; prints peak resident memory
and the estimate of `app/compute/memory.py`. Computation is in bfloat16; weights are in single precision or in
bfloat16.
"""

from __future__ import annotations

import argparse
import json
from time import perf_counter
from typing import Any

import torch
from lightning.pytorch import Trainer
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Qwen2Config, Qwen2ForCausalLM

from app.cli.command import quiet
from app.module import RLVRModule
from app.policy import Policy, character_tokenizer
from app.types import Sampling
from benchmarks.step import NeverZero
from benchmarks.workload import peak_memory_mib, random_problems
from callbacks.display.memory_estimate import MemoryEstimate
from callbacks.rollout import RolloutCallback
from datamodules.base.stream import ProblemStream

SHAPE = {
    "hidden_size": 896,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "intermediate_size": 4864,
    "vocab_size": 151_936,
    "tie_word_embeddings": True,
}
"""The shape of Qwen2.5-0.5B."""


class Shaped(Policy):
    """A random Qwen2 model of a given shape, with a token for each character and many without text."""

    def __init__(self, shape: dict[str, Any], dtype: torch.dtype, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.shape, self.dtype = shape, dtype

    def load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        ids = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None}
        default = torch.get_default_dtype()
        torch.set_default_dtype(self.dtype)  # avoids a copy in another type
        try:
            model = Qwen2ForCausalLM(Qwen2Config(**self.shape, **ids))
        finally:
            torch.set_default_dtype(default)
        return model, character_tokenizer("".join(map(chr, range(32, 127))))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure from building the policy to the last optimizer step; Adam's moments exist from the second on."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    before = peak_memory_mib()
    dtype = getattr(torch, options.weights)
    policy = Shaped(SHAPE, dtype, gradient_checkpointing=options.checkpointing, head_tokens=options.head_tokens)
    policy.build()
    problems = random_problems(policy.tokenizer, options.problems * options.steps, options.prompt_chars, 0)
    sampling = Sampling(max_new_tokens=options.max_new_tokens)
    rollout, memory = RolloutCallback(rollouts=options.rollouts, sampling=sampling), MemoryEstimate()
    module = RLVRModule(
        policy, NeverZero(), minibatch_size=options.problems, microbatch_tokens=options.microbatch_tokens
    )
    trainer = Trainer(
        accelerator=options.accelerator,
        devices=1,
        precision="bf16-mixed" if dtype == torch.float32 else "32-true",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[memory, rollout],
    )
    begun = perf_counter()
    trainer.fit(module, ProblemStream(problems, options.problems, seed=0))
    assert memory.memory is not None
    return {
        "peak_memory_mib": peak_memory_mib(),
        "before_mib": before,
        "estimated_training_mib": memory.memory.training / 2**20,
        "estimated_sampling_mib": memory.memory.sampling / 2**20,
        "estimate": str(memory.memory),
        "seconds": perf_counter() - begun,
        "updates": module.updates,
        "parameters": sum(parameter.numel() for parameter in policy.parameters()),
    }


def main(args: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--problems", type=int, default=2)
    parser.add_argument("--rollouts", type=int, default=4)
    parser.add_argument("--prompt-chars", type=int, default=100)
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--microbatch-tokens", type=int, default=2048)
    parser.add_argument("--head-tokens", type=int, default=128)
    parser.add_argument("--weights", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--checkpointing", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--accelerator", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    options = parser.parse_args(args)
    quiet()
    figures = measure(options)
    if options.json:
        print(json.dumps(figures))
    else:
        print(
            f"{figures['estimate']}\n{figures['peak_memory_mib'] / 2**10:.2f} GiB at most, {figures['seconds']:.0f} s"
        )


if __name__ == "__main__":
    main()
