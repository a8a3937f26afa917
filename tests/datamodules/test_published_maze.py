"""The published format, written here and read back from every kind of file."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datamodules.maze.lattice_maze import BarePrompt, Maze
from datamodules.published_maze import PublishedMazeDataModule


def rows(*seeds: int) -> list[dict[str, Any]]:
    """Rows as verl has them."""
    mazes = {seed: Maze(7, 0.5).generate(Random(seed)) for seed in seeds}
    return [
        {
            "data_source": "maze",
            "prompt": [{"role": "user", "content": f"Solve maze {seed}."}],
            "ability": "puzzle",
            "reward_model": {"ground_truth": maze.key},
            "extra_info": {"index": seed},
        }
        for seed in seeds
        if (maze := mazes[seed]) is not None
    ]


def write(path: Path, values: list[Any]) -> str:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(values), path)
    else:
        path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return str(path)


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_reads_and_deduplicates(tmp_path: Path, suffix: str) -> None:
    data = PublishedMazeDataModule(
        write(tmp_path / f"train{suffix}", rows(0, 1, 2, 2, 3)),
        write(tmp_path / f"validation{suffix}", rows(3, 4)),
        write(tmp_path / f"test{suffix}", rows(0, 4)),
        batch_size=2,
    )
    data.setup("fit")
    prompts = {split: [problem.prompt for problem in problems] for split, problems in data.splits.items()}
    assert prompts == {
        split: [({"role": "user", "content": f"Solve maze {seed}."},) for seed in seeds]
        for split, seeds in {"train": (1, 2), "validation": (3,), "test": (0, 4)}.items()
    }
    problem = data.splits["train"][0]
    assert problem.solution.startswith("<answer>")
    assert problem.score(problem.solution) == 1
    assert problem.score("no answer") == 0
    assert [len(batch) for batch in data.train_dataloader()] == [2]
    hash(problem)


def test_another_style(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", rows(0, 1))
    other = write(tmp_path / "b.jsonl", rows(2))
    data = PublishedMazeDataModule(path, other, style=BarePrompt(), batch_size=1)
    data.setup("fit")
    assert data.splits["train"][0].prompt == data.splits["train"][0].key + "\n>"
    assert data.splits["test"] == []


def test_not_a_lattice_maze(tmp_path: Path) -> None:
    row = rows(0)[0] | {"reward_model": {"ground_truth": "S..\n..E"}}
    path, other = write(tmp_path / "a.jsonl", [row]), write(tmp_path / "b.jsonl", rows(2))
    data = PublishedMazeDataModule(path, other, batch_size=1)
    data.setup("fit")
    assert data.splits["train"][0].label == "2x3"
    assert data.splits["train"][0].score("<answer>DRR</answer>") == 1


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"reward_model": {"ground_truth": "RR"}}, "a.jsonl, row 2: no maze under any of reward_model, ground_truth"),
        ({"reward_model": {"ground_truth": "S*E"}}, "a.jsonl, row 2: the maze has no way from S to E"),
        ({"reward_model": {"ground_truth": "S.SE"}}, "a.jsonl, row 2: the maze holds 2 squares S"),
        ({"prompt": 3}, "a.jsonl, row 2: the prompt is neither text nor a list of messages"),
    ],
)
def test_malformed_row(tmp_path: Path, bad: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "a.jsonl", [rows(0)[0], rows(1)[0] | bad])
    check_one_line(path, write(tmp_path / "b.jsonl", rows(2)), message)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"{", "a.jsonl, row 1: not JSON"),
        ("a.jsonl", b'\n{"prompt": "\xff"}', "a.jsonl, row 2: not UTF-8"),
        ("a.jsonl", b"3\n", "a.jsonl, row 1: no maze"),
        ("a.jsonl", b"", "a.jsonl holds no rows"),
        ("a.parquet", b"not parquet", "a.parquet can't be read"),
    ],
)
def test_unreadable_file(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    check_one_line(str(tmp_path / name), write(tmp_path / "b.jsonl", rows(2)), message)


def check_one_line(train: str, validation: str, message: str) -> None:
    data = PublishedMazeDataModule(train, validation, batch_size=1)
    with pytest.raises(ValueError, match=message) as caught:
        data.setup("fit")
    assert "\n" not in str(caught.value)


def test_bad_arguments(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", rows(0))
    with pytest.raises(ValueError, match=r"missing.jsonl is not a file"):
        PublishedMazeDataModule(path, str(tmp_path / "missing.jsonl"))
    with pytest.raises(ValueError, match="moves_per_square=0 must be at least 1"):
        PublishedMazeDataModule(path, path, moves_per_square=0)
    data = PublishedMazeDataModule(path, path, batch_size=1)
    with pytest.raises(ValueError, match="the train split is empty: 1 problems were dropped as repeats"):
        data.setup("fit")
