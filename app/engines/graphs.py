"""Sampling on a GPU with CUDA graphs: for few rows, launching a step from Python takes longer than computing it.

A CUDA graph is a recorded step, all its kernels with their addresses, which is launched at once.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from app.compute.attention import FixedShapeCache
from app.engines.decoders import SharedPrefixDecoder
from app.policy import Policy
from app.types import Vision

FIRST_SPAN = 32
"""Positions that the first graph attends to; each following graph has twice as many."""

WORTH = 8
"""Steps between removals of finished rollouts; recording takes as long as one or two steps without a graph."""


class GraphedDecoder(SharedPrefixDecoder):
    """`SharedPrefixDecoder` whose step is recorded and replayed until its shapes change.

    They change when a span is full and when finished rollouts are removed; until then finished
    rollouts are computed too, with arbitrary tokens.
    """

    kind_of_cache = FixedShapeCache
    cache: FixedShapeCache

    def __init__(
        self, policy: Policy, prompts: list[Tensor], vision: list[Vision], n: int, max_new_tokens: int
    ) -> None:
        super().__init__(policy, prompts, vision, n, max_new_tokens)
        self.cache.span = min(FIRST_SPAN, max_new_tokens)
        self.graph: torch.cuda.CUDAGraph | None = None
        self._open(self.cache.live, self.positions)

    def _open(self, slots: Tensor, positions: Tensor) -> None:
        """Allocate the inputs of all present slots, of which `slots` are live.  [R], [.., R]"""
        whole = self.cache.num_slots
        self.slots = slots
        self.fed = slots.new_zeros(whole)
        self.positions = positions.new_zeros(*positions.shape[:-1], whole).index_copy(-1, slots, positions)
        self.cache.live = torch.arange(whole, device=slots.device)  # all slots are computed
        self.opened, self.stale = self.cache.time, True

    def step(self, tokens: Tensor) -> Tensor:
        self.fed.index_copy_(0, self.slots, tokens)
        if self.cache.time == 0:  # not recorded: loads libraries, casts weights, allocates the cache
            self._advance()
        else:
            self._replay()
        self.cache.time += 1
        return self.logits[self.slots]

    def _advance(self) -> None:
        """Compute a step of all slots, in place."""
        self.cache.update_bias()
        hidden = self._forward({"input_ids": self.fed[:, None]}, self.positions[..., None])
        self.logits = self.policy.logits(hidden[:, -1])  # [P * N, V]
        self.positions.add_(1)
        self.cache.clock.add_(1)

    def _replay(self) -> None:
        if self.cache.time == self.cache.span:
            self.cache.span = min(2 * self.cache.span, self.cache.max_new_tokens)
            self.stale = True
        if self.stale or self.graph is None:
            self.graph, self.stale = self._record(), False
        self.graph.replay()

    def _record(self) -> torch.cuda.CUDAGraph:
        """Record the step with the present shapes; recording does not execute it."""
        device = self.fed.device
        graph, usual, aside = torch.cuda.CUDAGraph(), torch.cuda.current_stream(device), _stream(device)
        memory = self.graph.pool() if self.graph is not None else None  # of the last graph, no longer replayed
        aside.wait_stream(usual)
        with torch.cuda.stream(aside):
            graph.capture_begin(pool=memory, capture_error_mode="thread_local")
            try:
                self._advance()
            finally:
                graph.capture_end()
        usual.wait_stream(aside)
        return graph

    def select(self, rows: Tensor) -> None:
        self.slots = self.slots[rows]
        if self._is_sparse(len(self.slots)) and self.cache.time >= self.opened + WORTH:
            positions, self.cache.live = self.positions[..., self.slots], self.slots
            self.cache.compact()
            self._open(self.cache.live, positions)


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    """The one stream on which all graphs are recorded: libraries keep a workspace for each stream they have used."""
    return torch.cuda.Stream(device)
