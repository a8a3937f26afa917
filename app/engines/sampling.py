"""Drawing tokens: seeded per rollout, so that the batch a rollout is sampled in does not matter."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

from app.types import Sampling


class RolloutNoise:
    """Uniform numbers for every token of every rollout, from streams named by sentences.

    The stream "<seed of p>/<b>" holds, for each rollout of request p in turn, the numbers of its
    tokens from BLOCK b on: neither n nor what else is sampled changes a rollout's.
    """

    BLOCK = 64

    def __init__(self, seeds: Sequence[str], n: int, device: torch.device) -> None:
        self.seeds, self.n, self.device = seeds, n, device
        self.block = torch.empty(0)

    def at(self, time: int) -> Tensor:
        """The numbers in [0, 1) for the token at this time.  -> [P * N]; times must come in order"""
        block, place = divmod(time, self.BLOCK)
        if place == 0:
            drawn = [_stream(f"{seed}/{block}").random((self.n, self.BLOCK)) for seed in self.seeds]
            self.block = torch.from_numpy(np.concatenate(drawn)).to(self.device)  # [P * N, BLOCK]
        return self.block[:, place]


def _stream(sentence: str) -> np.random.Generator:
    key = int.from_bytes(blake2b(sentence.encode(), digest_size=16).digest(), "little")
    return np.random.Generator(np.random.Philox(key=key))


def draw_tokens(logits: Tensor, uniform: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor, Tensor]:
    """Sample a token for every row by inverting the cumulative distribution.  [R, V], [R] -> [R] three times

    Returns the tokens, their log-probabilities and the entropies (nats) of the whole distribution
    at the sampling temperature; for temperature 0, of the distribution at temperature 1.
    """
    logprobs = (logits.float() / (sampling.temperature or 1.0)).log_softmax(-1)  # [R, V]
    probabilities = logprobs.exp()
    entropies = -torch.where(probabilities > 0, probabilities * logprobs, 0.0).sum(-1)
    greedy = sampling.temperature == 0
    tokens = logprobs.argmax(-1) if greedy else _invert(truncate(probabilities, sampling), uniform)
    return tokens, logprobs.gather(-1, tokens[:, None])[:, 0], entropies


def truncate(probabilities: Tensor, sampling: Sampling) -> Tensor:
    """Zero what top_k and top_p leave out, without renormalising.  [R, V] -> [R, V]"""
    if sampling.top_k == 0 and sampling.top_p == 1:
        return probabilities
    ordered, index = probabilities.sort(dim=-1, descending=True, stable=True)
    if 0 < sampling.top_k < ordered.shape[-1]:
        ordered[:, sampling.top_k :] = 0
    reached = ordered.cumsum(-1) - ordered  # probability held by the more probable tokens
    ordered = ordered.masked_fill(reached >= sampling.top_p * ordered.sum(-1, keepdim=True), 0)
    return torch.zeros_like(probabilities).scatter(-1, index, ordered)


def _invert(weights: Tensor, uniform: Tensor) -> Tensor:
    """The token at which the running sum of weights passes `uniform` of their total.  [R, V], [R] -> [R]

    A token of weight zero is never chosen: it does not move the running sum.
    """
    running = weights.double().cumsum(-1)
    total = running[:, -1:]
    below = torch.nextafter(
        total, torch.zeros_like(total)
    )  # a product may be rounded up to the total, which none passes
    return torch.searchsorted(running, (uniform[:, None] * total).minimum(below), right=True)[:, 0]
