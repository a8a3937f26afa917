"""The cache: whole files only, whatever happens to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from datamodules.base.cache import cache_path, check_writable, default_cache_dir, read_lines, write_lines

VALUES = [{"a": 1}, ["*S*", "ü"], "text", None]


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.jsonl"
    assert read_lines(path) is None
    write_lines(path, VALUES)
    assert read_lines(path) == VALUES
    assert list(path.parent.iterdir()) == [path]  # nothing temporary is left


@pytest.mark.parametrize("damage", [b"", b"x", b"\xff\xfe\n", None])
def test_damage_is_seen_and_warned_of(tmp_path: Path, damage: bytes | None, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "file.jsonl"
    write_lines(path, VALUES)
    path.write_bytes(path.read_bytes()[:-3] if damage is None else damage)
    assert read_lines(path) is None
    assert "damaged" in caplog.text


def test_the_key_is_the_configuration(tmp_path: Path) -> None:
    assert cache_path(tmp_path, "m", {"a": 1, "b": 2}) == cache_path(tmp_path, "m", {"b": 2, "a": 1})
    assert cache_path(tmp_path, "m", {"a": 1}) != cache_path(tmp_path, "m", {"a": 2})


def test_default_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "passk"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache_dir() == Path.home() / ".cache" / "passk"


def test_unusable_directory_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for attempt in (check_writable, lambda directory: write_lines(directory / "x.jsonl", VALUES)):
        with pytest.raises(ValueError, match="can't be written: Not a directory") as caught:
            attempt(tmp_path / "file" / "cache")
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="can't be read"):
        read_lines(tmp_path)
