"""What scores is imported without Lightning, and a data module is found at its short path all the same."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from importlib import import_module

import pytest

import datamodules
from app.types import Problem
from datamodules.base.generate import Puzzle
from datamodules.on_demand import on_demand
from datamodules.scorers import Scorer
from tests.conftest import ROOT


def modules_that_score() -> list[str]:
    """Every module of `datamodules` that defines a problem, a puzzle or a scorer, as the process that scores needs."""
    found = []
    for info in pkgutil.walk_packages(datamodules.__path__, "datamodules."):
        classes = [value for value in vars(import_module(info.name)).values() if isinstance(value, type)]
        own = [each for each in classes if each.__module__ == info.name]
        if any(issubclass(each, (Problem, Puzzle, Scorer)) for each in own):
            found.append(info.name)
    return found


def test_what_scores_is_imported_without_lightning() -> None:
    names = modules_that_score()
    assert len(names) > 10
    script = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script, *names], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not [name for name in done.stdout.split() if name in ("lightning", "transformers", "datasets")]


def test_a_name_is_imported_when_it_is_asked_for() -> None:
    get = on_demand("datamodules.maze", "data_module", ("MazeDataModule",))
    assert get("MazeDataModule") is import_module("datamodules.maze.data_module").MazeDataModule
    with pytest.raises(AttributeError, match=r"module 'datamodules.maze' has no attribute 'Mase'"):
        get("Mase")


@pytest.mark.parametrize("package", ["arithmetic", "enigmata", "math", "maze", "multimodal", "puzzle", "reasoning_gym"])
def test_a_package_has_what_it_names(package: str) -> None:
    module = import_module(f"datamodules.{package}")
    assert all(hasattr(module, name) for name in module.__all__)
