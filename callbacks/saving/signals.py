"""Records signals that end a run early, until the run can stop without losing anything."""

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
"""The exit status after Ctrl-C, as in a shell, so that `passk fit && passk test` stops."""
TERMINATED = 128 + signal.SIGTERM
"""The exit status of a command other than `fit` that SIGTERM ended without results."""
SHOW_CURSOR = "\x1b[?25h"
"""Escape sequence that shows the cursor; a progress bar hides it and cannot restore it after a second Ctrl-C."""


class Signals:
    """Handles SIGTERM, Ctrl-C and SLURM's signal before a job's time limit, on which the job is requeued.

    Lightning acts on SIGTERM and SLURM's signal inside the handler, which may run in the middle of an optimizer
    step, and ends at once on Ctrl-C. Here they are recorded, and Lightning's handler of SLURM's signal, which saves and
    requeues, is called between two iterations. A second Ctrl-C always ends the process at once.
    """

    def __init__(self) -> None:
        self.noted: int | None = None
        self.at_once = False  # whether the current work changes nothing that is saved
        self.requeue_signal: int | None = None
        self.requeue_handler: Any = None  # Lightning's handler of SLURM's signal

    def listen(self, trainer: Trainer) -> None:
        """Replace the present handlers by ones that record signals; the Trainer restores them at its end.

        Signals of an earlier run with this callback, as in a notebook, are forgotten: they do not end this run.
        """
        self.noted, self.at_once, self.requeue_signal = None, False, None
        if threading.current_thread() is not threading.main_thread():
            return
        signal.signal(signal.SIGTERM, self.note)
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # a shell ignores it for background jobs
            signal.signal(signal.SIGINT, self.note)
        environment = trainer._accelerator_connector.cluster_environment
        if isinstance(environment, SLURMEnvironment) and environment.auto_requeue:
            self.requeue_signal = environment.requeue_signal or signal.SIGUSR1
            self.requeue_handler = signal.signal(self.requeue_signal, self.note)

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
        """A context for work that a resumed run repeats, which a signal therefore aborts at once.

        With several processes it is finished first: they have to stop together.
        """
        if trainer.world_size == 1:
            self.stop_if_signaled(trainer)
            self.at_once = True
        try:
            yield
        except StopAtOnce:
            self.stop_if_signaled(trainer)
        finally:
            self.at_once = False
        if trainer.world_size == 1:
            self.stop_if_signaled(trainer)  # a scorer's bare `except` may have caught the exception of the signal

    def stop_if_signaled(self, trainer: Trainer) -> None:
        """End the run if any process got a signal: with status 0 on SIGTERM, 130 on Ctrl-C.

        A collective of all processes. Those that the first process started always end with 0: another status would
        be taken for a fault, and the first process would be killed.
        """
        if self._any(trainer, self.noted is not None):
            by_hand = self._any(trainer, self.noted == signal.SIGINT)
            raise SIGTERMException(INTERRUPTED if by_hand and trainer.local_rank == 0 else 0)

    def requeue_job(self, trainer: Trainer) -> None:
        """Call Lightning's handler on all processes if any got SLURM's signal."""
        if self._any(trainer, self.requeue_signal is not None and self.noted == self.requeue_signal):
            self.requeue_handler(self.requeue_signal, None)

    @staticmethod
    def _any(trainer: Trainer, here: bool) -> bool:
        return trainer.strategy.reduce_boolean_decision(here, all=False)


class StopAtOnce(BaseException):
    """Raised by a signal within `stopping_at_once`; a BaseException, so that scorers do not catch it."""


@rank_zero_only
def tell(text: str) -> None:
    """Write a line to stderr without Python's buffers, which a signal handler must not use."""
    line = f"\r\x1b[K{text}" if os.isatty(2) else text
    os.write(2, f"{line}\n".encode())


@rank_zero_only
def show_cursor() -> None:
    """Write `SHOW_CURSOR` to stderr if it is a terminal; without Python's buffers, like `tell`."""
    if os.isatty(2):
        os.write(2, SHOW_CURSOR.encode())
