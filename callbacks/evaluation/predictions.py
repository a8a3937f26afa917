"""`predict`: writes sampled completions, one per line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter

from app.module import RLVRModule
from app.storage.files import appending
from app.storage.run_folder import folder_line, run_folder
from app.types import Rollouts
from app.types.pictures import text_of
from callbacks.evaluation.tables import spent_line


class PredictionWriter(BasePredictionWriter):
    """Writes completions as JSON lines; missing values are null.

    A line has the set, the key, the prompt (text, or the messages of a chat), the reference answer, the number of the
    rollout, the response, its extracted answer, score, finish and tokens.

    Args:
        path: the file; None writes `predictions.jsonl` in the run folder. Of several processes each writes a file of
            its own: process r `predictions.<r>.jsonl`. With `trainer.fast_dev_run` no file is written.
    """

    def __init__(self, path: str | None = None) -> None:
        super().__init__(write_interval="batch")
        self.path = path

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        path = self._path(trainer)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")

    def write_on_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        prediction: Rollouts,
        batch_indices: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        with appending(self._path(trainer)) as file:
            file.writelines(json.dumps(record) + "\n" for record in records(prediction))

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        path = self._path(trainer)
        spent = RLVRModule.of(pl_module).rollout_worker.pop_usage()
        if trainer.is_global_zero:
            leaves_no_files = trainer.fast_dev_run  # type: ignore[attr-defined]
            print(folder_line(trainer) if leaves_no_files else f"Completions: {path}")
            if spent:
                print(spent_line(spent))

    def _path(self, trainer: Trainer) -> Path:
        own = self.path is not None and not trainer.fast_dev_run  # type: ignore[attr-defined]
        path = Path(str(self.path)) if own else run_folder(trainer) / "predictions.jsonl"
        return path if trainer.world_size == 1 else path.with_name(f"{path.stem}.{trainer.global_rank}{path.suffix}")


def records(rollouts: Rollouts) -> Iterator[dict[str, Any]]:
    """A record for each completion."""
    of_each = zip(rollouts.problems, rollouts.completions, rollouts.rewards.tolist(), strict=True)
    for problem, rows, rewards in of_each:
        prompt = problem.prompt
        if not isinstance(prompt, str):
            prompt = [{**message, "content": text_of(message["content"])} for message in prompt]
        for rollout, (row, reward) in enumerate(zip(rows, rewards, strict=True)):
            yield {
                "set": problem.label,
                "key": problem.key,
                "prompt": prompt,
                "reference": problem.solution or None,
                "rollout": rollout,
                "response": row.text,
                "answer": row.answer,
                "score": reward if isfinite(reward) else None,
                "finish": row.finish,
                "tokens": len(row.tokens),
            }
