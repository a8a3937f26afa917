"""Where runs lie, by what they are logged with: a folder of the task, and in it one for each version.

Whatever the logger, a run has one folder of its own for checkpoints, stages, results, samples and `config.yaml`:

- that of its first TensorBoardLogger or CSVLogger: `<save_dir>/<name>/<version>`;
- with any other logger, and with none, `<save_dir or default_root_dir>/<name>/<version>`, beside what the logger itself
  writes. The name is that of the project (Weights & Biases) or the experiment (MLflow).

A logger that was given no name, project or experiment has that of the task: `maze`, `arithmetic`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

UNNAMED = "lightning_logs"
"""The name, project or experiment that Lightning's loggers have where none is given."""


@dataclass(frozen=True)
class Place:
    """Where a logger's runs lie.

    Args:
        root: holds a folder for each version.
        given: the version that was configured; None where runs have numbers.
        within: the folder in it, TensorBoardLogger's `sub_dir`.
        logger: the one that takes its version from here, if any.
    """

    root: Path
    given: str | None = None
    within: str = ""
    logger: TensorBoardLogger | CSVLogger | None = None

    def folder(self, version: str) -> Path:
        return self.root / version / self.within

    @property
    def versions(self) -> list[str]:
        """Those that a run of this configuration may have, the newest first."""
        return [path.name for path in run_folders(self.root).values()][::-1] if self.given is None else [self.given]

    @property
    def others(self) -> list[str]:
        """Those with names, where none is asked for."""
        names = {path.name for path in self.root.iterdir()} if self.root.is_dir() and self.given is None else set()
        return sorted(names.difference(self.versions))


def task_of(data: object) -> str:
    """A data module's short name: its `task_name`, or else its class in small letters, `maze` of a MazeDataModule."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(data).__name__.removesuffix("DataModule"))
    name = getattr(data, "task_name", "") or words.lower()
    return re.sub(r"[^\w.-]+", "_", str(name)).strip("._") or "task"


def name_after(logger: Logger, task: str) -> None:
    """Give a logger the name of the task, unless it was given another than Lightning's own."""
    if isinstance(logger, TensorBoardLogger | CSVLogger) and logger._name == UNNAMED:
        logger._name = task
    elif isinstance(logger, WandbLogger) and logger._project == UNNAMED:
        logger._project = logger._wandb_init["project"] = task
    elif isinstance(logger, MLFlowLogger) and logger._experiment_name == UNNAMED:
        logger._experiment_name = task


def places_of(loggers: Iterable[Logger], default_root_dir: str, task: str = UNNAMED) -> list[Place]:
    """Where the loggers of a configuration keep their runs, at least one; the run's folder lies in the first.

    task: what loggers without a name are named after.
    """
    loggers = list(loggers)
    for logger in loggers:
        name_after(logger, task)
    kept = [each for each in loggers if isinstance(each, TensorBoardLogger | CSVLogger)]
    if not kept:
        return [_place_beside(next(iter(loggers), None), default_root_dir, task)]
    given = next((_version(each) for each in kept if each._version is not None), None)
    return [_place_of(each, given) for each in kept]


def _place_of(logger: TensorBoardLogger | CSVLogger, given: str | None) -> Place:
    if isinstance(logger, CSVLogger):
        return Place(Path(logger.root_dir), given, logger=logger)
    logger._root_dir = os.path.expanduser(os.path.expandvars(logger._root_dir))  # it counts its runs without doing so
    return Place(Path(logger.root_dir), given, logger.sub_dir or "", logger)


def _place_beside(logger: Logger | None, default_root_dir: str, task: str) -> Place:
    """For a logger that has no folder for each of its runs, or for none."""
    name, version, save_dir = None, None, default_root_dir
    if isinstance(logger, MLFlowLogger):  # its `save_dir` is a store, and asking for its `name` begins an experiment
        name, version = logger._experiment_name, logger._run_id
    elif logger is not None:
        name, save_dir = logger.name, logger.save_dir or default_root_dir
        version = logger.version if isinstance(logger, WandbLogger) else None
    return Place(Path(save_dir, name or task), version)


def _version(logger: TensorBoardLogger | CSVLogger) -> str:
    return logger._version if isinstance(logger._version, str) else f"version_{logger._version}"


def run_folders(root: Path) -> dict[int, Path]:
    """The runs in a folder that have numbers, in their order."""
    named = {path.name.removeprefix("version_"): path for path in root.glob("version_*")}
    return dict(sorted((int(name), path) for name, path in named.items() if name.isascii() and name.isdigit()))


def last_checkpoint(folder: Path) -> Path:
    """Where a run keeps the checkpoint it goes on from."""
    return folder / "checkpoints" / "last.ckpt"
