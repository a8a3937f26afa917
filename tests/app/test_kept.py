"""What the user's code changes for the whole process is as before when it has run."""

from __future__ import annotations

import locale
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy
import pytest
import torch

from app.kept import HANDLED, random_states_kept, settings_kept


def settings() -> list[Any]:
    """All that `settings_kept` restores."""
    handlers = [signal.getsignal(number) for number in HANDLED]
    of_torch = torch.get_default_dtype(), torch.is_grad_enabled()
    is_timed = signal.getitimer(signal.ITIMER_REAL)[0] > 10  # pytest's time limit of a test is an alarm too
    return [Path.cwd(), locale.setlocale(locale.LC_ALL), is_timed, *handlers, *of_torch]


@pytest.fixture(autouse=True)
def restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In a folder of its own; a test that fails leaves nothing changed."""
    monkeypatch.chdir(tmp_path)
    before, language = [(number, signal.getsignal(number)) for number in HANDLED], locale.setlocale(locale.LC_ALL)
    yield
    locale.setlocale(locale.LC_ALL, language)
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before:
        signal.signal(number, handler)
    torch.set_default_dtype(torch.float32)
    torch.set_grad_enabled(True)


def into_another_folder() -> None:
    os.mkdir("other")
    os.chdir("other")


def into_a_removed_folder() -> None:
    into_another_folder()
    os.rmdir(os.getcwd())


def handle_signals() -> None:
    for number in HANDLED:
        signal.signal(number, signal.SIG_IGN)


def ring_later() -> None:
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)


def speak_another_language() -> None:
    there = locale.setlocale(locale.LC_CTYPE)
    locale.setlocale(locale.LC_ALL, "C" if there != "C" else "C.UTF-8")


CHANGES: list[Callable[[], Any]] = [
    into_another_folder,
    into_a_removed_folder,
    handle_signals,
    ring_later,
    speak_another_language,
    lambda: torch.set_default_dtype(torch.bfloat16),
    lambda: torch.set_grad_enabled(False),
    lambda: None,
]


@pytest.mark.parametrize("raises", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_settings_are_as_before(change: Callable[[], Any], raises: bool) -> None:
    before = settings()
    try:
        with settings_kept():
            change()
            assert not raises
    except AssertionError:
        assert raises
    assert settings() == before
    if change is ring_later:
        time.sleep(0.2)


def test_an_alarm_from_before_stays() -> None:
    rung: list[int] = []
    signal.signal(signal.SIGALRM, lambda number, _: rung.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    with settings_kept():
        time.sleep(0.05)
        signal.setitimer(signal.ITIMER_REAL, 9)
    assert not rung
    time.sleep(0.1)
    assert rung == [signal.SIGALRM]


def test_a_folder_that_is_gone_meanwhile_is_no_error(tmp_path: Path) -> None:
    os.mkdir("home")
    os.chdir("home")
    with settings_kept():
        os.chdir(tmp_path)
        os.rmdir("home")
    assert Path.cwd() == tmp_path
    os.mkdir("home")
    os.chdir("home")
    os.rmdir(tmp_path / "home")
    with settings_kept():
        os.chdir(tmp_path)
    assert Path.cwd() == tmp_path


def test_another_thread_may_use_it() -> None:
    before, failed = settings(), list[BaseException]()

    def work() -> None:
        try:
            with settings_kept():
                into_another_folder()
        except BaseException as error:
            failed.append(error)

    thread = Thread(target=work)
    thread.start()
    thread.join()
    assert settings() == before and not failed


def test_random_states_are_as_before() -> None:
    draw = lambda: (random.random(), numpy.random.random(), torch.rand(()).item())  # noqa: E731
    for seed in (random.seed, numpy.random.seed, torch.manual_seed):
        seed(1)
    expected = draw()
    for seed in (random.seed, numpy.random.seed, torch.manual_seed):
        seed(1)
    with random_states_kept():
        draw()
        torch.manual_seed(2)
    assert draw() == expected
