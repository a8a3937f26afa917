"""The extensions of CONTRIBUTING.md: each in a file of its own, by three lines of YAML, through the command line."""

from __future__ import annotations

import json
import pickle
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.conftest import ROOT, CommandLine, callback, scripted, stage

EXAMPLE = re.compile(r"### An? (\w+)\n\n`(\w+)\.py`:\n\n```python\n(.*?)```\n\n```yaml\n(.*?)```", re.DOTALL)


class Example(NamedTuple):
    """An extension as the page has it."""

    module: str
    python: str
    yaml: str


EXAMPLES = {kind: Example(*rest) for kind, *rest in EXAMPLE.findall((ROOT / "CONTRIBUTING.md").read_text())}


@pytest.fixture
def example(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The YAML of one of them, in a folder that holds its file."""
    found = EXAMPLES[request.param]
    (tmp_path / f"{found.module}.py").write_text(found.python)
    (tmp_path / "my.yaml").write_text(found.yaml)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, found.module, raising=False)
    return "--config=my.yaml"


def fit(passk: CommandLine, example: str, *options: str, **overlay: Any) -> Any:
    """Two iterations, unless the example has stages of its own."""
    stages = {} if "schedule" in yaml.safe_load(Path("my.yaml").read_text()) else {"stages": [stage("explore")]}
    return passk("fit", example, *options, **overlay, **({"schedule": stages} if stages else {}))


def test_there_are_six_and_each_has_three_lines_of_yaml_at_most() -> None:
    assert list(EXAMPLES) == ["advantage", "loss", "engine", "trigger", "puzzle", "metric"]
    assert all(len(found.yaml.strip().splitlines()) <= 3 for found in EXAMPLES.values())


@pytest.mark.parametrize("example", ["advantage"], indirect=True)
def test_an_advantage(passk: CommandLine, example: str) -> None:
    cli = fit(passk, example, "--trainer.max_steps=2", rollout={"engine": scripted("{solution}", "U")})
    assert type(cli.model.settings.advantage).__module__ == "my_advantage"
    assert float(cli.trainer.callback_metrics["train/updates"]) > 0


@pytest.mark.parametrize("example", ["loss"], indirect=True)
def test_a_loss(passk: CommandLine, example: str) -> None:
    cli = fit(passk, example, rollout={"engine": scripted("{solution}", "U")})
    assert type(cli.model.settings.loss).__module__ == "my_loss"
    assert float(cli.trainer.callback_metrics["train/updates"]) > 0


@pytest.mark.parametrize("example", ["engine"], indirect=True)
def test_an_engine(passk: CommandLine, example: str) -> None:
    cli = fit(passk, example)
    assert type(cli.model.worker.engine).__module__ == "my_engine"
    assert float(cli.trainer.callback_metrics["rollout/length"]) == 9  # and the end of the sequence
    assert callback(cli, "PassKEvaluation").history[-1]["eval/entropy"] > 0


@pytest.mark.parametrize("example", ["trigger"], indirect=True)
def test_a_trigger(passk: CommandLine, example: str) -> None:
    cli = fit(passk, example, rollout={"engine": scripted("{solution}", "U")})
    assert cli.model.iteration == 1


@pytest.mark.parametrize("example", ["puzzle"], indirect=True)
def test_a_puzzle(passk: CommandLine, example: str) -> None:
    cli = fit(passk, example, rollout={"engine": scripted("{solution}", "U")})
    figures = callback(cli, "PassKEvaluation").history[-1]
    assert (figures["eval/pass@1"], figures["eval/maj@4"], figures["eval/unscored"]) == (0.5, 0.5, 0)
    splits = cli.datamodule.splits
    assert {split: len(problems) for split, problems in splits.items()} == {"train": 1000, "validation": 64, "test": 64}
    assert len({problem.prompt for problems in splits.values() for problem in problems}) == 1128
    assert pickle.loads(pickle.dumps(splits["test"][0])) == splits["test"][0]  # as the process that scores gets it


@pytest.mark.parametrize("example", ["metric"], indirect=True)
def test_a_metric(passk: CommandLine, example: str) -> None:
    """Of four responses to each maze three are the same."""
    cli = fit(passk, example, rollout={"engine": scripted("U", "D", "U", "U")})
    figures = callback(cli, "PassKEvaluation").history[-1]
    assert figures["eval/repeats"] == 0.5
    records = json.loads((Path(cli.trainer.log_dir) / "results.json").read_text())["validations"]
    assert records[-1]["sets"][""]["metrics"] == {"repeats": 0.5}
