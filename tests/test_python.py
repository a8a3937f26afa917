"""docs/python.md and the notebook as a reader runs them: every line, in an empty folder, without the command line."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback

from tests.conftest import ROOT, gap
from tests.forked import ended, started

PAGE = (ROOT / "docs" / "python.md").read_text()
(BLOCK,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
NOTEBOOK = json.loads((ROOT / "docs" / "quickstart.ipynb").read_text())
CELLS = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def lines_of(code: str) -> list[str]:
    return [line for line in code.splitlines() if line and not re.match(r"from |import ", line)]


def test_it_is_ten_lines() -> None:
    assert len(lines_of(BLOCK)) == 10


def test_the_notebook_has_the_pages_lines_and_no_output() -> None:
    code = "\n".join(CELLS)
    assert [line for line in BLOCK.splitlines() if line not in code.splitlines()] == []
    assert not any(cell.get("outputs") for cell in NOTEBOOK["cells"])
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)


def test_its_cells_train_and_the_export_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page's block is in the cells line by line, so that this runs both."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    names: dict[str, Any] = {}
    for cell in CELLS:
        exec(compile(cell, "cell", "exec"), names)
    assert names["module"].iteration == 18
    records = json.loads((tmp_path / "lightning_logs/version_0/results.json").read_text())["validations"]
    assert [record["stage"] for record in records] == ["cold_start", "explore", "exploit"]
    printed = capsys.readouterr().out
    assert "**exploit**, iteration 18 (%)" in printed
    assert ">" in printed.splitlines()[-1]  # a maze with the beginning of an answer


class Killed(Callback):
    """Ends the process in the backward pass of this iteration."""

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def on_after_backward(self, trainer: Any, pl_module: Any) -> None:
        if pl_module.iteration == self.iteration:
            os.kill(os.getpid(), signal.SIGKILL)


def train(folder: Path, dies_at: int = -1, checkpoint: Path | None = None) -> None:
    """The page's block with a seed, `Checkpoints` and objectives from which a policy learns that solves nothing."""
    os.chdir(folder)
    code = BLOCK.replace("PassK(k=4)", "ByLength()").replace("PassOne()", "ByLength()")
    code = code.replace("callbacks = [", "callbacks = [Checkpoints(every=3), Killed(dies_at), ")
    code = code.replace("policy = ", "seed_everything(0)\npolicy = ", 1)
    code = code.replace("fit(module, data", "fit(module, data, ckpt_path=checkpoint")
    before = """
from lightning.pytorch import seed_everything
from callbacks.saving.checkpoints import Checkpoints
from tests.callbacks.extras import ByLength
"""
    exec(compile(before + code, "page", "exec"), {"Killed": Killed, "dies_at": dies_at, "checkpoint": checkpoint})


@pytest.mark.slow
def test_a_killed_run_goes_on_in_a_fresh_process_and_ends_as_the_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    assert ended(started(train, whole)) == [0]
    assert ended(started(train, cut, 12)) == [-signal.SIGKILL]
    logs = cut / "lightning_logs"
    assert ended(started(train, cut, -1, logs / "version_0" / "checkpoints" / "last.ckpt")) == [0]
    for name in ("2-explore", "3-exploit"):
        assert gap(whole / "lightning_logs/version_0/stages" / name, logs / "version_1" / "stages" / name) == 0
    results = [folder / "results.jsonl" for folder in (whole / "lightning_logs/version_0", logs / "version_1")]
    assert results[0].read_text() == results[1].read_text() != ""
