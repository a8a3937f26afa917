"""Scores answers in a separate process.

A scorer is user code on a language model's text: it may raise, never return, exhaust the memory,
or return something that is not a number. Such an answer is *unscored*: its score is NaN, it is counted, and training
and evaluation continue as if it had not been sampled. It never counts as wrong.

Threads are not enough: neither sympy nor a regular expression can be interrupted from outside. The
worker is a new interpreter, not a fork of the trainer, since forking breaks its threads and GPU. It
starts while the policy loads, and gets a whole batch at once. It runs `process.py`. It sends
back JSON, in which each verdict names its answer.
"""

from __future__ import annotations

import atexit
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from math import inf, nan
from threading import Lock
from typing import Any, TypeAlias

from app.kept import settings_kept
from app.scoring.libraries import libraries_of
from app.scoring.verdicts import Verdict, judge
from app.types import Problem

Answer: TypeAlias = tuple[Problem, str]

START_SECONDS = 300.0
"""Time limit for a worker to start and to import what the problems need."""

END_SECONDS = 5.0
"""Time limit for a worker to end the processes that scorers started, when it is closed."""


class BatchScorer(ABC):
    """Scores answers in batches."""

    @abstractmethod
    def __call__(self, answers: Sequence[Answer]) -> Iterator[Verdict]:
        """Yield a verdict on each answer, in order, as soon as it is known."""

    def begin(self) -> None:  # noqa: B027 - most have nothing to make ready
        """Start preparing, without blocking."""


class InProcess(BatchScorer):
    """Scores in the trainer's process. Exceptions are handled, but there is no limit on time and memory.

    For problems that cannot be pickled, and for debugging.
    """

    def __call__(self, answers: Sequence[Answer]) -> Iterator[Verdict]:
        for problem, text in answers:
            with settings_kept():  # also the handlers of signals, which end a run
                verdict = judge(problem, text)
            yield verdict


class SubprocessScorer(BatchScorer):
    """Scores in a worker process, which is replaced if an answer makes it fail.

    Args:
        timeout_s: time limit for one answer, in seconds.
        memory_gb: memory limit of the worker, on systems that enforce it (Linux does).
    """

    def __init__(self, timeout_s: float = 10.0, memory_gb: float = 4.0) -> None:
        for name, value in {"timeout_s": timeout_s, "memory_gb": memory_gb}.items():
            if not 0 < value < inf:
                raise ValueError(f"{name}={value} must be above 0 and finite")
        self.timeout_s, self.memory_gb = timeout_s, memory_gb

    @property
    def worker(self) -> Worker:
        """The worker; all scorers of this process share it, since starting one takes seconds."""
        return _worker(os.getpid(), self.memory_gb)

    def begin(self) -> None:
        self.worker.start()

    def __call__(self, answers: Sequence[Answer]) -> Iterator[Verdict]:
        """See `BatchScorer`.

        Raises:
            ValueError: a problem cannot be sent to another process.
        """
        with self.worker.lock:
            done = 0
            while done < len(answers):
                try:
                    for verdict in self.worker.judge(answers[done:], self.timeout_s):
                        done += 1
                        yield verdict
                except BrokenWorkerError as error:
                    done += 1
                    yield Verdict(nan, str(error))


class BrokenWorkerError(Exception):
    """The worker has ended, or had to be ended; the message says how."""


class Worker:
    """A process that scores batches of answers, one at a time.

    Args:
        memory: its memory limit, in GB.
    """

    def __init__(self, memory: float) -> None:
        self.memory = memory
        self.lock = Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.path: list[str] = []
        self.batch = 0  # the number of the latest batch
        atexit.register(self.stop)

    def start(self) -> None:
        """Start the process with this one's `sys.path`; if it runs and the path is the same, do nothing."""
        if self.process is not None and self.process.poll() is None and self.path == sys.path:
            return
        self.stop()
        self.path = [*sys.path]
        places = [place or os.getcwd() for place in self.path]
        self.channel, theirs = socket.socketpair()
        self.lines = self.channel.makefile("rb")
        work = f"from app.scoring.process import work; work({theirs.fileno()}, {self.memory})"
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", f"import sys; sys.path[:] = {places!a}; {work}"],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C must not reach it
                env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
            )

    def stop(self) -> None:
        """End the process, and all processes that scorers started in it."""
        if self.process is not None:
            self.lines.close()
            self.channel.close()  # then it ends the processes of scorers
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(END_SECONDS if self.batch else 0)
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process, self.batch = None, 0

    def judge(self, answers: Sequence[Answer], seconds: float) -> Iterator[Verdict]:
        """Yield verdicts, in order, until the worker fails.

        Raises:
            BrokenWorkerError: there is no verdict on the next answer.
            ValueError: a problem cannot be sent.
            ChildProcessError: the worker does not start.
        """
        self.start()
        self._send(answers, seconds)
        place = 0
        try:
            self.channel.settimeout(START_SECONDS + 2 * seconds)  # in case the worker cannot enforce its own
            for place in range(len(answers)):
                batch, found, score, *rest = self._line()
                if (batch, found) != (self.batch, place):
                    raise BrokenWorkerError(f"the scorer's process had to be ended: it judged answer {found}")
                place += 1
                yield Verdict(nan if score is None else score, *rest)
        except (OSError, EOFError) as error:
            raise BrokenWorkerError(f"the scorer's process had to be ended: {error or 'no answer'}") from None
        finally:
            if place < len(answers):  # later output must not be read
                self.stop()

    def _send(self, answers: Sequence[Answer], seconds: float) -> None:
        """Send a batch, and wait until the worker is ready to score it."""
        kind = type(answers[0][0]).__name__
        try:
            message = pickle.dumps(answers)
        except Exception as error:  # its classes may raise anything
            raise ValueError(_refusal(kind, error)) from error
        self.batch += 1
        problems = {id(problem): problem for problem, _ in answers}
        libraries = libraries_of(pickle.dumps([*problems.values()]))
        header = json.dumps([self.batch, len(answers), seconds, libraries, len(message)])
        try:
            self.channel.settimeout(START_SECONDS)
            self.channel.sendall(header.encode() + b"\n" + message)
            _, *found = self._line()
        except (OSError, EOFError) as error:
            self.stop()
            raise ChildProcessError(f"the process that scores did not start: {error}") from error
        if found[0] == "refused":
            raise ValueError(_refusal(kind, found[1]))
        if found[0] == "failed":
            raise ChildProcessError(f"the process that scores could not read its problems: it {found[1]}")

    def _line(self) -> list[Any]:
        """The next message of the worker."""
        line = self.lines.readline()
        if not line:
            raise EOFError("it is gone")
        return json.loads(line)


@lru_cache
def _worker(process: int, memory: float) -> Worker:
    """The worker of this process; by process id, so that a fork does not use its parent's."""
    return Worker(memory)


def _refusal(kind: str, reason: object) -> str:
    return (
        f"{kind} can't be scored in a process of its own ({reason}): define it in a module, "
        "or set rollout.scorer to app.scoring.InProcess"
    )
