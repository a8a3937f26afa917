"""The process that scores: a fork of it runs the scorers, and it watches that fork.

No scorer runs in the watcher itself, so its word is good: it knows which answer a verdict has to be on, how long the
answer has taken and how the fork ended, and what does not fit it does not hand on. On Linux the processes that a
scorer leaves behind become its children (PR_SET_CHILD_SUBREAPER, prctl(2)), and it ends them with the fork or at the
end of the batch. Elsewhere it ends the fork's process group.

To the trainer go lines of JSON: `[batch, "ready"]`, `[batch, "refused", why]` or `[batch, "failed", how]`, then for
each answer `[batch, place, score or null, cause, extracted answer, parts or null]`. Answers come as a pickle that the
fork loads.
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
from app.scoring.scorers import START_SECONDS, described, judge
from app.scoring.system import PR_SET_CHILD_SUBREAPER, PR_SET_PDEATHSIG, children_of, has_ended, kill, prctl

IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""What schedulers send to all processes of a run: the trainer decides what it means, and ends this process."""

PAUSE = 0.001
"""Seconds before verdicts are read again: for each by itself, three processes would wake one another."""

MEDDLED = "wrote into the channel of its verdicts"


class Batch(NamedTuple):
    """Answers to be judged.

    Args:
        number: the trainer's, of the batch.
        length: how many.
        seconds: for each.
        libraries: names of installed modules that the problems' own modules import.
        answers: pickled.
    """

    number: int
    length: int
    seconds: float
    libraries: list[str]
    answers: bytes


class EndedError(Exception):
    """The fork has ended, or has to be for what the message says of its scorer."""


def work(channel: int, memory: float) -> None:
    """Be the watcher until the trainer closes the channel.

    Args:
        channel: the number of the socket to the trainer.
        memory: that a process may take, in GB.
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
    """Has a fork judge one batch after another, and another fork where an answer has ended it."""

    def __init__(self, trainer: socket.socket) -> None:
        self.trainer = trainer
        self.fork: Fork | None = Fork(trainer)  # before it is needed
        self.imported: set[str] = set()

    def score(self, batch: Batch) -> None:
        """Tell the trainer a verdict on each answer; OSError where it is gone."""
        place, said_ready = 0, False
        self._import(batch.libraries)
        while place < batch.length:
            self.fork = self.fork or Fork(self.trainer)
            try:
                refusal = self.fork.begin(batch, place)
            except EndedError as error:
                return self._say(batch.number, "failed", self._how(error))
            if refusal:
                return self._say(batch.number, "refused", refusal)
            if not said_ready:
                self._say(batch.number, "ready")
                said_ready = True
            try:
                for verdicts in self.fork.verdicts(batch, place):
                    self.trainer.sendall(b"".join(verdicts))
                    place += len(verdicts)
            except EndedError as error:
                self._say(batch.number, place, None, f"the scorer {self._how(error)}", None, None)
                place += 1
        if self.fork is not None and self.fork.has_child_processes():
            self.end()

    def _import(self, libraries: list[str]) -> None:
        """Have forks from now on begin with these: to import Lightning takes seconds, for each fork that is ended."""
        fresh = {*libraries} - self.imported
        if fresh - sys.modules.keys():
            self.end()
            for name in sorted(fresh):
                with suppress(Exception):  # then the fork imports it, and says what is wrong
                    import_module(name)
        self.imported |= fresh

    def end(self) -> int:
        """End the fork with its process group, and all that scorers have left behind.  -> the fork's exit status"""
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

    def _how(self, error: EndedError) -> str:
        """What was wrong with the fork, or how it has ended by itself; it is ended."""
        deadline = monotonic() + 1
        while not str(error) and self.fork is not None and not has_ended(self.fork.pid) and monotonic() < deadline:
            sleep(0.005)  # its channel is closed before it has a status
        status = self.end()
        return str(error) or f"ended its process (status {status})"

    def _say(self, *values: Any) -> None:
        self.trainer.sendall(line_of(*values))


class Fork:
    """A fork of the watcher, in which scorers run; it has what is imported by then, and starts in milliseconds."""

    def __init__(self, trainer: socket.socket) -> None:
        self.trainer, self.rest = trainer, b""
        self.lines = deque[bytes]()  # that have come and not been read
        self.channel, theirs = socket.socketpair()
        self.pid = os.fork()
        if not self.pid:
            os.close(trainer.detach())  # a scorer must not reach it
            self.channel.close()
            _judge_batches(theirs)
        theirs.close()

    def begin(self, batch: Batch, first: int) -> str:
        """Hand over a batch, of which to judge the answers from a place on.  -> why it can't be read, "" where it can

        Raises:
            EndedError: the fork did not take it.
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
        raise EndedError(MEDDLED)

    def verdicts(self, batch: Batch, first: int) -> Iterator[list[bytes]]:
        """The lines of the verdicts on the answers from a place on, as many together as are there.

        Raises:
            EndedError: there is none on the next answer.
        """
        with suppress(OSError):
            self.channel.sendall(b"\n")  # now that the trainer knows: what comes next, a scorer has done
        while first < batch.length:
            self._wait(batch.seconds)
            fitting: list[bytes] = []
            while self.lines and is_verdict(parsed(self.lines[0]), batch.number, first):
                fitting.append(self.lines.popleft() + b"\n")
                first += 1
            yield fitting
            if self.lines:
                raise EndedError(MEDDLED)
            if first < batch.length:
                sleep(PAUSE)

    def has_child_processes(self) -> bool:
        """Whether a process that a scorer has started is running."""
        pids = {*children_of(self.pid), *children_of(os.getpid())} - {self.pid}
        return not all(map(has_ended, pids))

    def _wait(self, seconds: float) -> None:
        """Until there is a line of the fork's; EndedError where none comes in time."""
        deadline = monotonic() + seconds
        while not self.lines:
            if len(self.rest) > LONGEST_LINE:
                raise EndedError(MEDDLED)
            left = max(0.0, deadline - monotonic())
            ready, _, _ = select([self.channel, self.trainer], [], [], min(left, 60.0))
            if self.trainer in ready:  # which says nothing until it has all verdicts
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


# -- the fork's side -----------------------------------------------------------------------------------


def _judge_batches(channel: socket.socket) -> NoReturn:
    """Score one batch after another until the watcher closes the channel; does not return."""
    own = os.getpid()
    try:
        os.setsid()  # what a scorer does to its process group, it does to this process alone
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        for number in IGNORED:
            signal.signal(number, signal.SIG_DFL)
        requests = channel.makefile("rb")
        os.register_at_fork(after_in_child=lambda: (requests.close(), channel.close()))
        while header := requests.readline():
            batch, first, size = json.loads(header)
            for line in _judged(batch, first, requests.read(size), requests.readline):
                if os.getpid() != own:
                    os._exit(0)  # a scorer has forked, and has returned here too
                channel.sendall(line)
        os._exit(0)
    except BaseException:  # a scorer has closed the channel, or all files
        os._exit(1)


def _judged(batch: int, first: int, message: bytes, proceed: Callable[[], object]) -> Iterator[bytes]:
    """The lines that answer a batch; `proceed` waits until scorers may run."""
    try:
        answers = pickle.loads(message)
    except BaseException as error:  # from whatever is imported
        yield line_of(batch, "refused", described(error))
        return
    yield line_of(batch, "ready")
    proceed()
    for place in range(first, len(answers)):
        score, cause, *rest = judge(*answers[place])
        yield line_of(batch, place, None if cause else score, cause, *rest)
