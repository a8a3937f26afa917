"""Restores what the user's code changes for the whole process: scorers, reward functions, data modules.

A scorer that changes the working folder, or turns gradients off, would otherwise end the run or alter it.
"""

from __future__ import annotations

import locale
import os
import random
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic

import numpy
import torch

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2)
"""Signals whose handlers are restored."""


@contextmanager
def settings_kept(handled: Sequence[signal.Signals] = HANDLED) -> Iterator[None]:
    """A context at whose end the settings of the process are as they were at its start.

    These are the working folder, the locale, the handlers of `handled`, the alarm (one that was set in between is
    cancelled), torch's default type, and whether gradients are computed. May be used from any thread. It takes some
    4 microseconds, and 2 for each signal.
    """
    folder, begun, (alarm, interval) = _working_folder(), monotonic(), signal.getitimer(signal.ITIMER_REAL)
    handlers = [(number, signal.getsignal(number)) for number in handled]
    language = locale.setlocale(locale.LC_ALL)  # only read
    dtype, with_gradients = torch.get_default_dtype(), torch.is_grad_enabled()
    try:
        yield
    finally:
        if signal.getitimer(signal.ITIMER_REAL)[0]:
            signal.setitimer(signal.ITIMER_REAL, 0)  # before its handler, without which it ends the process
        for number, handler in handlers:
            if handler is not None and signal.getsignal(number) is not handler:  # None: set by a library in C
                with suppress(ValueError):  # another thread than the main one, which has changed it
                    signal.signal(number, handler)
        if alarm:
            signal.setitimer(signal.ITIMER_REAL, max(alarm - (monotonic() - begun), 1e-3), interval)
        if folder is not None and _working_folder() != folder:
            with suppress(OSError):  # it has been removed
                os.chdir(folder)
        if locale.setlocale(locale.LC_ALL) != language:
            locale.setlocale(locale.LC_ALL, language)
        if torch.get_default_dtype() is not dtype:
            torch.set_default_dtype(dtype)
        if torch.is_grad_enabled() != with_gradients:
            torch.set_grad_enabled(with_gradients)


@contextmanager
def random_states_kept() -> Iterator[None]:
    """A context at whose end the global random states of Python, numpy and torch (CPU) are as before.

    A policy's initial weights are drawn from torch's: a module that seeds it would make them the same for every seed.
    """
    of_python, of_numpy, of_torch = random.getstate(), numpy.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(of_python)
        numpy.random.set_state(of_numpy)
        torch.set_rng_state(of_torch)


def _working_folder() -> str | None:
    """The working folder; None if it has been removed."""
    try:
        return os.getcwd()
    except OSError:
        return None
