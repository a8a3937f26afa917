"""Attention over a prompt that many responses share, for any transformers model with pluggable attention.

N responses to one prompt need the prompt's keys and values once, not N times. Both uses of that
stand here. In training a `PackedRow` lays prompts and responses end to end without padding, so
that every other layer computes each token once. In sampling a `SharedPrefixCache` holds the
prompts' keys and values once per problem, and each response's own beside them.

transformers hands every attention layer's queries, keys and values to a function chosen by name,
together with the keyword arguments of the model's forward; ours reads `shared_prefix` from them.

Axes here: P prompts of up to S tokens, B responses of up to T, H query heads on G key heads, D per head.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence
from transformers import AttentionInterface, PreTrainedModel

NAME = "shared_prefix"


class SharedPrefix(Protocol):
    """What the attention function is given to attend with."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
        """[1 or rows, H, tokens, D] and twice [.., G, tokens, D] -> [.., tokens, H, D]"""
        ...


def shared_prefix_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    shared_prefix: SharedPrefix | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """The attention function that transformers calls in every layer.

    Raises:
        NotImplementedError: where the architecture bends the scores in a way that is not done here
            (a sliding window, soft-capping, sinks, a position bias).
    """
    bent = [name for name in ("sliding_window", "softcap", "s_aux", "position_bias") if options.get(name) is not None]
    if bent or shared_prefix is None:
        raise NotImplementedError(f"shared-prefix attention does not do {bent or 'without a prefix'}")
    return shared_prefix.attend(getattr(module, "layer_idx", 0), query, key, value, scaling), None


AttentionInterface.register(NAME, shared_prefix_attention)


@contextmanager
def attending_with_shared_prefix(model: PreTrainedModel) -> Iterator[None]:
    """Have the model call our attention function inside the block, and its own again after it."""
    config: Any = model.config.get_text_config()
    usual = config._attn_implementation
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = usual


@dataclass(frozen=True)
class PackedRow:
    """P prompts and B responses end to end in one row of L tokens, each token once.

    A prompt's last token predicts a response's first, so it opens every response's segment and is
    left out of the shared part: prompt[:-1] for each prompt, then prompt[-1], response[:-1] for
    each response, with positions that count on from its prompt. A token's logits are thus those of
    the ordinary row [prompt, response].

    Attributes:
        input_ids, position_ids: `[1, L]`.
        targets: `[M]`, the token that each of the M = L - prefix tokens predicts.
        prefix: `[P, S]`, where in the row each prompt's tokens stand; padded with 0.
        prefix_mask: `[P, S]`, bool.
        segment: `[B, T]`, where in the row each response's tokens stand; padded with 0.
        segment_mask: `[B, T]`, bool.
        problem: `[B]`, the prompt of each response.
        mask: `[B, 1, T, S + T]`, bool: a response sees its prompt and its own past.
    """

    input_ids: Tensor
    position_ids: Tensor
    targets: Tensor
    prefix: Tensor
    prefix_mask: Tensor
    segment: Tensor
    segment_mask: Tensor
    problem: Tensor
    mask: Tensor

    @classmethod
    def pack(cls, prompts: list[Tensor], problem: Tensor, tokens: Tensor, mask: Tensor) -> PackedRow:
        """prompts: P of [S]; problem: [B]; tokens, mask: [B, T].  Prompts without a response are left out."""
        used, problem = problem.unique(return_inverse=True)
        chosen = [prompts[index].to(tokens.device) for index in used.tolist()]
        shared = [prompt[:-1] for prompt in chosen]
        prefix_mask = _lengths_mask([len(prompt) for prompt in shared], tokens.device)
        last = torch.stack([prompt[-1] for prompt in chosen])[problem]
        inputs = torch.cat([last[:, None], tokens[:, :-1]], dim=1)

        offset = prefix_mask.sum(-1)[problem][:, None]
        positions = offset + torch.arange(tokens.shape[1], device=tokens.device)
        num_prefix = int(prefix_mask.sum())
        causal = torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool, device=tokens.device).tril()
        return cls(
            input_ids=torch.cat([*shared, inputs[mask]])[None],
            position_ids=torch.cat([_running(prefix_mask)[prefix_mask], positions[mask]])[None],
            targets=tokens[mask],
            prefix=_places(prefix_mask),
            prefix_mask=prefix_mask,
            segment=_places(mask, first=num_prefix),
            segment_mask=mask,
            problem=problem,
            mask=torch.cat(
                [prefix_mask[problem][:, None].expand(-1, len(causal), -1), causal.expand(len(problem), -1, -1)], dim=-1
            )[:, None],
        )

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
        """Prompts attend causally to themselves, responses to their prompt and their own past."""
        query, key, value = (states[0].transpose(0, 1) for states in (query, key, value))  # [L, heads, D]
        key, value = _repeat_heads(key, query.shape[1], 1), _repeat_heads(value, query.shape[1], 1)
        parts = []
        if self.prefix.shape[1]:
            own = [_pick(states, self.prefix).transpose(1, 2) for states in (query, key, value)]  # [P, H, S, D]
            seen = scaled_dot_product_attention(*own, is_causal=True, scale=scale).transpose(1, 2)
            parts.append(seen[self.prefix_mask])
        seen_by_row = torch.cat([self.prefix[self.problem], self.segment], dim=1)  # [B, S + T]
        own = [_pick(query, self.segment), _pick(key, seen_by_row), _pick(value, seen_by_row)]  # [B, .., H, D]
        own = [states.transpose(1, 2) for states in own]
        seen = scaled_dot_product_attention(*own, attn_mask=self.mask, scale=scale).transpose(1, 2)  # [B, T, H, D]
        return torch.cat([*parts, seen[self.segment_mask]])[None]


class SharedPrefixCache:
    """Keys and values while sampling: the prompts' once per problem, the responses' in place.

    Slots are a grid of problems x rollouts; `keep` drops finished ones. A prompt is read by
    running the model over it once with this cache (`prefilling` is true until `begin`).
    """

    def __init__(self, prompt_mask: Tensor, max_new_tokens: int) -> None:
        """prompt_mask: [P, S], bool, true on the prompts' tokens."""
        self.prompt_mask = prompt_mask
        self.max_new_tokens = max_new_tokens
        self.prefilling = True
        self.prefix: dict[int, tuple[Tensor, Tensor]] = {}  # [P, G, S, D] twice
        self.own: dict[int, tuple[Tensor, Tensor]] = {}  # [P, N, G, max_new_tokens, D] twice
        self.num_rollouts = 0
        self.time = 0

    def begin(self, num_rollouts: int) -> None:
        """The prompts are read: open so many slots on each of them."""
        self.prefilling, self.num_rollouts = False, num_rollouts

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
        if self.prefilling:
            self.prefix[layer] = (key, value)
            key, value = _repeat_heads(key, query.shape[1], 1), _repeat_heads(value, query.shape[1], 1)
            return scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale).transpose(1, 2)
        return self._attend_one(layer, query, key, value, query.shape[-1] ** -0.5 if scale is None else scale)

    def _attend_one(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """One new token in each slot.  [P * N, H, 1, D] -> [P * N, 1, H, D]"""
        problems, rollouts, (heads, groups, dim) = (
            len(self.prompt_mask),
            self.num_rollouts,
            (query.shape[1], key.shape[1], key.shape[-1]),
        )
        if layer not in self.own:
            room = (problems, rollouts, groups, self.max_new_tokens, dim)
            self.own[layer] = (key.new_empty(room), value.new_empty((*room[:-1], value.shape[-1])))
        keys, values = self.own[layer]
        keys[:, :, :, self.time] = key.view(problems, rollouts, groups, dim)
        values[:, :, :, self.time] = value.view(problems, rollouts, groups, -1)
        keys, values = keys[:, :, :, : self.time + 1], values[:, :, :, : self.time + 1]  # [P, N, G, t, D]

        query = query.view(problems, rollouts, groups, heads // groups, dim) * scale
        by_problem = query.transpose(1, 2).flatten(2, 3)  # [P, G, N * H/G, D]
        to_prompt, to_own = 0, query @ keys.transpose(-1, -2)  # [P, N, G, H/G, t]
        if layer in self.prefix:
            prompt_keys, prompt_values = self.prefix[layer]
            scores = by_problem @ prompt_keys.transpose(-1, -2)  # [P, G, N * H/G, S]
            scores = scores.masked_fill(~self.prompt_mask[:, None, None], float("-inf"))
            scores = scores.unflatten(2, (rollouts, -1)).transpose(1, 2)  # [P, N, G, H/G, S]
            weights = torch.cat([scores, to_own], dim=-1).softmax(-1, dtype=torch.float32).to(value.dtype)
            on_prompt, on_own = weights.split([scores.shape[-1], to_own.shape[-1]], dim=-1)
            to_prompt = on_prompt.transpose(1, 2).flatten(2, 3) @ prompt_values
            to_prompt = to_prompt.unflatten(2, (rollouts, -1)).transpose(1, 2)
        else:
            on_own = to_own.softmax(-1, dtype=torch.float32).to(value.dtype)
        return (on_own @ values + to_prompt).reshape(problems * rollouts, 1, heads, -1)

    def keep(self, problems: Tensor, slots: Tensor) -> None:
        """Go on with these problems `[P']`, and of each with these slots `[P', N']`."""
        self.prompt_mask = self.prompt_mask[problems]
        self.num_rollouts = slots.shape[1]
        rows = problems[:, None]
        for layer, (keys, values) in self.own.items():
            self.own[layer] = (keys[rows, slots], values[rows, slots])
        for layer, (keys, values) in self.prefix.items():
            self.prefix[layer] = (keys[problems], values[problems])


def pad_prompts(prompts: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Right-padded tokens [P, S] and their mask [P, S]."""
    return pad_sequence(prompts, batch_first=True), _lengths_mask([len(p) for p in prompts], prompts[0].device)


def _lengths_mask(lengths: list[int], device: torch.device) -> Tensor:
    return torch.arange(max(lengths), device=device) < torch.tensor(lengths, device=device)[:, None]


def _running(mask: Tensor) -> Tensor:
    return torch.arange(mask.shape[1], device=mask.device).expand_as(mask)


def _places(mask: Tensor, first: int = 0) -> Tensor:
    """Number the true entries in reading order from `first`; 0 elsewhere.  [R, C] -> [R, C]"""
    return torch.where(mask, mask.flatten().cumsum(0).view_as(mask) - 1 + first, 0)


def _pick(states: Tensor, places: Tensor) -> Tensor:
    """states[places], by the one indexing whose backward pass is fast on a CPU.  [L, H, D], [R, C] -> [R, C, H, D]"""
    return states.index_select(0, places.flatten()).unflatten(0, places.shape)


def _repeat_heads(states: Tensor, num_heads: int, dim: int) -> Tensor:
    """Give every query head its key head: G -> H along `dim`."""
    return states if states.shape[dim] == num_heads else states.repeat_interleave(num_heads // states.shape[dim], dim)
