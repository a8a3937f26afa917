"""Sums, lists and counts over all processes of a run; with one process, what was given."""

from __future__ import annotations

import os
from collections import Counter
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")

PLACE = ("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""Environment variables that tell a process its place among those of a run."""


def environment_outside() -> dict[str, str]:
    """This process's environment for one that is none of the run's: without a place among them."""
    return {name: value for name, value in os.environ.items() if name not in PLACE}


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def sum_over_processes(values: Tensor) -> Tensor:
    """Elementwise; every process gets the same."""
    if world_size() == 1:
        return values
    total = values.clone()
    dist.all_reduce(total)
    return total


def max_over_processes(number: int, device: torch.device) -> int:
    """The largest that any process has."""
    return int(gather_over_processes(torch.tensor([number], device=device))[0].max())


def rank() -> int:
    """Which of the processes this is; the first, 0, writes what all share."""
    return dist.get_rank() if world_size() > 1 else 0


def gather_over_processes(values: Tensor) -> tuple[Tensor, int]:
    """The processes' values [n], which may differ in number, end to end, and where this process's begin."""
    if world_size() == 1:
        return values, 0
    sizes = [torch.zeros(1, dtype=torch.long, device=values.device) for _ in range(world_size())]
    dist.all_gather(sizes, torch.tensor([len(values)], device=values.device))
    counts = [int(size) for size in sizes]
    padded = [values.new_zeros(max(counts)) for _ in counts]
    dist.all_gather(padded, torch.nn.functional.pad(values, (0, max(counts) - len(values))))
    parts = [part[:count] for part, count in zip(padded, counts, strict=True)]
    return torch.cat(parts), sum(counts[: dist.get_rank()])


def union_over_processes(values: set[str]) -> set[str]:
    """What any process has."""
    if world_size() == 1:
        return values
    parts: list[set[str]] = [set() for _ in range(world_size())]
    dist.all_gather_object(parts, values)
    return set().union(*parts)


def gather_objects(value: T) -> list[T]:
    """Every process's value, in order."""
    parts = [value] * world_size()
    if len(parts) > 1:
        dist.all_gather_object(parts, value)
    return parts


def sum_of_counters(counter: Counter[T]) -> Counter[T]:
    """Of all processes, key by key."""
    if world_size() == 1:
        return counter
    parts: list[Counter[T]] = [Counter() for _ in range(world_size())]
    dist.all_gather_object(parts, counter)
    return sum(parts, Counter())
