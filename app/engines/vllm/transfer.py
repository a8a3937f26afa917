"""Sends weights to vLLM servers: in a file, or by NCCL from GPU to GPU."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from app.distributed.processes import gather_objects, rank, world_size
from app.distributed.weights import full_weights
from app.engines.base import EngineError
from app.engines.vllm.client import Servers
from app.engines.vllm.process import free_port
from app.policy import Policy


class WeightTransfer(ABC):
    """Sends the policy's weights to the servers.

    Attributes:
        backend: vLLM's name of the method.
        extension: the class that a server has to import, as vLLM's `worker_extension_cls`; None for no class.
    """

    backend: str
    extension: str | None = None

    @abstractmethod
    def connect(self, policy: Policy, servers: Servers) -> None:
        """Initialise the transfer; a collective of all processes."""

    @abstractmethod
    def send(self, policy: Policy, servers: Servers) -> None:
        """Send the policy's current full weights; a collective of all processes."""

    @abstractmethod
    def repeat(self, servers: Servers) -> None:
        """Send the last weights again to restarted servers; EngineError if that is not possible."""

    def close(self) -> None:  # noqa: B027 - not all have something
        """Remove files and close connections."""


class FileTransfer(WeightTransfer):
    """Writes a file that all servers can read: for a CPU, or a shared file system.

    Args:
        folder: the folder, with space for the weights once; by default in shared memory.
    """

    backend = "file"
    extension = "app.engines.vllm.worker.Extension"

    def __init__(self, folder: str = "/dev/shm") -> None:
        self.folder = folder
        self.path: Path | None = None

    def connect(self, policy: Policy, servers: Servers) -> None:
        """Make a folder, and remove those of trainers that were killed."""
        if rank() > 0 or self.path is not None:
            return
        stem = f"passk-weights-{socket.gethostname()}-"
        for left in Path(self.folder).glob(f"{stem}*"):
            if not Path(f"/proc/{left.name.removeprefix(stem).split('-')[0]}").exists():
                shutil.rmtree(left, ignore_errors=True)
        self.path = Path(tempfile.mkdtemp(prefix=f"{stem}{os.getpid()}-", dir=self.folder)) / "weights.safetensors"

    def send(self, policy: Policy, servers: Servers) -> None:
        own = {}  # a tied weight is listed twice and written once
        for name, weight in full_weights(policy.model):
            if rank() == 0:
                plain = weight.detach().cpu().contiguous()
                own.setdefault((plain.data_ptr(), plain.shape), (name, plain))
        first_process_does(lambda: self._write(dict(own.values())))
        first_process_does(lambda: self.repeat(servers))

    def _write(self, weights: dict[str, Tensor]) -> None:
        assert self.path is not None
        needed = sum(weight.nbytes for weight in weights.values())
        self.path.unlink(missing_ok=True)
        free = shutil.disk_usage(self.folder).free
        if needed >= free:
            raise EngineError(f"weights of {needed / 1e9:.2f} GB exceed the {free / 1e9:.2f} GB free in {self.folder}")
        save_file(weights, self.path)

    def repeat(self, servers: Servers) -> None:
        if self.path is None or not self.path.exists():
            return  # nothing has been sent yet
        servers.start_weight_update()
        servers.update_weights({"path": str(self.path)})
        servers.finish_weight_update()

    def close(self) -> None:
        if self.path is not None:
            shutil.rmtree(self.path.parent, ignore_errors=True)
            self.path = None


class NCCLTransfer(WeightTransfer):
    """Broadcasts from the first process's GPU to all workers, by vLLM's own NCCL backend.

    Not run yet: it is written for the interface of vLLM 0.32.

    Args:
        address: the first process's address for the servers; defaults to its host name.
    """

    backend = "nccl"

    def __init__(self, address: str | None = None) -> None:
        self.address = address
        self.engine: Any = None

    def connect(self, policy: Policy, servers: Servers) -> None:
        from vllm.distributed.weight_transfer.factory import WeightTransferTrainerFactory
        from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo

        info = gather_objects((self.address or socket.gethostname(), free_port(), 1 + sum(servers.sizes())))[0]
        self.engine = WeightTransferTrainerFactory.trainer_init(
            NCCLTrainerInitInfo(*info, rank=rank()), client=servers, source=weight_source(policy)
        )

    def send(self, policy: Policy, servers: Servers) -> None:
        if policy.model.device.type == "cuda":  # vLLM reads weights on streams that do not wait for the last update
            torch.cuda.current_stream(policy.model.device).synchronize()
        self.engine.send_weights()

    def repeat(self, servers: Servers) -> None:
        raise EngineError("NCCLTransfer can't send weights again while the policy trains")


def weight_source(policy: Policy) -> Any:
    """The policy's weights in the interface of vLLM's trainer side."""
    from vllm.distributed.weight_transfer.base import ParamMeta, WeightSource

    class PolicySource(WeightSource):
        @cache  # noqa: B019 - it lives as long as the run, and asking gathers every weight
        def metadata(self) -> list[Any]:
            return [ParamMeta(name, weight.dtype, tuple(weight.shape)) for name, weight in self]

        def __iter__(self) -> Iterator[tuple[str, Tensor]]:
            return full_weights(policy.model)

    return PolicySource()


def first_process_does(work: Callable[[], object]) -> None:
    """Call `work` in the first process while the others wait; its EngineError is raised in all processes."""
    failure = ""
    if rank() == 0:
        try:
            work()
        except EngineError as error:
            if world_size() == 1:
                raise
            failure = str(error)
    failure = gather_objects(failure)[0]
    if failure:
        raise EngineError(failure)
