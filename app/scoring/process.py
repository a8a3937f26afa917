"""The scoring process: it watches a fork of itself, which runs the scorers.

No scorer runs in the watcher itself, so its messages can be trusted. It knows which answer the next verdict must be
on, how long the answer has taken and how the fork ended, and it discards lines that do not fit. On Linux, processes
that a scorer leaves running become its children (PR_SET_CHILD_SUBREAPER, prctl(2)); it kills them with the fork or at
the end of the batch. On other systems it kills the fork's process group.

It sends lines of JSON to the trainer: `[batch, "ready"]`, `[batch, "refused", why]` or `[batch, "failed", how]`, then
for each answer `[batch, place, score or null, cause, extracted answer, parts or null]`. Answers arrive as a pickle,
which the fork loads.
"""

from __future__ import annotations

import json
import os
import pickle
import resource
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from select import select
from time import monotonic, sleep
from typing import Any, NamedTuple, NoReturn

from app.scoring.lines import LONGEST_LINE, is_verdict, line_of, parsed
from app.scoring.scorers import START_SECONDS
from app.scoring.system import PR_SET_CHILD_SUBREAPER, PR_SET_PDEATHSIG, children_of, has_ended, kill, prctl
from app.scoring.verdicts import described, judge

IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Signals that schedulers send to all processes of a run: the trainer handles them and ends this process."""

PAUSE = 0.001
"""Seconds between two reads of verdicts; reading each verdict at once would wake three processes for each."""

WROTE_TO_CHANNEL = "wrote into the channel of its verdicts"


class Batch(NamedTuple):
    """Answers to be scored.

    Args:
        number: the trainer's number of the batch.
        length: the number of answers.
        seconds: time limit for each answer.
        libraries: names of installed modules that the problems' own modules import.
        answers: the answers as a pickle.
    """

    number: int
    length: int
    seconds: float
    libraries: list[str]
    answers: bytes


class EndedError(Exception):
    """The fork has ended, or has to be ended because of what its scorer did (the message)."""


def work(channel: int, memory: float) -> None:
    """Run the watcher until the trainer closes the channel.

    Args:
        channel: the file descriptor of the socket to the trainer.
        memory: limit for each process, in GB.
    """
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    limit = int(memory * 1e9) if hard == resource.RLIM_INFINITY else min(int(memory * 1e9), hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    trainer = socket.socket(fileno=channel)
    requests = trainer.makefile("rb")
    watcher = Watcher(trainer)
    with suppress(OSError):  # the trainer is gone
        while header := requests.readline():
            number, length, seconds, libraries, size = json.loads(header)
            watcher.score(Batch(number, length, seconds, libraries, requests.read(size)))
    watcher.end()


class Watcher:
    """Has a fork score one batch after another; starts a new fork if an answer has ended it."""

    def __init__(self, trainer: socket.socket) -> None:
        self.trainer = trainer
        self.fork: Fork | None = Fork(trainer)  # started before it is needed
        self.imported: set[str] = set()

    def score(self, batch: Batch) -> None:
        """Send the trainer a verdict on each answer; OSError if the trainer has ended."""
        place, said_ready = 0, False
        self._import(batch.libraries)
        while place < batch.length:
            self.fork = self.fork or Fork(self.trainer)
            try:
                refusal = self.fork.begin(batch, place)
            except EndedError as error:
                return self._send(batch.number, "failed", self._end_and_get_reason(error))
            if refusal:
                return self._send(batch.number, "refused", refusal)
            if not said_ready:
                self._send(batch.number, "ready")
                said_ready = True
            try:
                for verdicts in self.fork.verdicts(batch, place):
                    self.trainer.sendall(b"".join(verdicts))
                    place += len(verdicts)
            except EndedError as error:
                self._send(batch.number, place, None, f"the scorer {self._end_and_get_reason(error)}", None, None)
                place += 1
        if self.fork is not None and self.fork.has_child_processes():
            self.end()

    def _import(self, libraries: list[str]) -> None:
        """Import libraries here, so that new forks already have them: importing Lightning in each takes seconds."""
        fresh = {*libraries} - self.imported
        if fresh - sys.modules.keys():
            self.end()
            for name in sorted(fresh):
                with suppress(Exception):  # the fork imports it again and reports the error
                    import_module(name)
        self.imported |= fresh

    def end(self) -> int:
        """Kill the fork with its process group, and all processes of scorers.  -> the fork's exit status"""
        status, fork, self.fork = 0, self.fork, None
        if fork is not None:
            fork.channel.close()
            kill(fork.pid)
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(fork.pid, signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(fork.pid, 0)[1])
        while children := children_of(os.getpid()):
            for pid in children:
                kill(pid)
            for pid in children:
                os.waitpid(pid, 0)  # its own children are now children of this process
        return status

    def _end_and_get_reason(self, error: EndedError) -> str:
        """End the fork.  -> what was wrong with it, or how it ended by itself"""
        deadline = monotonic() + 1
        while not str(error) and self.fork is not None and not has_ended(self.fork.pid) and monotonic() < deadline:
            sleep(0.005)  # its channel closes before its status is known
        status = self.end()
        return str(error) or f"ended its process (status {status})"

    def _send(self, *values: Any) -> None:
        self.trainer.sendall(line_of(*values))


class Fork:
    """A fork of the watcher, which runs scorers; it has the watcher's imports and starts in milliseconds."""

    def __init__(self, trainer: socket.socket) -> None:
        self.trainer, self.rest = trainer, b""
        self.lines = deque[bytes]()  # received, not read yet
        self.channel, theirs = socket.socketpair()
        self.pid = os.fork()
        if not self.pid:
            os.close(trainer.detach())  # a scorer must not have access to it
            self.channel.close()
            _judge_batches(theirs)
        theirs.close()

    def begin(self, batch: Batch, first: int) -> str:
        """Send a batch, to be scored from answer `first` on.  -> why it cannot be unpickled, "" if it can

        Raises:
            EndedError: the fork did not receive it.
        """
        self.channel.settimeout(START_SECONDS)
        try:
            self.channel.sendall(line_of(batch.number, first, len(batch.answers)) + batch.answers)
        except OSError:
            raise EndedError from None
        self._wait(START_SECONDS)
        match parsed(self.lines.popleft()):
            case [batch.number, "ready"]:
                return ""
            case [batch.number, "refused", str(reason)]:
                return reason
        raise EndedError(WROTE_TO_CHANNEL)

    def verdicts(self, batch: Batch, first: int) -> Iterator[list[bytes]]:
        """The lines of the verdicts on the answers from `first` on, as many at a time as have arrived.

        Raises:
            EndedError: there is no verdict on the next answer.
        """
        with suppress(OSError):
            self.channel.sendall(b"\n")  # the trainer knows of "ready"; a later failure is a scorer's
        while first < batch.length:
            self._wait(batch.seconds)
            fitting: list[bytes] = []
            while self.lines and is_verdict(parsed(self.lines[0]), batch.number, first):
                fitting.append(self.lines.popleft() + b"\n")
                first += 1
            yield fitting
            if self.lines:
                raise EndedError(WROTE_TO_CHANNEL)
            if first < batch.length:
                sleep(PAUSE)

    def has_child_processes(self) -> bool:
        """Whether a process that a scorer started is running."""
        pids = {*children_of(self.pid), *children_of(os.getpid())} - {self.pid}
        return not all(map(has_ended, pids))

    def _wait(self, seconds: float) -> None:
        """Wait for a line from the fork; EndedError if none arrives in time."""
        deadline = monotonic() + seconds
        while not self.lines:
            if len(self.rest) > LONGEST_LINE:
                raise EndedError(WROTE_TO_CHANNEL)
            left = max(0.0, deadline - monotonic())
            ready, _, _ = select([self.channel, self.trainer], [], [], min(left, 60.0))
            if self.trainer in ready:  # it sends nothing before it has all verdicts
                raise ConnectionError("the trainer is gone")
            if self.channel in ready:
                *lines, self.rest = (self.rest + self._received()).split(b"\n")
                self.lines.extend(lines)
            elif not left:
                raise EndedError("did not end in time")

    def _received(self) -> bytes:
        with suppress(ConnectionError):
            if chunk := self.channel.recv(2**16):
                return chunk
        raise EndedError


# -- in the fork ---------------------------------------------------------------------------------------


def _judge_batches(channel: socket.socket) -> NoReturn:
    """Score one batch after another until the watcher closes the channel; does not return."""
    own = os.getpid()
    try:
        os.setsid()  # a scorer that signals its process group reaches only this process
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        for number in IGNORED:
            signal.signal(number, signal.SIG_DFL)
        requests = channel.makefile("rb")
        os.register_at_fork(after_in_child=lambda: (requests.close(), channel.close()))
        while header := requests.readline():
            batch, first, size = json.loads(header)
            for line in _judged(batch, first, requests.read(size), requests.readline):
                if os.getpid() != own:
                    os._exit(0)  # a process forked by a scorer
                channel.sendall(line)
        os._exit(0)
    except BaseException:  # a scorer closed the channel, or all files
        os._exit(1)


def _judged(batch: int, first: int, message: bytes, proceed: Callable[[], object]) -> Iterator[bytes]:
    """The lines to send for a batch; `proceed` waits until scorers may run."""
    try:
        answers = pickle.loads(message)
    except BaseException as error:  # anything that an import raises
        yield line_of(batch, "refused", described(error))
        return
    yield line_of(batch, "ready")
    proceed()
    for place in range(first, len(answers)):
        score, cause, *rest = judge(*answers[place])
        yield line_of(batch, place, None if cause else score, cause, *rest)
