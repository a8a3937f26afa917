"""Caches generated data on disk: one file of JSON lines, named by a hash of its configuration.

The first line has the hash of the rest, to detect damaged files. A file is written completely or
not at all; two processes that write it at the same time write the same bytes, and the later file stays.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import Any
from uuid import uuid4

log = logging.getLogger(__name__)


def default_cache_dir() -> Path:
    """`$XDG_CACHE_HOME/passk`, or `~/.cache/passk`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "passk"


def cache_path(directory: Path, name: str, config: Any) -> Path:
    """The path of the file for this configuration (plain data)."""
    return directory / f"{name}-{digest(json.dumps(config, sort_keys=True).encode())}.jsonl"


def read_lines(path: Path) -> list[Any] | None:
    """The values in `path`; None if there is no such file or, with a warning, if it is damaged."""
    try:
        header, _, body = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(f"the cache {path} can't be read: {error.strerror}; set another cache_dir") from None
    if header.decode(errors="replace") != digest(body):
        log.warning("the cache %s is damaged and is generated again", path)
        return None
    return [json.loads(line) for line in body.splitlines()]


def write_lines(path: Path, values: list[Any]) -> None:
    """Write plain values, one per line, by a temporary file beside `path`; ValueError if writing fails."""
    body = b"".join(json.dumps(value, separators=(",", ":")).encode() + b"\n" for value in values)
    check_writable(path.parent)
    temporary = path.with_name(f"{path.stem}-{uuid4().hex}.tmp")  # mkstemp's could be read by this user alone
    try:
        with temporary.open("xb") as file:
            file.write(digest(body).encode() + b"\n" + body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise ValueError(f"the cache {path} can't be written: {error.strerror}; set another cache_dir") from None
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(directory: Path) -> None:
    """Make the directory; ValueError if it is not writable."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise ValueError(f"cache_dir={directory} can't be written: {error.strerror}; set another cache_dir") from None


def digest(data: bytes) -> str:
    """128 bits of SHA-256, in hex."""
    return hashlib.sha256(data).hexdigest()[:32]
