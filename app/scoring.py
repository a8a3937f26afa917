"""Scores, from a process of their own.

A scorer is somebody's code on a language model's text: some day it raises, never returns, eats all
memory, or answers "yes". Such an answer is *unscored*: its score is NaN, it is counted, and training
and evaluation go on as if it had not been drawn. It is never taken for wrong.

A thread would not do: neither sympy nor a regular expression can be interrupted from outside. The
worker is a fresh interpreter, not a fork of the trainer, whose threads and GPU a fork would break; it
starts while the policy loads, and gets a whole batch at once. What it sends back is read as text.
"""

from __future__ import annotations

import atexit
import os
import pickle
import resource
import signal
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from math import nan
from numbers import Real
from threading import Lock
from typing import NamedTuple, TypeAlias

from app.types import Problem, Unscored

Answer: TypeAlias = tuple[Problem, str]

START_SECONDS = 300.0
"""Within which a worker must have started and imported what the problems need."""


class Verdict(NamedTuple):
    """A score in [0, 1]; or NaN, and on one line why there is none."""

    score: float
    cause: str = ""

    @property
    def scored(self) -> bool:
        return not self.cause


def judge(problem: Problem, text: str) -> Verdict:
    """Score one answer; a scorer that raises, or gives no number in [0, 1], leaves it unscored."""
    try:
        score = problem.score(text)
        if isinstance(score, Unscored):
            return Verdict(nan, score.cause.replace("\n", " ")[:200])
        if isinstance(score, Real) and 0 <= score <= 1:
            return Verdict(float(score))
        return Verdict(nan, f"a score of {score!r} is no number in [0, 1]".replace("\n", " ")[:200])
    except (Exception, SystemExit) as error:
        return Verdict(nan, f"{type(error).__name__}: {error}".replace("\n", " ")[:200])


class BatchScorer(ABC):
    """Has problems score answers, a batch at a time."""

    @abstractmethod
    def __call__(self, answers: Sequence[Answer]) -> Iterator[Verdict]:
        """A verdict on each answer, in order, as soon as it is known."""

    def begin(self) -> None:  # noqa: B027 - most have nothing to make ready
        """Make ready, without waiting for it."""


class InProcess(BatchScorer):
    """Score in the trainer's process: what a scorer raises is contained, but not what never ends or takes all memory.

    For problems that can't be pickled, and for a debugger.
    """

    def __call__(self, answers: Sequence[Answer]) -> Iterator[Verdict]:
        return (judge(problem, text) for problem, text in answers)


class Contained(BatchScorer):
    """Score in a worker process, which is replaced where an answer breaks it.

    Args:
        seconds: for one answer.
        memory: of the worker, in GB, where the system keeps to such limits (Linux does).
    """

    def __init__(self, seconds: float = 10.0, memory: float = 4.0) -> None:
        for name, value in {"seconds": seconds, "memory": memory}.items():
            if not value > 0:
                raise ValueError(f"{name}={value} must be above 0")
        self.seconds, self.memory = seconds, memory

    @property
    def worker(self) -> Worker:
        """All that score in this process share one: starting takes seconds."""
        return _worker(os.getpid(), self.memory)

    def begin(self) -> None:
        self.worker.start()

    def __call__(self, answers: Sequence[Answer]) -> Iterator[Verdict]:
        """See `BatchScorer`.

        Raises:
            ValueError: where a problem can't be sent to another process.
        """
        with self.worker.lock:
            done = 0
            while done < len(answers):
                try:
                    for verdict in self.worker.judge(answers[done:], self.seconds):
                        done += 1
                        yield verdict
                except BrokenWorkerError as error:
                    done += 1
                    yield Verdict(nan, str(error))


class BrokenWorkerError(Exception):
    """The worker died of an answer, or had to be killed; the message says how."""


class Worker:
    """A process that scores batches of answers, one at a time.

    Args:
        memory: that it may take, in GB.
    """

    def __init__(self, memory: float) -> None:
        self.memory = memory
        self.lock = Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.path: list[str] = []
        atexit.register(self.stop)

    def start(self) -> None:
        """Have a process that finds the modules that this one finds."""
        if self.process is not None and self.process.poll() is None and self.path == sys.path:
            return
        self.stop()
        self.path = [*sys.path]
        self.channel, theirs = socket.socketpair()
        places = os.pathsep.join(place or os.getcwd() for place in self.path)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", f"from app.scoring import work; work({theirs.fileno()}, {self.memory})"],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the trainer
                env={**os.environ, "PYTHONPATH": places, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
            )

    def stop(self) -> None:
        """End the process, whatever it does."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.channel.close()
            self.process = None

    def judge(self, answers: Sequence[Answer], seconds: float) -> Iterator[Verdict]:
        """Verdicts, until the worker breaks at one.

        Raises:
            BrokenWorkerError: there is no verdict on the next answer.
            ValueError: where a problem can't be sent.
        """
        self.start()
        waiting, broken = len(answers), False
        try:
            lines = self._send(answers, seconds)
            while waiting:
                score, _, cause = next(lines).partition(" ")
                broken = score == "!"
                if broken:
                    raise BrokenWorkerError(cause)
                waiting -= 1
                yield Verdict(float(score), cause)
        except (OSError, EOFError) as error:  # a scorer that meddles with timers, or with other processes
            raise BrokenWorkerError(f"the scorer's process had to be ended: {error or 'no answer'}") from None
        finally:
            if waiting and not broken:  # nobody will read what it may yet say
                self.stop()

    def _send(self, answers: Sequence[Answer], seconds: float) -> Iterator[str]:
        """Hand over a batch; the lines that answer it."""
        kind = type(answers[0][0]).__name__
        try:
            message = pickle.dumps((answers, seconds))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ValueError(_refusal(kind, error)) from error
        lines = self._lines(seconds)
        try:
            self.channel.settimeout(START_SECONDS)
            self.channel.sendall(len(message).to_bytes(8, "little") + message)
            refused = next(lines)
        except (OSError, EOFError) as error:
            raise RuntimeError(f"the process that scores did not start: {error}") from error
        if refused:
            raise ValueError(_refusal(kind, refused))
        return lines

    def _lines(self, seconds: float) -> Iterator[str]:
        """What the worker says; from the second line on, none may be longer in coming than twice the limit."""
        rest = b""
        while True:
            chunk = self.channel.recv(2**16)
            if not chunk:
                raise EOFError("it is gone")
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (line.decode() for line in lines)
            self.channel.settimeout(2 * seconds + 1)


@lru_cache
def _worker(process: int, memory: float) -> Worker:
    """The worker of this process: a fork must not talk to that of its parent."""
    return Worker(memory)


def _refusal(kind: str, reason: object) -> str:
    return (
        f"{kind} can't be scored in a process of its own ({reason}): define it in a module, "
        "or set rollout.scorer to app.scoring.InProcess"
    )


# -- the worker's side ---------------------------------------------------------------------------------

NOBODY_SENDS = 113
"""The status with which a child of the worker ends because the trainer has."""


def work(channel: int, memory: float) -> None:
    """Have a child score, and another where an answer has ended it: a fork of what is imported takes milliseconds."""
    limit = int(memory * 1e9)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    connection = socket.socket(fileno=channel)
    while True:
        child = os.fork()
        if not child:
            _judge_batches(connection)
            os._exit(NOBODY_SENDS)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status == NOBODY_SENDS:
            return
        how = "did not end in time" if status == -signal.SIGALRM else f"ended its process (status {status})"
        connection.sendall(f"! the scorer {how}\n".encode())


def _judge_batches(connection: socket.socket) -> None:
    """Score one batch after another, and say each verdict on a line of its own, after an empty line for the batch."""
    incoming = connection.makefile("rb")
    while size := incoming.read(8):
        message = incoming.read(int.from_bytes(size, "little"))
        try:
            answers, seconds = pickle.loads(message)
        except Exception as error:
            connection.sendall(f"{type(error).__name__}: {error}".replace("\n", " ").encode() + b"\n")
            continue
        connection.sendall(b"\n")
        for problem, text in answers:
            signal.setitimer(signal.ITIMER_REAL, seconds)  # ends the process, in C code too
            score, cause = judge(problem, text)
            connection.sendall(f"{score!r} {cause}\n".encode(errors="replace"))
        signal.setitimer(signal.ITIMER_REAL, 0)
