"""Uploads an exported policy to the Hugging Face hub, for `passk push FOLDER REPOSITORY` and PushToHub."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import HfApi

LEFT_OUT = ["*.ckpt", "*.ckpt/*"]
"""Files of an export's folder that are not uploaded: passk's own, the state from which a run resumes."""


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

    Raises:
        UploadError: the hub is unreachable or refuses.
    """
    try:
        return (
            HfApi()
            .upload_folder(
                repo_id=repository,
                folder_path=folder,
                ignore_patterns=LEFT_OUT,
                commit_message=f"{folder.name}, trained with passk",
            )
            .repo_url.url
        )
    except Exception as error:
        raise UploadError(f"{folder} was not pushed to {repository!r}: {reason_of(error)}") from None


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
