"""Loggers of a resumed run: files are truncated to the checkpoint, services continue the same id."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import DeviceStatsMonitor, LearningRateMonitor
from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter

from app.storage.checkpoint import read_checkpoint
from app.storage.files import naming, replacing, sync
from app.storage.names import rename_metrics
from callbacks.lookup import callback_of
from callbacks.saving.events import copy_events, event_files

METRICS = ExperimentWriter.NAME_METRICS_FILE
CURVES = "stage/advantages"
"""The plot of the objectives, which is drawn once, at the start."""
AT_START = (CURVES, "_hparams_/", "custom_scalars__config__")
"""Prefixes of the names that are written to TensorBoard's files once, at the start."""
BEFORE: dict[type[Callback], str] = {LearningRateMonitor: "lr-", DeviceStatsMonitor: "DeviceStatsMonitor."}
"""Prefixes of the names that Lightning's callbacks write in an iteration with the number of the one before."""


class MetricsFile(ExperimentWriter):
    """CSVLogger's writer of `metrics.csv`, which appends to an existing file; Lightning's deletes it."""

    def save(self) -> None:
        with naming(Path(self.metrics_file_path)):
            super().save()

    def copy_rows(self, source: Path, last: int, redone: tuple[str, ...] = ()) -> None:
        """Begin with the metrics of another run, or of this one, without those after an iteration.

        Args:
            source: the file.
            last: the last iteration whose metrics are kept.
            redone: prefixes of names whose values at the last iteration are removed too.
        """
        rows, self.metrics_keys = _read(source)
        kept = [row for row in rows if _stays(row, last, redone)]
        if kept or Path(self.metrics_file_path).exists():
            self._write(kept, self.metrics_keys)

    def _check_log_dir_exists(self) -> None:
        _, self.metrics_keys = _read(Path(self.metrics_file_path))

    def _rewrite_with_new_header(self, fieldnames: list[str]) -> None:
        self._write(_read(Path(self.metrics_file_path))[0], fieldnames)

    def _write(self, rows: list[dict[str, Any]], names: list[str]) -> None:
        with (
            replacing(Path(self.metrics_file_path)) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)


def _read(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of a file and the names of its columns; an incomplete row is left out.

    Raises:
        ValueError: the file is damaged.
    """
    if not path.exists():
        return [], []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows, names = [row for row in reader if None not in row.values()], list(reader.fieldnames or [])
        for row in rows:
            int(row["step"] or 0)
    except (csv.Error, ValueError, LookupError) as error:
        raise ValueError(f"{path} is damaged ({error}): move it away to go on without its metrics") from None
    return rows, names


def _stays(row: dict[str, str], last: int, redone: tuple[str, ...]) -> bool:
    step = int(row["step"] or 0)
    return step < last or (step == last and not any(value and name.startswith(redone) for name, value in row.items()))


# -- resuming -----------------------------------------------------------------------------------------


def continue_logs(loggers: Iterable[Logger], source: Path | None) -> None:
    """Before loggers start, make them continue the run in folder `source`; None for a new run.

    Names that a logger does not allow are replaced (`app/storage/names.py`).
    """
    ids = {} if source is None else read_checkpoint(source, lazily=True).get("ids", {})
    for logger in loggers:
        rename_metrics(logger)
        if isinstance(logger, CSVLogger):
            logger._experiment = MetricsFile(logger.log_dir)
        elif isinstance(logger, WandbLogger) and logger._id is None and "WandbLogger" in ids:
            logger._id = logger._wandb_init["id"] = ids["WandbLogger"]
        elif isinstance(logger, MLFlowLogger) and logger._run_id is None and "MLFlowLogger" in ids:
            logger._run_id = ids["MLFlowLogger"]


def ids_of(loggers: Iterable[Logger]) -> dict[str, str]:
    """The run's id in each logging service."""
    services = {WandbLogger.__name__: WandbLogger, MLFlowLogger.__name__: MLFlowLogger}
    return {
        name: str(logger.version)
        for name, service in services.items()
        for logger in loggers
        if isinstance(logger, service) and logger.version is not None
    }


def folders_of(loggers: Iterable[Logger]) -> list[str]:
    """The folders in which loggers keep files of the run, in the order of the loggers."""
    return [str(Path(each.log_dir).absolute()) for each in loggers if isinstance(each, TensorBoardLogger | CSVLogger)]


def copy_logs(trainer: Trainer, sources: list[str], last: int, redone: tuple[str, ...]) -> None:
    """Bring files of TensorBoard and CSV to what they held at a checkpoint.

    Args:
        sources: a folder for each such logger, of the run that wrote the checkpoint.
        last, redone: see `copy_events`.
    """
    files = [each for each in trainer.loggers if isinstance(each, TensorBoardLogger | CSVLogger)]
    for logger, source in zip(files, sources, strict=False):
        prefix = f"{logger._prefix}{logger.LOGGER_JOIN_CHAR}" if logger._prefix else ""
        own = [*redone, *(name for kind, name in BEFORE.items() if callback_of(trainer, kind) is not None)]
        names = (*own, *(prefix + name for name in own))
        if isinstance(logger, TensorBoardLogger):
            copy_events(Path(source), Path(logger.log_dir), last, names)
        elif isinstance(logger.experiment, MetricsFile):
            logger.experiment.copy_rows(Path(source, METRICS), last, names)


def flush_logs(trainer: Trainer) -> None:
    """Write all that was logged to the disk."""
    for logger in trainer.loggers:
        logger.save()
    for folder in map(Path, folders_of(trainer.loggers)):
        for path in [*event_files(folder), *folder.glob(METRICS)]:
            sync(path)
