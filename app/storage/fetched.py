"""Recognises files that `git clone` has not fetched because git-lfs is not installed."""

from __future__ import annotations

from pathlib import Path

POINTER = b"version https://git-lfs.github.com/spec/"
"""How a pointer of Git LFS begins, which stands in place of a large file."""


def check_fetched(*paths: Path) -> None:
    """Raise ValueError for a file that is a pointer of Git LFS; other paths are ignored, also those without a file."""
    for path in paths:
        if path.is_file() and path.stat().st_size < 1024 and path.read_bytes().startswith(POINTER):
            raise ValueError(f"{path} is Git LFS's pointer, not the file itself: run `git lfs pull` in its repository")
