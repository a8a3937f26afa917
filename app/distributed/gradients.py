"""Summing and clipping of gradients over all processes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from app.distributed.processes import sum_over_processes, world_size
from app.distributed.sharding import is_sharded, whole


def sum_and_clip(parameters: Sequence[Tensor], max_norm: float) -> float:
    """Sum gradients over processes (sharded ones are already summed), and clip their norm to `max_norm`.

    Returns:
        The norm over all parameters before clipping, the same on all processes.
    """
    if world_size() > 1:
        for parameter in (each for each in parameters if not is_sharded(each)):
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            parameter.grad = sum_over_processes(parameter.grad)
    return float(whole(torch.nn.utils.clip_grad_norm_(parameters, max_norm)))
