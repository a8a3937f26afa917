"""What the user sees while a run goes on: lines without a terminal, a bar with one."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
from time import monotonic

import pytest

from callbacks.display.dashboard import Dashboard
from tests.conftest import ROOT, CommandLine, Run, callback, demonstrated, stage, steps


def test_a_line_for_every_iteration_and_every_validation(finished: Run) -> None:
    lines = [line for line in finished.printed.splitlines() if line.startswith("[")]
    iterations = [re.match(r"\[(.+)\] (\d)/6  reward \d\.\d{3} .*tokens", line) for line in lines]
    assert [found.groups() for found in iterations if found] == [
        ("cold start", "1"), ("cold start", "2"), ("cold start", "3"),
        ("explore", "4"), ("explore", "5"), ("exploit", "6"),
    ]  # fmt: skip
    validations = [re.match(r"\[(.+)\] validation at (\d): .*pass@1 \d\.\d{3}", line) for line in lines]
    assert [found.groups() for found in validations if found] == [
        ("cold start", "2"), ("cold start", "3"), ("explore", "4"), ("explore", "5"), ("exploit", "6"),
    ]  # fmt: skip


def test_a_disabled_dashboard_prints_nothing(passk: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    callbacks = ["callbacks.display.dashboard.Dashboard", "tests.callbacks.extras.Silence"]
    passk.fit([demonstrated()], trainer={"callbacks": callbacks})
    assert not [line for line in capsys.readouterr().out.splitlines() if line.startswith("[")]


def test_fewer_lines_where_that_is_asked_for(passk: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    dashboard = {"class_path": "callbacks.display.dashboard.Dashboard", "init_args": {"every": 2}}
    passk.fit([demonstrated(until=steps(4))], "--trainer.limit_val_batches=0", trainer={"callbacks": [dashboard]})
    shown = re.findall(r"\[cold start\] (\d)/4", capsys.readouterr().out)
    assert shown == ["2", "4"]


def test_a_line_has_the_seconds_of_its_own_iteration(passk: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    watch = "tests.app.updates.Watch"
    callbacks = ["callbacks.display.dashboard.Dashboard", watch]
    cli = passk.fit([demonstrated(until=steps(3))], "--trainer.limit_val_batches=0", trainer={"callbacks": callbacks})
    shown = re.findall(r"\[cold start\] \d/3 .* ([0-9.]+) s$", capsys.readouterr().out, re.MULTILINE)
    assert shown == [f"{row['time/iteration']:.2f}" for row in callback(cli, "Watch").figures]


def test_every_must_be_some() -> None:
    with pytest.raises(ValueError, match="every=0 must be at least 1"):
        Dashboard(every=0)


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_terminal_shows_a_bar_with_the_stage_and_the_phase(passk: CommandLine) -> None:
    """A run in a process of its own under a pseudo terminal, wide enough for the whole bar, with phases that last."""
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 160))
    slowly = stage("exploit", "tests.callbacks.extras.Slowly", engine="tests.callbacks.extras.SlowEngine")
    schedule = {"stages": [demonstrated(until=steps(4)), slowly]}
    arguments = [sys.executable, "-m", "app", "fit", *passk.options(schedule=schedule)]
    environment = {**os.environ, "TERM": "xterm-256color", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown, end = b"", monotonic() + 180
    while monotonic() < end:
        if select.select([ours], [], [], 1)[0]:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other side has closed
                break
            if not part:
                break
            shown += part
    os.close(ours)
    assert process.wait(timeout=20) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    for word in ("cold start", "exploit", "sampling", "training", "6/6", "validation at 6", "Run folder"):
        assert word in text, text[-2000:]
    assert not re.search(r"\[exploit\] \d/6", text)  # the lines are for those without a terminal
