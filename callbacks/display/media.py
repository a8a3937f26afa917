"""Pictures, tables and hyperparameters in whatever a run is logged with: one class for each kind of logger.

A class of your own, derived from `Media` and with your logger as its `kind`, is found once it is imported: write it
beside the logger. All that is shown is in the run's folder too, whatever the loggers:
`media/<name>/<iteration>.png` and `.jsonl`.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from matplotlib.figure import Figure
from PIL import Image

from app.storage.files import replacing
from app.storage.names import plain
from app.storage.run_folder import run_folder

Row: TypeAlias = Mapping[str, str | float | None]
"""A line of a table, by column; all lines of a table have the same columns."""
Value: TypeAlias = bool | int | float | str
"""Of a hyperparameter."""

FOLDER = "media"
"""In the run's folder."""
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
"""TensorBoard's custom scalars: which curves stand together, and first."""


class Media:
    """What a logger is given beside curves. This class is for loggers that take hyperparameters alone.

    Args:
        logger: of the run.
    """

    kind: ClassVar[type[Logger]] = Logger
    kinds: ClassVar[list[type[Media]]] = []

    def __init__(self, logger: Any) -> None:
        self.logger = logger

    def __init_subclass__(cls) -> None:
        Media.kinds.insert(0, cls)  # the latest first

    def begin(self, hyperparameters: Mapping[str, Value], metrics: Sequence[str], resumed: bool) -> None:
        """At the start of training.

        Args:
            hyperparameters: the configuration, by dotted names.
            metrics: the names of the curves that runs are compared by.
            resumed: whether the logger has been told before, of this run.
        """
        self.logger.log_hyperparams(dict(hyperparameters))

    def picture(self, name: str, image: Image.Image, iteration: int) -> None:
        """Show a picture."""

    def table(self, name: str, rows: Sequence[Row], iteration: int) -> None:
        """Show a table of at least one row."""


class TensorBoardMedia(Media):
    """Pictures, tables as text, HPARAMS, and the custom scalars of LAYOUT."""

    kind = TensorBoardLogger

    def begin(self, hyperparameters: Mapping[str, Value], metrics: Sequence[str], resumed: bool) -> None:
        if resumed:
            return
        from torch.utils.tensorboard.summary import hparams  # here, because it takes a second

        writer = self.logger.experiment
        writer.add_custom_scalars(LAYOUT)
        for summary in hparams(dict(hyperparameters), dict.fromkeys(metrics, 0.0)):  # values are those of curves
            writer._get_file_writer().add_summary(summary, 0)

    def picture(self, name: str, image: Image.Image, iteration: int) -> None:
        import numpy

        self.logger.experiment.add_image(name, numpy.asarray(image), iteration, dataformats="HWC")

    def table(self, name: str, rows: Sequence[Row], iteration: int) -> None:
        self.logger.experiment.add_text(name, html_table(rows), iteration)


class WandbMedia(Media):
    """Images, tables and the run's config of Weights & Biases."""

    kind = WandbLogger

    def picture(self, name: str, image: Image.Image, iteration: int) -> None:
        self.logger.log_image(name, [image], iteration)

    def table(self, name: str, rows: Sequence[Row], iteration: int) -> None:
        self.logger.log_table(name, [*rows[0]], [[*row.values()] for row in rows], step=iteration)


class MLFlowMedia(Media):
    """Images by step, tables as artifacts, parameters of MLflow, which keeps their first values and can't change them.

    Names are those of `app/storage/names.py`, as those of figures are: eval/pass@8 is eval/pass_at_8 there.
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
    """The same as files, in a run's folder.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / FOLDER

    def picture(self, name: str, image: Image.Image, iteration: int) -> None:
        with replacing(self.folder / name / f"{iteration}.png") as temporary:
            image.save(temporary, "PNG")

    def table(self, name: str, rows: Sequence[Row], iteration: int) -> None:
        with replacing(self.folder / name / f"{iteration}.jsonl") as temporary:
            temporary.write_text("".join(json.dumps(dict(row)) + "\n" for row in rows))

    def forget_after(self, iteration: int) -> None:
        """Remove what a run that goes on from this iteration will show again."""
        for path in self.folder.rglob("*"):
            if path.suffix in (".png", ".jsonl") and path.stem.isdigit() and int(path.stem) > iteration:
                path.unlink()


def media_of(trainer: Trainer) -> list[Media]:
    """That of each of the run's loggers, by the latest class that is made for it."""
    found = []
    for logger in trainer.loggers:
        kind = next((each for each in Media.kinds if isinstance(logger, each.kind)), Media)
        found.append(kind(logger))
    return found


def files_of(trainer: Trainer) -> Files:
    """Those in the run's folder; to be asked by all processes together, since the first tells the others."""
    return Files(run_folder(trainer))


def image_of(figure: Figure) -> Image.Image:
    """A figure's pixels, in RGB."""
    encoded = BytesIO()
    figure.savefig(encoded, format="png")
    return Image.open(encoded).convert("RGB")


def html_table(rows: Sequence[Row]) -> str:
    """A table as TensorBoard shows it: what the policy wrote stands there letter by letter.

    Everything is escaped, for Markdown too, which looks for fences of code before it looks for HTML.
    """
    head = "".join(f"<th>{_escaped(name)}</th>" for name in rows[0])
    body = "".join(
        f"<tr>{''.join(f'<td><pre>{_escaped(_shown(value))}</pre></td>' for value in row.values())}</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _shown(value: str | float | None) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _escaped(text: str) -> str:
    whole = text.encode(errors="replace").decode()  # halves of pairs can't be written
    return html.escape(whole).replace("`", "&#96;").replace("~", "&#126;")
