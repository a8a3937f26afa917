"""Converts between one row of tokens without padding and lines of equal width with padding."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """n tokens of a row arranged in lines, as attention needs them.

    Attributes:
        places: `[R, C]`, the index in the row of each line's tokens; 0 on padding.
        mask: `[R, C]`, bool.
        home: `[n]`, the index of each token in the flattened lines, in the row's order.
    """

    places: Tensor
    mask: Tensor
    home: Tensor

    @classmethod
    def of(cls, mask: Tensor, first: int = 0, order: Tensor | None = None) -> Layout:
        """Lines filled with the row's tokens `first`, `first` + 1, .. in this order (default: all in turn)."""
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
    """states[places], by an operation whose backward pass is fast on a CPU.  [L, ..], [R, C] -> [R, C, ..]"""
    return states.index_select(0, places.flatten()).unflatten(0, places.shape)


def lengths_mask(lengths: list[int], device: torch.device) -> Tensor:
    """[R, C], true on the first `lengths` positions of each line."""
    return torch.arange(max(lengths), device=device) < torch.tensor(lengths, device=device)[:, None]


def repeat_heads(states: Tensor, num_heads: int, dim: int) -> Tensor:
    """Repeat key heads for the query heads: G -> H along `dim`."""
    return states if states.shape[dim] == num_heads else states.repeat_interleave(num_heads // states.shape[dim], dim)
