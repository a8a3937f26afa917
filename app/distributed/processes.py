"""Collectives over all processes of a run; with one process they return their argument."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")

PLACE = (
    *("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"),
    "TORCHELASTIC_USE_AGENT_STORE",  # torchrun's: no process would be the first of a process group of its own
)
"""Environment variables with a process's rank and the addresses of the others."""


def environment_outside() -> dict[str, str]:
    """This process's environment without these variables, for a process outside the run."""
    return {name: value for name, value in os.environ.items() if name not in PLACE}


@contextmanager
def ranks_in_environment(device: torch.device) -> Iterator[None]:
    """A context with the variables RANK and LOCAL_RANK, as torchrun sets them; Lightning and SLURM do not set both.

    device: this process's; its index is the local rank.
    """
    found = {name: os.environ.get(name) for name in ("RANK", "LOCAL_RANK")}
    os.environ |= {"RANK": str(rank()), "LOCAL_RANK": str(device.index or 0)}
    try:
        yield
    finally:
        for name, value in found.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def world_size() -> int:
    """The number of processes of the run."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def sum_over_processes(values: Tensor) -> Tensor:
    """The elementwise sum over processes, the same on all of them."""
    if world_size() == 1:
        return values
    total = values.clone()
    dist.all_reduce(total)
    return total


def max_over_processes(number: int, device: torch.device) -> int:
    """The largest number of any process."""
    return int(gather_over_processes(torch.tensor([number], device=device))[0].max())


def rank() -> int:
    """The rank of this process; rank 0 writes shared files."""
    return dist.get_rank() if world_size() > 1 else 0


def gather_over_processes(values: Tensor) -> tuple[Tensor, int]:
    """The concatenated values [n] of all processes, whose n may differ, and the index of this process's first."""
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
    """The union of the sets of all processes."""
    if world_size() == 1:
        return values
    parts: list[set[str]] = [set() for _ in range(world_size())]
    dist.all_gather_object(parts, values)
    return set().union(*parts)


def gather_objects(value: T) -> list[T]:
    """The values of all processes, in order of rank."""
    parts = [value] * world_size()
    if len(parts) > 1:
        dist.all_gather_object(parts, value)
    return parts


def sum_of_counters(counter: Counter[T]) -> Counter[T]:
    """The sum of all processes' counters, key by key."""
    if world_size() == 1:
        return counter
    parts: list[Counter[T]] = [Counter() for _ in range(world_size())]
    dist.all_gather_object(parts, counter)
    return sum(parts, Counter())
