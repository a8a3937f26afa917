"""Files as they are named and what is refused in them; hub ids with a configuration."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datamodules.sources import check_source, located, read_rows, rows


def test_csv_values_are_text_and_may_be_long(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('\ufeffa,b\n1,"two\nlines, and a comma"\n3,' + "x" * 200_000 + "\n", encoding="utf-8")
    assert list(read_rows(str(path), "train")) == [
        {"a": "1", "b": "two\nlines, and a comma"},
        {"a": "3", "b": "x" * 200_000},
    ]


BROKEN = {
    "too few": ("rows.csv", b"a,b\n1,2\n3\n", "row 2: 1 values for 2 columns"),
    "too many": ("rows.csv", b"a,b\n1,2\n\n3,4,\n", "row 2: 3 values for 2 columns"),
    "open quote": ("rows.csv", b'a,b\n1,"x\ny"\n2,"open\n3,4\n', "row 2: not CSV (unexpected end of data)"),
    "latin 1": ("rows.csv", b"a,b\n1,2\n1,\xe9\n", "row 2: not UTF-8 (byte 0xe9)"),
    "a name twice": ("rows.csv", b"a,a\n1,2\n", "the names of the columns: the column 'a' stands there twice"),
    "cut short": ("rows.jsonl", b'{"a": 1}\n\n{"a": "x', "row 3: not JSON (Unterminated string"),
    "NaN": ("rows.jsonl", b'\xef\xbb\xbf{"a": 1}\r\n{"a": NaN}', "row 2: not JSON (NaN is no value of JSON)"),
    "infinity": ("rows.jsonl", b'{"a": -Infinity}', "row 1: not JSON (-Infinity is no value of JSON)"),
    "a large number": ("rows.jsonl", b'{"a": 1e308}\n{"a": [-1e400]}', "row 2: not JSON (-1e400 is above the largest"),
    "a key twice": ("rows.jsonl", b'{"a": {"b": 1, "b": 2}}', "row 1: not JSON (the key 'b' stands twice"),
    "not UTF-8": ("rows.jsonl", b'{"a": 1}\n{"a": "\xe9"}', "row 2: not UTF-8 (invalid continuation byte 0xe9)"),
    "a surrogate in bytes": ("rows.jsonl", b'{"a": "\xed\xa0\xbd"}', "row 1: not UTF-8"),
    "a list cut short": ("rows.json", b'[{"a": 1},\n {"a": 2}', "row 3: not JSON (neither a comma nor the end of"),
    "a row cut short": ("rows.json", b'[{"a": 1}, {"a": "x', "row 2: not JSON (Unterminated string"),
    "a list that goes on": ("rows.json", b'[{"a": 1}] {"a": 2}', "row 2: not JSON (something behind the end of"),
    "a comma too many": ("rows.json", b'[{"a": 1},]', "row 2: not JSON (no value behind the comma"),
    "NaN in a list": ("rows.json", b'[{"a": 1}, {"a": NaN}]', "row 2: not JSON (NaN is no value of JSON)"),
    "half a character in a list": ("rows.json", b'[1, "\\uD83D"]', r"row 2: not JSON (\ud83d is half a character"),
    "an object over lines": ("rows.json", b'{\n"1": {"a": 1}}', "row 1: not JSON (Expecting property name"),
    "not UTF-8 in a list": ("rows.json", b'[{"a":\n"\xe9"}]', "line 2: not UTF-8 (invalid continuation byte 0xe9)"),
    "half a character": ("rows.jsonl", b'{"a": "\\ud83d\\ude00"}\n{"a": [{"b": "\\uD83D"}]}', r"row 2: not JSON (\ud"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "content", "message"), BROKEN.values(), ids=BROKEN)
def test_a_row_that_is_broken_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(f"{path}, {message}")):
        list(read_rows(str(path), "train"))


@pytest.mark.parametrize("content", [
    '[{"a": 1}, {"a": [2]}]', '\ufeff\n [\n {"a": 1}\n,\n{"a": [2]}\n]\n',
    '{"a": 1}\n\n{"a": [2]}\n', ' {"a": 1}\r\n{"a": [2]}',
])  # fmt: skip
def test_a_json_file_is_a_list_of_rows_or_a_row_for_each_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "rows.json"
    path.write_bytes(content.encode())
    check_source(str(path))
    assert list(read_rows(str(path), "train")) == [{"a": 1}, {"a": [2]}]


@pytest.mark.parametrize("content", ["[]", " [ ] \n", "", "\n"])
def test_a_json_file_without_rows(tmp_path: Path, content: str) -> None:
    (tmp_path / "rows.json").write_text(content)
    assert list(read_rows(str(tmp_path / "rows.json"), "train")) == []


def test_a_list_is_read_as_the_json_module_reads_it(tmp_path: Path) -> None:
    random, path = Random(0), tmp_path / "rows.json"
    for _ in range(50):
        rows = [random.choice([None, 1.5, "],[", {"a": ['"', {}]}, [], "\U0001f600", [[1], 2]]) for _ in range(5)]
        path.write_text(json.dumps(rows, indent=random.choice([None, 0, 2]), ensure_ascii=random.random() < 0.5))
        assert list(read_rows(str(path), "train")) == rows == json.loads(path.read_text())


def test_blank_lines_count_and_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "\\ud83d\\ude00"}\n\n{"a": "\\\\ud83d"}\n')
    assert [*located("x", read_rows(str(path), "train"))] == [
        (f"{path}, row 1", {"a": "\U0001f600"}),
        (f"{path}, row 3", {"a": "\\ud83d"}),
    ]


def test_rows_of_several_files_are_named_by_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for task in ("a", "b"):
        (tmp_path / "own" / "set" / task).mkdir(parents=True)
        (tmp_path / "own" / "set" / task / "train.jsonl").write_text(f'\n["{task}"]\n')
    assert [*located("x", read_rows("own/set", "train"))] == [
        ("own/set/a/train.jsonl, row 2", ["a"]),
        ("own/set/b/train.jsonl, row 2", ["b"]),
    ]


@pytest.mark.parametrize("name", ["part[1]", "a*", "q?", "{x}", "%20", "~", "http:x", "zip::x"])
def test_a_parquet_file_is_read_as_it_is_named(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "sets [v2]"
    folder.mkdir()
    for each in (name, "part1", "ab", "qx"):
        pq.write_table(pa.table({"prompt": [each]}), folder / f"{each}.parquet")
    source = str(folder / f"{name}.parquet")
    check_source(source)
    assert list(read_rows(source, "train")) == [{"prompt": name}]


def test_parquet_keeps_pictures_as_bytes_and_lists(tmp_path: Path) -> None:
    rows = [{"images": [{"bytes": b"x", "path": None}], "n": 1.5}, {"images": [], "n": None}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    assert list(read_rows(str(tmp_path / "rows.parquet"), "train")) == rows


@pytest.mark.parametrize("name", ["data/train.json.gz", "data/train.jsonl.gz", "data/train.tsv", "data/arrow.txt"])
def test_a_file_of_another_kind_is_no_hub_id(name: str) -> None:
    with pytest.raises(ValueError, match=r"is neither a .parquet, .jsonl, .json or .csv file nor a hub id"):
        check_source(name)


@pytest.mark.parametrize(
    ("source", "name", "configuration", "split"),
    [
        ("owner/name", "owner/name", None, "validation"),
        ("owner/name:train", "owner/name", None, "train"),
        ("RUC-AIBOX/OlymMATH/en-easy:test", "RUC-AIBOX/OlymMATH", "en-easy", "test"),
        ("owner/name/part", "owner/name", "part", "validation"),
    ],
)
def test_a_hub_id_names_its_configuration_and_split(
    monkeypatch: pytest.MonkeyPatch, source: str, name: str, configuration: str | None, split: str
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(rows, "read_dataset", lambda *args, **kwargs: asked.append((args, kwargs)))
    check_source(source)
    read_rows(source, "validation")
    assert asked == [((source, name, configuration), {"split": split})]


def test_a_saved_dataset_is_read_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Dataset.save_to_disk`, of which `load_dataset` reads none; with the rows that were selected, in their order."""
    datasets = pytest.importorskip("datasets")
    rows = [{"prompt": f"say {number}", "answer": number} for number in range(5)]
    datasets.Dataset.from_list(rows).select([3, 1]).save_to_disk(str(tmp_path / "saved"))
    monkeypatch.chdir(tmp_path)
    for source in (str(tmp_path / "saved"), "saved", "./saved"):
        check_source(source)
        assert list(read_rows(source, "train")) == [rows[3], rows[1]]
