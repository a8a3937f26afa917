"""Sampling an iteration while the one before it trains: a thread, and what it has sampled."""

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
    """The rollouts of one iteration, sampled or being sampled."""

    iteration: int
    seeds: list[str]
    groups: Future[Groups]


class RolloutPrefetcher:
    """Rollouts that are sampled before their iteration begins, known by the seeds of their requests.

    At most one iteration is sampled at a time, and its engine must be left alone meanwhile: `take` and `wait` return
    when it is done. An error in the thread is raised where its rollouts are next asked or waited for.

    Those of the iteration under way are kept until the next is taken: a checkpoint may be written that redoes it.
    """

    def __init__(self) -> None:
        self.current: Slot | None = None
        self.pending: Slot | None = None
        self._pool: ThreadPoolExecutor | None = None

    def begin(self, iteration: int, requests: Sequence[Request], sample: Callable[[], Groups]) -> None:
        """Sample for an iteration to come."""
        self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="sampling ahead")
        self.pending = Slot(iteration, _seeds(requests), self._pool.submit(sample))

    def take(self, requests: Sequence[Request]) -> Groups | None:
        """What was sampled for just these requests, on their device; None where nothing was."""
        self.wait()
        if self.pending is None or self.pending.seeds != _seeds(requests):
            return None
        self.current, self.pending = self.pending, None
        devices = [request.tokens.device for request in requests]
        groups = self.current.groups.result()
        return [[row.to(device) for row in rows] for rows, device in zip(groups, devices, strict=True)]

    def wait(self) -> None:
        """Until nothing is being sampled."""
        if self.pending is not None:
            self.pending.groups.result()

    def drop(self) -> None:
        """Forget what was sampled, for it won't be asked for."""
        self.wait()
        self.current = self.pending = None

    def close(self) -> None:
        """End the thread, once it has sampled what it is sampling."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    # -- checkpoints --------------------------------------------------------------------------------

    def save(self, iteration: int) -> list[dict[str, Any]]:
        """What all processes hold for this iteration, as plain data; empty where they hold nothing."""
        slot = next((slot for slot in (self.current, self.pending) if slot and slot.iteration == iteration), None)
        if slot is None:
            return []
        groups = [[dict(vars(row.to("cpu"))) for row in rows] for rows in slot.groups.result()]
        return gather_objects({"iteration": iteration, "seeds": slot.seeds, "groups": groups})

    def load(self, saved: list[dict[str, Any]]) -> None:
        """Hold what this process held; nothing where there were more processes, or fewer."""
        if len(saved) != world_size():
            return
        own = saved[rank()]
        groups: Future[Groups] = Future()
        groups.set_result([[Completion(**row) for row in rows] for rows in own["groups"]])
        self.pending = Slot(own["iteration"], own["seeds"], groups)


def thread_autocast(trainer: Trainer) -> AbstractContextManager[Any]:
    """The precision of training for a thread beside it: autocast, which is a thread's own.

    Where the weights themselves are in half precision, Lightning's context would change the type that all threads
    make tensors of, and nothing is lost without it.
    """
    plugin = trainer.precision_plugin
    return plugin.forward_context() if isinstance(plugin, MixedPrecision) else nullcontext()


def _seeds(requests: Sequence[Request]) -> list[str]:
    return [request.seed for request in requests]
