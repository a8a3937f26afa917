"""Writes checkpoints and exports completely or not at all, by all processes together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning.pytorch import Trainer
from safetensors import SafetensorError

from app.module import RLVRModule
from app.storage.checkpoint import CheckpointError
from app.storage.files import beside, naming, put, reason_of, remove
from callbacks.saving.card import CARD, card_of


@contextmanager
def replacing_together(trainer: Trainer, path: Path) -> Iterator[Path]:
    """A temporary path at which all processes write; it replaces `path` when it is complete.

    CheckpointError if it cannot be written; `path` is then unchanged.
    """
    temporary = beside(path, "new")
    try:
        if trainer.is_global_zero:
            path.parent.mkdir(parents=True, exist_ok=True)
            remove(temporary)
        trainer.strategy.barrier("begin to write")
        with naming(path):
            yield temporary
        if trainer.is_global_zero:
            put(temporary, path)
        trainer.strategy.barrier("written")
    except (OSError, SafetensorError) as error:
        remove(temporary)
        reason = reason_of(error, path) if isinstance(error, OSError) else error
        raise CheckpointError(f"{path} can't be written: {reason}; what stood there before stays") from None


def save_checkpoint(trainer: Trainer, path: Path) -> None:
    """Make the Trainer write a checkpoint: a file, or a folder if the strategy writes shards."""
    with replacing_together(trainer, path) as temporary:
        trainer.save_checkpoint(temporary)


def export(trainer: Trainer, folder: Path, stage: str | None = None) -> None:
    """Write the policy as a transformers folder with a model card; a collective of all processes.

    stage: the stage that has just ended; defaults to that of the last validation.
    """
    RLVRModule.of(trainer.lightning_module).policy.save(folder)
    text = card_of(trainer, stage)  # on all processes: rank 0 broadcasts the run folder
    if trainer.is_global_zero:
        (folder / CARD).write_text(text, encoding="utf-8", errors="replace")
