"""Processes of their own, forked from one that has imported everything, so that they start in no time."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import torch

from benchmarks.kill_and_resume import SERVER
from benchmarks.kill_and_resume import passk as run_passk
from tests.conftest import CommandLine, environment


def started(target: Callable[..., Any], *arguments: Any) -> ForkServerProcess:
    """`target(*arguments)` in a fork that leads a session of its own; both are sent by the names of their modules."""
    process = SERVER.Process(target=_lead, args=(target, *arguments))
    process.start()
    return process


def _lead(target: Callable[..., Any], *arguments: Any) -> None:
    os.setsid()
    target(*arguments)


def ended(*processes: ForkServerProcess, seconds: float = 120) -> list[int | None]:
    """Their exit statuses; None of one that would go on, of which nothing is left."""
    for process in processes:
        process.join(timeout=seconds)
    statuses = [process.exitcode for process in processes]
    for process in processes:
        if process.pid is not None and process.is_alive():
            os.killpg(process.pid, signal.SIGKILL)
    return statuses


def launched(passk: CommandLine, command: str, *options: str, **overlay: Any) -> tuple[ForkServerProcess, Path]:
    """The command line in a process that starts others as it needs them, and what they print."""
    log = log_of(passk)
    return started(run_passk, [command, *passk.options(*options, **overlay)], log, environment()), log


def log_of(passk: CommandLine) -> Path:
    """A file for what a command prints."""
    return passk.folder / f"{len(list(passk.folder.glob('*.log')))}.log"


def group() -> list[dict[str, str]]:
    """The environments of two processes that are to find each other, as one who starts both would make them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    return [
        {**environment(), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "LOCAL_RANK": str(rank)} for rank in range(2)
    ]


def results_of_two(work: Callable[[int], Any], folder: Path) -> list[Any]:
    """What `work(rank)` returns in each of two processes, as under torchrun."""
    places = [{**place, "RANK": place["LOCAL_RANK"], "WORLD_SIZE": "2"} for place in group()]
    assert ended(*[started(_work, work, place, folder) for place in places]) == [0, 0]
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


def _work(work: Callable[[int], Any], place: dict[str, str], folder: Path) -> None:
    os.environ.clear()
    os.environ.update(place)
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    torch.save(work(rank), folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()
