"""What is answered before anything large is imported, and the first line of everything else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli import front, main
from tests.conftest import environment

LARGE = re.compile(r"\| +(torch|lightning|transformers|jsonargparse|numpy)$", re.MULTILINE)
"""Packages that take long, as `python -X importtime` has them."""


def ran(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`passk` in a process of its own, which tells what it imports on stderr."""
    command = [sys.executable, "-X", "importtime", "-m", "app", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--help"], "usage: passk COMMAND"),
        ([], "  fit       train a policy"),
        (["--version"], "passk "),
        (["list", "losses"], "Clipped "),
    ],
)
def test_what_is_asked_most_imports_nothing_large(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = ran(tmp_path, *arguments)
    assert done.returncode == 0
    assert said in done.stdout
    assert LARGE.findall(done.stderr) == []


def test_the_first_line_comes_before_what_takes_long(tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "app", "fit"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        before = list(iter(process.stderr.readline, f"passk {front.version()}: loading ...\n"))
        process.kill()
    assert "" not in before  # the line has come
    assert LARGE.findall("".join(before)) == []


@pytest.mark.parametrize(
    ("variables", "first"),
    [({}, True), ({"LOCAL_RANK": "0"}, True), ({"LOCAL_RANK": "1"}, False), ({"RANK": "2", "LOCAL_RANK": "0"}, False)],
)
def test_one_process_of_several_speaks(variables: dict[str, str], first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in front.RANKS:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert front.is_first() is first


@pytest.mark.parametrize(
    ("command", "hint"), [("fti", "did you mean fit?"), ("train", "there are fit, validate, test, predict, diagnose")]
)
def test_an_unknown_command_is_refused_at_once(command: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--x=1"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"passk: error: no command {command!r}: {hint}")
