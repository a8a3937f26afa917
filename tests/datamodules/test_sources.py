"""CSV files and hub ids with a configuration; tests/datamodules/test_verl_format.py has the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datamodules import sources
from datamodules.sources import check_source, read_rows


def test_csv_values_are_text_and_may_be_long(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('\ufeffa,b\n1,"two\nlines, and a comma"\n3,' + "x" * 200_000 + "\n", encoding="utf-8")
    assert list(read_rows(str(path), "train")) == [
        {"a": "1", "b": "two\nlines, and a comma"},
        {"a": "3", "b": "x" * 200_000},
    ]


@pytest.mark.parametrize("content", [b"a,b\n1,\xff\n", b'a,b\n1,"open\n'])
def test_csv_that_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"rows.csv can't be read"):
        list(read_rows(str(path), "train"))


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
    monkeypatch.setattr(sources, "read_dataset", lambda *args, **kwargs: asked.append((args, kwargs)))
    check_source(source)
    read_rows(source, "validation")
    assert asked == [((source, name, configuration), {"split": split})]
