"""Data sets of many files, one for each task, `<task>/en/train.jsonl`, each with columns of its own types.

`datasets` reads a set as one table and refuses those; here every file is read by itself.
"""

from __future__ import annotations

import logging
from pathlib import Path

from app.hub import offline_where_unreachable

log = logging.getLogger(__name__)


def split_files(folder: Path, split: str) -> list[Path]:
    """The files `<split>.jsonl` anywhere in a folder, in the order of their names."""
    return sorted(folder.rglob(f"{split}.jsonl"))


def folder_and_split(source: str) -> tuple[Path, str | None] | None:
    """An existing folder, and the split behind a colon where there is one; None where a source names no folder."""
    name, _, split = source.rpartition(":")
    if Path(source).is_dir():
        return Path(source), None
    return (Path(name), split) if name and split and Path(name).is_dir() else None


def downloaded(name: str, split: str) -> Path | None:
    """The hub's cache of a data set's files of a split, fetched as far as they are missing.

    None where the hub can't be asked and nothing is kept: reading the set then says why.
    """
    from huggingface_hub import snapshot_download  # here, because few runs need it

    offline_where_unreachable()
    try:
        return Path(snapshot_download(name, repo_type="dataset", allow_patterns=[f"{split}.jsonl", f"*/{split}.jsonl"]))
    except (OSError, ValueError) as error:
        log.info("%s can't be read file by file: %s", name, str(error).strip().split("\n")[0])
        return None
