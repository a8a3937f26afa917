"""Estimates a run's memory from the shape of its policy, before the first iteration.

Per process, in bytes, with n weights of which m are trained (if weights are sharded, those of the process's shard):

    process       resident memory before the policy is built, on a CPU: libraries, the tokenizer, the problems
    weights       4 n, or 2 n in bfloat16
    gradients     as many bytes as the trained weights, and the largest of them once more, for its summation
    optimizer     2 m numbers for Adam's two moments, m for SGD with momentum
    activations   of a micro-batch of T tokens, see `activations`
    gaps          on a CPU half of the activations: freed memory between tensors that the C library cannot return
    cache         keys and values while sampling: 2 layers x key heads x their size, for each prompt or sampled token
    logits        of the rollouts sampled at once, in single precision: 20 V each; less on a CPU, which takes few rows
    copies        copies of the weights while sampling: in another precision, or packed by `linear.py`

Training has all but the last three, sampling all but gradients, activations and gaps. Not included are oneDNN's
compiled kernels, some hundred MB after many iterations, and a GPU's own libraries; tests/app/compute/test_memory.py
checks that the tensors are within a factor of 1.3 of measurements.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from app.compute.allocation import resident_bytes
from app.distributed.weights import trained_weights
from app.policy import Policy


@dataclass(frozen=True)
class Memory:
    """The estimate, in bytes on one device."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    cache: int
    logits: int
    copies: int
    gaps: int = 0
    process: int = 0

    @property
    def training(self) -> int:
        return self.process + self.weights + self.gradients + self.optimizer + self.activations + self.gaps

    @property
    def sampling(self) -> int:
        return self.process + self.weights + self.optimizer + self.cache + self.logits + self.copies

    @property
    def most(self) -> int:
        return max(self.training, self.sampling)

    def __str__(self) -> str:
        parts = {
            "process": self.process,
            "weights": self.weights,
            "gradients": self.gradients,
            "optimizer": self.optimizer,
        }
        held = " + ".join(f"{name} {_gb(size)}" for name, size in parts.items())
        return (
            f"memory, estimated: {held} + a micro-batch {_gb(self.activations)} + gaps {_gb(self.gaps)} = "
            f"{_gb(self.training)} GB in training; keys and values {_gb(self.cache)} + logits {_gb(self.logits)} + "
            f"copied weights {_gb(self.copies)}, {_gb(self.sampling)} GB in all while sampling"
        )


def estimate(
    policy: Policy,
    optimizer: Optimizer,
    compute: torch.dtype,
    microbatch_tokens: int,
    cached_tokens: int,
    rows: int,
    process: int = 0,
) -> Memory:
    """Estimate the memory of a built policy.

    Args:
        compute: the data type in which linear layers multiply.
        microbatch_tokens: T, prompts and responses of one forward and backward pass.
        cached_tokens: the sum of prompts and responses of all rollouts that are sampled at once.
        rows: the number of these rollouts.
        process: bytes that were resident before the policy was built.
    """
    sizes = [_bytes(parameter) for parameter in trained_weights(policy).values()]
    of_microbatch = activations(policy, compute, microbatch_tokens)
    return Memory(
        weights=sum(_bytes(parameter) for parameter in policy.parameters()),
        gradients=sum(sizes) + max(sizes),
        optimizer=moments(optimizer) * sum(sizes),
        activations=of_microbatch,
        cache=cache_bytes(policy, compute, cached_tokens),
        logits=logits_bytes(policy, rows),
        copies=_copies(policy, compute),
        gaps=of_microbatch // 2 if policy.model.device.type == "cpu" else 0,
        process=process,
    )


def cache_bytes(policy: Policy, compute: torch.dtype, tokens: int) -> int:
    """Bytes of the keys and values of this many tokens."""
    return 2 * _layers(policy) * _widths(policy)["key"] * compute.itemsize * tokens


def logits_bytes(policy: Policy, rows: int) -> int:
    """Bytes for sampling a token, for this many rollouts."""
    return 20 * policy.model.config.get_text_config().vocab_size * rows


def available_bytes(device: torch.device) -> int | None:
    """Bytes that a process can have on its device, including those in use; None if the system does not report it."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
    told = Path("/proc/meminfo")
    if device.type != "cpu" or not told.is_file():
        return None
    lines = told.read_text(encoding="utf-8").splitlines()
    free = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    return free * 1024 + resident_bytes()


def moments(optimizer: Optimizer) -> int:
    """Numbers that the optimizer keeps for every trained weight."""
    return len(optimizer.defaults.get("betas", ())) or int(bool(optimizer.defaults.get("momentum")))


def activations(policy: Policy, compute: torch.dtype, tokens: int) -> int:
    """Bytes for the backward pass of T tokens.

    With hidden size h, widths a of queries, k of keys and f of the MLP, b bytes a number in linear layers, 4 in norms:

        a layer    T (24 h + (4 a + 2 k + 4 f) b), and b for each of its weights if they are cast for the product
        the head   2 b c V, for c = min(T, head_tokens) tokens at a time: the logits and their gradient

    With gradient checkpointing: one layer, and 4 T h for the input of each layer.
    """
    width, layers = _widths(policy), _layers(policy)
    b, hidden = compute.itemsize, width["hidden"]
    inner = 4 * width["query"] + 2 * width["key"] + 4 * width["mlp"]
    casts = compute != policy.model.dtype
    layer = tokens * (24 * hidden + inner * b) + casts * b * _layer_weights(policy)
    head = 2 * b * min(tokens, policy.head_tokens) * policy.model.config.get_text_config().vocab_size
    if policy.gradient_checkpointing:
        return layer + layers * 4 * tokens * hidden + head
    return layer * layers + head


def _widths(policy: Policy) -> dict[str, int]:
    """Widths of a layer's parts, in numbers per token; for a mixture of experts, summed over a token's experts."""
    config: Any = policy.model.config.get_text_config()
    hidden, heads = config.hidden_size, getattr(config, "num_attention_heads", None) or 1
    size = getattr(config, "head_dim", None) or hidden // heads
    mlp = getattr(config, "intermediate_size", None) or 4 * hidden
    if getattr(config, "num_experts_per_tok", None):
        mlp = config.num_experts_per_tok * (getattr(config, "moe_intermediate_size", None) or mlp)
    keys = getattr(config, "num_key_value_heads", None) or heads
    return {"hidden": hidden, "query": heads * size, "key": keys * size, "mlp": mlp}


def _layers(policy: Policy) -> int:
    return policy.model.config.get_text_config().num_hidden_layers


def _layer_weights(policy: Policy) -> int:
    """Weights of one layer: all weights but the embeddings, divided by the number of layers."""
    model: Any = policy.model
    embeddings = {model.get_input_embeddings().weight, model.get_output_embeddings().weight}  # one if tied
    rest = (parameter.numel() for parameter in model.parameters() if parameter not in embeddings)
    return sum(rest) // _layers(policy)


def _copies(policy: Policy, compute: torch.dtype) -> int:
    """Bytes of copies of all weights but input embeddings that are not tied to the LM head."""
    model: Any = policy.model
    if compute == model.dtype and (model.device.type != "cpu" or compute != torch.float32):
        return 0
    own = {*model.parameters()} - {model.get_input_embeddings().weight} | {model.get_output_embeddings().weight}
    return sum(compute.itemsize * _bytes(weight) // weight.element_size() for weight in own)


def _bytes(parameter: Tensor) -> int:
    local: Any = getattr(parameter, "to_local", lambda: parameter)()
    return local.numel() * local.element_size()


def _gb(size: int) -> str:
    return f"{size / 1e9:.3g}"
