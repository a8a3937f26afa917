"""Generated problems written as upstream's records, and read back from both kinds of file."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datamodules.enigmata import EnigmataDataModule
from datamodules.enigmata.export import export
from datamodules.enigmata.tasks.records import TASKS


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_what_is_written_is_read_back(suffix: str, tmp_path: Path) -> None:
    """In a table, whose columns have one type, what is not text is JSON."""
    path = tmp_path / "records.jsonl"
    export(path, number=108)
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert Counter(record["task_name"] for record in records) == dict.fromkeys(TASKS, 3)
    if suffix == ".parquet":
        path = tmp_path / "records.parquet"
        for record in records:
            record |= {key: json.dumps(record[key]) for key in ("answer", "meta") if not isinstance(record[key], str)}
        pq.write_table(pa.Table.from_pylist(records), path)
    data = EnigmataDataModule(str(path), 1, 0, weights={"binario": 1.0}, batch_size=4, cache_dir=tmp_path, seed=1)
    data.setup("fit")
    read = data.splits["train"]
    assert [problem.label for problem in read] == [record["task_name"] for record in records]
    assert [problem.prompt[0]["content"] for problem in read] == [record["prompt"][0]["content"] for record in records]


def test_same_seed_same_file(tmp_path: Path) -> None:
    one, two, other = (tmp_path / name for name in ("one", "two", "other"))
    for path, seed in ((one, 0), (two, 0), (other, 1)):
        export(path, 6, {"game24": 1.0}, {"easy": 1.0}, seed)
    assert one.read_text() == two.read_text() != other.read_text()
