"""Sampling with the policy's own transformers model: same weights, same device, no copy.

A prompt is read once for its N samples, finished samples leave the batch, and log-probabilities
and entropies are kept while sampling, so that training needs no second pass for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache

from app.attention import SharedPrefixCache, pad_prompts
from app.engines.base import RolloutEngine
from app.engines.sampling import RolloutNoise, draw_tokens
from app.linear import packed_weights
from app.policy import Policy
from app.sharding import gathered
from app.types import Completion, Experience, Request, Sampling, Vision


class TransformersEngine(RolloutEngine):
    """Sample with the policy itself."""

    def __init__(self) -> None:
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
            with gathered(policy), packed_weights(policy.model):
                if not requests:
                    return []
                prompts = [request.tokens.to(policy.model.device) for request in requests]
                noise = RolloutNoise([request.seed for request in requests], n, policy.model.device)
                vision = [request.vision for request in requests]
                decoder = _decoder_for(policy)(policy, prompts, vision, n, sampling.max_new_tokens)
                return self._sample(decoder, policy, noise, sampling, len(requests), n)
        finally:
            policy.train(training)

    def _sample(
        self, decoder: Decoder, policy: Policy, noise: RolloutNoise, sampling: Sampling, problems: int, n: int
    ) -> list[list[Completion]]:
        """Step the live rollouts, one token each, until none is left."""
        device = policy.model.device
        shape = (problems * n, sampling.max_new_tokens)
        tokens = torch.zeros(shape, dtype=torch.long, device=device)
        logprobs, entropies = torch.zeros(shape, device=device), torch.zeros(shape, device=device)
        lengths = torch.full((problems * n,), sampling.max_new_tokens, device=device)
        stops = torch.tensor(policy.stop_ids(sampling), dtype=torch.long, device=device)

        rows = torch.arange(problems * n, device=device)  # [R], the rollouts that go on
        latest = torch.stack(decoder.last_prompt_tokens).repeat_interleave(n)  # [R]
        for time in range(sampling.max_new_tokens):
            latest, logprob, entropy = draw_tokens(decoder.step(latest), noise.at(time)[rows], sampling)
            tokens[rows, time], logprobs[rows, time], entropies[rows, time] = latest, logprob, entropy
            going_on = ~torch.isin(latest, stops)
            kept = going_on.nonzero()[:, 0]
            if len(kept) < len(rows):
                lengths[rows[~going_on]] = time + 1
                rows, latest = rows[kept], latest[kept]
                if not len(rows):
                    break
                decoder.keep(kept)
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
    """The state of a sampling under way, of P problems with n rollouts each; R of them are still live."""

    last_prompt_tokens: list[Tensor]  # P of []

    def __init__(
        self, policy: Policy, prompts: list[Tensor], vision: list[Vision], n: int, max_new_tokens: int
    ) -> None: ...

    def step(self, tokens: Tensor) -> Tensor:
        """Feed each live rollout its latest token.  [R] -> logits [R, V]"""
        ...

    def keep(self, kept: Tensor) -> None:
        """Go on with these of the live rollouts alone.  kept: [R'], ascending indices"""
        ...


def _decoder_for(policy: Policy) -> type[Decoder]:
    """The fastest decoder that is exact for this architecture, found out by trying."""
    found = _PROVEN.get(policy)
    if found is None:
        candidates = [SharedPrefixDecoder] if policy.shares_prompts else []
        found = next((d for d in [*candidates, RepeatedCacheDecoder] if _is_exact(d, policy)), RecomputingDecoder)
        _PROVEN[policy] = found
    return found


_PROVEN: WeakKeyDictionary[Policy, type[Decoder]] = WeakKeyDictionary()


@torch.no_grad()
def _is_exact(decoder: type[Decoder], policy: Policy) -> bool:
    """Whether three steps of a few ragged rows give what ordinary rows give."""
    device, size = policy.model.device, min(1000, policy.model.config.get_text_config().vocab_size)
    prompts, vision = policy.probes((5, 1, 3))
    said = torch.randint(size, (3, 3), generator=torch.Generator().manual_seed(1)).to(device)  # [P, T]
    try:
        with torch.autocast(device.type, enabled=False):
            state = decoder(policy, prompts, vision, 1, 3)
            last = torch.stack(state.last_prompt_tokens)
            stepped = torch.stack([state.step(tokens) for tokens in [last, said[:, 0], said[:, 1]]], 1)  # [P, T, V]
    except (TypeError, ValueError, LookupError, RuntimeError, AttributeError, AssertionError):
        return False
    whole = torch.ones_like(said, dtype=torch.bool)
    for place, logits in enumerate(stepped):
        row = Experience(
            prompts, torch.tensor([place], device=device), said[[place]], whole[[place]], whole[[place]], vision=vision
        )
        with torch.autocast(device.type, enabled=False):
            plain = policy.logits(policy.plain_hidden(row))  # [T, V]
        bound = 1e-3 if plain.dtype == torch.float32 else 5e-2
        if not (plain - logits).abs().max() <= bound * plain.abs().max():
            return False
    return True


COMPACT_BELOW = 0.6
"""A cache drops what finished rollouts left in it once the live ones fill less than this share of it."""


class SharedPrefixDecoder(Decoder):
    """Prompts read once and attended to by all their rollouts (`attention.py`).

    Only live rollouts pass through the model's layers; in the cache each has a slot of its
    problem's, P x n slots at first.
    """

    def __init__(
        self, policy: Policy, prompts: list[Tensor], vision: list[Vision], n: int, max_new_tokens: int
    ) -> None:
        self.policy = policy
        ids, mask = pad_prompts([prompt[:-1] for prompt in prompts])
        self.cache = SharedPrefixCache(mask, max_new_tokens)
        places = [policy.positions(*each) for each in zip(prompts, vision, strict=True)]
        if ids.shape[1]:
            padded = [pad(place[..., :-1], (0, ids.shape[1] + 1 - place.shape[-1])) for place in places]
            self._forward(policy.inputs(ids, mask, vision), torch.stack(padded, -2))
        self.cache.begin(n)
        self.positions = torch.stack([place[..., -1] for place in places], -1).repeat_interleave(n, -1)  # [.., R]
        self.last_prompt_tokens = [prompt[-1] for prompt in prompts]

    def step(self, tokens: Tensor) -> Tensor:
        hidden = self._forward({"input_ids": tokens[:, None]}, self.positions[..., None])
        self.positions = self.positions + 1
        self.cache.time += 1
        return self.policy.logits(hidden[:, -1])

    def keep(self, kept: Tensor) -> None:
        self.positions = self.positions[..., kept]
        self.cache.keep(kept)
        if len(kept) < COMPACT_BELOW * self.cache.num_slots:
            self.cache.compact()

    def _forward(self, inputs: dict[str, Any], positions: Tensor) -> Tensor:
        with self.policy.sharing_prompts():
            return self.policy.hidden(
                **inputs, position_ids=positions, attention_mask=None, shared_prefix=self.cache, use_cache=False
            )


class RepeatedCacheDecoder(Decoder):
    """Prompts read once and their cache repeated for each rollout: for any model with a transformers cache."""

    def __init__(
        self, policy: Policy, prompts: list[Tensor], vision: list[Vision], n: int, max_new_tokens: int
    ) -> None:
        if any(vision):
            raise NotImplementedError("pictures are read by the other decoders")
        self.policy = policy
        reversed_ids, reversed_mask = pad_prompts([prompt.flip(0) for prompt in prompts])
        ids, mask = reversed_ids.flip(1), reversed_mask.flip(1)  # padded on the left
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
        fed = tokens.new_zeros(len(self.mask)).index_copy(0, self.live, tokens)  # a finished row is fed anything
        return self.policy.logits(self._forward(fed[:, None])[self.live, -1])

    def keep(self, kept: Tensor) -> None:
        self.live = self.live[kept]
        if len(self.live) < COMPACT_BELOW * len(self.mask):
            self.cache.batch_select_indices(self.live)
            self.mask = self.mask[self.live]
            self.live = torch.arange(len(self.mask), device=kept.device)

    def _forward(self, ids: Tensor) -> Tensor:
        inputs = {"attention_mask": self.mask, "past_key_values": self.cache, "use_cache": True}
        if self.policy.accepts("position_ids"):
            inputs["position_ids"] = (self.mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        return self.policy.hidden(ids, **inputs)


class RecomputingDecoder(Decoder):
    """No cache at all: for state-space models, whose state transformers can't repeat.  Slow and right."""

    def __init__(
        self, policy: Policy, prompts: list[Tensor], vision: list[Vision], n: int, max_new_tokens: int
    ) -> None:
        self.policy = policy
        ids, mask = pad_prompts(prompts)
        self.ids = ids.repeat_interleave(n, 0)
        self.starts = mask.sum(-1).repeat_interleave(n)  # [R]
        self.lengths = self.starts - 1  # [R], tokens fed so far
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

    def keep(self, kept: Tensor) -> None:
        self.ids, self.starts, self.lengths = self.ids[kept], self.starts[kept], self.lengths[kept]
        self.vision = [self.vision[index] for index in kept.tolist()]
