"""What the vLLM engines share: vLLM's arguments, sampling parameters, and a fix for tied LM heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.engines.external import BLOCK_SIZE
from app.policy import Policy
from app.types import Sampling

OURS = ("model", "load_format", "dtype", "logprobs_mode", "skip_tokenizer_init")
"""Arguments of vLLM that are set from the policy and the Trainer."""

CPU = {
    "enforce_eager": True,
    "kv_cache_memory_bytes": 2**30,
    "block_size": BLOCK_SIZE,
    "enable_chunked_prefill": False,
}
"""Compiling takes a minute to save a fifth of the time; vLLM's default cache takes nearly all memory; and chunked
prefill makes vLLM rewind a seeded generator, which is impossible on a CPU."""


def longest(policy: Policy) -> int | None:
    """The most tokens of a prompt and its answer together; None if the policy sets no limit."""
    return policy.context_length if policy.context_length < 2**31 else None


def sampling_fields(n: int, seed: int, sampling: Sampling, stops: list[int]) -> dict[str, Any]:
    """The fields of vLLM's SamplingParams for one problem."""
    return {
        "n": n,
        "seed": seed,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "max_tokens": sampling.max_new_tokens,
        "stop_token_ids": stops,
        "ignore_eos": True,  # `stops` has the policy's own ends
        "logprobs": 0,
        "detokenize": False,
    }


def refresh_tied_head(model: Any) -> None:
    """Update an LM head that is tied to the embedding.

    On a CPU, vLLM 0.32 multiplies by a packed copy made at loading, which its reload does not update: without
    this the log-probabilities of a tied model were those of the earlier weights (wrong by up to 6).
    """
    from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead

    for module in model.modules():
        if isinstance(module, ParallelLMHead) and hasattr(module, "cpu_linear"):
            module.quant_method.process_weights_after_loading(module)


def check_head_size(size: int) -> None:
    """Raise ValueError if vLLM has no CPU attention kernel for this head dimension: it would crash when sampling."""
    from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend

    able = CPUAttentionBackend.get_supported_head_sizes()
    if size not in able:
        raise ValueError(f"vLLM on a CPU takes heads of {', '.join(map(str, able))} numbers, the policy's have {size}")


def check_arguments(arguments: dict[str, Any], taken: Sequence[str]) -> None:
    """Raise ValueError for arguments of vLLM that the user must not set."""
    for name in arguments:
        if name in taken:
            raise ValueError(f"arguments={{{name}: ..}} follows from the policy and the Trainer and can't be set")
