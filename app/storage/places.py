"""The paths of run folders, by logger: a folder for the task, and in it one for each version.

With any logger, a run has one folder for checkpoints, stages, results, samples and `config.yaml`:

- that of its first TensorBoardLogger or CSVLogger: `<save_dir>/<name>/<version>`;
- with any other logger, and with none, `<save_dir or default_root_dir>/<name>/<version>`, beside the logger's own
  files. The name is that of the project (Weights & Biases) or the experiment (MLflow).

A logger without a configured name, project or experiment gets the name of the task: `maze`, `arithmetic`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

UNNAMED = "lightning_logs"
"""The default name, project or experiment of Lightning's loggers."""


@dataclass(frozen=True)
class Place:
    """The location of a logger's runs.

    Args:
        root: the folder with a folder for each version.
        given: the configured version; None if versions are numbered.
        within: a folder inside the version's, TensorBoardLogger's `sub_dir`.
        logger: the logger that takes its version from here, if any.
    """

    root: Path
    given: str | None = None
    within: str = ""
    logger: TensorBoardLogger | CSVLogger | None = None

    def folder(self, version: str) -> Path:
        return self.root / version / self.within

    @property
    def versions(self) -> list[str]:
        """The versions that a run of this configuration may have, newest first."""
        return [path.name for path in run_folders(self.root).values()][::-1] if self.given is None else [self.given]

    @property
    def others(self) -> list[str]:
        """Named versions, if none is configured."""
        names = {path.name for path in self.root.iterdir()} if self.root.is_dir() and self.given is None else set()
        return sorted(names.difference(self.versions))


def task_of(data: object) -> str:
    """A data module's short name: its `task_name`, or its class in lower case, `maze` for MazeDataModule."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(data).__name__.removesuffix("DataModule"))
    name = getattr(data, "task_name", "") or words.lower()
    return re.sub(r"[^\w.-]+", "_", str(name)).strip("._") or "task"


def name_after(logger: Logger, task: str) -> None:
    """Give a logger the name of the task, if it has Lightning's default name."""
    if isinstance(logger, TensorBoardLogger | CSVLogger) and logger._name == UNNAMED:
        logger._name = task
    elif isinstance(logger, WandbLogger) and logger._project == UNNAMED:
        logger._project = logger._wandb_init["project"] = task
    elif isinstance(logger, MLFlowLogger) and logger._experiment_name == UNNAMED:
        logger._experiment_name = task


def places_of(loggers: Iterable[Logger], default_root_dir: str, task: str = UNNAMED) -> list[Place]:
    """The locations of all loggers' runs, at least one; the run folder is in the first.

    task: the name for loggers without a name.
    """
    loggers = list(loggers)
    for logger in loggers:
        name_after(logger, task)
    kept = [each for each in loggers if isinstance(each, TensorBoardLogger | CSVLogger)]
    if not kept:
        return [_place_beside(next(iter(loggers), None), default_root_dir, task)]
    given = next((_version(each) for each in kept if each._version is not None), None)
    return [_place_of(each, given) for each in kept]


def check_local(path: object) -> None:
    """Raise ValueError for a folder that is not of this machine's file system, such as s3://bucket/runs."""
    if "://" in str(path):
        raise ValueError(f"{path} must be a folder of this machine's file system: checkpoints are replaced in place")


def _place_of(logger: TensorBoardLogger | CSVLogger, given: str | None) -> Place:
    check_local(logger.root_dir)
    if isinstance(logger, CSVLogger):
        return Place(Path(logger.root_dir), given, logger=logger)
    logger._root_dir = os.path.expanduser(os.path.expandvars(logger._root_dir))  # not expanded when it counts runs
    return Place(Path(logger.root_dir), given, logger.sub_dir or "", logger)


def _place_beside(logger: Logger | None, default_root_dir: str, task: str) -> Place:
    """The location for a logger without a folder for each run, or for no logger."""
    name, version, save_dir = None, None, default_root_dir
    if isinstance(logger, MLFlowLogger):  # its `save_dir` is a store; reading its `name` starts an experiment
        name, version = logger._experiment_name, logger._run_id
    elif logger is not None:
        name, save_dir = logger.name, logger.save_dir or default_root_dir
        version = logger.version if isinstance(logger, WandbLogger) else None
    check_local(save_dir)
    return Place(Path(save_dir, name or task), version)


def _version(logger: TensorBoardLogger | CSVLogger) -> str:
    return logger._version if isinstance(logger._version, str) else f"version_{logger._version}"


def run_folders(root: Path) -> dict[int, Path]:
    """The numbered runs in a folder, in order."""
    named = {path.name.removeprefix("version_"): path for path in root.glob("version_*")}
    return dict(sorted((int(name), path) for name, path in named.items() if name.isascii() and name.isdigit()))


def last_checkpoint(folder: Path) -> Path:
    """The path of the checkpoint from which a run resumes."""
    return folder / "checkpoints" / "last.ckpt"
