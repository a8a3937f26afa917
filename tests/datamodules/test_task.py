"""Rows and a scorer of one's own."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datamodules.scorers import Exact, Weighted
from datamodules.task import Table, TaskDataModule


def write(path: Path, rows: list[object]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def build(folder: Path, **changes: object) -> TaskDataModule:
    train = write(folder / "train.jsonl", [{"q": f"{number}?", "a": number} for number in range(4)])
    held_out = write(folder / "held_out.jsonl", [{"q": "3 ?", "a": 3}, {"q": "9?", "a": 9.0}])
    given = {"train": train, "validation": held_out, "scorer": Exact(), "prompt": "q", "answer": "a", "batch_size": 2}
    return TaskDataModule(**{**given, **changes})


def test_rows_become_problems_and_none_is_in_two_splits(tmp_path: Path) -> None:
    splits, dropped = build(tmp_path).load_splits()
    assert [problem.prompt for problem in splits["train"]] == ["0?", "1?", "2?"]
    assert dropped == {"train": 1, "validation": 0, "test": 0}
    assert splits["validation"][1].answer == 9.0
    assert [problem.score(" 3\n") for problem in splits["validation"]] == [1, 0]
    assert [problem.solution for problem in splits["validation"]] == ["3", "9"]
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


COPIES = {
    "composed": ("Que\u0301 es 2 + 2?", "Qu\u00e9 es 2 + 2?"),
    "line ends": ("2 + 2?\r\nSay.", "2 + 2?\nSay."),
    "no-break space": ("2\u00a0+\u202f2?", "2 + 2?"),
    "trailing spaces": ("2 + 2?  \nSay. ", "2 + 2?\nSay."),
    "byte order mark": ("\ufeff2 + 2?", "2 + 2?"),
    "zero width": ("2 +\u200b 2\u2060?", "2 + 2?"),
    "soft hyphen": ("addi\u00adtion: 2 + 2?", "addition: 2 + 2?"),
}


@pytest.mark.parametrize(("train", "held_out"), COPIES.values(), ids=COPIES)
def test_a_copy_in_another_spelling_is_not_trained_on(tmp_path: Path, train: str, held_out: str) -> None:
    for one, other in ((train, held_out), (held_out, train)):
        rows = write(tmp_path / "one.jsonl", [{"q": one, "a": 4}, {"q": "5?", "a": 5}])
        held = write(tmp_path / "other.jsonl", [{"q": other, "a": "4 "}])
        splits, dropped = build(tmp_path, train=rows, validation=held).load_splits()
        assert [problem.prompt for problem in splits["train"]] == ["5?"]
        assert [problem.prompt for problem in splits["validation"]] == [other]  # as it was given
        assert dropped == {"train": 1, "validation": 0, "test": 0}


def test_accents_of_their_own_make_no_other_problem(tmp_path: Path) -> None:
    rows: list[object] = [{"q": "Que\u0301?", "a": 1}, {"q": "Qu\u00e9?", "a": 1}, {"q": "Que?", "a": 1}]
    splits, dropped = build(tmp_path, train=write(tmp_path / "rows.jsonl", rows)).load_splits()
    assert [problem.prompt for problem in splits["train"]] == ["Que\u0301?", "Que?"]
    assert dropped["train"] == 1


def test_rows_of_one_question_with_other_answers_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    train = write(
        tmp_path / "t.jsonl",
        [{"q": "1?", "a": 1}, {"q": "1?", "a": 2}, {"q": "1?", "a": 1.0}, {"q": "1?", "a": "3"}, {"q": "9?", "a": 8}],
    )
    held = write(tmp_path / "h.jsonl", [{"q": "9?", "a": 9}, {"q": "9?", "a": "9"}, {"q": "9?", "a": 7}])
    splits, dropped = build(tmp_path, train=train, validation=held).load_splits()
    assert [problem.solution for problem in splits["train"]] == ["1"]
    assert [problem.solution for problem in splits["validation"]] == ["9", "9", "7"]
    assert dropped == {"train": 4, "validation": 0, "test": 0}
    assert caplog.messages == [
        "rows of validation with the question of an earlier row and another answer: 1, both are kept; the first: "
        f"{held}, row 3 says '7', {held}, row 1 '9'",
        "rows of train with the question of an earlier row and another answer: 3, left out; the first: "
        f"{train}, row 2 says '2', {train}, row 1 '1'",
    ]


def test_repeats_with_the_same_answer_are_silent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows: list[object] = [{"q": "1?", "a": answer} for answer in (1, 1.0, "1", " 1\n")]
    _, dropped = build(tmp_path, train=write(tmp_path / "t.jsonl", rows), batch_size=1).load_splits()
    assert dropped["train"] == 3
    assert caplog.messages == []


def test_a_row_without_its_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"train.jsonl, row 1: no value in the column 'prompt'; there are q, a"):
        build(tmp_path, prompt="prompt").load_splits()
    path = write(tmp_path / "numbers.jsonl", [{"q": "1?", "a": 1}, {"q": 2, "a": 2}])
    with pytest.raises(ValueError, match=r"numbers.jsonl, row 2: the prompt is neither text nor a list of messages"):
        build(tmp_path, validation=path).load_splits()


VERL = {"extra_info": {"question": "6 * 7?"}, "reward_model": {"ground_truth": 42.0, "style": "rule"}}


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".csv"])
def test_a_key_behind_a_column(tmp_path: Path, suffix: str) -> None:
    """As verl has it; a CSV file holds the objects as JSON."""
    path = tmp_path / f"verl{suffix}"
    if suffix == ".jsonl":
        write(path, [VERL])
    elif suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([VERL]), path)
    else:
        cells = ('"' + json.dumps(value).replace('"', '""') + '"' for value in VERL.values())
        path.write_text(",".join(VERL) + "\n" + ",".join(cells) + "\n")
    table = Table(str(path), "extra_info.question", "reward_model.ground_truth")
    assert [*table.read("train", lambda *row: row)] == [("6 * 7?", 42.0)]
    for wrong in ("reward_model.truth", "reward_model.ground_truth.text", "reward"):
        with pytest.raises(ValueError, match=f"row 1: no value in the column '{wrong}'; there are extra_info, reward"):
            [*Table(str(path), "extra_info.question", wrong).read("train", lambda *row: row)]


@pytest.mark.parametrize(
    ("kind", "number", "text"),
    [
        ("float32", 0.1, "0.1"),
        ("float64", 5e-8, "0.00000005"),
        ("float64", 5, "5"),
        ("int64", 2**53 + 1, "9007199254740993"),
    ],
)
def test_numbers_of_a_parquet_file_are_those_that_were_written(
    tmp_path: Path, kind: str, number: float, text: str
) -> None:
    path = tmp_path / "numbers.parquet"
    pq.write_table(pa.table({"q": ["one?", "two?"], "a": pa.array([number, 1], kind)}), path)
    problem = build(tmp_path, validation=str(path)).load_splits()[0]["validation"][0]
    assert problem.solution == text
    assert problem.score(text) == 1


def test_so_are_those_that_lists_objects_and_maps_hold(tmp_path: Path) -> None:
    """verl's reward_model is an object; a list of single-precision numbers would be 0.10000000149011612 too."""
    single = pa.float32()
    kinds = {
        "list": (pa.list_(single), [0.1, None]),
        "object": (pa.struct([("truth", single), ("float", pa.int64())]), {"truth": 0.1, "float": 3}),
        "deep": (pa.list_(pa.struct([("x", pa.large_list(single))])), [{"x": [0.3]}]),
        "map": (pa.map_(pa.string(), single), [("k", 0.1)]),
        "half": (pa.float16(), 0.1),
        "double": (pa.list_(pa.float64()), [0.1]),
    }
    columns = {name: pa.array([value], kind) for name, (kind, value) in kinds.items()}
    pq.write_table(pa.table({"prompt": ["one?"], **columns}), tmp_path / "rows.parquet")
    for name, (_, value) in kinds.items():
        table = Table(str(tmp_path / "rows.parquet"), answer=name)
        assert [*table.read("train", lambda prompt, answer: answer)] == [value]


@pytest.mark.parametrize("answer", [{"any": "json"}, ["3"], "", "  ", "\u200b", float("nan"), float("inf"), None])
@pytest.mark.parametrize("scorer", [Exact(), Weighted([Exact()], [1.0])])
def test_an_answer_that_nobody_could_give_is_refused(tmp_path: Path, scorer: Exact, answer: object) -> None:
    path = write(tmp_path / "rows.jsonl", [{"q": "1?", "a": "1"}, {"q": "2?", "a": answer}])
    with pytest.raises(ValueError, match=r"rows.jsonl, row 2: "):
        build(tmp_path, validation=path, scorer=scorer).load_splits()


class Moving(Exact):
    """Leaves the working folder whatever it is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def check(self, answer: object) -> None:
        os.chdir(self.folder)

    def solve(self, answer: object) -> str:
        os.chdir(self.folder)
        return super().solve(answer)


def test_a_scorer_that_changes_the_working_folder_hides_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    data = build(tmp_path, train="train.jsonl", validation="held_out.jsonl", scorer=Moving(tmp_path / "other"))
    data.setup("fit")
    assert Path.cwd() == tmp_path
    assert [problem.solution for problem in data.splits["validation"]] == ["3", "9"]
    assert Path.cwd() == tmp_path


def test_an_infinite_answer_is_named(tmp_path: Path) -> None:
    path = tmp_path / "numbers.parquet"
    pq.write_table(pa.table({"q": ["one?", "two?"], "a": [1.0, -math.inf]}), path)
    with pytest.raises(ValueError, match=r"numbers.parquet, row 2: the column 'a' holds -inf, which is no finite num"):
        build(tmp_path, validation=str(path)).load_splits()


def test_a_few_rows_may_be_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "rows.jsonl", [{"q": f"{number} ?", "a": number or None} for number in range(90, -10, -1)])
    splits, _ = build(tmp_path, validation=path, max_skipped_rows=0.01).load_splits()
    assert len(splits["validation"]) == 99
    assert f"1 of 100 rows are left out; the first: {path}, row 91: no value in the column 'a'" in caplog.text
    with pytest.raises(ValueError, match=r"rows.jsonl, row 91: no value in the column 'a'; there are q, a$"):
        build(tmp_path, validation=path).load_splits()
    with pytest.raises(ValueError, match=r"row 91: .* \(and 0 more of 100 rows, above max_skipped_rows=0.005\)"):
        build(tmp_path, validation=path, max_skipped_rows=0.005).load_splits()
    with pytest.raises(ValueError, match=r"max_skipped_rows=1 must lie in \[0, 1\)"):
        build(tmp_path, max_skipped_rows=1)


@pytest.mark.parametrize(
    ("name", "content"), [("no.jsonl", ""), ("no.jsonl", "\n\n"), ("no.csv", "q,a\n"), ("no.csv", "")]
)
def test_a_file_without_rows_is_named(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=f"{name} holds no rows"):
        build(tmp_path, train=str(tmp_path / name)).load_splits()


def test_a_template_takes_the_place_of_the_prompt(tmp_path: Path) -> None:
    rows: list[object] = [{"q": f"{number}", "unit": "apples", "a": number} for number in range(4)]
    train = write(tmp_path / "rows.jsonl", rows)
    splits, _ = build(tmp_path, train=train, prompt="prompt", validation=train, template="{q} {unit}?\n").load_splits()
    assert [problem.prompt for problem in splits["validation"]] == [f"{number} apples?\n" for number in range(4)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"template": "{q}"}, "template and prompt=q can't both be given"),
        ({"template": "{q} {a}", "prompt": "prompt"}, r"template: \{a\} is the column of the answer"),
        ({"template": "{q!r}", "prompt": "prompt"}, r"template: \{q!r\} must be the name of a column alone"),
    ],
)
def test_a_template_that_is_none(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(tmp_path, **changes)


def test_a_column_that_the_rows_lack_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"train.jsonl, row 1: no value in the column 'text'; there are q, a$"):
        build(tmp_path, prompt="prompt", template="{text}").load_splits()
