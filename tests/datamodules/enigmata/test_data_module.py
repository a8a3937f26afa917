"""The mixture, the records and the leakage of Enigmata, and all of it through the real command line."""

from __future__ import annotations

import json
import logging
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from datamodules.enigmata import EnigmataDataModule, mixture, portions
from datamodules.enigmata.tasks.records import TASKS, record_of
from datamodules.enigmata.tasks.task import CATEGORIES, task_named
from datamodules.sources import read_rows
from tests.conftest import PICTURES, CommandLine
from tests.datamodules.enigmata.tasks.contract import draws

QUICK = {"binario": 1.0}


def test_weights_by_task_and_category() -> None:
    shares = mixture({"Crypto": 2.0, "game24": 1.0, "crypto_KPA": 3.0}, {"easy": 3.0, "hard": 1.0})
    by_task = Counter[str]()
    for puzzle, share in shares.items():
        by_task[puzzle.task.name] += share  # type: ignore[assignment]
        assert puzzle.difficulty in ("easy", "hard")
    assert by_task == pytest.approx({"crypto_KKA": 0.2, "crypto_KPA": 0.6, "game24": 0.2})
    assert sum(mixture(None, None).values()) == pytest.approx(1)
    assert len(mixture(None, None)) == 36 * 3


def test_portions_sum_and_stay_near() -> None:
    shares = mixture(None, None)
    for number in (0, 1, 107, 108, 109, 1000):
        counts = dict(portions(number, shares))
        assert sum(counts.values()) == number
        assert all(abs(count - number / 108) < 1 for count in counts.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": {"chess": 1.0}}, "'chess' is neither a task nor a category"),
        ({"weights": {"game24": -1.0}}, "the weight -1.0 of game24 must be at least 0"),
        ({"difficulties": {"extreme": 1.0}}, "'extreme' must be one of easy, medium, hard"),
        ({"weights": {"game24": 0.0}}, "must leave something to ask"),
        ({"validation": 0}, "validation split is empty"),
        ({"test": "nothing.jsonl"}, "nothing.jsonl is not a file"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EnigmataDataModule(**{"weights": QUICK, **arguments})  # type: ignore[arg-type]


def test_generated_beside_records(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What the official test split holds is neither generated nor kept in the train split, whatever its prompt says."""
    problems = draws(task_named("binario"), 4)
    test, train = tmp_path / "test.jsonl", tmp_path / "train.jsonl"
    test.write_text("".join(json.dumps(record_of(problem)) + "\n" for problem in problems[:6]))
    rephrased = [{**record_of(problem), "prompt": "Solve it."} for problem in problems[4:]]
    train.write_text("".join(json.dumps(record) + "\n" for record in rephrased))
    data = EnigmataDataModule(str(train), 3, str(test), weights=QUICK, batch_size=2, cache_dir=tmp_path / "cache")
    with caplog.at_level(logging.INFO):
        data.prepare_data()
        data.setup("fit")
    assert "leakage: 2 problems of train are in test (binario 2)" in caplog.text
    sizes = {split: len(found) for split, found in data.splits.items()}
    assert sizes == {"train": len(problems) - 6, "validation": 3, "test": 6}
    assert data.splits["train"][0].prompt == "Solve it."
    everything = [problem.key for found in data.splits.values() for problem in found]
    assert len(set(everything)) == len(everything)
    again = EnigmataDataModule(str(train), 3, str(test), weights=QUICK, batch_size=2, cache_dir=tmp_path / "cache")
    again.setup("fit")
    assert [problem.key for found in again.splits.values() for problem in found] == everything


def test_a_bad_record_names_its_row(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps({"task_name": "chess"}) + "\n")
    data = EnigmataDataModule(str(path), 1, 0, weights=QUICK, batch_size=1, cache_dir=tmp_path)
    with pytest.raises(ValueError, match=r"bad.jsonl, row 1: task_name='chess'"):
        data.setup("fit")


@pytest.mark.parametrize(
    ("arguments", "message"), [({"train": 0}, "train split is empty"), ({"train": 4, "batch_size": 8}, "batch_size=8")]
)
def test_a_train_split_is_demanded_by_fit_alone(tmp_path: Path, arguments: dict[str, int], message: str) -> None:
    data = EnigmataDataModule(**arguments, validation=3, test=0, weights=QUICK, cache_dir=tmp_path)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        data.setup("fit")
    data.setup("validate")
    assert len(data.splits["validation"]) == 3


def write_folder(folder: Path, split: str = "train") -> list[dict[str, Any]]:
    """A set as the hub has it: a file for each task, whose columns have types of their own."""
    rows = [record_of(draws(task_named(name), 1)[0]) for name in ("binario", "game24")]
    rows[1] = {**rows[1], "meta": json.dumps(rows[1]["meta"])}
    rows.append({**rows[0], "task_name": "arc_agi", "answer": [[1, 2], [3]], "meta": None})
    for row in rows:
        path = folder / row["task_name"] / "en" / f"{split}.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(row) + "\n")
    return rows


def of_folder(source: str, tmp_path: Path) -> list[Any]:
    data = EnigmataDataModule(2, source, 0, weights=QUICK, batch_size=2, cache_dir=tmp_path / "cache")
    return data.load_splits()[0]["validation"]


@pytest.mark.parametrize("source", ["{}:train", "{}/game24/en/train.jsonl", "own/data:train"])
def test_a_folder_with_a_file_for_each_task(
    tmp_path: Path, source: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "own" / "data")
    found = of_folder(source.format(tmp_path / "own" / "data"), tmp_path)
    if source.endswith(".jsonl"):
        assert [problem.label for problem in found] == ["game24"]
        return
    assert [problem.label for problem in found] == ["binario", "game24"]
    assert all(f"own/data/{problem.label}/en/train.jsonl, row 1" in problem.origin for problem in found)
    assert [problem.score(problem.solution) for problem in found if problem.label == "binario"] == [1]
    assert "1 of 3 records" in caplog.text
    assert "task_name='arc_agi' is none of Enigmata's 36 (1 such)" in caplog.text
    assert len([*read_rows("own/data:train", "test")]) == 3


def test_a_set_of_the_hub_with_a_file_for_each_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def snapshot_download(name: str, **arguments: Any) -> str:
        asked.append((name, arguments["repo_type"], [fnmatch("game24/en/train.jsonl", each) for each in
                                                     arguments["allow_patterns"]]))  # fmt: skip
        return str(tmp_path / "snapshot")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    write_folder(tmp_path / "snapshot")
    assert [each.label for each in of_folder("someone/Enigmata:train", tmp_path)] == ["binario", "game24"]
    assert asked == [("someone/Enigmata", "dataset", [False, True])]


@pytest.mark.parametrize("fails", [True, False])
def test_another_set_of_the_hub_is_read_as_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    def snapshot_download(name: str, **arguments: Any) -> str:
        if fails:
            raise OSError("no connection")
        return str(tmp_path)

    record = record_of(draws(task_named("binario"), 1)[0])
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    monkeypatch.setattr("datamodules.enigmata.data_module.read_rows", lambda source, split: [record])
    assert [each.label for each in of_folder("someone/Eval:train", tmp_path)] == ["binario"]


def test_a_folder_without_the_split(tmp_path: Path) -> None:
    write_folder(tmp_path / "own")
    with pytest.raises(ValueError, match=r"own holds no file test.jsonl"):
        of_folder(f"{tmp_path / 'own'}:test", tmp_path)


def test_the_most_frequent_reason_comes_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Further tasks may be as many as they like; of the known ones one record in twenty may be unreadable."""
    good = record_of(draws(task_named("binario"), 1)[0])
    lines = [{**good, "meta": {}}] + [{**good, "task_name": "arc_agi"}] * 9 + [good] * 19
    path = tmp_path / "many.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert of_folder(str(path), tmp_path)
    first = f"{path}, row 2: task_name='arc_agi' is none of Enigmata's 36 (9 such)"
    second = f"{path}, row 1: binario can't read its meta and answer (1 such)"
    assert f"10 of 29 records of {path} are left out: {first}; {second}" in caplog.text
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, lines[0]]))
    with pytest.raises(ValueError, match=r"^11 of 30 records .* can't be read: .*arc_agi.* \(9 such\); .* \(2 such\)$"):
        of_folder(str(path), tmp_path)


def test_a_list_written_as_text_within_the_meta(tmp_path: Path) -> None:
    record = {**record_of(draws(task_named("game24"), 1)[0]), "meta": json.dumps({"question": "[1, 2, 3, 4]"})}
    path = tmp_path / "text.jsonl"
    path.write_text(json.dumps(record))
    assert of_folder(str(path), tmp_path)[0].score("```\n1*2*3*4\n```") == 1


def test_a_few_bad_records_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "some.jsonl"
    records = [record_of(problem) for problem in draws(task_named("binario"), 8)]
    path.write_text("".join(json.dumps(record) + "\n" for record in [{**records[0], "meta": {}}, *records]))
    data = EnigmataDataModule(str(path), 1, 0, weights=QUICK, batch_size=1, cache_dir=tmp_path)
    with caplog.at_level(logging.WARNING):
        data.setup("fit")
    assert "row 1: binario can't read its meta and answer (1 such)" in caplog.text
    assert "row 1: binario can't read its meta and answer" in caplog.text


def test_every_task_and_difficulty_through_the_command_line(passk: CommandLine) -> None:
    """Generated, deduplicated, sampled, scored, reported by task, by category and overall."""
    cli = passk(
        "validate",
        *PICTURES,
        model={"policy": {"init_args": {"context_length": 16384}}},
        data={
            "class_path": "datamodules.enigmata.EnigmataDataModule",
            "init_args": {"train": 108, "validation": 108, "test": 0, "batch_size": 4, "eval_batch_size": 54},
        },
        evaluation={"n": 1, "ks": [1], "sampling": {"max_new_tokens": 4}, "greedy": False},
    )
    validation = cli.datamodule.splits["validation"]
    assert Counter(problem.label for problem in validation) == dict.fromkeys(TASKS, 3)
    assert {problem.difficulty for problem in validation} == {"easy", "medium", "hard"}
    figures = cli.trainer.callback_metrics
    for name in ("", *(f"{name}/" for name in (*CATEGORIES, *TASKS))):
        assert f"eval/{name}pass@1" in figures
