"""docs/python.md and the notebook as a reader runs them: every line, in an empty folder, without the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

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
