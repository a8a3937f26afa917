"""One run and all its loggers: curves, pictures, sampled answers and hyperparameters are the same in each."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningArgumentParser
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from app.storage.run_folder import PassKTrainer
from callbacks.display.media import CometMedia, Media, TensorBoardMedia, media_of
from tests.conftest import BY_LENGTH, MINIATURE, PICTURES, ROOT, CommandLine, Run, stage, steps

SHOWN = {"eval/answers": ".jsonl", "eval/drawn": ".png", "eval/pass_at_k": ".png", "stage/advantages": ".png"}
"""By name, and by the kind of its files."""


def fitted(passk: CommandLine, logger: Any) -> Trainer:
    """The Trainer of a run of two iterations with a validation at its end."""
    from app.cli import main  # here, because it takes seconds

    overlay = passk.folder / "overlay.yaml"
    stages = {"stages": [stage("one", BY_LENGTH, until=steps(2))]}
    own = {"logger": logger, "default_root_dir": str(passk.folder / "runs")}
    overlay.write_text(yaml.safe_dump({"trainer": own, "schedule": stages}))
    files = [f"--config={file}" for file in (MINIATURE, overlay)]
    return main(["fit", *files, f"--data.cache_dir={passk.cache}", *PICTURES]).trainer


def of(kind: str, folder: Path, **arguments: Any) -> dict[str, Any]:
    """A logger without a name, as YAML has it."""
    return {"class_path": f"lightning.pytorch.loggers.{kind}", "init_args": {"save_dir": str(folder), **arguments}}


def test_all_loggers_at_once_are_given_the_same(passk: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow takes no "@" in a name, which is spelt out; nothing else differs."""
    pytest.importorskip("wandb")
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("WANDB_SILENT", "true")
    root, store = passk.folder / "runs", f"file:{passk.folder}/store"
    loggers = [of("TensorBoardLogger", root), of("CSVLogger", root), of("WandbLogger", root, offline=True)]
    trainer = fitted(passk, [*loggers, of("MLFlowLogger", root, tracking_uri=store)])
    folder = Path(str(trainer.log_dir))
    assert folder == root / "maze/version_0"

    board = EventAccumulator(str(folder), size_guidance={"tensors": 0, "images": 0}).Reload()
    wandb: Any = trainer.loggers[2].experiment
    config, summary = dict(wandb.config), dict(wandb.summary)
    wandb.finish()
    client = mlflow.MlflowClient(store)
    (run,) = client.search_runs([client.get_experiment_by_name("maze").experiment_id])
    with (folder / "metrics.csv").open() as file:
        table = [*csv.DictReader(file)]

    curves = {*board.Tags()["scalars"]}
    assert {"eval/pass@4", "rollout/reward", "entropy/mean"} < curves
    assert {name for name in table[0] if name not in ("step", "epoch")} == curves - {"epoch"}
    assert summary.keys() >= curves
    assert {name.replace("@", "_at_") for name in curves} == run.data.metrics.keys()
    last = board.Scalars("eval/pass@4")[-1].value
    assert [float(row["eval/pass@4"]) for row in table if row["eval/pass@4"]][-1] == pytest.approx(last, abs=1e-6)
    assert summary["eval/pass@4"] == pytest.approx(last, abs=1e-6)
    assert run.data.metrics["eval/pass_at_4"] == pytest.approx(last, abs=1e-6)

    chosen = {"rollout.rollouts": 4, "model.policy": "app.policy.TinyPolicy", "model.policy.hidden_size": 16}
    assert chosen.items() <= config.items()
    assert {name: str(value) for name, value in chosen.items()}.items() <= run.data.params.items()
    assert chosen.items() <= yaml.safe_load((folder / "hparams.yaml").read_text()).items()

    assert {name for name, suffix in SHOWN.items() if suffix == ".png"} <= {*board.Tags()["images"]}
    assert [summary[name]["_type"] for name in SHOWN] == ["table-file", *["images/separated"] * 3]
    kept = {artifact.path for artifact in client.list_artifacts(run.info.run_id, "images")}
    for name, suffix in SHOWN.items():
        assert suffix == ".jsonl" or any(name.replace("/", "~") in path for path in kept)
    (answers,) = client.list_artifacts(run.info.run_id, "eval/answers")
    assert answers.path == "eval/answers/2.json"
    assert len(mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/{answers.path}")["data"]) == 16


def test_without_a_logger_all_is_in_the_runs_folder(passk: CommandLine) -> None:
    folder = Path(str(fitted(passk, False).log_dir))
    assert folder == passk.folder / "runs/maze/version_0"
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    media = {f"media/{name}/{0 if name.startswith('stage') else 2}{suffix}" for name, suffix in SHOWN.items()}
    assert found >= {"config.yaml", "results.md", "results.json", "checkpoints/last.ckpt", *media}


@pytest.mark.parametrize("name", SHOWN)
def test_the_runs_folder_has_what_is_shown(finished: Run, name: str) -> None:
    files = sorted((finished.folder / "media" / name).iterdir())
    iterations = [0] if name == "stage/advantages" else [2, 3, 4, 5, 6]
    assert [file.name for file in files] == [f"{step}{SHOWN[name]}" for step in iterations]
    if SHOWN[name] == ".png":
        assert Image.open(files[-1]).width > 300
    else:
        rows = [json.loads(line) for line in files[-1].read_text().splitlines()]
        assert len(rows) == 16
        assert {"prompt", "answer", "reference", "reward", "length"} < rows[0].keys()


def test_tensorboard_compares_runs_by_hyperparameters(finished: Run) -> None:
    board = EventAccumulator(str(finished.folder)).Reload()
    content = board.summary_metadata
    begun = content["_hparams_/session_start_info"].plugin_data.content
    assert b"rollout.rollouts" in begun
    assert b"app.policy.TinyPolicy" in begun
    assert b"model.policy.hidden_size" in begun
    compared = content["_hparams_/experiment"].plugin_data.content
    assert all(f"eval/pass@{k}".encode() in compared for k in (1, 2, 4))
    assert b"Pass@k" in board.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0]


class Shown(Logger):
    """A logger with the method of W&B's for pictures, and SwanLab's for texts."""

    name, version = "shown", 0

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[tuple[str, int], Any] = {}

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        pass

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        pass

    def log_image(self, key: str, images: list[Any], step: int | None = None, **kwargs: Any) -> None:
        self.calls[key, step or 0] = images

    def log_text(self, key: str, texts: list[str], step: int | None = None, **kwargs: Any) -> None:
        self.calls[key, step or 0] = texts


class Otherwise(Shown):
    """A logger whose method has the same name and other arguments."""

    def log_image(self, path: str) -> None:  # type: ignore[override]
        raise AssertionError(path)


def test_a_logger_with_the_methods_of_wandb_is_given_pictures_and_texts(passk: CommandLine) -> None:
    trainer = fitted(passk, {"class_path": f"{__name__}.Shown"})
    (logger,) = trainer.loggers
    assert isinstance(logger, Shown)
    assert {name for name, _ in logger.calls} == {*SHOWN}
    assert all(isinstance(image, Image.Image) for image in logger.calls["eval/drawn", 2])
    answers = logger.calls["eval/answers", 2]
    rows = (Path(str(trainer.log_dir)) / "media/eval/answers/2.jsonl").read_text().splitlines()
    for text, row in zip(answers, map(json.loads, rows), strict=True):
        assert all(f"{column}: " in text for column in row)
        assert f"answer: {row['answer']}" in text


def test_a_logger_with_other_arguments_is_left_alone() -> None:
    media = Media(Otherwise())
    media.picture("one", Image.new("RGB", (2, 2)), 1)
    media.table("two", [{"a": 1.5, "b": None, "c": "half \ud83d"}], 1)
    assert media.logger.calls == {("two", 1): ["a: 1.5\nb: \nc: half ?"]}


class Recorded:
    """The calls of a Comet experiment."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def log_image(self, image: Any, name: str, step: int) -> None:
        self.calls.append((name, step, image.size))

    def log_table(self, filename: str, tabular_data: Any, headers: list[str]) -> None:
        self.calls.append((filename, headers, tabular_data))


def test_comet_is_given_images_and_csv_tables() -> None:
    media = CometMedia(SimpleNamespace(experiment=Recorded()))
    media.picture("one", Image.new("RGB", (2, 3)), 1)
    media.table("two/three", [{"a": 1.5, "b": None}, {"a": 2.0, "b": "x"}], 4)
    image, table = media.logger.experiment.calls
    assert image == ("one", 1, (2, 3))
    assert table == ("two/three/4.csv", ["a", "b"], [["1.5", ""], ["2", "x"]])


PAGE = (ROOT / "docs" / "runs.md").read_text().partition("## Loggers")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_what_the_page_says_of_loggers_is_read(block: str) -> None:
    parser = LightningArgumentParser(exit_on_error=False)
    parser.add_lightning_class_args(PassKTrainer, "trainer")
    assert parser.parse_string(block).trainer.logger is not None
    assert len(BLOCKS) == 5


class Board(TensorBoardLogger):
    """A logger of one's own."""


class BoardMedia(TensorBoardMedia):
    """What it is given."""

    kind = Board


def test_the_latest_class_for_a_logger_is_taken(tmp_path: Path) -> None:
    class Owner:
        loggers: tuple[Logger, ...] = (Board(tmp_path), TensorBoardLogger(tmp_path), CSVLogger(tmp_path))

    assert [type(each) for each in media_of(Owner())] == [BoardMedia, TensorBoardMedia, Media]  # type: ignore[arg-type]
