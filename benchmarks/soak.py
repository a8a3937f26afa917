"""Memory, files and times over a long run of the tiny policy: `python -m benchmarks.soak --iterations 2000`.

The default run's command line, with validations, pictures and checkpoints, but with one stage whose learning
rate is nearly 0: all iterations do the same work, so that any drift comes from the program.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import torch
import yaml
from lightning.pytorch import Callback, LightningModule, Trainer

from app.cli import main as passk

WARM_UP = 200
WINDOW = 100
STAGE: dict[str, Any] = {
    "name": "soak",
    "advantage": "benchmarks.step.NeverZero",
    "learning_rate": {"class_path": "app.learning_rate.Constant", "init_args": {"peak": 1.0e-12}},
}


class Gauge(Callback):
    """Records resident memory, open files, threads, wall-clock and CPU seconds after every iteration."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.before = perf_counter(), process_time()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.before = perf_counter(), process_time()  # excludes validations between iterations

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        wall, cpu = self.before
        self.rows.append(
            {
                "mib": int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20,
                "files": len(os.listdir("/proc/self/fd")),
                "threads": len(os.listdir("/proc/self/task")),
                "wall": perf_counter() - wall,
                "cpu": process_time() - cpu,
            }
        )


def soak(iterations: int, folder: Path) -> dict[str, Any]:
    """Run and return the measurements."""
    torch.set_num_threads(1)
    until = {"class_path": "callbacks.triggers.Steps", "init_args": {"steps": iterations}}
    overlay = {
        "data": {"init_args": {"train": {7: 500}, "validation": {7: 16}, "test": {}, "batch_size": 8}},
        "rollout": {"rollouts": 8},
        "evaluation": {"n": 8, "ks": [1, 8]},
        "schedule": {"stages": [STAGE | {"until": until}]},
        "trainer": {
            "val_check_interval": WINDOW, "accelerator": "cpu", "logger": {"init_args": {"save_dir": str(folder)}},
        },
    }  # fmt: skip
    (folder / "soak.yaml").write_text(yaml.safe_dump(overlay))
    with redirect_stdout(StringIO()):
        trainer: Any = passk(
            ["fit", "-c", str(folder / "soak.yaml"), "--trainer.callbacks+=benchmarks.soak.Gauge"]
        ).trainer
    rows = next(each.rows for each in trainer.callbacks if type(each).__name__ == Gauge.__name__)
    events = sorted(Path(trainer.log_dir).glob("events.*"))
    return figures(rows) | {
        "event_files": len(events),
        "event_mib": sum(path.stat().st_size for path in events) / 2**20,
    }


def figures(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Growth and drift after the warm-up; for times, the medians of the first and the last hundred iterations."""
    settled = rows[WARM_UP:]
    first, last = settled[:WINDOW], settled[-WINDOW:]
    ratio = lambda name: (  # noqa: E731
        statistics.median(row[name] for row in last) / statistics.median(row[name] for row in first)
    )
    return {
        "iterations": len(rows),
        "resident_mib": [round(row["mib"], 1) for row in (settled[0], settled[-1])],
        "resident_growth": max(row["mib"] for row in settled) / settled[0]["mib"] - 1,
        "files": sorted({int(row["files"]) for row in settled}),
        "threads": sorted({int(row["threads"]) for row in settled}),
        "wall_ratio": ratio("wall"),
        "cpu_ratio": ratio("cpu"),
        "seconds_per_iteration": statistics.median(row["wall"] for row in settled),
    }


def main(args: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--iterations", type=int, default=2000)
    options = parser.parse_args(args)
    with tempfile.TemporaryDirectory() as folder:
        found = soak(options.iterations, Path(folder))
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
