"""MazeDataModule: its arguments, from Python and from YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonargparse import ArgumentParser
from lightning.pytorch import LightningDataModule

from datamodules.maze import MazeDataModule
from datamodules.maze.lattice_maze import BarePrompt, InstructivePrompt

YAML = """
class_path: datamodules.maze.MazeDataModule
init_args:
  train: {5: 20, 9: 30}
  validation: {7: 10}
  test: {11: 3, 21: 2}
  loop_rate: 0.5
  style: {class_path: datamodules.maze.BarePrompt, init_args: {border: false}}
"""


def test_from_yaml(tmp_path: Path) -> None:
    parser = ArgumentParser()
    parser.add_subclass_arguments(LightningDataModule, "data")
    (tmp_path / "data.yaml").write_text(YAML)
    config = parser.parse_args([f"--data={tmp_path / 'data.yaml'}", f"--data.init_args.cache_dir={tmp_path}"])
    data = parser.instantiate(config).data
    data.prepare_data()
    data.setup("fit")
    labels = {split: [problem.label for problem in problems] for split, problems in data.splits.items()}
    assert labels == {
        "train": ["5x5"] * 20 + ["9x9"] * 30,
        "validation": ["7x7"] * 10,
        "test": ["11x11"] * 3 + ["21x21"] * 2,
    }
    assert data.splits["train"][0].style == BarePrompt(border=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": {8: 10}}, "size=8 must be odd and at least 5"),
        ({"test": {3: 10}}, "size=3 must be odd and at least 5"),
        ({"train": {7: -1}}, "train: the count -1 of 7x7 must be at least 0"),
        ({"train": {}}, "the train split is empty"),
        ({"validation": {7: 0}}, "the validation split is empty"),
        ({"train": {7: 14000}}, "14384 distinct 7x7 problems are asked for over all splits, but only 13824 exist"),
        ({"loop_rate": 1.01}, r"loop_rate=1.01 must lie in \[0, 1\]"),
        ({"min_distance": 0}, "min_distance=0 must lie between 1 and 16"),
        ({"batch_size": 0}, "batch_size=0 must be at least 1"),
        ({"batch_size": 8001}, "batch_size=8001 must be at most the 8000 problems of the train split"),
        ({"eval_batch_size": 0}, "eval_batch_size=0 must be at least 1"),
    ],
)
def test_errors_at_the_door(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        MazeDataModule(**changes)
    assert "\n" not in str(caught.value)


def test_defaults_are_met_exactly_and_distinct(tmp_path: Path) -> None:
    data = MazeDataModule(cache_dir=tmp_path)
    data.setup("fit")
    assert {split: len(problems) for split, problems in data.splits.items()} == {
        "train": 8000, "validation": 128, "test": 256,
    }  # fmt: skip
    keys = {problem.key for problems in data.splits.values() for problem in problems}
    assert len(keys) == 8384


def test_both_styles_share_their_mazes_and_their_cache(tmp_path: Path) -> None:
    small: dict[str, Any] = {"train": {7: 20}, "validation": {7: 5}, "test": {}, "cache_dir": tmp_path}
    bare, asked = MazeDataModule(**small), MazeDataModule(**small, style=InstructivePrompt())
    bare.setup("fit")
    asked.setup("fit")
    assert bare.cache_path == asked.cache_path
    assert [problem.key for problem in bare.splits["train"]] == [problem.key for problem in asked.splits["train"]]
    assert bare.cache_path != MazeDataModule(**small, seed=1).cache_path
