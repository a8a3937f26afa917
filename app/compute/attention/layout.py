"""Where tokens stand: in one row without padding, or arranged in lines of one width."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """Some tokens of a row arranged in lines, as attention wants them; n of them.

    Attributes:
        places: `[R, C]`, where in the row the tokens of each line stand; 0 on padding.
        mask: `[R, C]`, bool.
        home: `[n]`, where in the flattened lines each token is found, in the row's order.
    """

    places: Tensor
    mask: Tensor
    home: Tensor

    @classmethod
    def of(cls, mask: Tensor, first: int = 0, order: Tensor | None = None) -> Layout:
        """Lines that fill up from the row's tokens `first`, `first` + 1, .. in this order (defaults to all in turn)."""
        home = mask.flatten().nonzero()[:, 0]
        order = torch.arange(len(home), device=mask.device) if order is None else order
        places = torch.zeros(mask.numel(), dtype=torch.long, device=mask.device).index_copy(0, home, order + first)
        return cls(places.view_as(mask), mask, torch.empty_like(home).index_copy(0, order, home))

    def arrange(self, states: Tensor) -> Tensor:
        """[L, ..] -> [R, C, ..]"""
        return pick(states, self.places)

    def collect(self, lines: Tensor) -> Tensor:
        """[R, C, ..] -> [n, ..]"""
        return lines.flatten(0, 1).index_select(0, self.home)


def pick(states: Tensor, places: Tensor) -> Tensor:
    """states[places], by the one indexing whose backward pass is fast on a CPU.  [L, ..], [R, C] -> [R, C, ..]"""
    return states.index_select(0, places.flatten()).unflatten(0, places.shape)


def lengths_mask(lengths: list[int], device: torch.device) -> Tensor:
    """[R, C], true on the first `lengths` places of each line."""
    return torch.arange(max(lengths), device=device) < torch.tensor(lengths, device=device)[:, None]


def repeat_heads(states: Tensor, num_heads: int, dim: int) -> Tensor:
    """Give every query head its key head: G -> H along `dim`."""
    return states if states.shape[dim] == num_heads else states.repeat_interleave(num_heads // states.shape[dim], dim)
