"""The command line, which connects all parts: `passk fit`, `validate`, `test`, `predict`, `diagnose`."""

from __future__ import annotations

import gc
import logging
import os
import shlex
import sys
import threading
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jsonargparse import ArgumentError, set_parsing_settings
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import SIGTERMException
from transformers.utils.logging import disable_progress_bar

from app.cli.classes import import_named
from app.cli.errors import one_line, placed
from app.cli.front import COMMANDS, is_first
from app.cli.help import HelpAll, ShortHelp, about, shorten
from app.cli.nulls import check_nulls
from app.cli.overridden import without_effect
from app.cli.parser import ConfigOfRun, ReadOnceParser, written_out
from app.cli.paths import expand_home, find_modules_here
from app.cli.shipped import contents_of, with_shipped
from app.cli.stages import spelt_out, stages_by_name
from app.cli.trainer_arguments import check_collisions, check_parts, check_trainer, launched, one_progress_bar
from app.engines.base import EngineError
from app.kept import random_states_kept, settings_kept
from app.module import RLVRModule
from app.storage.checkpoint import PlainCheckpointIO
from app.storage.diagnose import main as diagnose
from app.storage.places import places_of, task_of
from app.storage.restoring import Restoring
from app.storage.resume import check_source, source_of, version_of
from app.storage.run_folder import PassKTrainer, claim
from callbacks.drawing import ProblemDraw
from callbacks.evaluation.evaluation import PassKEvaluation
from callbacks.replay import Replay
from callbacks.rollout import RolloutCallback
from callbacks.saving.checkpoints import Checkpoints
from callbacks.saving.events import name_unwritten
from callbacks.saving.logs import continue_logs
from callbacks.saving.signals import INTERRUPTED, TERMINATED
from callbacks.schedule.entropy import EntropySwitch
from callbacks.schedule.schedule import StageSchedule
from datamodules.base.chat import Chat
from datamodules.base.data_module import set_chat

log = logging.getLogger(__name__)

set_parsing_settings(add_print_completion_argument=True)  # passk --print_completion shtab-bash

ROOT = Path(__file__).resolve().parents[2]
DEFAULTS = ROOT / "lightning.yaml"
SUBCOMMANDS = ("fit", "validate", "test", "predict")

KEYS: dict[str, type] = {
    "checkpoints": Checkpoints,
    "rollout": RolloutCallback,
    "entropy_switch": EntropySwitch,  # after rollouts: marks problems
    "draw": ProblemDraw,  # after rollouts: records passes
    "replay": Replay,  # after both: replaces groups
    "schedule": StageSchedule,
    "evaluation": PassKEvaluation,
}
"""The run's callbacks by their top-level keys, in the order of the calls."""


class PassKCLI(LightningCLI):
    """LightningCLI with `lightning.yaml` as every command's defaults and the run's callbacks as top-level keys.

    Args:
        wanted: the commands whose arguments are parsed; the others have only their names, which is faster.
        given: the arguments of the command line.
    """

    def __init__(self, *args: Any, wanted: Sequence[str], given: Sequence[str], **kwargs: Any) -> None:
        self.wanted, self.given = wanted, given
        super().__init__(*args, **kwargs)

    def _prepare_subcommand_parser(self, klass: type, subcommand: str, **kwargs: Any) -> LightningArgumentParser:
        kwargs |= about(subcommand, COMMANDS[subcommand])
        if subcommand not in self.wanted:
            return self.init_parser(**kwargs | {"default_config_files": []})
        parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        shorten(parser)
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        text = "Resume from the last checkpoint of the newest run that has one; if none has, start anew and log it."
        parser.add_argument("--help_all", action=HelpAll, help="Print the arguments of Lightning's Trainer too")
        parser.add_argument("--auto_resume", type=bool, default=False, help=text)
        parser.add_class_arguments(Chat, "chat")
        for key, callback in KEYS.items():
            parser.add_lightning_class_args(callback, key)
        stages_by_name(parser)

    @settings_kept()
    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Avoids Lightning's warning that the arguments are not those of `sys.argv`; they are."""
        self.config = parser.parse_args(args)

    def _parse_ckpt_path(self) -> None:
        """Does nothing: Lightning would merge the checkpoint's hyperparameters into the configuration."""

    def before_instantiate_classes(self) -> None:
        config = expand_home(self.config[str(self.subcommand)])
        check_nulls(config, KEYS | {"model": RLVRModule})
        if config.rollout.seed is None and config.seed_everything is False:
            raise ValueError("seed_everything=false: a run draws its rollouts from a seed: give a number")
        if "verbose" in config:
            config.verbose = False  # callbacks/evaluation/tables.py prints a table instead of Lightning's
        config.trainer.strategy = launched(config.trainer.strategy)
        self.config_dump = written_out(self.parser, self.config)[str(self.subcommand)]
        check_trainer(self.config_dump["trainer"], str(self.subcommand))
        unused = without_effect(self.config_dump, DEFAULTS) if self.subcommand == "fit" else []
        if unused:
            rank_zero_only(log.warning)("no effect, since every stage has its own: %s", ", ".join(unused))

    @random_states_kept()
    @settings_kept()
    def instantiate_classes(self) -> None:
        super().instantiate_classes()
        set_chat(self.datamodule, self._get(self.config_init, "chat"))

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Make the Trainer with a run folder, plain and atomic checkpoints, and callbacks in the required order.

        First Checkpoints, which reads the state before others change it; then the RolloutCallback, whose rollouts and
        metrics the others use.
        """
        arguments = self._get(self.config_init, "trainer")
        plugins, callbacks = (
            given if isinstance(given, list) else [given] if given else []
            for given in (arguments.plugins, arguments.callbacks)
        )
        check_parts(callbacks if self.subcommand == "fit" else [], plugins)
        check_collisions(callbacks)
        arguments.callbacks = one_progress_bar(callbacks)
        if arguments.enable_progress_bar is False:
            arguments.callbacks = [each for each in callbacks if not isinstance(each, ProgressBar)]
        if arguments.logger in (True, None):  # Lightning names its own after SLURM's job, which changes
            kwargs["logger"] = TensorBoardLogger(arguments.default_root_dir or os.getcwd())
        if not any(isinstance(each, Checkpoint) for each in arguments.callbacks):
            kwargs["enable_checkpointing"] = False  # else Lightning adds a ModelCheckpoint that nobody asked for
        trainer: Any = super().instantiate_trainer(plugins=[*plugins, PlainCheckpointIO()], **kwargs)
        if str(arguments.precision) in ("16", "16-mixed") and trainer.precision == "bf16-mixed":
            rank_zero_only(log.warning)("precision: a CPU has no 16-mixed, bf16-mixed stands in for it")
        trainer._checkpoint_connector = Restoring(trainer)
        if trainer.fast_dev_run:  # Lightning sets it to the number of batches, but it counts updates
            trainer.fit_loop.epoch_loop.max_steps = -1
        names = ("checkpoints", "rollout", "entropy_switch", "draw", "replay")
        first = [self._get(self.config_init, name) for name in names]
        if self.config_dump["rollout"]["seed"] is None:  # config.yaml keeps the null, and may be given another seed
            first[1].worker.seed = self.config_dump["seed_everything"]
        trainer.callbacks.sort(key=lambda callback: first.index(callback) if callback in first else len(first))
        checkpoints = first[0]
        self._choose_folder(trainer)
        checkpoints.config, checkpoints.changed = self.config_dump, [name for name, _, _ in self.changes]
        checkpoints.command = shlex.join(["passk", *self.given])
        return trainer

    def _choose_folder(self, trainer: PassKTrainer) -> None:
        """Find the checkpoint to resume from, and claim the run folder before any logger starts."""
        config, command = self.config[str(self.subcommand)], str(self.subcommand)
        fit = command == "fit"
        places = places_of(trainer.loggers, trainer.default_root_dir, task_of(self.datamodule))
        self.source = source_of(config.ckpt_path, fit and config.auto_resume, places[0])
        self.changes = check_source(self.source, self.config_dump if fit else {})
        self.folder: AbstractContextManager[Any] = nullcontext()
        if trainer.is_global_zero and self._get(self.config_init, "trainer").fast_dev_run:  # writes no files
            self.folder = TemporaryDirectory(prefix="passk-")
            trainer.use_folder(Path(self.folder.name))
        elif trainer.is_global_zero:
            resumed = version_of(self.source, places[0]) if fit else None
            self.folder = folder = claim(places, command, resumed)
            trainer.use_folder(folder.path)
            continue_logs(trainer.loggers, self.source if resumed is not None else None)

    def _run_subcommand(self, subcommand: str) -> None:
        with self.folder:
            super()._run_subcommand(subcommand)

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        arguments = super()._prepare_subcommand_kwargs(subcommand)
        if subcommand == "predict":  # Lightning's null would keep all rollouts in memory
            arguments["return_predictions"] = bool(arguments["return_predictions"])
        return {**arguments, "ckpt_path": self.source and str(self.source)}


MISTAKES = (
    ArgumentError,
    MisconfigurationException,
    ValueError,
    TypeError,
    OSError,
    ImportError,
    EngineError,
)
"""Exceptions for mistakes of the user, here and in libraries."""


def main(args: list[str] | None = None) -> PassKCLI:
    """Run a command.

    Args:
        args: arguments without the program's name; None takes those of the command line.

    A user's mistake ends with one line and exit status 2; with PASSK_DEBUG=1 also with a traceback. Ctrl-C ends with
    status 130: `fit` first writes a checkpoint (callbacks/saving/checkpoints.py), other commands end at once.
    """
    quiet()
    freeze_imports()
    given = sys.argv[1:] if args is None else args
    strict: dict[str, Any] = {"exit_on_error": False, "allow_abbrev": False, "formatter_class": ShortHelp}
    defaults = {"default_config_files": [str(DEFAULTS)]}
    try:
        find_modules_here()
        if given[:1] == ["diagnose"]:
            diagnose(given[1:])
            raise SystemExit(0)
        spelt = spelt_out(with_shipped(given))
        import_named(" ".join([*spelt, *contents_of(spelt)]))
        return PassKCLI(
            RLVRModule,
            LightningDataModule,
            ConfigOfRun,
            trainer_class=PassKTrainer,
            parser_class=ReadOnceParser,
            subclass_mode_data=True,
            auto_configure_optimizers=False,
            args=spelt,
            given=given,
            wanted=[name for name in SUBCOMMANDS if name in given[:1]] or SUBCOMMANDS,
            parser_kwargs={"prog": "passk", **strict, **{name: {**strict, **defaults} for name in SUBCOMMANDS}},
        )
    except MISTAKES as error:
        if os.environ.get("PASSK_DEBUG"):
            raise
        print(f"passk: error: {placed(one_line(error), error)}", file=sys.stderr)
        raise SystemExit(2) from None
    except (KeyboardInterrupt, SystemExit) as end:
        raise SystemExit(ended_early(end, given)) from None


LOST = {
    "fit": "no iteration was under way",
    "validate": "there are no results",
    "test": "there are no results",
    "predict": "some completions are not written",
    "diagnose": "some rows were not looked at",
}
"""The line printed when a signal ends a command outside training."""


def ended_early(end: BaseException, given: Sequence[str]) -> Any:
    """The exit status; prints a line if a signal ended the command, except in training, which prints its own."""
    command = next((name for name in given if name in LOST), "fit")
    interrupted = any(isinstance(each, KeyboardInterrupt) for each in (end, end.__context__))  # Lightning exits with 1
    terminated = isinstance(end, SIGTERMException) and command != "fit"
    if not interrupted and not terminated:
        return getattr(end, "code", None)
    by = "Ctrl-C" if interrupted else "SIGTERM"
    rank_zero_only(print)(f"passk: {command} was ended by {by}: {LOST[command]}", file=sys.stderr)
    return INTERRUPTED if interrupted else TERMINATED


@cache
def freeze_imports() -> None:
    """Exclude all imported objects from garbage collection, which otherwise takes tenths of a second each time."""
    gc.freeze()


class PresentStderr(logging.Handler):
    """Writes to the current sys.stderr, so that log lines do not overwrite a progress bar that has replaced it."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)


def quiet() -> None:
    """Hide messages of libraries that are meant for their developers."""
    logging.basicConfig(format="%(message)s", handlers=[PresentStderr()])
    disable_progress_bar()
    threading.excepthook = name_unwritten
    warnings.filterwarnings("ignore", module="lightning.pytorch")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("lightning.pytorch.profilers", "app", "callbacks", "datamodules"):
        logging.getLogger(name).setLevel(logging.INFO if is_first() else logging.WARNING)
