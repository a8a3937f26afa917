"""What the tests run in two processes: measuring and training, in one start because starting takes longest."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from time import monotonic
from typing import Any

import torch
import torch.multiprocessing as multiprocessing

from app.module import RLVRModule
from tests.app.measured import figures, random_batch
from tests.app.updates import Watch, fit, fitted, part, sampled
from tests.conftest import build_tiny_policy


def results(folder: Path, seconds: float = 120) -> list[dict[str, Any]]:
    """What each process found."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.spawn(work, (folder, port), nprocs=2, join=False)
    end = monotonic() + seconds
    while not context.join(timeout=1):  # false while any of them runs
        if monotonic() > end:
            for process in context.processes:
                process.kill()
            raise TimeoutError(f"two processes did not end within {seconds} seconds")
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


def work(rank: int, folder: Path, port: int) -> None:
    """Be one of two processes, as under torchrun."""
    torch.set_num_threads(1)
    world = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in world.items()}, GLOO_SOCKET_IFNAME="lo")
    torch.distributed.init_process_group("gloo")
    module, watch = train(rank)
    found = {
        "figures": measure(rank),
        "parameters": watch.parameters,
        "figures of training": watch.figures,
        "figures to decide by": module.figures,
    }
    torch.save(found, folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def measure(rank: int) -> dict[str, float]:
    """Rank 0 sees batches 0, 2 and 4, rank 1 batch 1 alone."""
    return figures([random_batch(seed) for seed in ([0, 2, 4], [1])[rank]])


def train(rank: int) -> tuple[RLVRModule, Watch]:
    """Three iterations, the last in two minibatches; `test_module.in_one_process` does the same with both halves."""
    batch, watch = sampled(build_tiny_policy()), Watch()
    halves = [[part(batch, [0, 1]), part(batch, [0, 3])], [part(batch, [2, 3]), part(batch, [1, 2])]]
    module = fitted(halves[rank], strategy="ddp", devices=2, callbacks=[watch])
    module.minibatch_size = 2
    last = part(batch, [[0, 3], [2, 1]][rank])
    fit(module, [last], strategy="ddp", devices=2, callbacks=[watch])
    return module, watch
