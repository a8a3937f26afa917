"""Sampling: the cache of keys and values of prompts and responses."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence

from app.compute.attention.layout import lengths_mask, repeat_heads
from app.compute.attention.parts import as_multiplied, attend_part, attend_plainly, has_kernel, merge, padding_bias


class SharedPrefixCache:
    """Keys and values while sampling: those of prompts once per problem, those of responses in fixed slots.

    Prompts are read by one forward pass with this cache, before `begin`. After that, each step has one
    token of each of R live responses, perhaps with padding after them; a response has one of P x N slots, in order.
    """

    def __init__(self, prompt_mask: Tensor, max_new_tokens: int) -> None:
        """prompt_mask: [P, S], bool, true on the prompts' tokens."""
        self.prompt_mask = prompt_mask
        self.ragged = not bool(prompt_mask.all())
        self.max_new_tokens = max_new_tokens
        self.prefix: dict[int, tuple[Tensor, Tensor]] = {}  # [P, G, S, D] twice
        self.responses: dict[int, tuple[Tensor, Tensor]] = {}  # [P * N, G, max_new_tokens, D] twice
        self.width = 0  # N, slots of a problem; 0 while prompts are read
        self.live = torch.empty(0)  # [R], the slots of the live responses, ascending
        self.time = 0  # tokens of each response so far
        self.bias_of_past: Tensor | None = None  # masks positions that are not filled yet

    @property
    def num_slots(self) -> int:
        return len(self.prompt_mask) * self.width

    def begin(self, num_rollouts: int) -> None:
        """After the prompts have been read, allocate this many slots for each."""
        self.width = num_rollouts
        self.live = torch.arange(self.num_slots, device=self.prompt_mask.device)

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
        query, key, value = as_multiplied(query, key, value)  # else all earlier keys are cast in every step
        if not self.width:
            self.prefix[layer] = (key.contiguous(), value.contiguous())
            key, value = repeat_heads(key, query.shape[1], 1), repeat_heads(value, query.shape[1], 1)
            return scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale).transpose(1, 2)
        number, rows = len(query), len(self.live)
        query, key, value = query[:rows], key[:rows], value[:rows]  # without padding
        self._store(layer, key, value)
        factor = query.shape[-1] ** -0.5 if scale is None else scale
        seen = self._attend_slots(layer, self._in_slots(query[:, :, 0]), key.shape[1], factor)
        seen = seen if rows == len(seen) else seen.index_select(0, self.live)  # [R, H, D]
        return pad(seen, (0, 0, 0, 0, 0, number - rows))[:, None]

    def _store(self, layer: int, key: Tensor, value: Tensor) -> None:
        """Store the keys and values of the new tokens at the current step.  [R, G, 1, D] twice"""
        if layer not in self.responses:
            room = (self.num_slots, key.shape[1], self.max_new_tokens)
            self.responses[layer] = (key.new_zeros(*room, key.shape[-1]), value.new_zeros(*room, value.shape[-1]))
        for store, new in zip(self.responses[layer], (key, value), strict=True):
            self._place(store, new)

    def _place(self, store: Tensor, new: Tensor) -> None:
        """[P * N, G, max_new_tokens, D], [R, G, 1, D]"""
        store[self.live, :, self.time] = new[:, :, 0]

    def _past(self, layer: int) -> tuple[Tensor, Tensor]:
        """Keys and values of the responses up to the current step.  [P * N, G, t, D] twice"""
        keys, values = self.responses[layer]
        return keys[:, :, : self.time + 1], values[:, :, : self.time + 1]

    def _in_slots(self, states: Tensor) -> Tensor:
        """[R, ..] -> [P * N, ..], zero in the slots of finished responses"""
        if len(self.live) == self.num_slots:
            return states
        return states.new_zeros(self.num_slots, *states.shape[1:]).index_copy(0, self.live, states)

    def _attend_slots(self, layer: int, query: Tensor, groups: int, scale: float) -> Tensor:
        """Attention of queries to their prompt and their own past.  [P * N, H, D] -> [P * N, H, D]"""
        query = query.unflatten(1, (groups, -1))  # [P * N, G, H/G, D]
        own, log_own = attend_plainly(query, *self._past(layer), scale=scale, bias=self.bias_of_past)
        if layer not in self.prefix:  # prompts of one token have no shared part
            return own.flatten(1, 2)
        asking, prompts = self._by_problem(query), self.prefix[layer]
        attend = attend_part if has_kernel(asking, *prompts) else attend_plainly
        prompt, log_prompt = attend(asking, *prompts, scale, self._bias(query))
        return merge(own, log_own, self._by_slot(prompt), self._by_slot(log_prompt)).flatten(1, 2)

    def _bias(self, query: Tensor) -> Tensor | None:
        """[P, 1, 1, S], None if all prompts have the same length"""
        return padding_bias(self.prompt_mask, query.dtype)[:, None, None] if self.ragged else None

    def _by_problem(self, states: Tensor) -> Tensor:
        """[P * N, G, H/G, ..] -> [P, G, N * H/G, ..]"""
        return states.unflatten(0, (-1, self.width)).transpose(1, 2).flatten(2, 3)

    def _by_slot(self, states: Tensor) -> Tensor:
        """[P, G, N * H/G, ..] -> [P * N, G, H/G, ..]"""
        return states.unflatten(2, (self.width, -1)).transpose(1, 2).flatten(0, 1)

    def select(self, rows: Tensor) -> None:
        """Keep only these of the live responses.  rows: [R'], ascending indices"""
        self.live = self.live[rows]

    def compact(self) -> None:
        """Remove problems without live responses; the others get as many slots as the most live responses of one."""
        problem = self.live // self.width  # [R]
        counts = problem.bincount(minlength=len(self.prompt_mask))  # [P]
        left, width = counts.nonzero()[:, 0], int(counts.max())
        new_problem = torch.searchsorted(left, problem)
        rank = torch.arange(len(problem), device=problem.device) - (counts.cumsum(0) - counts)[problem]
        moved = torch.zeros(len(left), width, dtype=torch.long, device=problem.device)
        moved[new_problem, rank] = self.live
        rows, filled = moved.flatten(), slice(self.time)
        for layer, stores in self.responses.items():
            for store in stores:  # in place, only the filled positions
                store[: len(rows), :, filled] = store[:, :, filled].index_select(0, rows)
            keys, values = stores
            self.responses[layer] = (keys[: len(rows)], values[: len(rows)])
        if len(left) < len(self.prompt_mask):
            for layer, (keys, values) in self.prefix.items():
                self.prefix[layer] = (keys.index_select(0, left), values.index_select(0, left))
        self.prompt_mask, self.width, self.live = self.prompt_mask[left], width, new_problem * width + rank


class FixedShapeCache(SharedPrefixCache):
    """The same cache with steps that do not depend on the time, so that a CUDA graph can replay them.

    Every slot gets a token and attends to `span` positions; a bias masks those not filled yet. The time
    is also on the device, in `clock`.
    """

    def begin(self, num_rollouts: int) -> None:
        super().begin(num_rollouts)
        self.clock = torch.zeros(1, dtype=torch.long, device=self.prompt_mask.device)
        self.span = 0

    def update_bias(self) -> None:
        """Before the layers of a step: set the bias by the positions that are filled."""
        filled = torch.arange(self.span, device=self.clock.device) <= self.clock
        self.bias_of_past = padding_bias(filled, torch.float32)  # [span]

    def _place(self, store: Tensor, new: Tensor) -> None:
        store.index_copy_(2, self.clock, new)

    def _past(self, layer: int) -> tuple[Tensor, Tensor]:
        keys, values = self.responses[layer]
        return keys[:, :, : self.span], values[:, :, : self.span]


def pad_prompts(prompts: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Right-padded tokens [P, S] and their mask [P, S]."""
    return pad_sequence(prompts, batch_first=True), lengths_mask([len(p) for p in prompts], prompts[0].device)
