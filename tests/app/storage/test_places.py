"""What runs are named after."""

from __future__ import annotations

from pathlib import Path

import pytest
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from app.storage.places import places_of, task_of
from datamodules.arithmetic import ArithmeticDataModule
from datamodules.maze import MazeDataModule
from datamodules.reasoning_gym import ReasoningGymDataModule
from datamodules.several import SeveralDataModule

MAZES = MazeDataModule({7: 8}, {7: 2}, {7: 2}, batch_size=2)


class HttpQuestions:
    """A data module of somebody's own."""


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (MAZES, "maze"),
        (ArithmeticDataModule(), "arithmetic"),
        (ReasoningGymDataModule({"chain_sum": {}}), "chain_sum"),
        (ReasoningGymDataModule({"chain_sum": {}, "leg_counting": {}}), "reasoning_gym"),
        (SeveralDataModule({"mazes": MAZES, "sums": ArithmeticDataModule()}, ["sums"]), "sums"),
        (HttpQuestions(), "http_questions"),
        (type("DataModule", (), {})(), "task"),
        (type("Own", (), {"task_name": "../a b/c"})(), "a_b_c"),
    ],
)
def test_a_task_has_a_short_name(data: object, name: str) -> None:
    assert task_of(data) == name


@pytest.mark.parametrize("kind", [TensorBoardLogger, CSVLogger])
@pytest.mark.parametrize(("given", "name"), [({}, "maze"), ({"name": "mine"}, "mine"), ({"name": ""}, "")])
def test_a_logger_without_a_name_takes_the_tasks(
    tmp_path: Path, kind: type[Logger], given: dict[str, str], name: str
) -> None:
    logger = kind(save_dir=tmp_path, **given)
    (place,) = places_of([logger], str(tmp_path), "maze")
    assert (logger.name, place.root) == (name, tmp_path / name)


def test_a_project_and_an_experiment_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    for given, name in (({}, "maze"), ({"project": "mine"}, "mine")):
        logger = WandbLogger(save_dir=tmp_path, offline=True, **given)  # type: ignore[arg-type]
        (place,) = places_of([logger], str(tmp_path), "maze")
        assert (logger.name, logger._wandb_init["project"], place.root) == (name, name, tmp_path / name)


@pytest.mark.parametrize("kind", [TensorBoardLogger, CSVLogger])
def test_a_folder_of_another_file_system_is_refused(kind: type[Logger]) -> None:
    """As a path it would be a folder "memory:" of the working folder."""
    said = "memory://bucket/maze must be a folder of this machine's file system"
    with pytest.raises(ValueError, match=said):
        places_of([kind(save_dir="memory://bucket")], "", "maze")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="memory://bucket must be a folder"):
        places_of([], "memory://bucket", "maze")


def test_a_run_without_a_logger_lies_in_the_tasks_folder(tmp_path: Path) -> None:
    assert places_of([], str(tmp_path), "maze")[0].root == tmp_path / "maze"
