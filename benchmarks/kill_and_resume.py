"""Compares runs that are killed and resumed with one that is not: `python -m benchmarks.kill_and_resume --kills 30`.

SIGKILL is sent at random moments of a cold start, sampling, backward passes, validations, the writing of checkpoints
and transitions between stages; a run is killed three times before it may end. Then all its files are compared
bit for bit: checkpoints with weights, optimizer, schedule and Lightning's counters, exported policies, results.jsonl,
and every curve and picture of TensorBoard except `time/`.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from random import Random
from runpy import run_module
from time import sleep
from typing import Any

import torch
from lightning.pytorch import Callback

from app.storage.checkpoint import read_checkpoint
from app.storage.places import run_folders
from app.storage.run_folder import LOCK
from callbacks.lookup import callback_of
from callbacks.saving.events import event_files, read_events
from callbacks.schedule.schedule import StageSchedule

CONFIG = """
auto_resume: true
checkpoints: {every: 2}
model:
  policy: {class_path: app.policy.TinyPolicy, init_args: {hidden_size: 16, num_layers: 1, num_heads: 2}}
  minibatch_size: 2
  learning_rate: {class_path: app.learning_rate.Constant, init_args: {peak: 0.02, warmup: 3}}
  kl: {class_path: app.losses.K3, init_args: {coefficient: 0.01}}
data: {class_path: datamodules.maze.MazeDataModule, init_args: {
  train: {7: 17}, validation: {7: 4}, test: {7: 1}, batch_size: 4, eval_batch_size: 2}}
rollout: {rollouts: 4, scorer: app.scoring.InProcess}  # a process for it takes longer to start than the run
evaluation: {n: 4, ks: [1, 2, 4]}
schedule:
  stages:
    - name: cold start
      advantage: app.advantages.Imitate
      engine: app.engines.demonstrations.DemonstrationEngine
      problems: 3
      until: {class_path: callbacks.triggers.Steps, init_args: {steps: 7}}
    - name: explore
      advantage: {class_path: app.advantages.Imitate}
      reset_optimizer: true
      until: {class_path: callbacks.triggers.Plateau, init_args: {metric: eval/entropy, patience: 2, at_most: 8}}
    - name: exploit
      advantage: app.advantages.Imitate
      until: {class_path: callbacks.triggers.Steps, init_args: {steps: 5}}
trainer:
  accelerator: cpu
  val_check_interval: 3
  callbacks+: benchmarks.kill_and_resume.Announcer
"""
PHASES = ("cold start", "sampling", "backward", "validation", "checkpoint", "transition")


class Announcer(Callback):
    """Writes to file descriptor 3 which phase of the run begins."""

    def __init__(self) -> None:
        self.stage = 0

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        say("sampling" if _stage(trainer) else "cold start")

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Any) -> None:
        say("backward")

    def on_validation_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        say("validation")

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        index = _stage(trainer)
        say("checkpoint" if index == self.stage else "transition")
        self.stage = index


def _stage(trainer: Any) -> int:
    schedule = callback_of(trainer, StageSchedule)
    assert schedule is not None
    return schedule.index


def say(phase: str) -> None:
    os.write(int(os.environ[ANNOUNCEMENTS]), f"{phase}\n".encode())


ANNOUNCEMENTS = "PASSK_ANNOUNCEMENTS"
"""The file descriptor to which phases are written."""

SERVER = get_context("forkserver")
SERVER.set_forkserver_preload(["app.cli.command"])


def start(arguments: list[str], log: Path) -> tuple[ForkServerProcess, Iterator[str]]:
    """Start `passk` in a fork of a process with all imports and no threads.  -> the process, and its phases"""
    read, write = SERVER.Pipe(duplex=False)
    process = SERVER.Process(target=_announcing, args=(arguments, log, write, dict(os.environ)))
    process.start()
    write.close()
    return process, iter(os.fdopen(os.dup(read.fileno())).readline, "")


def _announcing(arguments: list[str], log: Path, announcements: Connection, environment: dict[str, str]) -> None:
    passk(arguments, log, environment | {ANNOUNCEMENTS: str(announcements.fileno())})


def passk(arguments: list[str], log: Path, environment: dict[str, str]) -> None:
    """Run `python -m app` in this environment, in a fork of the server; its output is appended to the log."""
    os.environ.clear()
    os.environ.update(environment)
    printed = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
    torch.set_num_threads(1)  # other runs may run beside it
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.argv = ["passk", *arguments]
    run_module("app", run_name="__main__", alter_sys=True)


def run(arguments: list[str], log: Path, kill: tuple[str, int, float] | None = None, by: int = signal.SIGKILL) -> int:
    """Run to the end, or kill it some seconds after the n-th announcement of a phase.  -> its exit status"""
    process, announced = start(arguments, log)
    phase, times, seconds = kill or ("", 0, 0.0)
    for line in announced:
        times -= line.strip() == phase
        if kill is not None and times == 0:
            sleep(seconds)
            assert process.pid is not None
            os.kill(process.pid, by)
            break
    for _ in announced:  # until the process ends
        pass
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def trial(
    folder: Path,
    kills: list[tuple[str, int, float]],
    by: int = signal.SIGKILL,
    logger: str = "",
    more: Sequence[str] = (),
) -> int:
    """Run, kill at these moments and resume each time, until the run ends.  -> how often it was killed

    more: further arguments of the command.
    """
    arguments, done = [*arguments_for(folder, logger), *more], 0
    for kill in kills:
        status = run(arguments, folder / "log", kill, by)
        if status == 0 and "stopped after" not in (folder / "log").read_text().splitlines()[-1]:
            return done
        done += 1
    status = run(arguments, folder / "log")
    if status:
        raise RuntimeError(f"the run in {folder} ended with status {status}: see its log")
    return done


def arguments_for(folder: Path, logger: str = "") -> list[str]:
    """The command line of a run in this folder, with a logger in YAML, by default TensorBoard's."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.yaml"
    config.write_text(CONFIG + (f"  logger: {logger}\n" if logger else ""))
    places = [] if logger else [f"--trainer.logger.save_dir={folder}"]
    return ["fit", f"--config={config}", *places, f"--data.cache_dir={folder.parent}"]


# -- comparing files --------------------------------------------------------------------------------


def differences(whole: Path, resumed: Path) -> list[str]:
    """The places where two runs' folders differ, compared bit for bit."""
    mine, theirs = newest(whole), newest(resumed)
    names, other_names = files(mine), files(theirs)
    found = [] if names == other_names else [f"the files are {names} and {other_names}"]
    for name in (name for name in names if name in other_names):
        if name.endswith(".ckpt"):
            one, other = (read_checkpoint(folder / name) for folder in (mine, theirs))
            found += [f"{name}: {place}" for place in unequal(one, other, [str(mine), str(theirs)])]
        elif content(mine / name) != content(theirs / name):
            found.append(name)
    curves, other_curves = logged(mine), logged(theirs)
    tags = sorted({*curves, *other_curves})
    return found + [f"TensorBoard: {tag}" for tag in tags if curves.get(tag) != other_curves.get(tag)]


def content(path: Path) -> bytes:
    """A file's bytes; a model card without the blocks with the command and the configuration."""
    read = path.read_bytes()
    return re.sub(rb"^```.*?^```", b"", read, flags=re.DOTALL | re.MULTILINE) if path.name == "README.md" else read


def newest(folder: Path) -> Path:
    """The run folder that the last process used."""
    return list(run_folders(folder / "maze").values())[-1]


def files(folder: Path) -> list[str]:
    """All files of a run, except logs and configuration."""
    kept = [path for path in folder.rglob("*") if path.is_file()]
    aside = ("events", "hparams", "metrics.csv", "config.yaml", "results.html", LOCK)
    return sorted(str(path.relative_to(folder)) for path in kept if not path.name.startswith(aside))


def unequal(one: Any, other: Any, folders: list[str], place: str = "") -> Iterator[str]:
    """Places in two checkpoints with different values, except the runs' paths and loggers."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            if key not in ("config", "folder", "logs", "ids"):
                yield from unequal(one[key], other[key], folders, f"{place}.{key}")
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from unequal(*pair, folders, f"{place}.{index}")
    elif isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        if one.dtype != other.dtype or not torch.equal(one, other):
            yield place
    elif str(one).replace(folders[0], "") != str(other).replace(folders[1], ""):
        yield f"{place} is {one} and {other}"


def logged(folder: Path) -> dict[str, list[tuple[int, bytes]]]:
    """All values in a run's event files with their steps, by name, in order; without times."""
    values = defaultdict[str, list[tuple[int, bytes]]](list)
    for path in event_files(folder):
        for event in read_events(path):
            for value in event.summary.value:
                if not value.tag.startswith("time/"):
                    values[value.tag].append((event.step, value.SerializeToString()))
    return values


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kill_and_resume", description=(__doc__ or "").split(":")[0]
    )
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    total, seed = options.kills, options.seed
    random = Random(seed)
    moments = [PHASES[index % len(PHASES)] for index in range(total)]
    random.shuffle(moments)
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place) / "whole"
        run(arguments_for(whole), whole / "log")
        done, wrong, number = 0, 0, 0
        while done < total:
            number += 1
            chosen = sorted(moments[done : done + 3], key=PHASES.index)
            kills = [(phase, random.randint(1, 2), random.uniform(0, 0.05)) for phase in chosen]
            killed = Path(place) / f"killed-{number}"
            done += trial(killed, kills)
            found = differences(whole, killed)
            wrong += bool(found)
            print(f"{done:3d} kills, run {number} ({', '.join(chosen)}): {'; '.join(found) or 'equal'}", flush=True)
    print(f"{number} runs killed {done} times: {wrong} differ from the run that was not")
    sys.exit(wrong)
