"""docs/your_own_task.md as a new user follows it: in a folder of theirs, by the console script."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import MINIATURE, ROOT, demonstrated, stage

DOC = (ROOT / "docs" / "your_own_task.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", DOC, re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With the files that the page tells of, and a console script elsewhere."""
    mine, scripts = tmp_path / "mine", tmp_path / "bin"
    mine.mkdir()
    scripts.mkdir()
    (rows, python, *yamls) = (text for _, text in BLOCKS)
    subprocess.run(["bash", "-c", rows], cwd=mine, check=True)
    (mine / "my_task.py").write_text(python)
    (mine / "my_task.yaml").write_text(yamls[0])
    (scripts / "passk").write_text(f"#!{sys.executable}\nimport sys\nfrom app.cli import run\n\nsys.exit(run())\n")
    (scripts / "passk").chmod(0o755)
    return mine


def passk(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in that folder, which is not on Python's path."""
    script = folder.parent / "bin" / "passk"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [str(script), *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=200
    )


def miniature(folder: Path, **changes: object) -> Path:
    """The size of a test, without its mazes, with all that is drawn by default."""
    small = yaml.safe_load(MINIATURE.read_text())
    del small["trainer"]["callbacks"]
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump({**small, "data": {"init_args": {"batch_size": 4}}, **changes}, sort_keys=False))
    return path


def test_it_is_ten_lines_of_python_and_five_of_yaml() -> None:
    assert [kind for kind, _ in BLOCKS[:3]] == ["bash", "python", "yaml"]
    assert len([line for line in BLOCKS[1][1].splitlines() if line]) <= 10
    assert len(BLOCKS[2][1].strip().splitlines()[1:]) == 5  # below "data:"


def test_a_new_user_trains_on_it(folder: Path) -> None:
    schedule = {
        "stages": [demonstrated(), stage("explore", {"class_path": "app.advantages.PassK", "init_args": {"k": 2}})]
    }
    done = passk(folder, "fit", "-c", "my_task.yaml", "-c", str(miniature(folder, schedule=schedule)))
    assert done.returncode == 0, done.stderr
    assert "object at" not in done.stdout + done.stderr  # as if it returned something
    (results,) = folder.glob("runs/task/*/results.json")
    records = json.loads(results.read_text())["validations"]
    assert [record["stage"] for record in records] == ["cold start", "explore"]
    assert (records[-1]["sets"][""]["set"], records[-1]["sets"][""]["problems"]) == ("task", 56)


@pytest.mark.slow
def test_composites_of_the_page_are_read(folder: Path) -> None:
    given = yaml.safe_load("\n".join(line.removeprefix("    ") for line in BLOCKS[-1][1].splitlines()))
    (folder / "composite.yaml").write_text(yaml.safe_dump({"data": {"init_args": given}}))
    arguments = ("validate", "-c", "my_task.yaml", "-c", "composite.yaml", "-c", str(miniature(folder)))
    done = passk(folder, *arguments)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_module_that_is_not_there_is_one_line(folder: Path) -> None:
    (folder / "my_task.py").rename(folder / "elsewhere.py")
    done = passk(folder, "validate", "-c", "my_task.yaml")
    assert done.returncode == 2
    assert "my_task" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 2  # after "loading"
