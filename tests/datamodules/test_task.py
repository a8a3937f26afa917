"""Rows and a scorer of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from datamodules.scorers import Exact
from datamodules.task import TaskDataModule


def write(path: Path, rows: list[object]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def build(folder: Path, **changes: object) -> TaskDataModule:
    train = write(folder / "train.jsonl", [{"q": f"{number}?", "a": number} for number in range(4)])
    held_out = write(folder / "held_out.jsonl", [{"q": "3 ?", "a": 3}, {"q": "9?", "a": {"any": ["json"]}}])
    given = {"train": train, "validation": held_out, "scorer": Exact(), "prompt": "q", "answer": "a", "batch_size": 2}
    return TaskDataModule(**{**given, **changes})


def test_rows_become_problems_and_none_is_in_two_splits(tmp_path: Path) -> None:
    splits, dropped = build(tmp_path).load_splits()
    assert [problem.prompt for problem in splits["train"]] == ["0?", "1?", "2?"]
    assert dropped == {"train": 1, "validation": 0, "test": 0}
    assert splits["validation"][1].answer == {"any": ["json"]}
    assert [problem.score(" 3\n") for problem in splits["validation"]] == [1, 0]
    assert {problem.label for problem in splits["train"]} == {"task"}


def test_messages_are_prompts_too(tmp_path: Path) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say it."}]
    path = write(tmp_path / "chat.jsonl", [{"q": messages, "a": "it"}])
    splits, _ = build(tmp_path, validation=path, test=path).load_splits()
    assert splits["validation"] == []  # test wins
    assert splits["test"][0].prompt == tuple(messages)
    assert splits["test"][0].key == '[["system", "Be brief."], ["user", "Say it."]]'


def test_a_held_out_set_keeps_its_repeats_and_train_does_not(tmp_path: Path) -> None:
    rows: list[object] = [{"q": "1?", "a": 1}, {"q": "2?", "a": 2}, {"q": "1?", "a": 1}, {"q": "1?", "a": 1}]
    path, other = write(tmp_path / "published.jsonl", rows), write(tmp_path / "other.jsonl", [{"q": "7?", "a": 7}] * 3)
    splits, dropped = build(tmp_path, train=other, validation=path).load_splits()
    assert [problem.key for problem in splits["validation"]] == ["1?", "2?", "1? (repeat 2)", "1? (repeat 3)"]
    assert [problem.prompt for problem in splits["validation"]] == ["1?", "2?", "1?", "1?"]
    assert [problem.origin for problem in splits["validation"]] == [f"{path}, row {row}" for row in (1, 2, 3, 4)]
    assert len(splits["train"]) == 1
    assert dropped == {"train": 2, "validation": 0, "test": 0}


def test_white_space_makes_another_problem_unless_the_answer_is_the_same(tmp_path: Path) -> None:
    held = write(tmp_path / "held.jsonl", [{"q": "add: 1 23", "a": 24}, {"q": "add: 12 3", "a": 15}])
    train = write(tmp_path / "t.jsonl", [{"q": "add: 123", "a": 123}, {"q": "add: 1  23", "a": 24}, {"q": "x", "a": 0}])
    splits, dropped = build(tmp_path, train=train, validation=held).load_splits()
    assert [problem.prompt for problem in splits["train"]] == ["add: 123", "x"]
    assert len(splits["validation"]) == 2
    assert dropped == {"train": 1, "validation": 0, "test": 0}


def test_a_row_without_its_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"train.jsonl, row 1: no value in the column 'prompt'; there are q, a"):
        build(tmp_path, prompt="prompt").load_splits()
    path = write(tmp_path / "numbers.jsonl", [{"q": "1?", "a": 1}, {"q": 2, "a": 2}])
    with pytest.raises(ValueError, match=r"numbers.jsonl, row 2: the prompt is neither text nor a list of messages"):
        build(tmp_path, validation=path).load_splits()
