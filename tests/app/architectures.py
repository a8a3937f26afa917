"""Tiny random models of many architectures, as policies, and the plain forward pass they are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from app.policy import Policy, character_tokenizer
from app.types import Experience

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGH"  # with three special tokens, a vocabulary of 37


@dataclass(frozen=True)
class Architecture:
    """A tiny config and what passk is to make of it.

    Attributes:
        model_type: transformers' name of the architecture.
        shape: its arguments, the common ones left out.
        shares: whether prompts can be shared between responses; None where either answer will do.
        decoder: the class that samples it.
        attention: transformers' implementation; "eager" where only that bends the scores.
    """

    model_type: str
    shape: dict[str, Any]
    shares: bool | None
    decoder: str
    attention: str | None = None


USUAL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4}
GATED = {**USUAL, "intermediate_size": 24}
GROUPED = {**GATED, "num_key_value_heads": 2}
EXPERTS = {"moe_intermediate_size": 8, "num_experts": 4, "num_experts_per_tok": 2}
SHARED, REPEATED, RECOMPUTED = "SharedPrefixDecoder", "RepeatedCacheDecoder", "RecomputingDecoder"

ARCHITECTURES = {
    "qwen2": Architecture("qwen2", GROUPED, True, SHARED),
    "llama": Architecture("llama", GATED, True, SHARED),
    "gpt2": Architecture("gpt2", {"n_embd": 16, "n_layer": 2, "n_head": 4}, True, SHARED),
    "gemma2": Architecture(  # soft-capped scores and logits, a window in every other layer
        "gemma2",
        {**GROUPED, "head_dim": 4, "sliding_window": 4, "attn_logit_softcapping": 1.0, "final_logit_softcapping": 2.0},
        False,
        REPEATED,
        "eager",
    ),
    "qwen3_moe": Architecture("qwen3_moe", {**GROUPED, **EXPERTS, "head_dim": 4}, True, SHARED),
    "mistral": Architecture("mistral", {**GROUPED, "sliding_window": 4}, False, REPEATED),
    "opt": Architecture("opt", {**USUAL, "ffn_dim": 24, "word_embed_proj_dim": 8}, True, SHARED),
    "bloom": Architecture("bloom", {"hidden_size": 16, "n_layer": 2, "n_head": 4}, False, REPEATED),
    "mamba": Architecture("mamba", {"hidden_size": 16, "num_hidden_layers": 2, "state_size": 4}, False, RECOMPUTED),
    # what one of the above does not do
    "gpt_neo": Architecture(  # a window that no argument of the attention function tells of
        "gpt_neo",
        {"hidden_size": 16, "num_layers": 2, "num_heads": 4, "window_size": 4, "attention_types": [[["local"], 2]]},
        False,
        REPEATED,
    ),
    "jamba": Architecture(  # attention and state-space layers in turn
        "jamba",
        {**GROUPED, "attn_layer_period": 2, "attn_layer_offset": 1, "use_mamba_kernels": False, "num_experts": 2},
        False,
        RECOMPUTED,
    ),
    "cohere": Architecture("cohere", {**GROUPED, "logit_scale": 3.0}, True, SHARED),
    "granite": Architecture("granite", {**GROUPED, "logits_scaling": 3.0}, True, SHARED),
    "hyperclovax": Architecture("hyperclovax", {**GROUPED, "logits_scaling": 3.0}, True, SHARED),  # multiplies
    "diffllama": Architecture("diffllama", GROUPED, None, REPEATED),  # attends twice in one layer
    "rwkv": Architecture(  # a state that is not in transformers' cache
        "rwkv", {"hidden_size": 16, "num_hidden_layers": 2, "attention_hidden_size": 16}, False, RECOMPUTED
    ),
    "recurrent_gemma": Architecture(  # the same, though it takes a cache; soft-capped logits by another name
        "recurrent_gemma",
        {**GROUPED, "num_hidden_layers": 3, "head_dim": 4, "lru_width": 16, "logits_soft_cap": 2.0},
        False,
        RECOMPUTED,
    ),
}


class TablePolicy(Policy):
    """A random model of a config."""

    def __init__(self, architecture: Architecture, scale: float = 3.0, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.architecture, self.scale = architecture, scale

    def load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        tokenizer = character_tokenizer(LETTERS)
        special = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None}
        shape = {"vocab_size": len(tokenizer), **special, **self.architecture.shape}
        config = AutoConfig.for_model(self.architecture.model_type, **shape)
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config, attn_implementation=self.architecture.attention)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.ndim > 1 and "A_log" not in name:
                    parameter.mul_(self.scale)
        return model, tokenizer


def build(name: str, **arguments: Any) -> TablePolicy:
    policy = TablePolicy(ARCHITECTURES[name], **arguments)
    policy.build()
    return policy


def draw_prompts(lengths: list[int], seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(3, 37, (length,), generator=generator) for length in lengths]


def draw_rows(prompts: list[int], problem: list[int], responses: list[int], **changes: Any) -> Experience:
    """Random rows: prompts of these lengths, and responses of these lengths to these of them."""
    generator = torch.Generator().manual_seed(1)
    mask = torch.arange(max(responses)) < torch.tensor(responses)[:, None]
    rows: dict[str, Any] = {
        "prompts": draw_prompts(prompts),
        "problem": torch.tensor(problem),
        "tokens": torch.randint(1, 37, mask.shape, generator=generator) * mask,
        "mask": mask,
        "advantages": torch.randn(len(problem), 1, generator=generator) * mask,
    }
    return Experience(**{**rows, **changes})


def plain_scores(model: nn.Module, rows: Experience) -> tuple[Tensor, Tensor]:
    """Log-probabilities and entropies, one row at a time through the whole model.  -> [B, T] twice, 0 on padding"""
    logprobs, entropies = [], []
    for problem, tokens, mask in zip(rows.problem, rows.tokens, rows.mask, strict=True):
        prompt, response = rows.prompts[int(problem)], tokens[mask]
        logits = model(input_ids=torch.cat([prompt, response])[None]).logits[0, len(prompt) - 1 : -1]
        everything = (logits / rows.temperature).log_softmax(-1)
        rest = (0, len(mask) - len(response))
        logprobs.append(nn.functional.pad(everything.gather(-1, response[:, None])[:, 0], rest))
        entropies.append(nn.functional.pad(-(everything.exp() * everything).sum(-1), rest))
    return torch.stack(logprobs), torch.stack(entropies)


def gradients(policy: Policy) -> dict[str, Tensor]:
    """Of every parameter that has one, which is then forgotten."""
    found = {name: value.grad.clone() for name, value in policy.named_parameters() if value.grad is not None}
    policy.zero_grad()
    return found
