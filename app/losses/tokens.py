"""Filters that choose which tokens of an update are trained.

Tokens are chosen once over the whole update, of all processes, before it is split into micro-batches; excluded
tokens still count in the divisor, as they do in the papers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from app.distributed.processes import gather_over_processes
from app.types import Experience


class TokenFilter(ABC):
    """Base class: Experience -> [B, T]"""

    @abstractmethod
    def token_mask(self, update: Experience) -> Tensor:
        """Which tokens are trained; all if the rows were not sampled.  -> [B, T], bool"""


class TopEntropy(TokenFilter):
    """Trains only the tokens with the highest entropy (the "80/20 rule", 2506.01939).

    Args:
        share: the share of the update's tokens that is trained, in (0, 1].
    """

    def __init__(self, share: float = 0.2) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"share={share} must lie in (0, 1]")
        self.share = share

    def token_mask(self, update: Experience) -> Tensor:
        if update.entropies is None:
            return update.mask
        return top(update.entropies, update.mask, self.share)


def top(values: Tensor, mask: Tensor, share: float) -> Tensor:
    """The largest `share` of masked values over all processes, with ties.  [B, T] -> [B, T], bool"""
    everywhere, _ = gather_over_processes(values[mask])
    if not len(everywhere):
        return mask
    number = max(1, round(share * len(everywhere)))
    threshold = torch.topk(everywhere, number).values[-1]
    return mask & (values >= threshold)
