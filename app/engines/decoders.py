"""Decoders: they feed the model one token of each rollout per step, with or without a cache."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache

from app.compute.attention import SharedPrefixCache, pad_prompts
from app.compute.linear import row_multiple
from app.policy import Policy
from app.types import Vision


class Decoder(Protocol):
    """The state while sampling n rollouts of each of P problems; R rollouts are live, that is, not finished."""

    last_prompt_tokens: list[Tensor]  # P of []

    def __init__(
        self, policy: Policy, prompts: list[Tensor], vision: list[Vision], n: int, max_new_tokens: int
    ) -> None: ...

    def step(self, tokens: Tensor) -> Tensor:
        """Feed the latest token of each live rollout to the model.  [R] -> logits [R, V]"""
        ...

    def select(self, rows: Tensor) -> None:
        """Keep only these of the live rollouts.  rows: [R'], ascending indices"""
        ...


COMPACT_BELOW = 0.6
"""Finished rollouts are removed from the cache when live ones fill less than this share of it."""


class SharedPrefixDecoder(Decoder):
    """Reads each prompt once; all its rollouts attend to it (`app/compute/attention/`).

    Only live rollouts are computed by the model's layers, and padding up to a multiple of `row_multiple`; each has a
    slot of its problem in the cache, which has P x n slots at first.
    """

    kind_of_cache = SharedPrefixCache

    def __init__(
        self, policy: Policy, prompts: list[Tensor], vision: list[Vision], n: int, max_new_tokens: int
    ) -> None:
        self.policy = policy
        ids, mask = pad_prompts([prompt[:-1] for prompt in prompts])
        self.cache = self.kind_of_cache(mask, max_new_tokens)
        places = [policy.positions(*each) for each in zip(prompts, vision, strict=True)]
        if ids.shape[1]:
            padded = [pad(place[..., :-1], (0, ids.shape[1] + 1 - place.shape[-1])) for place in places]
            self._forward(policy.inputs(ids, mask, vision), torch.stack(padded, -2))
        self.cache.begin(n)
        self.positions = torch.stack([place[..., -1] for place in places], -1).repeat_interleave(n, -1)  # [.., R]
        self.last_prompt_tokens = [prompt[-1] for prompt in prompts]
        self.multiple = row_multiple(policy.model)

    def step(self, tokens: Tensor) -> Tensor:
        more = (0, -len(tokens) % self.multiple)
        hidden = self._forward({"input_ids": pad(tokens, more)[:, None]}, pad(self.positions, more)[..., None])
        self.positions = self.positions + 1
        self.cache.time += 1
        return self.policy.logits(hidden[:, -1])[: len(tokens)]

    def select(self, rows: Tensor) -> None:
        self.positions = self.positions[..., rows]
        self.cache.select(rows)
        if self._is_sparse(len(rows)):
            self.cache.compact()

    def _is_sparse(self, live: int) -> bool:
        """Whether finished rollouts should be removed from the cache."""
        return live < COMPACT_BELOW * self.cache.num_slots

    def _forward(self, inputs: dict[str, Any], positions: Tensor) -> Tensor:
        with self.policy.sharing_prompts():
            return self.policy.hidden(
                **inputs, position_ids=positions, attention_mask=None, shared_prefix=self.cache, use_cache=False
            )


class RepeatedCacheDecoder(Decoder):
    """Reads each prompt once and repeats its cache for each rollout: for any model with a transformers cache."""

    def __init__(
        self, policy: Policy, prompts: list[Tensor], vision: list[Vision], n: int, max_new_tokens: int
    ) -> None:
        if any(vision):
            raise NotImplementedError("pictures are read by the other decoders")
        self.policy = policy
        reversed_ids, reversed_mask = pad_prompts([prompt.flip(0) for prompt in prompts])
        ids, mask = reversed_ids.flip(1), reversed_mask.flip(1)  # left-padded
        self.cache = DynamicCache(config=policy.model.config)
        self.mask = mask[:, :-1].long()
        if ids.shape[1] > 1:
            self._forward(ids[:, :-1])
            self.cache.batch_repeat_interleave(n)
        self.mask = self.mask.repeat_interleave(n, 0)
        self.live = torch.arange(len(self.mask), device=ids.device)  # [R], rows of the cache
        self.last_prompt_tokens = [prompt[-1] for prompt in prompts]

    def step(self, tokens: Tensor) -> Tensor:
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.mask), 1)], dim=1)
        fed = tokens.new_zeros(len(self.mask)).index_copy(0, self.live, tokens)  # finished rows get token 0
        return self.policy.logits(self._forward(fed[:, None])[self.live, -1])

    def select(self, rows: Tensor) -> None:
        self.live = self.live[rows]
        if len(self.live) < COMPACT_BELOW * len(self.mask):
            self.cache.batch_select_indices(self.live)
            self.mask = self.mask[self.live]
            self.live = torch.arange(len(self.mask), device=rows.device)

    def _forward(self, ids: Tensor) -> Tensor:
        inputs = {"attention_mask": self.mask, "past_key_values": self.cache, "use_cache": True}
        if self.policy.accepts("position_ids"):
            inputs["position_ids"] = (self.mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        return self.policy.hidden(ids, **inputs)


class RecomputingDecoder(Decoder):
    """Uses no cache: for state-space models, whose state transformers cannot repeat. Slow, but exact."""

    def __init__(
        self, policy: Policy, prompts: list[Tensor], vision: list[Vision], n: int, max_new_tokens: int
    ) -> None:
        self.policy = policy
        ids, mask = pad_prompts(prompts)
        self.ids = ids.repeat_interleave(n, 0)
        self.starts = mask.sum(-1).repeat_interleave(n)  # [R]
        self.lengths = self.starts - 1  # [R], tokens fed
        self.vision = [each for each in vision for _ in range(n)]
        self.last_prompt_tokens = [prompt[-1] for prompt in prompts]

    def step(self, tokens: Tensor) -> Tensor:
        if int(self.lengths.max()) >= self.ids.shape[1]:
            self.ids = torch.cat([self.ids, torch.zeros_like(self.ids[:, :1])], dim=1)
        self.ids.scatter_(1, self.lengths[:, None], tokens[:, None])
        self.lengths = self.lengths + 1
        seen = torch.arange(self.ids.shape[1], device=tokens.device) < self.lengths[:, None]
        inputs = self.policy.plain_inputs(self.ids, self.starts, self.vision)
        hidden = self.policy.hidden(**inputs, attention_mask=seen.long(), use_cache=False)
        return self.policy.logits(hidden[torch.arange(len(tokens), device=tokens.device), self.lengths - 1])

    def select(self, rows: Tensor) -> None:
        self.ids, self.starts, self.lengths = self.ids[rows], self.starts[rows], self.lengths[rows]
        self.vision = [self.vision[index] for index in rows.tolist()]
