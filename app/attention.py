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
from contextlib import AbstractContextManager, contextmanager, nullcontext
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
def attending(model: PreTrainedModel, name: str = NAME) -> Iterator[None]:
    """Have the model call the attention function of this name inside the block, its own again after it."""
    config: Any = model.config.get_text_config()
    usual = config._attn_implementation
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = usual


def recomputing_alike(model: PreTrainedModel) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """The contexts of a checkpointed layer: computed again in the backward pass, it attends as it did at first."""
    config: Any = model.config.get_text_config()
    return nullcontext(), attending(model, config._attn_implementation)


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
            queries, keys, values = (_pick(states, self.prefix).transpose(1, 2) for states in (query, key, value))
            seen = scaled_dot_product_attention(queries, keys, values, is_causal=True, scale=scale)  # [P, H, S, D]
            seen = seen.transpose(1, 2)
            parts.append(seen[self.prefix_mask])
        context = torch.cat([self.prefix[self.problem], self.segment], dim=1)  # [B, S + T]
        queries, keys, values = _pick(query, self.segment), _pick(key, context), _pick(value, context)  # [B, .., H, D]
        seen = scaled_dot_product_attention(
            queries.transpose(1, 2), keys.transpose(1, 2), values.transpose(1, 2), attn_mask=self.mask, scale=scale
        ).transpose(1, 2)  # [B, T, H, D]
        return torch.cat([*parts, seen[self.segment_mask]])[None]


class SharedPrefixCache:
    """Keys and values while sampling: the prompts' once per problem, the responses' in place.

    A prompt is read by running the model over it once with this cache, before `begin`. From then on
    each of R live responses brings one token at a time; it sits in one of P x N slots, in order.
    """

    def __init__(self, prompt_mask: Tensor, max_new_tokens: int) -> None:
        """prompt_mask: [P, S], bool, true on the prompts' tokens."""
        self.prompt_mask = prompt_mask
        self.ragged = not bool(prompt_mask.all())
        self.max_new_tokens = max_new_tokens
        self.prefix: dict[int, tuple[Tensor, Tensor]] = {}  # [P, G, S, D] twice
        self.own: dict[int, tuple[Tensor, Tensor]] = {}  # [P * N, G, max_new_tokens, D] twice
        self.width = 0  # N, slots of a problem; 0 while prompts are read
        self.live = torch.empty(0)  # [R], the slots of the live responses, ascending
        self.time = 0  # tokens of each response so far

    @property
    def num_slots(self) -> int:
        return len(self.prompt_mask) * self.width

    def begin(self, num_rollouts: int) -> None:
        """The prompts are read: open so many slots on each of them."""
        self.width = num_rollouts
        self.live = torch.arange(self.num_slots, device=self.prompt_mask.device)

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
        if not self.width:
            self.prefix[layer] = (key, value)
            key, value = _repeat_heads(key, query.shape[1], 1), _repeat_heads(value, query.shape[1], 1)
            return scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale).transpose(1, 2)
        self._store(layer, key, value)
        factor = query.shape[-1] ** -0.5 if scale is None else scale
        seen = self._attend_slots(layer, self._in_slots(query[:, :, 0] * factor), key.shape[1])
        return (seen if len(self.live) == len(seen) else seen[self.live])[:, None]  # [R, 1, H, D]

    def _store(self, layer: int, key: Tensor, value: Tensor) -> None:
        """Put the new token's keys and values at the present time.  [R, G, 1, D] twice"""
        if layer not in self.own:
            room = (self.num_slots, key.shape[1], self.max_new_tokens)
            self.own[layer] = (key.new_zeros(*room, key.shape[-1]), value.new_zeros(*room, value.shape[-1]))
        for store, new in zip(self.own[layer], (key, value), strict=True):
            store[self.live, :, self.time] = new[:, :, 0]

    def _in_slots(self, states: Tensor) -> Tensor:
        """[R, ..] -> [P * N, ..], zero in the slots of finished responses"""
        if len(self.live) == self.num_slots:
            return states
        return states.new_zeros(self.num_slots, *states.shape[1:]).index_copy(0, self.live, states)

    def _attend_slots(self, layer: int, query: Tensor, groups: int) -> Tensor:
        """Scaled queries against prompt and own past.  [P * N, H, D] -> [P * N, H, D]"""
        keys, values = (store[:, :, : self.time + 1] for store in self.own[layer])  # [P * N, G, t, D]
        query = query.unflatten(1, (groups, -1))  # [P * N, G, H/G, D]
        to_own = query @ keys.transpose(-1, -2)  # [P * N, G, H/G, t]
        if layer not in self.prefix:  # prompts of one token have no shared part
            return (to_own.softmax(-1, dtype=torch.float32).to(values.dtype) @ values).flatten(1, 2)

        prompt_keys, prompt_values = self.prefix[layer]  # [P, G, S, D]
        to_prompt = self._by_problem(query) @ prompt_keys.transpose(-1, -2)  # [P, G, N * H/G, S]
        if self.ragged:
            to_prompt = to_prompt.masked_fill(~self.prompt_mask[:, None, None], float("-inf"))
        scores = torch.cat([self._by_slot(to_prompt), to_own], dim=-1)  # [P * N, G, H/G, S + t]
        weights = scores.softmax(-1, dtype=torch.float32).to(values.dtype)
        on_prompt, on_own = weights.split([to_prompt.shape[-1], to_own.shape[-1]], dim=-1)
        return (self._by_slot(self._by_problem(on_prompt) @ prompt_values) + on_own @ values).flatten(1, 2)

    def _by_problem(self, states: Tensor) -> Tensor:
        """[P * N, G, H/G, ..] -> [P, G, N * H/G, ..]"""
        return states.unflatten(0, (-1, self.width)).transpose(1, 2).flatten(2, 3)

    def _by_slot(self, states: Tensor) -> Tensor:
        """[P, G, N * H/G, ..] -> [P * N, G, H/G, ..]"""
        return states.unflatten(2, (self.width, -1)).transpose(1, 2).flatten(0, 1)

    def keep(self, kept: Tensor) -> None:
        """Go on with these of the live responses alone.  kept: [R'], ascending indices"""
        self.live = self.live[kept]

    def compact(self) -> None:
        """Drop problems without a live response, and give the others as many slots as the busiest needs."""
        problem = self.live // self.width  # [R]
        counts = problem.bincount(minlength=len(self.prompt_mask))  # [P]
        left, width = counts.nonzero()[:, 0], int(counts.max())
        new_problem = torch.searchsorted(left, problem)
        rank = torch.arange(len(problem), device=problem.device) - (counts.cumsum(0) - counts)[problem]
        moved = torch.zeros(len(left), width, dtype=torch.long, device=problem.device)
        moved[new_problem, rank] = self.live
        for layer, (keys, values) in self.own.items():
            self.own[layer] = (keys[moved.flatten()], values[moved.flatten()])
        for layer, (keys, values) in self.prefix.items():
            self.prefix[layer] = (keys[left], values[left])
        self.prompt_mask, self.width, self.live = self.prompt_mask[left], width, new_problem * width + rank


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
