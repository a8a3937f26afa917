"""The command line, where app, datamodules and callbacks meet: `passk fit`, `validate`, `test`, `predict`."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentError
from lightning.pytorch import LightningDataModule
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from app.module import RLVRModule
from callbacks.evaluation import PassKEvaluation
from callbacks.rollout import RolloutCallback
from callbacks.schedule import StageSchedule

ROOT = Path(__file__).resolve().parent.parent
DEFAULTS = ROOT / "lightning.yaml"
SUBCOMMANDS = ("fit", "validate", "test", "predict")


class PassKCLI(LightningCLI):
    """LightningCLI with `lightning.yaml` under every command and the run's callbacks as top-level keys."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_lightning_class_args(RolloutCallback, "rollout")
        parser.add_lightning_class_args(StageSchedule, "schedule")
        parser.add_lightning_class_args(PassKEvaluation, "evaluation")

    def before_instantiate_classes(self) -> None:
        config = self.config[self.subcommand]
        if config.rollout.seed is None:
            config.rollout.seed = config.seed_everything
        if "verbose" in config:
            config.verbose = False  # the table of callbacks/report.py stands in for Lightning's


def main(args: list[str] | None = None) -> PassKCLI:
    """Run a command.

    Args:
        args: as on the command line, without the program's name; None takes the command line's.

    A user's mistake ends in one line and exit status 2; with PASSK_DEBUG=1 it keeps its traceback.
    """
    quiet()
    try:
        return PassKCLI(
            RLVRModule,
            LightningDataModule,
            subclass_mode_data=True,
            auto_configure_optimizers=False,
            args=args,
            parser_kwargs={
                "prog": "passk",
                "exit_on_error": False,
                **{name: {"default_config_files": [str(DEFAULTS)], "exit_on_error": False} for name in SUBCOMMANDS},
            },
            save_config_kwargs={"overwrite": True},
        )
    except (ArgumentError, ValueError, TypeError, OSError, ImportError) as error:
        if os.environ.get("PASSK_DEBUG"):
            raise
        print(f"passk: error: {one_line(error)}", file=sys.stderr)
        raise SystemExit(2) from None


def one_line(error: BaseException) -> str:
    """An error's message without line breaks, and without jsonargparse's frames around the cause."""
    text = str(error) or type(error).__name__
    return " ".join(text.split())


def quiet() -> None:
    """Keep what libraries tell their developers from what passk tells its users."""
    logging.basicConfig(format="%(message)s")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("app", "callbacks", "datamodules"):
        logging.getLogger(name).setLevel(logging.INFO)


def run() -> Any:
    """The console script."""
    main()


if __name__ == "__main__":
    main()
