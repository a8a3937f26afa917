"""What engines that sample with vLLM share: its arguments, how a request is drawn, and the trap of its tied head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.engines.external import BLOCK_SIZE
from app.policy import Policy
from app.types import Sampling

OURS = ("model", "load_format", "dtype", "logprobs_mode", "skip_tokenizer_init")
"""Arguments of vLLM that follow from the policy and the Trainer."""

CPU = {
    "enforce_eager": True,
    "kv_cache_memory_bytes": 2**30,
    "block_size": BLOCK_SIZE,
    "enable_chunked_prefill": False,
}
"""Compiling takes a minute for a fifth of the time; by itself vLLM would take nearly all memory for its cache; and a
prompt read in chunks makes it wind back a seeded generator, which those of a CPU can't do."""


def longest(policy: Policy) -> int | None:
    """Tokens of a prompt and its answer; None where the policy sets no limit."""
    return policy.context_length if policy.context_length < 2**31 else None


def sampling_fields(n: int, seed: int, sampling: Sampling, stops: list[int]) -> dict[str, Any]:
    """Of vLLM's SamplingParams, for one problem."""
    return {
        "n": n,
        "seed": seed,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "max_tokens": sampling.max_new_tokens,
        "stop_token_ids": stops,
        "ignore_eos": True,  # the policy's own ends are among `stops`
        "logprobs": 0,
        "detokenize": False,
    }


def refresh_tied_head(model: Any) -> None:
    """Have an LM head that shares the embedding's weight take it over.

    On a CPU vLLM 0.32 multiplies by a copy that it packed when it loaded, which its own reload forgets: without
    this the log-probabilities of a tied model were those of the weights before (by up to 6).
    """
    from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead

    for module in model.modules():
        if isinstance(module, ParallelLMHead) and hasattr(module, "cpu_linear"):
            module.quant_method.process_weights_after_loading(module)


def check_head_size(size: int) -> None:
    """ValueError if vLLM has no CPU attention kernel for this head dimension: it would crash when sampling."""
    from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend

    able = CPUAttentionBackend.get_supported_head_sizes()
    if size not in able:
        raise ValueError(f"vLLM on a CPU takes heads of {', '.join(map(str, able))} numbers, the policy's have {size}")


def check_arguments(arguments: dict[str, Any], taken: Sequence[str]) -> None:
    """Raise ValueError for arguments of vLLM that are not the user's to set."""
    for name in arguments:
        if name in taken:
            raise ValueError(f"arguments={{{name}: ..}} follows from the policy and the Trainer and can't be set")
