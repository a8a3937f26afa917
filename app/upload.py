"""Uploads an exported policy to the Hugging Face hub, for `passk push FOLDER REPOSITORY` and PushToHub."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import HfApi

LEFT_OUT = ["*.ckpt", "*.ckpt/*"]
"""Files of an export's folder that are not uploaded: passk's own, the state from which a run resumes."""

ADAPTER = "adapter/adapter_config.json"
"""peft's description of an adapter, in which its base model may be a local path."""


class UploadError(Exception):
    """The upload failed; the message gives the reason in one line."""


def create_repository(hub_model_id: str, private: bool | None = None) -> str:
    """Create a repository of this name unless it exists.  -> its full name, with the owner

    Uses the token of `hf auth login` or HF_TOKEN.

    Raises:
        UploadError: the hub is unreachable or refuses.
    """
    try:
        return HfApi().create_repo(hub_model_id, private=private, exist_ok=True).repo_id
    except Exception as error:  # errors of three libraries
        raise UploadError(f"hub_model_id={hub_model_id!r} can't be made or found: {reason_of(error)}") from None


def upload(folder: Path, repository: str) -> str:
    """Upload the files of an exported folder that transformers reads, and its model card.  -> the address

    A local path of an adapter's base model is cut to its last part.

    Raises:
        UploadError: the hub is unreachable or refuses.
    """
    message, adapter = f"{folder.name}, trained with passk", without_local_path(folder / ADAPTER)
    left_out = [*LEFT_OUT, *([] if adapter is None else [ADAPTER])]
    try:
        if adapter is not None:
            HfApi().upload_file(
                repo_id=repository, path_or_fileobj=adapter, path_in_repo=ADAPTER, commit_message=message
            )
        return (
            HfApi()
            .upload_folder(repo_id=repository, folder_path=folder, ignore_patterns=left_out, commit_message=message)
            .repo_url.url
        )
    except Exception as error:
        raise UploadError(f"{folder} was not pushed to {repository!r}: {reason_of(error)}") from None


def without_local_path(file: Path) -> bytes | None:
    """An adapter's description whose base model is a local path, with the path's last part; None for any other."""
    described = json.loads(file.read_bytes()) if file.is_file() else {}
    base = Path(described.get("base_model_name_or_path") or "")
    if not (base.is_absolute() or base.is_dir()) or base == Path():
        return None
    return json.dumps({**described, "base_model_name_or_path": base.name}, indent=2).encode()


def reason_of(error: Exception) -> str:
    """The first line of an error's message that is not empty."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def main(arguments: Sequence[str]) -> int:
    """Run `passk push`; returns the exit status."""
    parser = ArgumentParser("passk push", description="Upload an exported policy to the Hugging Face hub.")
    parser.add_argument("folder", type=Path, help="a stage's folder, such as runs/maze/version_0/stages/3-exploit")
    parser.add_argument("hub_model_id", help="the repository, owner/name; created if there is none")
    parser.add_argument("--private", action="store_true", default=None, help="make a new repository private")
    given = parser.parse_args(arguments)
    try:
        if not (given.folder / "config.json").is_file():
            raise UploadError(f"{given.folder} is no exported policy: it has no config.json")
        print(upload(given.folder, create_repository(given.hub_model_id, given.private)))
    except UploadError as error:
        print(f"passk: error: {error}", file=sys.stderr)
        return 2
    return 0
