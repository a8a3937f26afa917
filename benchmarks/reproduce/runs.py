"""Trains arms with the command line. A run is one stage and resumes from the last checkpoint of the run before."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.reproduce.claim import FOLDER, Arm, Claim


@dataclass(frozen=True)
class Run:
    """The run of one stage of an arm with one seed; its files are `folder` and some files beside it.

    Args:
        setting: an overlay on the default run.
        seed: of the weights, the mazes, the order of training and the rollouts.
        stages: the arm's stages up to this run's.
        root: the folder of all runs.
    """

    setting: Path
    seed: int
    stages: Arm
    root: Path

    @property
    def folder(self) -> Path:
        return self.root / self.setting.stem / f"seed-{self.seed}" / "+".join(stage.name for stage in self.stages)

    @property
    def before(self) -> Run | None:
        """The run from which this one resumes; None for the first."""
        return Run(self.setting, self.seed, self.stages[:-1], self.root) if len(self.stages) > 1 else None

    @property
    def last(self) -> Path:
        return self.folder / "checkpoints" / "last.ckpt"

    @property
    def record(self) -> dict[str, Any]:
        """CPU seconds so far, over all attempts, and whether the run is complete."""
        path = self.beside(".json")
        return json.loads(path.read_text()) if path.exists() else {"cpu_s": 0.0, "done": False}

    @property
    def config(self) -> dict[str, Any]:
        """The configuration values that differ from the setting."""
        logger = {"save_dir": str(self.folder.parent.parent), "name": self.folder.parent.name}
        return {
            **self.stages[-1].overlay,
            "seed_everything": self.seed,
            "data": {"init_args": {"seed": self.seed}},
            "schedule": {"stages": [stage.as_yaml() for stage in self.stages]},
            "trainer": {"logger": {"init_args": {**logger, "version": self.folder.name}}},
        }

    @property
    def iteration(self) -> int:
        """The iteration of the last validation; 0 without one."""
        path = self.folder / "results.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return json.loads(lines[-1])["iteration"] if lines else 0

    def beside(self, suffix: str) -> Path:
        return self.folder.with_name(self.folder.name + suffix)

    def train(self) -> None:
        """Start, or resume from this run's own last checkpoint; RuntimeError with the last line of a failed run."""
        if self.record["done"]:
            return
        if not self.last.exists():
            shutil.rmtree(self.folder, ignore_errors=True)  # killed before its first checkpoint
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.beside(".yaml").write_text(yaml.safe_dump(self.config, sort_keys=False))
        source = self.last if self.last.exists() else self.before and self.before.last
        command = [sys.executable, "-m", "app", "fit", f"--config={self.setting}", f"--config={self.beside('.yaml')}"]
        with self.beside(".log").open("a") as log:
            status, seconds = timed([*command, *([f"--ckpt_path={source}"] if source else [])], log)
        steps = sum(stage.steps for stage in self.stages)
        done = status == 0 and self.iteration == steps
        record = {"cpu_s": round(self.record["cpu_s"] + seconds, 1), "done": done}
        self.beside(".json").write_text(json.dumps(record))
        if not done:
            *_, line = ["", *self.beside(".log").read_text().splitlines()]
            short = "" if status else f", last validated at iteration {self.iteration} of {steps}"  # after SIGTERM
            raise RuntimeError(f"{self.folder} ended with status {status}{short}: {line}")


def timed(command: Sequence[str], log: Any) -> tuple[int, float]:
    """Run a command on one thread.  -> its exit status, and CPU seconds of it and its child processes"""
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=FOLDER.parents[1])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime


def runs_of(claim: Claim, seed: int, root: Path) -> dict[str, list[Run]]:
    """The runs of each arm, in order; runs that arms share are equal."""
    return {
        name: [Run(FOLDER / claim.setting, seed, arm[: length + 1], root) for length in range(len(arm))]
        for name, arm in claim.arms.items()
    }


def train_all(runs: Sequence[Run], jobs: int) -> None:
    """Train runs, `jobs` at a time. Each waits for the run it resumes from, which must be earlier in the list."""
    with ThreadPoolExecutor(jobs) as pool:
        futures: dict[Run, Future[None]] = {}

        def follow(run: Run) -> None:
            if run.before is not None:
                futures[run.before].result()
            print(f"{run.folder}", file=sys.stderr)
            run.train()

        try:
            for run in runs:
                if run not in futures:
                    futures[run] = pool.submit(follow, run)
            for future in futures.values():
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # else waiting runs would start after Ctrl-C
            raise
