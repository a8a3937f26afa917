"""`~` in a configuration's paths is the home folder, and nothing else is changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonargparse import Namespace

from app.cli.paths import expand_home
from tests.conftest import CommandLine, stage, steps


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("name", "is_path"),
    [
        *((name, True) for name in ("path", "ckpt_path", "train_path", "save_dir", "dirpath", "cache_dir", "train")),
        *((name, True) for name in ("default_root_dir", "source", "few_shot", "start_from", "reward_funcs")),
        *((name, False) for name in ("name", "alphabet", "script", "system_prompt", "label")),
    ],
)
def test_paths_alone_are_changed(name: str, is_path: bool, home: Path) -> None:
    for text, expanded in {
        "~": f"{home}",
        "~/a": f"{home}/a",
        "a/~": "a/~",
        "~nobody here/a": "~nobody here/a",
    }.items():
        wanted = expanded if is_path else text
        assert expand_home({name: text, "other": 1}) == {name: wanted, "other": 1}
        assert expand_home({name: [text]}) == {name: [wanted]}
        config: Any = Namespace(parts=[Namespace(class_path="a.B", init_args=Namespace(**{name: text}))])
        assert expand_home(config) is config
        assert config.parts[0].init_args[name] == wanted


def test_values_that_are_no_text_stay() -> None:
    config = {"train": {7: 64}, "path": None, "cache_dir": 3, "source": {"train": "~/a"}}
    assert expand_home(dict(config)) == {**config, "source": {"train": f"{Path.home()}/a"}}


def test_a_run_writes_to_the_home_folder(passk: CommandLine, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(passk.folder)
    logger = {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": "~/runs"}}
    passk.fit([stage("one", until=steps(1))], "--trainer.logger.save_dir=~/runs", trainer={"logger": logger})
    assert (home / "runs/maze/version_0/checkpoints/last.ckpt").is_file()
    assert not (passk.folder / "~").exists()
    passk("validate", "--trainer.logger.save_dir=~/again", "--ckpt_path=~/runs/maze/version_0")
