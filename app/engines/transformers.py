"""Sampling with the policy's own transformers model: same weights, same device, no copy.

A prompt is read once for its N samples, finished samples leave the batch, and log-probabilities
and entropies are kept while sampling, so that training needs no second pass for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import LinearAttentionCacheLayerMixin

from app.attention import SharedPrefixCache, pad_prompts
from app.engines.base import RolloutEngine
from app.engines.sampling import RolloutNoise, draw_tokens
from app.policy import Policy
from app.types import Completion, Request, Sampling


class TransformersEngine(RolloutEngine):
    """Sample with the policy itself.

    Args:
        compact_below: finished samples are dropped from the batch once the live ones fill less
            than this share of it.
    """

    def __init__(self, compact_below: float = 0.75) -> None:
        if not 0 <= compact_below <= 1:
            raise ValueError(f"compact_below={compact_below} must lie in [0, 1]")
        self.compact_below = compact_below
        self.policy: Policy | None = None

    def sync(self, policy: Policy) -> None:
        self.policy = policy

    @torch.no_grad()
    def generate(self, requests: Sequence[Request], n: int, sampling: Sampling) -> list[list[Completion]]:
        policy = self.policy
        if policy is None:
            raise RuntimeError("sync the engine with a policy before sampling")
        training = policy.training
        policy.eval()
        try:
            prompts = [request.tokens.to(policy.model.device) for request in requests]
            decoder = _decoder_for(policy)(policy, prompts, n, sampling.max_new_tokens)
            noise = RolloutNoise([request.seed for request in requests], n, policy.model.device)
            return self._sample(decoder, policy, noise, sampling, len(requests), n)
        finally:
            policy.train(training)

    def _sample(
        self, decoder: Decoder, policy: Policy, noise: RolloutNoise, sampling: Sampling, problems: int, n: int
    ) -> list[list[Completion]]:
        """Step all live slots, a grid of problems x rollouts, until none is left."""
        device = policy.model.device
        shape = (problems * n, sampling.max_new_tokens)
        tokens = torch.zeros(shape, dtype=torch.long, device=device)
        logprobs, entropies = torch.zeros(shape, device=device), torch.zeros(shape, device=device)
        lengths = torch.full((problems * n,), sampling.max_new_tokens, device=device)
        stops = torch.tensor(policy.stop_ids(sampling), dtype=torch.long, device=device)

        rows = torch.arange(problems * n, device=device).view(problems, n)  # which rollout sits in which slot
        live = torch.ones_like(rows, dtype=torch.bool)
        latest = decoder.last_prompt_tokens  # [P * N]
        for time in range(sampling.max_new_tokens):
            flat = rows.flatten()
            latest, logprob, entropy = draw_tokens(decoder.step(latest), noise.at(time)[flat], sampling)
            tokens[flat, time], logprobs[flat, time], entropies[flat, time] = latest, logprob, entropy
            ended = torch.isin(latest, stops).view_as(live) & live
            lengths[rows[ended]] = time + 1
            live = live & ~ended
            per_problem = live.sum(-1)
            widest = int(per_problem.max())
            if not widest:
                break
            problems_left = per_problem.nonzero()[:, 0]
            if len(problems_left) * widest < self.compact_below * live.numel():
                slots = live[problems_left].to(torch.uint8).argsort(dim=-1, descending=True, stable=True)[:, :widest]
                decoder.keep(problems_left, slots)
                rows, live, latest = (
                    grid[problems_left[:, None], slots] for grid in (rows, live, latest.view_as(rows))
                )
                latest = latest.flatten()
        return _completions(policy, tokens, logprobs, entropies, lengths, stops, n)


def _completions(
    policy: Policy, tokens: Tensor, logprobs: Tensor, entropies: Tensor, lengths: Tensor, stops: Tensor, n: int
) -> list[list[Completion]]:
    """Cut the sampled rows to their lengths.  [P * N, T] -> P lists of n"""
    ends = tokens.gather(1, lengths[:, None] - 1)[:, 0]
    stopped = torch.isin(ends, stops).tolist()
    sizes = lengths.tolist()
    texts = policy.decode([row[: size - stop] for row, size, stop in zip(tokens.tolist(), sizes, stopped, strict=True)])
    rows = [
        Completion(
            text=texts[row],
            tokens=tokens[row, :size],
            finish="stop" if stopped[row] else "length",
            logprobs=logprobs[row, :size],
            entropies=entropies[row, :size],
        )
        for row, size in enumerate(sizes)
    ]
    return [rows[first : first + n] for first in range(0, len(rows), n)]


class Decoder(Protocol):
    """The state of a sampling under way: a grid of P problems x N slots, in reading order."""

    last_prompt_tokens: Tensor  # [P * N]

    def __init__(self, policy: Policy, prompts: list[Tensor], n: int, max_new_tokens: int) -> None: ...

    def step(self, tokens: Tensor) -> Tensor:
        """Feed each slot its latest token.  [P * N] -> logits [P * N, V]"""
        ...

    def keep(self, problems: Tensor, slots: Tensor) -> None:
        """Go on with these problems `[P']`, and of each with these slots `[P', N']`."""
        ...


def _decoder_for(policy: Policy) -> type[Decoder]:
    """The fastest decoder that is exact for this architecture."""
    if policy.shares_prompts:
        return SharedPrefixDecoder
    layers = DynamicCache(config=policy.model.config).layers
    recurrent = any(isinstance(layer, LinearAttentionCacheLayerMixin) for layer in layers)
    return RecomputingDecoder if recurrent else RepeatedCacheDecoder


class SharedPrefixDecoder(Decoder):
    """Prompts read once and attended to from all their slots (`attention.py`)."""

    def __init__(self, policy: Policy, prompts: list[Tensor], n: int, max_new_tokens: int) -> None:
        self.policy = policy
        ids, mask = pad_prompts([prompt[:-1] for prompt in prompts])
        self.cache = SharedPrefixCache(mask, max_new_tokens)
        if ids.shape[1]:
            self._forward(ids, torch.arange(ids.shape[1], device=ids.device).expand_as(ids))
        self.cache.begin(n)
        self.positions = mask.sum(-1).repeat_interleave(n)  # [P * N]
        self.last_prompt_tokens = torch.stack([prompt[-1] for prompt in prompts]).repeat_interleave(n)

    def step(self, tokens: Tensor) -> Tensor:
        hidden = self._forward(tokens[:, None], self.positions[:, None])
        self.positions = self.positions + 1
        self.cache.time += 1
        return self.policy.logits(hidden[:, -1])

    def keep(self, problems: Tensor, slots: Tensor) -> None:
        self.positions = self.positions.view(-1, self.cache.num_rollouts)[problems[:, None], slots].flatten()
        self.cache.keep(problems, slots)

    def _forward(self, ids: Tensor, positions: Tensor) -> Tensor:
        with self.policy.sharing_prompts():
            return self.policy.hidden(
                ids, position_ids=positions, attention_mask=None, shared_prefix=self.cache, use_cache=False
            )


class RepeatedCacheDecoder(Decoder):
    """Prompts read once and their cache repeated for each slot: for any model with a transformers cache."""

    def __init__(self, policy: Policy, prompts: list[Tensor], n: int, max_new_tokens: int) -> None:
        self.policy, self.n = policy, n
        reversed_ids, reversed_mask = pad_prompts([prompt.flip(0) for prompt in prompts])
        ids, mask = reversed_ids.flip(1), reversed_mask.flip(1)  # padded on the left
        self.cache = DynamicCache(config=policy.model.config)
        self.mask = mask[:, :-1].long()
        if ids.shape[1] > 1:
            self._forward(ids[:, :-1])
            self.cache.batch_repeat_interleave(n)
        self.mask = self.mask.repeat_interleave(n, 0)
        self.last_prompt_tokens = ids[:, -1].repeat_interleave(n)

    def step(self, tokens: Tensor) -> Tensor:
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.mask), 1)], dim=1)
        return self.policy.logits(self._forward(tokens[:, None])[:, -1])

    def keep(self, problems: Tensor, slots: Tensor) -> None:
        rows = (problems[:, None] * self.n + slots).flatten()
        self.cache.batch_select_indices(rows)
        self.mask, self.n = self.mask[rows], slots.shape[1]

    def _forward(self, ids: Tensor) -> Tensor:
        inputs = {"attention_mask": self.mask, "past_key_values": self.cache, "use_cache": True}
        if self.policy.accepts("position_ids"):
            inputs["position_ids"] = (self.mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        return self.policy.hidden(ids, **inputs)


class RecomputingDecoder(Decoder):
    """No cache at all: for state-space models, whose state transformers can't repeat.  Slow and right."""

    def __init__(self, policy: Policy, prompts: list[Tensor], n: int, max_new_tokens: int) -> None:
        self.policy, self.n = policy, n
        self.ids, mask = pad_prompts(prompts)
        self.ids = self.ids.repeat_interleave(n, 0)
        self.lengths = mask.sum(-1).repeat_interleave(n) - 1  # [P * N], tokens fed so far
        self.last_prompt_tokens = self.ids.gather(1, self.lengths[:, None])[:, 0]

    def step(self, tokens: Tensor) -> Tensor:
        if int(self.lengths.max()) >= self.ids.shape[1]:
            self.ids = torch.cat([self.ids, torch.zeros_like(self.ids[:, :1])], dim=1)
        self.ids.scatter_(1, self.lengths[:, None], tokens[:, None])
        self.lengths = self.lengths + 1
        seen = torch.arange(self.ids.shape[1], device=tokens.device) < self.lengths[:, None]
        hidden = self.policy.hidden(self.ids, attention_mask=seen.long(), use_cache=False)
        return self.policy.logits(hidden[torch.arange(len(tokens), device=tokens.device), self.lengths - 1])

    def keep(self, problems: Tensor, slots: Tensor) -> None:
        rows = (problems[:, None] * self.n + slots).flatten()
        self.ids, self.lengths, self.n = self.ids[rows], self.lengths[rows], slots.shape[1]
