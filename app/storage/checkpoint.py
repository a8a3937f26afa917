"""Writes, reads and checks checkpoint files.

A checkpoint has tensors, numbers, text and containers of these, and is never unpickled as anything else. It is
written under another name and replaces the one before only when it is complete and on the disk. Each of
its parts has a digest, so that a value changed since then, by a faulty disk for instance, is detected before use.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import is_zipfile
from zlib import crc32

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from torch import Tensor

from app.storage.files import replacing

FORMAT = 4
"""The format version of checkpoints; increase it when older ones can no longer be read."""
PLAIN = (str, int, float, bool, bytes, type(None), Tensor)
DIGESTS = "digests"
"""The part of a checkpoint file with the digests of all other parts; sharded checkpoints have none."""
READ_LAZILY = 10**6
"""The number of values from which a part's tensors stay on the disk until they are used."""
SHARDED = "meta.pt"
"""The file of a sharded checkpoint's folder with everything but the tensors."""


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message says why, in one line."""


class PlainCheckpointIO(TorchCheckpointIO):
    """Lightning's CheckpointIO plugin: writes and reads plain data only, and writes each file completely or not."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint; TypeError for an object that could not be read back, OSError if writing fails."""
        check_plain(checkpoint)
        checkpoint = {**checkpoint, DIGESTS: {str(name): digest(part) for name, part in checkpoint.items()}}
        with replacing(Path(path)) as temporary:
            write(checkpoint, temporary)

    def load_checkpoint(self, path: Any, map_location: Any = "cpu", weights_only: bool | None = None) -> dict[str, Any]:
        return read_checkpoint(Path(path))


def write(checkpoint: Mapping[str, Any], path: Path) -> None:
    """torch.save that raises the disk's own error if it fails; PyTorch's writer raises another one."""
    try:
        with path.open("wb") as file:
            torch.save(checkpoint, file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise OSError(error.__context__.errno, error.__context__.strerror, str(path)) from None
        raise


def read_checkpoint(path: Path, lazily: bool = False) -> dict[str, Any]:
    """The contents of a checkpoint file, or of a sharded folder without its tensors; CheckpointError if unreadable.

    lazily: leave the tensors on the disk until they are used.
    """
    file = path / SHARDED if path.is_dir() else path
    if not file.exists():
        raise CheckpointError(f"there is no checkpoint {path}")
    found = load_plain(file, "checkpoint", path, lazily)
    check_format(found, path)
    if file == path:
        check_digests(found, path, lazily)
    return found


def load_plain(file: Path, kind: str, path: Path | None = None, lazily: bool = False) -> Any:
    """The plain data in a file that torch.save has written; CheckpointError if it is damaged or holds anything else.

    Args:
        file: an existing file.
        kind: what it should be, for the message.
        path: the path in the message; defaults to the file's.
        lazily: leave the tensors on the disk until they are used.
    """
    path = path or file
    if file.is_file() and not is_zipfile(file):  # a zip file's directory is at its end
        raise CheckpointError(f"{path} is cut short or is not a {kind}")
    try:
        return torch.load(file, map_location="cpu", weights_only=True, mmap=lazily)
    except UnpicklingError:
        raise CheckpointError(f"the {kind} {path} holds more than plain data and is not read") from None
    except (RuntimeError, OSError, LookupError, EOFError) as error:
        raise CheckpointError(f"the {kind} {path} is damaged ({(str(error).splitlines() or [''])[0]})") from None


@contextmanager
def restoring(path: Any) -> Iterator[None]:
    """A context in which errors caused by a checkpoint's values become a CheckpointError of one line."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, RuntimeError, ArithmeticError, AssertionError) as error:
        reason = f"{type(error).__name__}: {str(error).strip()}".splitlines()[0]
        raise CheckpointError(f"the checkpoint {path} can't be restored ({reason:.300})") from error


def check_format(checkpoint: Any, path: Path) -> None:
    """Raise CheckpointError unless these are the contents of a checkpoint of this format."""
    if not isinstance(checkpoint, dict) or "pytorch-lightning_version" not in checkpoint:
        raise CheckpointError(f"{path} is not a checkpoint of a run")
    if checkpoint.get("format") != FORMAT:
        raise CheckpointError(
            f"the checkpoint {path} has format {checkpoint.get('format')}, this version of passk reads format {FORMAT}"
        )


def count_of(state: Mapping[str, Any], name: str) -> int:
    """A count in a checkpoint; CheckpointError if it is no valid count."""
    value = state.get(name)
    if type(value) is not int or not 0 <= value < 2**53:
        raise CheckpointError(f"the checkpoint is damaged: {name} is {value!r:.80}")
    return value


def check_digests(checkpoint: dict[str, Any], path: Path, lazily: bool) -> None:
    """Raise CheckpointError unless all parts are as written; lazily: without parts with large tensors."""
    digests = checkpoint.pop(DIGESTS, None)
    if not isinstance(digests, dict) or digests.keys() != {str(name) for name in checkpoint}:
        raise CheckpointError(f"the checkpoint {path} is damaged: it has lost parts, or gained some")
    for name, part in checkpoint.items():
        if (not lazily or size_of(part) < READ_LAZILY) and digests[str(name)] != digest(part):
            raise CheckpointError(f"the checkpoint {path} is damaged: {str(name)!r:.80} is not as it was written")


def digest(value: Any) -> str:
    """A digest of plain data; equal only for equal data."""
    hashed = blake2b(digest_size=16)
    for part in _described(value):
        hashed.update(part.encode(errors="surrogatepass"))
    return hashed.hexdigest()


def _described(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield f"mapping of {len(value)};"
        for key, part in value.items():
            yield from _described(key)
            yield from _described(part)
    elif isinstance(value, list | tuple):
        yield f"list of {len(value)};"
        for part in value:
            yield from _described(part)
    elif isinstance(value, Tensor):
        yield f"{value.dtype} {tuple(value.shape)} {checksum(value)};"
    else:
        yield f"{type(value).__name__} {value!r};"


def checksum(tensor: Tensor) -> int:
    """The CRC-32 of a tensor's values."""
    flat = tensor.detach().cpu().contiguous().flatten()
    flat = torch.view_as_real(flat).flatten() if flat.is_complex() else flat
    return crc32(flat.view(torch.uint8).numpy().data)


def size_of(value: Any) -> int:
    """The number of values in all tensors of plain data."""
    if isinstance(value, Mapping):
        return sum(map(size_of, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(size_of, value))
    return value.numel() if isinstance(value, Tensor) else 0


def check_plain(value: Any, name: str = "checkpoint") -> None:
    """Raise TypeError for anything that is not plain data, with its place in the checkpoint."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            check_plain(part, f"{name}[{key!r}]")
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            check_plain(part, f"{name}[{index}]")
    elif not isinstance(value, PLAIN):
        raise TypeError(f"{name} is a {type(value).__name__}: a checkpoint holds tensors, numbers and text only")


def vocabulary_of(tokenizer: Any) -> str:
    """A digest of a tokenizer's tokens and their ids."""
    tokens = sorted(tokenizer.get_vocab().items())
    return blake2b(json.dumps(tokens).encode(), digest_size=16).hexdigest()


def check_policy(checkpoint: Mapping[str, Any], weights: Mapping[str, Tensor], vocabulary: str) -> None:
    """Raise CheckpointError unless the checkpoint's weights have these names and shapes, and the same vocabulary."""
    theirs = checkpoint.get("state_dict", weights)  # a sharded strategy has already loaded it
    for name in [*weights, *theirs]:
        here, there = (tuple(each[name].shape) if name in each else "missing" for each in (weights, theirs))
        if here != there:
            raise CheckpointError(f"the checkpoint is of another policy: {name} is {there} there and {here} here")
    if checkpoint.get("vocabulary", vocabulary) != vocabulary:
        raise CheckpointError("the checkpoint is of another policy: its tokenizer has another vocabulary")
