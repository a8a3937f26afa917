"""The client of vLLM servers: token ids in, token ids out, and the routes that load new weights.

The weight routes are vLLM's for reinforcement learning; a server has them with VLLM_SERVER_DEV_MODE=1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial
from itertools import accumulate
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic, sleep
from typing import Any, TypeVar

import httpx2

from app.engines.base import EngineError

T = TypeVar("T")

CONNECTING = 5.0
"""Time limit for connecting to a server and for its health check, in seconds."""

POLL = 1.0
"""Seconds without an answer after which the servers' health is checked."""

WIDTH = 256
"""The most simultaneous requests; more would wait inside vLLM."""


class ServerLostError(EngineError):
    """A server does not answer, or reports that its engine has ended."""


class Servers:
    """Servers with the same policy; requests go to them in turn, and they are updated together.

    Args:
        urls: their URLs, such as http://10.0.0.7:8000.
        timeout: seconds without an answer to any request, after which they count as lost.
    """

    def __init__(self, urls: Sequence[str], timeout: float) -> None:
        self.urls, self.timeout = [url.rstrip("/") for url in urls], timeout
        self.version = ""  # of the weights, sent with the next update
        # Every call has its own connection, since servers drop idle and failed ones. There is no read timeout: `watch`
        # decides how long a request may wait inside vLLM behind others.
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        self.client = httpx2.Client(timeout=httpx2.Timeout(None, connect=CONNECTING), limits=limits, trust_env=False)

    def call(self, method: str, url: str, body: Any = None) -> Any:
        """Call a server.  -> its answer, parsed from JSON

        Raises:
            ServerLostError: the server does not answer.
            EngineError: the server returns an error.
        """
        try:
            reply = self.client.request(method, url, json=body)
        except httpx2.TransportError as error:
            raise ServerLostError(
                f"the vLLM server does not answer: {url}: {str(error) or type(error).__name__}"
            ) from error
        if reply.is_success:
            return reply.json() if reply.content else None
        if reply.status_code >= 500:
            sleep(POLL)  # a server's end is not visible at once
            self.check_health()
        said = " ".join(reply.text.split())
        raise EngineError(f"the vLLM server refuses: {url}: status {reply.status_code}: {said:.300}")

    def is_healthy(self, url: str) -> bool:
        """Whether a server's health check succeeds."""
        try:
            return self.client.get(f"{url}/health", timeout=CONNECTING).is_success
        except httpx2.TransportError:
            return False

    def check_health(self) -> None:
        """Raise ServerLostError if a server's health check fails."""
        for url in self.urls:
            if not self.is_healthy(url):
                raise ServerLostError(f"the vLLM server at {url} has lost its engine, or is gone")

    def generate(self, bodies: Sequence[dict[str, Any]]) -> list[Any]:
        """Replies to requests, in order; requests go to the servers in turn.

        Raises:
            ServerLostError: a server has ended, or no server answers in time.
        """
        urls = [self.urls[place % len(self.urls)] for place in range(len(bodies))]
        calls = [
            partial(self.call, "POST", f"{url}/inference/v1/generate", body)
            for url, body in zip(urls, bodies, strict=True)
        ]
        return self.watch(in_threads(calls))

    def everywhere(self, method: str, path: str, bodies: Sequence[Any] | None = None) -> list[Any]:
        """Call all servers at once, each with its own body.  -> their answers"""
        each = bodies or [None] * len(self.urls)
        calls = [partial(self.call, method, f"{url}/{path}", body) for url, body in zip(self.urls, each, strict=True)]
        return self.watch(in_threads(calls))

    def watch(self, futures: list[Future[T]]) -> list[T]:
        """Wait for the results of calls; meanwhile all servers must be healthy, and one answer within `timeout`."""
        waiting, heard = set(futures), monotonic()
        while waiting:
            done, waiting = wait(waiting, timeout=POLL, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
            if done:
                heard = monotonic()
                continue
            self.check_health()
            if monotonic() - heard > self.timeout:
                raise ServerLostError(f"no answer of {', '.join(self.urls)} in timeout={self.timeout:g} s")
        return [future.result() for future in futures]

    # -- weight routes: the client interface of vLLM's trainer side ---------------------------------------

    def init_weight_transfer_engine(self, init_info: dict[str, Any]) -> None:
        """Initialise the weight transfer on all servers; their workers get consecutive ranks."""
        firsts = accumulate(self.sizes()[:-1], initial=init_info["rank_offset"])
        bodies = [{"init_info": {**init_info, "rank_offset": first}} for first in firsts]
        self.everywhere("POST", "init_weight_transfer_engine", bodies)

    def start_weight_update(self) -> None:
        self.everywhere("POST", "start_weight_update")

    def update_weights(self, update_info: dict[str, Any]) -> None:
        self.everywhere("POST", "update_weights", [{"update_info": update_info}] * len(self.urls))

    def finish_weight_update(self, weight_version: str | None = None) -> None:
        version = weight_version or self.version
        self.everywhere("POST", "finish_weight_update", [{"weight_version": version}] * len(self.urls))

    def sizes(self) -> list[int]:
        """The number of workers with weights, of each server."""
        return [int(reply["world_size"]) for reply in self.everywhere("GET", "get_world_size")]

    def forget(self) -> None:
        """Reset the prefix caches; EngineError if one cannot be reset because requests are still running."""
        if not all(reply["success"] for reply in self.everywhere("POST", "reset_prefix_cache")):
            raise EngineError("vLLM would not empty its prefix cache, which earlier weights have filled")


def in_threads(calls: Sequence[Callable[[], T]]) -> list[Future[T]]:
    """Make calls, WIDTH at once, in daemon threads: a server may never answer."""
    queue: SimpleQueue[tuple[Future[T], Callable[[], T]]] = SimpleQueue()
    futures: list[Future[T]] = [Future() for _ in calls]
    for pair in zip(futures, calls, strict=True):
        queue.put(pair)

    def work() -> None:
        while True:
            try:
                future, call = queue.get_nowait()
            except Empty:
                return
            try:
                future.set_result(call())
            except BaseException as error:  # raised in the caller
                future.set_exception(error)

    for _ in range(min(WIDTH, len(futures))):
        Thread(target=work, daemon=True).start()
    return futures
