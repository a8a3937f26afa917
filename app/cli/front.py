"""The first part of the command line, before large imports: answers help, version, list and unknown commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.cli.command import PassKCLI  # imports torch, lightning and transformers, which takes seconds

COMMANDS = {
    "fit": "train a policy through the stages of a schedule",
    "validate": "measure Pass@k on the validation problems",
    "test": "measure Pass@k on the test problems",
    "predict": "write answers to the test problems, with their scores",
    "diagnose": "recompute a saved non-finite update, row by row",
    "compare": "write one table and one figure of several runs, with bands over seeds",
    "push": "upload a stage's transformers folder to the Hugging Face hub",
    "list": "print the classes that a configuration can name, by kind",
}
HELP = """\
usage: passk COMMAND [-c FILE.yaml ...] [--key value ...]

Reinforcement learning from verifiable rewards with Pass@k as the training objective.

commands:
{commands}

passk COMMAND --help prints a command's arguments; passk fit without arguments trains the default run in minutes.
passk --version prints the version.
"""
RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")
"""Environment variables from which Lightning reads a process's rank, in its order."""


def version() -> str:
    """The version of the installed distribution."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as version_of

    try:
        return version_of("passk-rlvr")
    except PackageNotFoundError:  # run from a folder by `python -m app`
        return "(not installed)"


def is_first() -> bool:
    """Whether this is the only process of a run, or the first of several."""
    return int(next((os.environ[name] for name in RANKS if name in os.environ), 0)) == 0


def answered(arguments: Sequence[str]) -> int | None:
    """Answer a command that needs no libraries.  -> its exit status; None for all other commands"""
    first = arguments[0] if arguments else "--help"
    if first in ("-h", "--help"):
        print(HELP.format(commands="\n".join(f"  {name:<10}{text}" for name, text in COMMANDS.items())), end="")
        return 0
    if first == "--version":
        print(f"passk {version()}")
        return 0
    if first == "list":
        from app.cli.classes import listed

        return listed(arguments[1:])
    if first == "compare":
        from callbacks.display.compare import main as compare

        return compare(arguments[1:])
    if first == "push":
        from app.upload import main as push

        return push(arguments[1:])
    if first not in COMMANDS and not first.startswith("-"):
        close = get_close_matches(first, COMMANDS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(COMMANDS)}"
        print(f"passk: error: no command {first!r}: {hint}", file=sys.stderr)
        return 2
    return None


def main(args: list[str] | None = None) -> PassKCLI:
    """Run a command; see `app.cli.command.main`."""
    status = answered(sys.argv[1:] if args is None else args)
    if status is not None:
        raise SystemExit(status)
    from app.cli.command import main as run_command

    return run_command(args)


def run() -> None:
    """The console script; returns nothing, since a return value would become the exit status."""
    if is_first() and sys.argv[1:] and sys.argv[1] != "list" and sys.argv[1] in COMMANDS:
        print(f"passk {version()}: loading ...", file=sys.stderr, flush=True)
    main()
