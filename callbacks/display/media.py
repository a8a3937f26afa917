"""Sends pictures, tables and hyperparameters to loggers: one class for each kind of logger.

A logger with W&B's methods `log_image`, `log_table` or `log_text` needs no class of its own. For another one, derive a
class from `Media` with the logger's class as its `kind`; it is used once it is imported, so write it in the logger's
file. With any logger, all is also written to the run folder: `media/<name>/<iteration>.png` and `.jsonl`.
"""

from __future__ import annotations

import html
import inspect
import json
import warnings
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CometLogger, Logger, MLFlowLogger, TensorBoardLogger
from matplotlib.figure import Figure
from PIL import Image

from app.storage.files import replacing
from app.storage.names import plain
from app.storage.run_folder import run_folder

Row: TypeAlias = Mapping[str, str | float | None]
"""A row of a table, by column; all rows of a table have the same columns."""
Value: TypeAlias = bool | int | float | str
"""The value of a hyperparameter."""

FOLDER = "media"
"""The folder's name in the run folder."""
LAYOUT = {
    "Pass@k": {
        "Pass@k": ["Multiline", [r"^eval/pass@\d+$"]],
        "Pass@1, greedy": ["Multiline", ["^eval/(pass@1|greedy)$"]],
    },
    "Training": {
        "reward": ["Multiline", ["^rollout/(reward|solved|informative)$"]],
        "entropy": ["Multiline", ["^(entropy/mean|eval/entropy)$"]],
        "length": ["Multiline", ["^(rollout|eval)/length$"]],
    },
}
"""TensorBoard's custom scalars: the groups of curves that are shown first."""


class Media:
    """Sends pictures, tables and hyperparameters to a logger, by those methods of W&B's logger that it has.

    These are `log_image(key, images, step)` for pictures, and for tables `log_table(key, columns, data, step)`, or
    `log_text(key, texts, step)` with a text for each row. A logger without them gets hyperparameters only.

    Args:
        logger: a logger of the run.
    """

    kind: ClassVar[type[Logger]] = Logger
    kinds: ClassVar[list[type[Media]]] = []

    def __init__(self, logger: Any) -> None:
        self.logger = logger

    def __init_subclass__(cls) -> None:
        Media.kinds.insert(0, cls)  # the latest has priority

    def begin(self, hyperparameters: Mapping[str, Value], metrics: Sequence[str], resumed: bool) -> None:
        """Called at the start of training.

        Args:
            hyperparameters: the configuration, by dotted names.
            metrics: the names of the curves by which runs are compared.
            resumed: whether the logger already has the hyperparameters of this run.
        """
        self.logger.log_hyperparams(dict(hyperparameters))

    def picture(self, name: str, image: Image.Image, iteration: int) -> None:
        """Show a picture."""
        if _takes(self.logger, "log_image", "key", "images", "step"):
            self.logger.log_image(name, [image], step=iteration)

    def table(self, name: str, rows: Sequence[Row], iteration: int) -> None:
        """Show a table of at least one row."""
        if _takes(self.logger, "log_table", "key", "columns", "data", "step"):
            self.logger.log_table(name, [*rows[0]], [[*row.values()] for row in rows], step=iteration)
        elif _takes(self.logger, "log_text", "key", "texts", "step"):
            texts = ["\n".join(f"{column}: {_shown(value)}" for column, value in row.items()) for row in rows]
            self.logger.log_text(name, texts, step=iteration)


class TensorBoardMedia(Media):
    """TensorBoard: pictures, tables as text, HPARAMS, and the custom scalars of LAYOUT."""

    kind = TensorBoardLogger

    def begin(self, hyperparameters: Mapping[str, Value], metrics: Sequence[str], resumed: bool) -> None:
        if resumed:
            return
        from torch.utils.tensorboard.summary import hparams  # imported here: takes a second

        writer = self.logger.experiment
        writer.add_custom_scalars(LAYOUT)
        for summary in hparams(dict(hyperparameters), dict.fromkeys(metrics, 0.0)):  # values come from the curves
            writer._get_file_writer().add_summary(summary, 0)

    def picture(self, name: str, image: Image.Image, iteration: int) -> None:
        import numpy

        self.logger.experiment.add_image(name, numpy.asarray(image), iteration, dataformats="HWC")

    def table(self, name: str, rows: Sequence[Row], iteration: int) -> None:
        self.logger.experiment.add_text(name, html_table(rows), iteration)


class CometMedia(Media):
    """Comet: images, and tables as CSV assets."""

    kind = CometLogger

    def picture(self, name: str, image: Image.Image, iteration: int) -> None:
        self.logger.experiment.log_image(image, name=name, step=iteration)

    def table(self, name: str, rows: Sequence[Row], iteration: int) -> None:
        data = [[_shown(value) for value in row.values()] for row in rows]
        self.logger.experiment.log_table(f"{name}/{iteration}.csv", data, headers=[*rows[0]])


class MLFlowMedia(Media):
    """MLflow: images by step, tables as artifacts, and parameters, which MLflow never changes.

    Names are changed by `app/storage/names.py`, like those of metrics: eval/pass@8 becomes eval/pass_at_8.
    """

    kind = MLFlowLogger

    def begin(self, hyperparameters: Mapping[str, Value], metrics: Sequence[str], resumed: bool) -> None:
        if not resumed:
            self.logger.log_hyperparams({plain(name): value for name, value in hyperparameters.items()})

    def picture(self, name: str, image: Image.Image, iteration: int) -> None:
        self.logger.experiment.log_image(self.logger.run_id, image, key=plain(name), step=iteration, synchronous=True)

    def table(self, name: str, rows: Sequence[Row], iteration: int) -> None:
        columns = {column: [row[column] for row in rows] for column in rows[0]}
        self.logger.experiment.log_table(self.logger.run_id, columns, f"{plain(name)}/{iteration}.json")


class Files:
    """Writes pictures and tables as files in a run folder.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / FOLDER

    def picture(self, name: str, image: Image.Image, iteration: int) -> None:
        with replacing(self.folder / name / f"{iteration}.png") as temporary:
            image.save(temporary, "PNG")

    def table(self, name: str, rows: Sequence[Row], iteration: int) -> None:
        with replacing(self.folder / name / f"{iteration}.jsonl") as temporary:
            temporary.write_text("".join(json.dumps(dict(row)) + "\n" for row in rows), encoding="utf-8")

    def forget_after(self, iteration: int) -> None:
        """Remove files of later iterations, which a run resumed from this one writes again."""
        for path in self.folder.rglob("*"):
            if path.suffix in (".png", ".jsonl") and path.stem.isdigit() and int(path.stem) > iteration:
                path.unlink()


def media_of(trainer: Trainer) -> list[Media]:
    """The Media of each of the run's loggers, of the latest class whose `kind` fits."""
    found = []
    for logger in trainer.loggers:
        kind = next((each for each in Media.kinds if isinstance(logger, each.kind)), Media)
        found.append(kind(logger))
    return found


def files_of(trainer: Trainer) -> Files:
    """The Files of the run folder; a collective, since rank 0 broadcasts the folder."""
    return Files(run_folder(trainer))


def image_of(figure: Figure) -> Image.Image:
    """A figure's pixels, in RGB; a character that no font has is a box, without a warning for each."""
    encoded = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure.savefig(encoded, format="png")
    return Image.open(encoded).convert("RGB")


def html_table(rows: Sequence[Row]) -> str:
    """A table for TensorBoard, which shows the policy's text unchanged.

    Everything is escaped, also for Markdown, which is parsed for fenced code before HTML.
    """
    head = "".join(f"<th>{_escaped(name)}</th>" for name in rows[0])
    body = "".join(
        f"<tr>{''.join(f'<td><pre>{_escaped(_shown(value))}</pre></td>' for value in row.values())}</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _takes(logger: Any, method: str, *arguments: str) -> bool:
    """Whether a logger has a method with these arguments."""
    found = getattr(logger, method, None)
    return callable(found) and {*arguments} <= {*inspect.signature(found).parameters}


def _shown(value: str | float | None) -> str:
    text = "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.encode(errors="replace").decode()  # lone surrogates cannot be encoded


def _escaped(text: str) -> str:
    return html.escape(text).replace("`", "&#96;").replace("~", "&#126;")
