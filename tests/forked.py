"""Processes of their own, forked from one that has imported everything, so that they start in no time."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import torch

from benchmarks.kill_and_resume import SERVER, passk
from tests.conftest import environment


def started(target: Callable[..., Any], *arguments: Any) -> ForkServerProcess:
    """`target(*arguments)` in a fork; both must be known by the names of their modules."""
    process = SERVER.Process(target=target, args=arguments)
    process.start()
    return process


def ended(processes: Sequence[ForkServerProcess], seconds: float = 120) -> list[int | None]:
    """Their exit statuses, with nothing left of them; None of one that would go on."""
    try:
        for process in processes:
            process.join(timeout=seconds)
        return [process.exitcode for process in processes]
    finally:
        for process in processes:
            process.kill()


def head(arguments: list[str], log: Path, place: dict[str, str]) -> None:
    """Be the command line, in a session with the processes that it starts."""
    os.setsid()
    passk(arguments, log, place)


def group() -> list[dict[str, str]]:
    """The environments of two processes that are to find each other, as one who starts both would make them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    return [
        {**environment(), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "LOCAL_RANK": str(rank)} for rank in range(2)
    ]


def found_by_two(work: Callable[[int], Any], folder: Path) -> list[Any]:
    """What `work(rank)` returns in each of two processes, as under torchrun."""
    places = [{**place, "RANK": place["LOCAL_RANK"], "WORLD_SIZE": "2"} for place in group()]
    assert ended([started(_work, work, place, folder) for place in places]) == [0, 0]
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


def _work(work: Callable[[int], Any], place: dict[str, str], folder: Path) -> None:
    os.environ.clear()
    os.environ.update(place)
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    torch.save(work(rank), folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()
