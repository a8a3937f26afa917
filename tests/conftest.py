"""What all tests share: one thread, no network, trivial problems and policies, the real command line in miniature."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when transformers is imported

import json
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from time import thread_time
from typing import TYPE_CHECKING, Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from app.distributed.processes import environment_outside
from app.types import Problem

if TYPE_CHECKING:
    from app.policy import TinyPolicy  # only there: pytest-xdist's own process waits for what is imported here

torch.set_num_threads(1)


def pytest_configure(config: pytest.Config) -> None:
    """A slow test that is named by its id is run, although pyproject.toml leaves slow ones out."""
    if config.option.markexpr == "not slow" and any("::" in argument for argument in config.args):
        config.option.markexpr = ""


@dataclass(frozen=True)
class EchoProblem(Problem):
    """Passes whoever says the prompt again."""

    prompt: str
    label: str = "echo"

    @property
    def key(self) -> str:
        return self.prompt

    @property
    def solution(self) -> str:
        return self.prompt

    def score(self, response: str) -> float:
        return float(response == self.prompt)


def build_tiny_policy(seed: int = 0, **changes: object) -> TinyPolicy:
    """A built `TinyPolicy` whose random weights are large enough for its answers to differ."""
    from app.policy import TinyPolicy

    shape = {"hidden_size": 16, "num_layers": 2, "num_heads": 2, "intermediate_size": 24, "context_length": 256}
    policy = TinyPolicy(**{**shape, **changes})
    torch.manual_seed(seed)
    policy.build()
    with torch.no_grad():
        for parameter in policy.parameters():
            if parameter.ndim > 1:
                parameter.mul_(5)
    return policy


@pytest.fixture
def tiny_policy() -> Callable[..., TinyPolicy]:
    """A factory of built tiny policies; see `build_tiny_policy`."""
    return build_tiny_policy


@pytest.fixture
def echo() -> type[EchoProblem]:
    """The class of a trivial problem."""
    return EchoProblem


def least_seconds(call: Callable[[], Any]) -> float:
    """CPU seconds of this thread in the quickest of three calls: neither other processes nor a collection count."""
    taken = []
    for _ in range(3):
        start = thread_time()
        call()
        taken.append(thread_time() - start)
    return min(taken)


# -- the real command line, on a run of a second ---------------------------------------------------

ROOT = Path(__file__).resolve().parents[1]
MINIATURE = ROOT / "tests" / "miniature.yaml"


def steps(number: int) -> dict[str, Any]:
    """The trigger of a stage of fixed length, as YAML has it."""
    return {"class_path": "callbacks.triggers.Steps", "init_args": {"steps": number}}


def stage(name: str, advantage: str | dict[str, Any] = "app.advantages.PassOne", **changes: Any) -> dict[str, Any]:
    """A stage of two iterations, as YAML has it, with every override written down."""
    nothing = dict.fromkeys(
        ("learning_rate", "problems", "rollouts", "engine", "sampling", "minibatch_size", "count_skipped_tokens")
    )
    return {"name": name, "advantage": advantage, "until": steps(2), **nothing, "reset_optimizer": False, **changes}


def demonstrated(name: str = "cold start", **changes: Any) -> dict[str, Any]:
    """A cold start of two iterations."""
    engine = {"class_path": "app.engines.demonstrations.DemonstrationEngine", "init_args": {"typo_rate": 0.0}}
    own = {"engine": engine, "rollouts": 2, "learning_rate": constant(3e-3)}
    return stage(name, "app.advantages.Imitate", **{**own, **changes})


def scripted(*script: str) -> dict[str, Any]:
    """The engine that says these lines, as YAML has it."""
    return {"class_path": "app.engines.scripted.ScriptedEngine", "init_args": {"script": list(script)}}


def constant(peak: float) -> dict[str, Any]:
    """A learning rate that stays where it is, as YAML has it."""
    return {"class_path": "app.learning_rate.Constant", "init_args": {"peak": peak, "warmup": 0}}


BY_LENGTH = "tests.callbacks.extras.ByLength"
"""An objective from which a policy that solves nothing learns all the same."""


@dataclass
class CommandLine:
    """`passk` in this process, in the miniature, with its files in a folder of the test."""

    folder: Path
    cache: Path

    def options(self, *options: str, base: Path | None = None, cached: bool = True, **overlay: Any) -> list[str]:
        """A file to begin with, the miniature, a mapping as an overlay of its own, then options.

        A data module that keeps nothing on disk is not `cached`.
        """
        path = self.folder / f"overlay-{len(list(self.folder.glob('overlay-*')))}.yaml"
        path.write_text(yaml.safe_dump(overlay, sort_keys=False))
        places = ["--trainer.logger.save_dir", str(self.folder / "runs")]
        places += ["--data.cache_dir", str(self.cache)] if cached else []
        below = [f"--config={config}" for config in (base, MINIATURE) if config is not None]
        return [*below, *places, f"--config={path}", *options]

    def __call__(self, command: str, *options: str, base: Path | None = None, **overlay: Any) -> Any:
        """Run it; the PassKCLI it leaves behind."""
        from app.cli import main  # here, because it takes seconds

        return main([command, *self.options(*options, base=base, **overlay)])

    def fit(self, stages: list[dict[str, Any]], *options: str, **overlay: Any) -> Any:
        """Run `fit` through these stages."""
        return self("fit", *options, **{**overlay, "schedule": {"stages": stages}})


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all tests keep generated mazes."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def passk(tmp_path: Path, cache: Path) -> CommandLine:
    """The command line of one test."""
    return CommandLine(tmp_path, cache)


@dataclass
class Run:
    """What a finished run left behind."""

    cli: Any
    folder: Path
    printed: str

    @property
    def results(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "results.jsonl").read_text().splitlines()]

    def stage(self, name: str) -> Path:
        return self.folder / "stages" / name


CONTAINED = "--rollout.scorer=app.scoring.SubprocessScorer"
CURVES = "--trainer.callbacks+=callbacks.display.curves.AdvantageCurves"
PARAMETERS = "--trainer.callbacks+=callbacks.display.hyperparameters.Hyperparameters"
REPORT = "--trainer.callbacks+=callbacks.display.report.Report"
PICTURES = (PARAMETERS, "--trainer.callbacks+=callbacks.display.samples.Samples", REPORT, CURVES)
"""Answers scored and pictures drawn as they are by default, which the miniature leaves out."""


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Run:
    """One run through three stages, which many tests read and none changes."""
    passk, printed = CommandLine(tmp_path_factory.mktemp("finished"), cache), StringIO()
    stages = [
        demonstrated(until=steps(3)),
        stage("explore", BY_LENGTH, reset_optimizer=True, learning_rate=constant(1e-2)),
        stage("exploit", {"class_path": "app.advantages.PassK", "init_args": {"k": 2}}, until=steps(1)),
    ]
    with redirect_stdout(printed):
        cli = passk.fit(stages, CONTAINED, *PICTURES)
    return Run(cli, Path(cli.trainer.log_dir), printed.getvalue())


def environment() -> dict[str, str]:
    """For a process of its own: without the place in a group that Lightning has put this one in."""
    return {**environment_outside(), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}


def weights(folder: Path, name: str = "model") -> dict[str, torch.Tensor]:
    """Of an exported policy."""
    return load_file(folder / f"{name}.safetensors")


def gap(one: Path, other: Path, name: str = "model") -> float:
    """The largest difference between two exported policies' weights."""
    mine, theirs = weights(one, name), weights(other, name)
    assert mine.keys() == theirs.keys()
    return max((mine[name] - theirs[name]).abs().max().item() for name in mine)


def callback(cli: Any, name: str) -> Any:
    """The run's callback of the class of this name."""
    return next(each for each in cli.trainer.callbacks if type(each).__name__ == name)
