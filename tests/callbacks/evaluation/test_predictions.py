"""Where predictions are written."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from callbacks.evaluation.predictions import PredictionWriter


@pytest.mark.parametrize("given", [None, "answers.jsonl", "answers"])
@pytest.mark.parametrize("processes", [1, 2])
def test_every_process_has_a_file_of_its_own(given: str | None, processes: int, tmp_path: Path) -> None:
    writer = PredictionWriter(None if given is None else str(tmp_path / given))
    for rank in range(processes):
        trainer: Any = SimpleNamespace(
            world_size=processes, global_rank=rank, fast_dev_run=0, log_dir=str(tmp_path), default_root_dir=""
        )
        writer.on_predict_start(trainer, None)  # type: ignore[arg-type]
    stem, dot, end = (given or "predictions.jsonl").partition(".")
    names = [f"{stem}.{rank}{dot}{end}" for rank in range(processes)] if processes > 1 else [stem + dot + end]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
