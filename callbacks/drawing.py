"""The callback that connects the train stream, its problem sampler and the record of passes."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only

from app.advantages.base import check_share
from app.advantages.curves import Curves, curves
from app.distributed.processes import gather_objects
from app.draw import ProblemSampler, Uniform
from app.module import RLVRModule
from app.storage.run_folder import run_folder
from app.types import ProblemBatch

log = logging.getLogger(__name__)

RECORD = "problems.jsonl"
"""The record's file in the run folder."""


class ProblemDraw(Callback):
    """Draws training problems with a sampler, and records how often each is passed.

    The record counts the answers of all processes, including those of problems that dynamic sampling has replaced,
    but no demonstrations; answers with a replayed prefix count only as a draw of their problem. It is part of the
    checkpoint. After each validation, and at the end, it is written to the run folder as `problems.jsonl`: a line for
    each drawn problem.

    Place it after the RolloutCallback, which samples.

    Args:
        sampler: the problem sampler; defaults to `Uniform`.
        start_from: the `problems.jsonl` of another run, whose counts are the start; a resumed run does not read it.
        decay: factor on the counts of a problem's earlier answers at each new draw, in [0, 1].
    """

    def __init__(
        self, sampler: ProblemSampler | None = None, start_from: str | None = None, decay: float = 0.5
    ) -> None:
        check_share("decay", decay)
        self.sampler, self.start_from, self.decay = sampler or Uniform(), start_from, decay
        self.resumed = False
        self._curves: tuple[str, Curves] | None = None  # of an objective, by a text of all that they depend on

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        stream = _stream_of(trainer)
        if stream is None:
            if not isinstance(self.sampler, Uniform) or self.start_from is not None:
                name = type(getattr(trainer, "datamodule", None)).__name__
                raise ValueError(f"draw has no effect on {name}, which is no ProblemDataModule")
            return
        overfit = trainer.overfit_batches  # type: ignore[attr-defined]
        if overfit and not isinstance(self.sampler, Uniform):
            raise ValueError(f"draw.sampler={self.sampler!r} must be Uniform with overfit_batches={overfit}")
        module = RLVRModule.of(pl_module)
        stream.sampler, stream.objective, stream.record.decay = (
            self.sampler,
            lambda: self._objective(module),
            self.decay,
        )

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self.resumed = True  # the checkpoint has the counts

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        stream = _stream_of(trainer)
        if stream is not None and self.start_from is not None and not self.resumed:
            found = stream.record.read(Path(self.start_from))
            rank_zero_only(log.info)(
                "%s: pass rates of %d of the %d training problems", self.start_from, found, len(stream.record)
            )

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: ProblemBatch, batch_idx: int
    ) -> None:
        stream, module = _stream_of(trainer), RLVRModule.of(pl_module)
        if stream is None:
            return
        module.log_metrics(self._figures(stream))
        found = module.rollout_worker.outcomes
        own = [(stream.record.place(each.problem), each.answers, each.passes, each.prefix) for each in found]
        answers, passes, aside = Counter[int](), Counter[int](), set[int]()
        for place, scored, passed, prefix in (each for part in gather_objects(own) for each in part):
            if prefix:
                aside.add(place)
                continue
            answers[place] += scored
            passes[place] += passed
        outcomes = {place: (answers[place], passes[place]) for place in answers}
        stream.record.update(stream.batches - 1, outcomes, self.sampler.solved_at, self.sampler.failed_at, aside)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._write(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._write(trainer)

    def _figures(self, stream: Any) -> dict[str, float]:
        """The logged metrics of a draw, from the record before its problems were sampled."""
        record, drawn = stream.record, torch.tensor(stream.last)
        names, labels = record.labels
        figures = {
            "draw/pass_rate": record.rates[drawn].mean().item(),
            "draw/new": record.drawn[drawn].eq(0).double().mean().item(),
            "draw/seen": record.drawn.ne(0).double().mean().item(),
        }
        if len(names) > 1:
            shares = labels[drawn].bincount(minlength=len(names)).double() / len(drawn)
            figures |= {f"draw/set/{name}": share for name, share in zip(names, shares.tolist(), strict=True)}
        return figures | self.sampler.figures(record, drawn, stream.last_place)

    def _objective(self, module: RLVRModule) -> Curves:
        """The curves of the current stage's objective, with its current state, k and N."""
        advantage, rollouts = module.settings.advantage, module.rollout_worker.settings.rollouts
        key = f"{advantage!r} {rollouts} {advantage.state_dict()}"
        if self._curves is None or self._curves[0] != key:
            self._curves = key, curves(advantage, rollouts)
        return self._curves[1]

    @staticmethod
    def _write(trainer: Trainer) -> None:
        stream, tried = _stream_of(trainer), trainer.fast_dev_run  # type: ignore[attr-defined]
        if stream is None or tried:
            return
        folder = run_folder(trainer)
        if trainer.is_global_zero:
            stream.record.write(folder / RECORD)


def _stream_of(trainer: Trainer) -> Any:
    """The train stream of a ProblemDataModule; None for another data module."""
    return getattr(getattr(trainer, "datamodule", None), "stream", None)
