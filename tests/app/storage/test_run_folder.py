"""Where a run keeps its files: found by asking the loggers, and written by one process at a time."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from time import monotonic, sleep

import pytest
from lightning.pytorch.cli import LightningArgumentParser
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from app.storage.places import last_checkpoint, places_of, run_folders
from app.storage.run_folder import CONFIG, LOCK, PassKTrainer, claim
from tests.forked import ended, started


def claimed(*loggers: Logger, root: Path, command: str = "fit", resumed: str | None = None) -> Path:
    with claim(places_of(loggers, str(root)), command, resumed) as folder:
        return folder.path


def test_the_folder_is_that_of_the_first_logger_that_has_one_for_each_run(tmp_path: Path) -> None:
    board, table = TensorBoardLogger(tmp_path / "a", "x"), CSVLogger(tmp_path / "b", "y")
    assert claimed(board, table, root=tmp_path) == tmp_path / "a/x/version_0"
    assert [Path(each.log_dir) for each in (board, table)] == [tmp_path / "a/x/version_0", tmp_path / "b/y/version_0"]
    board, table = TensorBoardLogger(tmp_path / "a", "x"), CSVLogger(tmp_path / "b", "y", version="named")
    assert claimed(table, board, root=tmp_path) == tmp_path / "b/y/named"
    assert Path(board.log_dir) == tmp_path / "a/x/named"
    assert claimed(CSVLogger(tmp_path, None, 7), root=tmp_path) == tmp_path / "version_7"
    assert claimed(TensorBoardLogger(tmp_path, "x", sub_dir="s/t"), root=tmp_path) == tmp_path / "x/version_0/s/t"
    assert claimed(root=tmp_path) == tmp_path / "lightning_logs/version_0"


def test_other_loggers_have_it_beside_what_they_write(tmp_path: Path) -> None:
    wandb = pytest.importorskip("wandb")
    project = WandbLogger(save_dir=tmp_path / "runs", project="p", offline=True)
    assert claimed(project, root=tmp_path) == tmp_path / "runs/p/version_0"
    known = WandbLogger(save_dir=tmp_path / "runs", project="p", id="k7", offline=True)
    assert claimed(known, root=tmp_path) == tmp_path / "runs/p/k7"
    assert wandb.run is None, "asking must not begin a run"


def test_numbers_go_on_above_the_highest(tmp_path: Path) -> None:
    for name in ("version_2", "version_10", "version_007", "version_x", "version_\u0663", "other"):
        (tmp_path / name).mkdir()
    assert list(run_folders(tmp_path)) == [2, 7, 10]
    assert claimed(CSVLogger(tmp_path, ""), root=tmp_path).name == "version_11"


def test_no_two_runs_get_the_same_number(tmp_path: Path) -> None:
    places = places_of([CSVLogger(tmp_path, "")], str(tmp_path))
    later = places_of([CSVLogger(tmp_path, "")], str(tmp_path))
    with claim(places, "fit") as one, claim(later, "fit") as other:
        assert (one.path.name, other.path.name) == ("version_0", "version_1")


@pytest.mark.parametrize("content", [["notes"], [CONFIG], [LOCK, CONFIG], [LOCK, "checkpoints/last.ckpt"]])
def test_a_fit_begins_in_no_folder_that_holds_something(tmp_path: Path, content: list[str]) -> None:
    for name in content:
        (tmp_path / "named" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "named" / name).touch()
    with pytest.raises(ValueError, match="holds"):
        claimed(CSVLogger(tmp_path, "", "named"), root=tmp_path)
    assert sorted(path.name for path in (tmp_path / "named").iterdir()) == sorted({Path(n).parts[0] for n in content})
    other = claimed(CSVLogger(tmp_path, "", "named"), root=tmp_path, command="validate")
    assert other.name == "named-validate-0"
    if last_checkpoint(tmp_path / "named").exists():
        assert claimed(CSVLogger(tmp_path, "", "named"), root=tmp_path, resumed="named").name == "named"


@pytest.mark.parametrize("content", [[], [LOCK, "events.out.tfevents.1"]], ids=["empty", "ended in its setup"])
def test_a_fit_begins_where_nothing_has_begun(tmp_path: Path, content: list[str]) -> None:
    (tmp_path / "named").mkdir()
    for name in content:
        (tmp_path / "named" / name).touch()
    assert claimed(CSVLogger(tmp_path, "", "named"), root=tmp_path).name == "named"


def test_what_ends_in_its_setup_leaves_nothing(tmp_path: Path) -> None:
    board, table = TensorBoardLogger(tmp_path / "a", "x"), CSVLogger(tmp_path / "b", "y")
    for begun in (False, True):
        with pytest.raises(KeyError), claim(places_of([board, table], ""), "fit") as folder:
            Path(table.log_dir).mkdir(parents=True)
            if begun:
                (folder.path / CONFIG).touch()
            raise KeyError
        assert [folder.path.exists(), Path(table.log_dir).exists()] == [begun, begun]


def hold(folder: Path) -> None:
    with claim(places_of([CSVLogger(folder, "", "named")], ""), "fit"):
        (folder / "held").touch()
        sleep(60)


def test_a_folder_has_one_writer_until_it_ends(tmp_path: Path) -> None:
    """However it ends: nothing is left of a lock whose process was killed."""
    process, deadline = started(hold, tmp_path), monotonic() + 60
    while not (tmp_path / "held").exists() and monotonic() < deadline:
        sleep(0.02)
    for resumed in (None, "named"):
        with pytest.raises(ValueError, match=f"named is being written by process {process.pid} on "):
            claimed(CSVLogger(tmp_path, "", "named"), root=tmp_path, resumed=resumed)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    assert ended(process) == [-signal.SIGKILL]
    assert claimed(CSVLogger(tmp_path, "", "named"), root=tmp_path).name == "named"


@pytest.mark.parametrize("name", ["train_batches", "val_batches", "test_batches", "predict_batches"])
@pytest.mark.parametrize("text, limit", [("1", 1), ("1.0", 1.0), ("0.5", 0.5), ("3", 3)])
def test_a_whole_number_limits_batches_and_a_fraction_their_share(name: str, text: str, limit: float) -> None:
    parser = LightningArgumentParser()
    parser.add_lightning_class_args(PassKTrainer, "trainer")
    found = parser.parse_args([f"--trainer.limit_{name}={text}"]).trainer[f"limit_{name}"]
    assert (found, type(found)) == (limit, type(limit))
