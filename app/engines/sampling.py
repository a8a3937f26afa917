"""Samples tokens, with a seed for each rollout, so that results do not depend on the batch."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from app.types import Sampling

IN_CACHE = 2**17
"""Numbers in a chunk of rows on a CPU; several copies of them fit into a core's cache."""

LOWEST = torch.finfo(torch.float32).min

WIDTH = 512
"""Tokens in a block of the cumulative sum."""


class RolloutNoise:
    """Uniform random numbers for every token of every rollout, from streams seeded by strings.

    The stream "<seed of p>/<b>" has, for each rollout of request p in turn, the numbers of its
    tokens from BLOCK b on: a rollout's numbers depend neither on n nor on other requests.
    """

    BLOCK = 64

    def __init__(self, seeds: Sequence[str], n: int, device: torch.device) -> None:
        self.seeds, self.n, self.device = seeds, n, device
        self.block = torch.empty(0)

    def at(self, time: int) -> Tensor:
        """The numbers in [0, 1) for the token at this step.  -> [P * N]; steps must come in order"""
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
    at the sampling temperature; for temperature 0, of the distribution at temperature 1. On a CPU a few rows at a
    time, so that their distributions stay in the cache: a third of the time, the same results.
    """
    rows = max(1, IN_CACHE // logits.shape[-1]) if logits.device.type == "cpu" else len(logits)
    if len(logits) > rows:
        parts = zip(logits.split(rows), uniform.split(rows), strict=True)
        tokens, logprobs, entropies = zip(*(draw_tokens(*part, sampling) for part in parts), strict=True)
        return torch.cat(tokens), torch.cat(logprobs), torch.cat(entropies)
    scaled = logits.float() if sampling.temperature in (0, 1) else logits.float() / sampling.temperature
    logprobs = scaled.log_softmax(-1)  # [R, V]
    probabilities = logprobs.exp()
    entropies = -(probabilities * logprobs.clamp(min=LOWEST)).sum(-1)  # a token with probability 0 adds 0
    greedy = sampling.temperature == 0
    tokens = logprobs.argmax(-1) if greedy else _invert(truncate(probabilities, sampling), uniform)
    return tokens, logprobs.gather(-1, tokens[:, None])[:, 0], entropies


def truncate(probabilities: Tensor, sampling: Sampling) -> Tensor:
    """Set probabilities outside top_k and top_p to 0, without renormalising.  [R, V] -> [R, V]"""
    if sampling.top_k == 0 and sampling.top_p == 1:
        return probabilities
    ordered, index = probabilities.sort(dim=-1, descending=True, stable=True)
    if 0 < sampling.top_k < ordered.shape[-1]:
        ordered[:, sampling.top_k :] = 0
    reached = ordered.cumsum(-1) - ordered  # probability of all more probable tokens
    ordered = ordered.masked_fill(reached >= sampling.top_p * ordered.sum(-1, keepdim=True), 0)
    return torch.zeros_like(probabilities).scatter(-1, index, ordered)


def _invert(weights: Tensor, uniform: Tensor) -> Tensor:
    """The token at which the cumulative sum of weights exceeds `uniform` times their total.  [R, V], [R] -> [R]

    A token of weight zero is never chosen: it does not change the cumulative sum. Sums over blocks find the block
    first, so that only one block is computed in double precision.
    """
    if weights.shape[-1] <= WIDTH:
        return _passed(weights.double(), uniform)[0]
    missing = -weights.shape[-1] % WIDTH
    blocks = (pad(weights, (0, missing)) if missing else weights).unflatten(-1, (-1, WIDTH))  # [R, V / WIDTH, WIDTH]
    block, share = _passed(blocks.sum(-1).double(), uniform)  # [R] twice
    inside = blocks[torch.arange(len(blocks), device=block.device), block].double()  # [R, WIDTH]
    return block * WIDTH + _passed(inside, share)[0]


def _passed(weights: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Where the cumulative sum exceeds `uniform` times the total, and the share of that weight below this value.

    [R, C] double, [R] -> [R], [R] in [0, 1]
    """
    running = weights.cumsum(-1)
    total = running[:, -1:]
    below = torch.nextafter(total, torch.zeros_like(total))  # the product may round up to the total
    goal = (uniform[:, None] * total).minimum(below)
    place = torch.searchsorted(running, goal, right=True)
    weight = weights.gather(-1, place)
    share = ((goal - running.gather(-1, place)) / weight + 1).clamp(0, 1)
    return place[:, 0], share[:, 0]
