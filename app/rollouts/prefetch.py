"""Samples an iteration in a thread while the iteration before it trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeAlias

from lightning.pytorch import Trainer
from lightning.pytorch.plugins import MixedPrecision

from app.distributed.processes import gather_objects, rank, world_size
from app.types import Completion, Request

Groups: TypeAlias = list[list[Completion]]


@dataclass
class Slot:
    """The rollouts of one iteration: complete, or still being sampled."""

    iteration: int
    seeds: list[str]  # after a text of the settings they are sampled with
    groups: Future[Groups]


class RolloutPrefetcher:
    """Samples rollouts before their iteration begins; they are identified by the settings and seeds of their requests.

    At most one iteration is sampled at a time, and nothing else may use its engine meanwhile: `take` and `wait` return
    when it is done. An error in the thread is raised by the next `take` or `wait`.

    The current iteration's rollouts are kept until the next are taken: a checkpoint may repeat this iteration.
    """

    def __init__(self) -> None:
        self.current: Slot | None = None
        self.pending: Slot | None = None
        self._pool: ThreadPoolExecutor | None = None

    def begin(self, iteration: int, requests: Sequence[Request], settings: str, sample: Callable[[], Groups]) -> None:
        """Start sampling for a later iteration, with these settings."""
        self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="sampling ahead")
        self.pending = Slot(iteration, [settings, *_seeds(requests)], self._pool.submit(sample))

    def take(self, requests: Sequence[Request], settings: str) -> Groups | None:
        """Return what was sampled for exactly these requests and settings, on their device; None if nothing was."""
        self.wait()
        if self.pending is None or self.pending.seeds != [settings, *_seeds(requests)]:
            return None
        self.current, self.pending = self.pending, None
        devices = [request.tokens.device for request in requests]
        groups = self.current.groups.result()
        return [[row.to(device) for row in rows] for rows, device in zip(groups, devices, strict=True)]

    def wait(self) -> None:
        """Wait until nothing is being sampled."""
        if self.pending is not None:
            self.pending.groups.result()

    def drop(self) -> None:
        """Discard what was sampled."""
        self.wait()
        self.current = self.pending = None

    def close(self) -> None:
        """End the thread, after it has finished sampling."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    # -- checkpoints --------------------------------------------------------------------------------

    def save(self, iteration: int) -> list[dict[str, Any]]:
        """Return the rollouts that all processes hold for this iteration, as plain data; [] if there are none."""
        slot = next((slot for slot in (self.current, self.pending) if slot and slot.iteration == iteration), None)
        if slot is None:
            return []
        groups = [[dict(vars(row.to("cpu"))) for row in rows] for rows in slot.groups.result()]
        return gather_objects({"iteration": iteration, "seeds": slot.seeds, "groups": groups})

    def load(self, saved: list[dict[str, Any]]) -> None:
        """Restore this process's rollouts; none if the number of processes has changed."""
        if len(saved) != world_size():
            return
        own = saved[rank()]
        groups: Future[Groups] = Future()
        groups.set_result([[Completion(**row) for row in rows] for rows in own["groups"]])
        self.pending = Slot(own["iteration"], own["seeds"], groups)


def thread_autocast(trainer: Trainer) -> AbstractContextManager[Any]:
    """The autocast context of training, for another thread: autocast applies only to the thread that enters it.

    With weights in half precision (`bf16-true`) there is no autocast, and Lightning's context is not entered: it
    changes the default dtype of all threads.
    """
    plugin = trainer.precision_plugin
    return plugin.forward_context() if isinstance(plugin, MixedPrecision) else nullcontext()


def _seeds(requests: Sequence[Request]) -> list[str]:
    return [request.seed for request in requests]
