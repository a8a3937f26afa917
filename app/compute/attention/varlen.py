"""Parts of a packed row on a GPU: FlashAttention over lines of different lengths, without padding or repeated keys.

The kernel gives each key head to its query heads and returns log Z. It is called by its private name: the backward
pass of `torch.nn.attention.varlen` takes the part's own output and log Z, and `parts.py` needs the combined ones.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

log = logging.getLogger(__name__)

_forward: Any = getattr(torch.ops.aten, "_flash_attention_forward", None)
_backward: Any = getattr(torch.ops.aten, "_flash_attention_backward", None)
LARGEST_HEAD = 256
"""The kernel's largest head dimension; it must be a multiple of 8."""


def is_supported(query: Tensor, key: Tensor, value: Tensor) -> bool:
    """Whether the kernel exists and should accept these tensors: on a GPU, in 16 bits.  [L, heads, D] each"""
    size = query.shape[-1]
    alike = size == key.shape[-1] == value.shape[-1] and query.dtype == key.dtype == value.dtype
    half = query.dtype in (torch.bfloat16, torch.float16)
    fits = size <= LARGEST_HEAD and size % 8 == 0
    return None not in (_forward, _backward) and query.is_cuda and alike and half and fits


@cache
def agrees(measure: Callable[..., float], device: torch.device, dtype: torch.dtype, *heads: int) -> bool:
    """Whether an example's largest relative error is at most 2 %; computed once for each shape of heads.

    measure: takes the other arguments; returns the error against attention with repeated keys.
    """
    try:
        error = measure(device, dtype, *heads)
    except (RuntimeError, NotImplementedError, TypeError) as failure:
        log.warning("FlashAttention by lines is not used: %s", (str(failure) or type(failure).__name__).splitlines()[0])
        return False
    if not error <= 0.02:
        log.warning("FlashAttention by lines is not used: its error is %.3g in %s, the bound is 0.02", error, dtype)
    return error <= 0.02


@dataclass(frozen=True)
class Lines:
    """Consecutive tokens of a row, in lines of different lengths.

    Attributes:
        tokens: where they are in the row.
        starts: `[R + 1]`, int32, the first token of each line, counted from the first line's, and their number.
        longest: the length of the longest line.
    """

    tokens: slice
    starts: Tensor
    longest: int

    @classmethod
    def of(cls, lengths: Sequence[int], device: torch.device, first: int = 0) -> Lines:
        """Lines of these lengths, from the row's token `first` on."""
        ends = torch.tensor([0, *lengths]).cumsum(0).to(device, torch.int32)
        return cls(slice(first, first + sum(lengths)), ends, max(lengths))


@dataclass(frozen=True)
class VarlenPart:
    """Attention of queries in lines to the keys in the same lines, in the role of `parts.Part`.

    Attributes:
        causal: queries and keys are the same tokens, with causal attention.
        order: `[n]`, the queries in the order of their lines; None: in the row's order.
    """

    queries: Lines
    keys: Lines
    causal: bool = False
    order: Tensor | None = None

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> tuple[Tensor, Tensor]:
        """[L, H, D], twice [L, G, D] -> outputs [n, H, D] and log Z [n, H] of the n queries, in the row's order"""
        asking = self._in_lines(query[self.queries.tokens])
        keys, values = key[self.keys.tokens], value[self.keys.tokens]
        seen, log_z, *_ = _forward(asking, keys, values, *self._lengths, 0.0, self.causal, False, scale=scale)
        return self._in_row(seen), self._in_row(log_z.T)

    def gradients(
        self, grad: Tensor, seen: Tensor, log_z: Tensor, states: tuple[Tensor, Tensor, Tensor], scale: float | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """This part's gradients, given the combined outputs and log Z.  -> [n, H, D] and twice [m, G, D]"""
        query, key, value = states
        at, seed = self.queries.tokens, torch.zeros(2, dtype=torch.uint64, device=query.device)  # no dropout
        d_out, asking, out, log_z = (self._in_lines(given[at]) for given in (grad, query, seen, log_z))
        of_query, of_key, of_value = _backward(
            d_out, asking, key[self.keys.tokens], value[self.keys.tokens], out, log_z.T.contiguous(), *self._lengths,
            0.0, self.causal, seed, seed.new_empty(0), scale=scale,
        )  # fmt: skip
        return self._in_row(of_query), of_key, of_value

    @property
    def _lengths(self) -> tuple[Tensor, Tensor, int, int]:
        return self.queries.starts, self.keys.starts, self.queries.longest, self.keys.longest

    def _in_lines(self, states: Tensor) -> Tensor:
        return (states if self.order is None else states.index_select(0, self.order)).contiguous()

    def _in_row(self, states: Tensor) -> Tensor:
        return states if self.order is None else torch.empty_like(states).index_copy(0, self.order, states)
