"""The signals that end a run early, kept until it can stop without losing anything."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import SIGTERMException

INTERRUPTED = 128 + signal.SIGINT
"""The exit status after Ctrl-C, as a shell gives it, so that `passk fit && passk test` goes no further."""
TERMINATED = 128 + signal.SIGTERM
"""That of a command other than `fit` that SIGTERM has ended without its results."""
SHOW_CURSOR = "\x1b[?25h"
"""Tells a terminal so; a progress bar hides it, and would not come to show it after a second Ctrl-C."""


class Signals:
    """SIGTERM, Ctrl-C, and under SLURM the signal that announces the end of a job's time and has it queued again.

    Lightning acts on the first and the last within the signal's handler, which may run in the middle of an optimizer
    step, and ends at once on Ctrl-C. Here they are noted, and Lightning's handler of SLURM's signal, which saves and
    requeues, is run when the state is whole. The second Ctrl-C ends the process, whatever it does.
    """

    def __init__(self) -> None:
        self.noted: int | None = None
        self.at_once = False  # what is under way changes nothing that is saved
        self.requeues: int | None = None
        self.requeue: Any = None  # Lightning's handler

    def listen(self, trainer: Trainer) -> None:
        """Put the notes in the places of the handlers that were there, which the Trainer puts back at its end.

        What an earlier run with this callback was told, as in a notebook, does not end this one.
        """
        self.noted, self.at_once, self.requeues = None, False, None
        if threading.current_thread() is not threading.main_thread():
            return
        signal.signal(signal.SIGTERM, self.note)
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as a shell has it for what runs in the background
            signal.signal(signal.SIGINT, self.note)
        environment = trainer._accelerator_connector.cluster_environment
        if isinstance(environment, SLURMEnvironment) and environment.auto_requeue:
            self.requeues = environment.requeue_signal or signal.SIGUSR1
            self.requeue = signal.signal(self.requeues, self.note)

    def note(self, signum: int, frame: FrameType | None) -> None:
        self.noted = self.noted or signum
        if signum == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            show_cursor()
        if self.at_once:
            self.at_once = False
            raise StopAtOnce
        if signum == signal.SIGINT:
            tell("stopping once this iteration can be saved or redone; Ctrl-C again ends at once, without saving")

    @contextmanager
    def stopping_at_once(self, trainer: Trainer) -> Iterator[None]:
        """What is done inside is done again by a run that goes on, so that a signal need not wait for its end.

        With several processes all wait for it: they have to stop together.
        """
        if trainer.world_size == 1:
            self.stop_if_told(trainer)
            self.at_once = True
        try:
            yield
        except StopAtOnce:
            self.stop_if_told(trainer)
        finally:
            self.at_once = False
        if trainer.world_size == 1:
            self.stop_if_told(trainer)  # what was under way may have caught it, as a scorer's bare `except` does

    def stop_if_told(self, trainer: Trainer) -> None:
        """End the run where any process was told to: with status 0 on SIGTERM, as schedulers send it, 130 on Ctrl-C.

        To be asked by all processes together. Those that the first has started end with 0: it takes another status for
        a fault, and would be killed.
        """
        if self._any(trainer, self.noted is not None):
            by_hand = self._any(trainer, self.noted == signal.SIGINT)
            raise SIGTERMException(INTERRUPTED if by_hand and trainer.local_rank == 0 else 0)

    def put_in_queue(self, trainer: Trainer) -> None:
        """Run Lightning's handler on all processes where SLURM's signal has reached any."""
        if self._any(trainer, self.requeues is not None and self.noted == self.requeues):
            self.requeue(self.requeues, None)

    @staticmethod
    def _any(trainer: Trainer, here: bool) -> bool:
        return trainer.strategy.reduce_boolean_decision(here, all=False)


class StopAtOnce(BaseException):
    """Raised within `stopping_at_once` by a signal."""


@rank_zero_only
def tell(text: str) -> None:
    """A line on stderr, past Python's buffers, which a signal's handler must leave alone."""
    line = f"\r\x1b[K{text}" if os.isatty(2) else text
    os.write(2, f"{line}\n".encode())


@rank_zero_only
def show_cursor() -> None:
    """Where stderr is a terminal, see `SHOW_CURSOR`; past Python's buffers, as `tell`."""
    if os.isatty(2):
        os.write(2, SHOW_CURSOR.encode())
