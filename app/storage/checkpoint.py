"""What a checkpoint file may hold, how it reaches the disk, and what is wrong with one that can't be used.

A checkpoint holds tensors, numbers, text and containers of these, and is never unpickled as anything else. It is
written under another name and takes the place of the one before only when it is complete and on the disk. With each of
its parts stands a digest, so that a value that has changed since, on a broken disk say, is told before it is used.
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
"""Of the checkpoints written here; raise it when older ones can't be read any more."""
PLAIN = (str, int, float, bool, bytes, type(None), Tensor)
DIGESTS = "digests"
"""The part of a checkpoint file with the digests of the others; a sharded checkpoint has none."""
READ_LAZILY = 10**6
"""Values in a part's tensors from which on they are left on the disk until they are used."""
SHARDED = "meta.pt"
"""The file with all but the tensors in the folder that a sharding strategy makes of a checkpoint."""


class CheckpointError(ValueError):
    """A checkpoint that can't be used, and why, in a line."""


class PlainCheckpointIO(TorchCheckpointIO):
    """Lightning's plugin for files: plain data only, on both ways, and each file whole or not there."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write it; TypeError for an object that could not be read back, OSError where the disk does not take it."""
        check_plain(checkpoint)
        checkpoint = {**checkpoint, DIGESTS: {str(name): digest(part) for name, part in checkpoint.items()}}
        with replacing(Path(path)) as temporary:
            write(checkpoint, temporary)

    def load_checkpoint(self, path: Any, map_location: Any = "cpu", weights_only: bool | None = None) -> dict[str, Any]:
        return read_checkpoint(Path(path))


def write(checkpoint: Mapping[str, Any], path: Path) -> None:
    """torch.save, with the disk's own error where it fails: PyTorch's writer raises another in its place."""
    try:
        with path.open("wb") as file:
            torch.save(checkpoint, file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise OSError(error.__context__.errno, error.__context__.strerror, str(path)) from None
        raise


def read_checkpoint(path: Path, lazily: bool = False) -> dict[str, Any]:
    """All that a checkpoint file holds, or all but the tensors of a sharded folder; CheckpointError.

    lazily: leave the tensors on the disk until they are used.
    """
    file = path / SHARDED if path.is_dir() else path
    if not file.exists():
        raise CheckpointError(f"there is no checkpoint {path}")
    if not is_zipfile(file):  # the directory of a zip file stands at its end
        raise CheckpointError(f"{path} is cut short or is not a checkpoint")
    try:
        found = torch.load(file, map_location="cpu", weights_only=True, mmap=lazily)
    except UnpicklingError:
        raise CheckpointError(f"the checkpoint {path} holds more than plain data and is not read") from None
    except (RuntimeError, OSError, LookupError, EOFError) as error:
        raise CheckpointError(f"the checkpoint {path} is damaged ({str(error).splitlines()[0]})") from None
    check_format(found, path)
    if file == path:
        check_digests(found, path, lazily)
    return found


@contextmanager
def restoring(path: Any) -> Iterator[None]:
    """Inside, what goes wrong with a checkpoint's values is a CheckpointError, in a line."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, RuntimeError, ArithmeticError, AssertionError) as error:
        reason = f"{type(error).__name__}: {str(error).strip()}".splitlines()[0]
        raise CheckpointError(f"the checkpoint {path} can't be restored ({reason:.300})") from error


def check_format(checkpoint: Any, path: Path) -> None:
    """CheckpointError unless these are the contents of a checkpoint of this version."""
    if not isinstance(checkpoint, dict) or "pytorch-lightning_version" not in checkpoint:
        raise CheckpointError(f"{path} is not a checkpoint of a run")
    if checkpoint.get("format") != FORMAT:
        raise CheckpointError(
            f"the checkpoint {path} has format {checkpoint.get('format')}, this version of passk reads format {FORMAT}"
        )


def count_of(state: Mapping[str, Any], name: str) -> int:
    """A number of something that a checkpoint holds; CheckpointError where it is none."""
    value = state.get(name)
    if type(value) is not int or not 0 <= value < 2**53:
        raise CheckpointError(f"the checkpoint is damaged: {name} is {value!r:.80}")
    return value


def check_digests(checkpoint: dict[str, Any], path: Path, lazily: bool) -> None:
    """CheckpointError unless all parts are as they were written; lazily, but for those with large tensors."""
    digests = checkpoint.pop(DIGESTS, None)
    if not isinstance(digests, dict) or digests.keys() != {str(name) for name in checkpoint}:
        raise CheckpointError(f"the checkpoint {path} is damaged: it has lost parts, or gained some")
    for name, part in checkpoint.items():
        if (not lazily or size_of(part) < READ_LAZILY) and digests[str(name)] != digest(part):
            raise CheckpointError(f"the checkpoint {path} is damaged: {str(name)!r:.80} is not as it was written")


def digest(value: Any) -> str:
    """The same for the same plain data alone."""
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
    """Values in all tensors of plain data."""
    if isinstance(value, Mapping):
        return sum(map(size_of, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(size_of, value))
    return value.numel() if isinstance(value, Tensor) else 0


def check_plain(value: Any, name: str = "checkpoint") -> None:
    """TypeError for anything in it that is not plain data, with the place where it stands."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            check_plain(part, f"{name}[{key!r}]")
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            check_plain(part, f"{name}[{index}]")
    elif not isinstance(value, PLAIN):
        raise TypeError(f"{name} is a {type(value).__name__}: a checkpoint holds tensors, numbers and text only")


def vocabulary_of(tokenizer: Any) -> str:
    """A digest of a tokenizer's tokens and their numbers."""
    tokens = sorted(tokenizer.get_vocab().items())
    return blake2b(json.dumps(tokens).encode(), digest_size=16).hexdigest()


def check_policy(checkpoint: Mapping[str, Any], weights: Mapping[str, Tensor], vocabulary: str) -> None:
    """CheckpointError unless its weights have these names and shapes, and its tokenizer this vocabulary."""
    theirs = checkpoint.get("state_dict", weights)  # a sharding strategy has loaded it by now
    for name in [*weights, *theirs]:
        here, there = (tuple(each[name].shape) if name in each else "missing" for each in (weights, theirs))
        if here != there:
            raise CheckpointError(f"the checkpoint is of another policy: {name} is {there} there and {here} here")
    if checkpoint.get("vocabulary", vocabulary) != vocabulary:
        raise CheckpointError("the checkpoint is of another policy: its tokenizer has another vocabulary")
