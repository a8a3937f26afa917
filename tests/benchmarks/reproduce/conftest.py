"""A claim of seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.reproduce.claim import Claim, Sentence, Stage
from tests.conftest import BY_LENGTH, MINIATURE, constant, demonstrated, stage

UNUSUAL = ("name", "advantage", "until")


def short(name: str, advantage: Any, **changes: Any) -> Stage:
    """A stage of two iterations."""
    own = {key: value for key, value in stage(name).items() if key not in UNUSUAL}
    return Stage(name, advantage, 2, {**own, "learning_rate": constant(1e-2), **changes})


@pytest.fixture
def claim(tmp_path: Path, cache: Path) -> Claim:
    """Two arms that share a cold start and their first stage; one has a second."""
    setting = yaml.safe_load(MINIATURE.read_text())
    setting["data"]["init_args"]["cache_dir"] = str(cache)
    setting["trainer"]["logger"] = {
        "class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": str(tmp_path)},
    }  # fmt: skip
    objectives = {"class_path": "callbacks.display.objectives.Objectives", "init_args": {"every": 1}}
    objectives["init_args"]["objectives"] = {"pass@1": "app.advantages.PassOne", "by length": BY_LENGTH}
    setting["trainer"]["callbacks"] = [objectives]
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(setting))
    cold = {key: value for key, value in demonstrated().items() if key not in UNUSUAL}
    cold_start = Stage("cold", "app.advantages.Imitate", 2, cold)
    first = short("first", BY_LENGTH)
    second = short("second", "app.advantages.PassOne", sampling=None)
    return Claim(
        "small",
        "A small claim",
        {"one": (cold_start, first), "two": (cold_start, first, second)},
        (Sentence("More is more", "nowhere", "eval/pass@1", "two", "one"),),
        seeds=(1,),
        setting=str(tmp_path / "small.yaml"),
    )
