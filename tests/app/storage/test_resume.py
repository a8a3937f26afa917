"""Where data may lie when a run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.storage.checkpoint import CheckpointError
from app.storage.places import Place
from app.storage.resume import check_resumable, has_fingerprints, source_of


def data(**init_args: Any) -> dict[str, Any]:
    """A configuration with these arguments of its data module, and a stage."""
    schedule = {"stages": [{"name": "only"}]}
    return {"data": {"class_path": "datamodules.some.Some", "init_args": init_args}, "schedule": schedule}


SETS = {"AIME/2024": {"source": "a.jsonl", "prompt": "problem"}}
NESTED = {"mazes": {"class_path": "x.Y", "init_args": {"train_path": "a.jsonl", "cache_dir": None, "size": 3}}}

MOVED = [
    ({"train": "a/t.jsonl"}, {"train": "/b/t.parquet"}),
    ({"validation_path": "a.jsonl"}, {"validation_path": "b.jsonl"}),
    ({"train": {"source": "a", "folder": "x"}}, {"train": {"source": "b", "folder": "y"}}),
    ({"validation": SETS}, {"validation": {"AIME/2024": {"source": "b.jsonl", "prompt": "problem"}}}),
    (
        {"sets": NESTED},
        {"sets": {"mazes": {**NESTED["mazes"], "init_args": {"train_path": "b", "cache_dir": "c", "size": 3}}}},
    ),
]

CHANGED = [
    ({"train": 3600}, {"train": "t.jsonl"}),
    ({"train": {"7": 64}}, {"train": {"7": 63}}),
    ({"label": "a"}, {"label": "b"}),
    ({"prompt": "a"}, {"prompt": "b"}),
    ({"validation": SETS}, {"validation": {"AIME/2024": {"source": "b.jsonl", "prompt": "question"}}}),
    ({"validation": SETS}, {"validation": {"AIME": SETS["AIME/2024"]}}),
    ({"sets": NESTED}, {"sets": {"mazes": {**NESTED["mazes"], "class_path": "x.Z"}}}),
]


@pytest.mark.parametrize(("was", "now"), MOVED)
def test_data_may_lie_elsewhere_where_their_fingerprints_are_known(was: dict[str, Any], now: dict[str, Any]) -> None:
    assert check_resumable(data(**was), data(**now), 0, movable=True)
    with pytest.raises(CheckpointError, match="the run can't go on with data"):
        check_resumable(data(**was), data(**now), 0)


@pytest.mark.parametrize(("was", "now"), CHANGED)
def test_nothing_else_of_data_may_change(was: dict[str, Any], now: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match="the run can't go on with data"):
        check_resumable(data(**was), data(**now), 0, movable=True)


def test_what_stands_before_questions_may_lie_elsewhere_and_not_change() -> None:
    was = {**data(), "chat": {"system_prompt": "Be brief.", "few_shot": "a.jsonl"}}
    moved, changed = ({**data(), "chat": {**was["chat"], **change}} for change in CHATS)
    assert check_resumable(was, moved, 0)
    with pytest.raises(CheckpointError, match=r"the run can't go on with chat\.system_prompt="):
        check_resumable(was, changed, 0)


CHATS: list[dict[str, Any]] = [{"few_shot": "b.jsonl"}, {"system_prompt": "Be long."}]


def test_fingerprints_are_those_of_the_data_module_that_was_configured() -> None:
    assert has_fingerprints({"config": data(), "Some": {"problems": {"train": {}}}})
    assert not has_fingerprints({"config": data(), "Other": {"problems": {"train": {}}}})
    assert not has_fingerprints({"config": data(), "Some": {"problems": "abc"}})
    assert not has_fingerprints({})


def test_a_folder_without_a_last_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"ckpt_path=.*: the folder has no checkpoints/last\.ckpt$"):
        source_of(str(tmp_path), False, Place(tmp_path))
    stage = tmp_path / "stages" / "1-explore"
    stage.mkdir(parents=True)
    (stage / "stage.ckpt").touch()
    for folder in (tmp_path, stage):
        with pytest.raises(CheckpointError, match=r"no checkpoints/last\.ckpt: give one of .*/1-explore/stage\.ckpt$"):
            source_of(str(folder), False, Place(tmp_path))
    last = tmp_path / "checkpoints" / "last.ckpt"
    last.parent.mkdir()
    last.touch()
    assert source_of(str(tmp_path), False, Place(tmp_path)) == last
    assert source_of(str(stage / "stage.ckpt"), False, Place(tmp_path)) == stage / "stage.ckpt"
