"""Signals end a run whatever catches them, one run alone, and leave a terminal as it was."""

from __future__ import annotations

import os
import pty
import signal
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException

from callbacks.saving.signals import INTERRUPTED, SHOW_CURSOR, Signals, StopAtOnce
from datamodules.maze.lattice_maze import MazeProblem
from tests.conftest import CommandLine, stage


@pytest.mark.parametrize("at_once", [False, True])
def test_the_cursor_is_back_before_a_second_ctrl_c_can_end_the_process(at_once: bool) -> None:
    """The second ends it by the signal itself, after which nothing can be written."""
    terminal, stderr = pty.openpty()
    handler, kept = signal.getsignal(signal.SIGINT), os.dup(2)
    signals = Signals()
    signals.at_once = at_once
    try:
        os.dup2(stderr, 2)
        if at_once:
            with pytest.raises(StopAtOnce):
                signals.note(signal.SIGINT, None)
        else:
            signals.note(signal.SIGINT, None)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    finally:
        os.dup2(kept, 2)
        signal.signal(signal.SIGINT, handler)
        for handle in (kept, stderr):
            os.close(handle)
    shown = ""
    with suppress(OSError):  # at the end of what a closed pseudo terminal has shown
        while chunk := os.read(terminal, 1000):  # which may come in pieces
            shown += chunk.decode()
    os.close(terminal)
    assert SHOW_CURSOR in shown
    assert at_once or shown.endswith("without saving\r\n")


def trainer() -> Any:
    """As much of one as is asked for."""
    alone = SimpleNamespace(reduce_boolean_decision=lambda here, all: here)
    connector = SimpleNamespace(cluster_environment=None)
    return SimpleNamespace(world_size=1, local_rank=0, strategy=alone, _accelerator_connector=connector)


def test_what_is_under_way_can_not_keep_a_signal_from_ending_the_run() -> None:
    signals = Signals()
    with pytest.raises(SIGTERMException), signals.stopping_at_once(trainer()), suppress(BaseException):
        signals.note(signal.SIGTERM, None)


def test_a_scorer_that_catches_it_leaves_no_answer_unscored(
    passk: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an iteration without a gradient: the checkpoint is of the one before it, whose scores are whole."""
    asked: list[str] = []

    def score(self: MazeProblem, response: str) -> float:
        asked.append(response)
        if len(asked) == 10:
            os.kill(os.getpid(), signal.SIGTERM)
        return 0.0

    monkeypatch.setattr(MazeProblem, "score", score)
    spaces = ["--rollout.engine=ScriptedEngine", "--rollout.engine.script=[U]", "--trainer.val_check_interval=100"]
    with pytest.raises(SystemExit) as ended:
        passk.fit([stage("explore")], *spaces)
    assert ended.value.code in (0, None)
    (last,) = passk.folder.glob("runs/*/*/checkpoints/last.ckpt")
    assert torch.load(last, weights_only=True)["iteration"] == 0


def test_an_interrupted_run_does_not_end_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a notebook, with the same callback; the handlers are put back by Lightning's Trainer."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signals = Signals()
    try:
        signals.listen(trainer())
        signals.note(signal.SIGINT, None)
        with pytest.raises(SIGTERMException) as ended:
            signals.stop_if_signaled(trainer())
        assert ended.value.code == INTERRUPTED
        signals.listen(trainer())
        signals.stop_if_signaled(trainer())
        with signals.stopping_at_once(trainer()):
            pass
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
