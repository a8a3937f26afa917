"""Reads data sets of many files, one for each task, `<task>/en/train.jsonl`, with different column types.

`datasets` reads a set as one table, which fails for these; here every file is read separately.
"""

from __future__ import annotations

import logging
from pathlib import Path

from app.hub import offline_where_unreachable

log = logging.getLogger(__name__)


def split_files(folder: Path, split: str) -> list[Path]:
    """All files `<split>.jsonl` below a folder, ordered by name."""
    return sorted(folder.rglob(f"{split}.jsonl"))


def folder_and_split(source: str) -> tuple[Path, str | None] | None:
    """An existing folder, and the split after a colon, if any; None if the source is no folder."""
    name, _, split = source.rpartition(":")
    if Path(source).is_dir():
        return Path(source), None
    return (Path(name), split) if name and split and Path(name).is_dir() else None


def downloaded(name: str, split: str) -> Path | None:
    """The hub's cache of a split's files; missing files are downloaded.

    None if the hub is unreachable and nothing is cached; reading the set then reports the cause.
    """
    from huggingface_hub import snapshot_download  # few runs need it

    offline_where_unreachable()
    try:
        return Path(snapshot_download(name, repo_type="dataset", allow_patterns=[f"{split}.jsonl", f"*/{split}.jsonl"]))
    except (OSError, ValueError) as error:
        log.info("%s can't be read file by file: %s", name, str(error).strip().split("\n")[0])
        return None
