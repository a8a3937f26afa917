"""An exported policy on the Hugging Face hub: `passk push FOLDER REPOSITORY`, and what the callback PushToHub calls."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import HfApi

LEFT_OUT = ["*.ckpt", "*.ckpt/*"]
"""Files of an export's folder that are passk's own: the state that a run goes on from."""


class UploadError(Exception):
    """The hub did not take it; the message says why, in a line."""


def create_repository(hub_model_id: str, private: bool | None = None) -> str:
    """Have a repository of this name, which may be there already.  -> its whole name, with the owner's

    By the token of `hf auth login` or HF_TOKEN.

    Raises:
        UploadError: where the hub can't be reached, or refuses.
    """
    try:
        return HfApi().create_repo(hub_model_id, private=private, exist_ok=True).repo_id
    except Exception as error:  # of three libraries
        raise UploadError(f"hub_model_id={hub_model_id!r} can't be made or found: {reason_of(error)}") from None


def upload(folder: Path, repository: str) -> str:
    """Upload what transformers reads of an exported folder, and its model card.  -> the address

    Raises:
        UploadError: where the hub can't be reached, or refuses.
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
    """The first line that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def main(arguments: Sequence[str]) -> int:
    """`passk push`; the exit status."""
    parser = ArgumentParser("passk push", description="Upload an exported policy to the Hugging Face hub.")
    parser.add_argument("folder", type=Path, help="of a stage, such as runs/maze/version_0/stages/3-exploit")
    parser.add_argument("hub_model_id", help="the repository, owner/name; it is made where there is none")
    parser.add_argument("--private", action="store_true", default=None, help="a new repository is private")
    given = parser.parse_args(arguments)
    try:
        if not (given.folder / "config.json").is_file():
            raise UploadError(f"{given.folder} is no exported policy: it has no config.json")
        print(upload(given.folder, create_repository(given.hub_model_id, given.private)))
    except UploadError as error:
        print(f"passk: error: {error}", file=sys.stderr)
        return 2
    return 0
