"""The engine that samples with the policy's own transformers model: same weights, same device, no copy.

A prompt is read once for its N samples, and finished samples leave the batch. Log-probabilities
and entropies are recorded while sampling, so that training does not compute them again.
"""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.distributed.fsdp import FSDPModule

from app.compute.linear import packed_weights
from app.compute.memory import cache_bytes, logits_bytes
from app.distributed.sharding import gathered
from app.engines.base import RolloutEngine
from app.engines.decoders import Decoder, RecomputingDecoder, RepeatedCacheDecoder, SharedPrefixDecoder
from app.engines.graphs import GraphedDecoder
from app.engines.sampling import RolloutNoise, draw_tokens
from app.policy import Policy
from app.types import Completion, Experience, Request, Sampling


class TransformersEngine(RolloutEngine):
    """Samples with the policy itself.

    Args:
        memory_gb: memory for keys, values and distributions of the rollouts sampled at once. Problems are sampled in
            as many turns as needed, each problem's rollouts together. None: 2 on a CPU, a third of a GPU's memory.
    """

    continues_tokens = True

    def __init__(self, memory_gb: float | None = None) -> None:
        if memory_gb is not None and not memory_gb > 0:
            raise ValueError(f"memory_gb={memory_gb} must be above 0")
        self.memory_gb = memory_gb
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
                longest = max(len(request.tokens) for request in requests)
                turn = self.problems_at_once(policy, longest, n, sampling)
                return [
                    group
                    for first in range(0, len(requests), turn)
                    for group in self._generate(policy, requests[first : first + turn], n, sampling)
                ]
        finally:
            policy.train(training)

    def problems_at_once(self, policy: Policy, prompt: int, n: int, sampling: Sampling) -> int:
        """How many problems' n rollouts fit into `memory_gb`, at least one.  prompt: tokens of the longest prompt"""
        of_one = cache_bytes(policy, policy.model.dtype, prompt + n * sampling.max_new_tokens) + logits_bytes(policy, n)
        return max(1, int(self._budget(policy.model.device) / of_one))

    def _budget(self, device: torch.device) -> float:
        """The memory for rollouts, in bytes."""
        if self.memory_gb is not None:
            return self.memory_gb * 1e9
        return torch.cuda.get_device_properties(device).total_memory / 3 if device.type == "cuda" else 2e9

    def _generate(
        self, policy: Policy, requests: Sequence[Request], n: int, sampling: Sampling
    ) -> list[list[Completion]]:
        """Sample the requests of one turn."""
        prompts = [request.tokens.to(policy.model.device) for request in requests]
        noise = RolloutNoise([request.seed for request in requests], n, policy.model.device)
        vision = [request.vision for request in requests]
        decoder = decoder_for(policy)(policy, prompts, vision, n, sampling.max_new_tokens)
        return self._sample(decoder, policy, noise, sampling, len(requests), n)

    def _sample(
        self, decoder: Decoder, policy: Policy, noise: RolloutNoise, sampling: Sampling, problems: int, n: int
    ) -> list[list[Completion]]:
        """Step the live rollouts, one token each, until all have finished."""
        device = policy.model.device
        shape = (problems * n, sampling.max_new_tokens)
        tokens = torch.zeros(shape, dtype=torch.long, device=device)
        logprobs, entropies = torch.zeros(shape, device=device), torch.zeros(shape, device=device)
        lengths = torch.full((problems * n,), sampling.max_new_tokens, device=device)
        stops = torch.tensor(policy.stop_ids(sampling), dtype=torch.long, device=device)

        rows = torch.arange(problems * n, device=device)  # [R], the live rollouts
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
                decoder.select(kept)
        return _completions(policy, tokens, logprobs, entropies, lengths, stops, n)


def _completions(
    policy: Policy, tokens: Tensor, logprobs: Tensor, entropies: Tensor, lengths: Tensor, stops: Tensor, n: int
) -> list[list[Completion]]:
    """Cut the sampled rows to their lengths.  [P * N, T] -> P lists of n"""
    ends = tokens.gather(1, lengths[:, None] - 1)[:, 0]
    stopped, sizes = torch.isin(ends, stops).tolist(), lengths.tolist()
    said = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
    cut = [values[said].split(sizes) for values in (tokens, logprobs, entropies)]  # slicing each row would be slow
    texts = policy.decode([row[: size - stop] for row, size, stop in zip(tokens.tolist(), sizes, stopped, strict=True)])
    rows = [
        Completion(text, row, "stop" if stop else "length", sampler_logprobs=logprobs, entropies=entropies)
        for text, stop, row, logprobs, entropies in zip(texts, stopped, *cut, strict=True)
    ]
    return [rows[first : first + n] for first in range(0, len(rows), n)]


def decoder_for(policy: Policy) -> type[Decoder]:
    """The fastest decoder that is exact for this architecture, by testing."""
    found = _PROVEN.get(policy)
    if found is None:
        sharded = isinstance(policy, FSDPModule)  # whose hooks make other streams wait, which no graph can record
        graphed = [GraphedDecoder] if policy.model.device.type == "cuda" and not sharded else []
        sharing = [*graphed, SharedPrefixDecoder] if policy.shares_prompts else []
        found = next((d for d in [*sharing, RepeatedCacheDecoder] if _is_exact(d, policy)), RecomputingDecoder)
        _PROVEN[policy] = found
    return found


_PROVEN: WeakKeyDictionary[Policy, type[Decoder]] = WeakKeyDictionary()


@torch.no_grad()
def _is_exact(decoder: type[Decoder], policy: Policy) -> bool:
    """Whether three steps of a few rows of different lengths give the same logits as padded rows."""
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
