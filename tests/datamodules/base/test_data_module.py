"""The data module in a real Trainer (resuming, batch size, empty splits) and its cache on a real disk."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.core.optimizer import LightningOptimizer

from app.types import Rollouts
from datamodules.base.data_module import log_sizes
from datamodules.base.wrapped import RepeatedProblem
from datamodules.maze import MazeDataModule
from tests.forked import ended, started


def mazes(tmp_path: Path, **changes: Any) -> MazeDataModule:
    counts = {"train": {7: 20}, "validation": {7: 4}, "test": {7: 5}}
    return MazeDataModule(**{**counts, "batch_size": 3, "cache_dir": tmp_path / "cache", **changes})


class Reader(LightningModule):
    """Notes the keys of each train batch and makes two optimizer steps of it, as an RL iteration may."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.read: list[list[str]] = []
        self.validated = 0

    def training_step(self, batch: Rollouts, batch_idx: int) -> None:
        self.read.append([problem.key for problem in batch.problems])
        optimizer = self.optimizers()
        assert isinstance(optimizer, LightningOptimizer)
        for _ in range(2):
            optimizer.step()

    def validation_step(self, batch: Rollouts, batch_idx: int) -> None:
        self.validated += len(batch)

    test_step = predict_step = validation_step

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(
    tmp_path: Path, callbacks: list[Callback], ckpt_path: Path | None = None, max_epochs: int = 3, **changes: Any
) -> Reader:
    reader = Reader()
    trainer = Trainer(
        max_epochs=max_epochs, accelerator="cpu", callbacks=callbacks, default_root_dir=tmp_path,
        logger=False, enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(reader, mazes(tmp_path, **changes), ckpt_path=ckpt_path)
    return reader


def saver(tmp_path: Path, **when: Any) -> ModelCheckpoint:
    return ModelCheckpoint(tmp_path / "saved", filename="{epoch}-{step}", save_top_k=-1, **when)


@pytest.mark.parametrize("when", [{"every_n_train_steps": 2}, {"every_n_epochs": 1, "save_on_train_epoch_end": True}])
def test_resuming_from_any_checkpoint_reads_the_same_batches(tmp_path: Path, when: dict[str, Any]) -> None:
    """Six batches an epoch, two optimizer steps each; saved after every batch, or at the end of every epoch."""
    whole = fit(tmp_path, [saver(tmp_path, **when)])
    assert len(whole.read) == 18
    saved = sorted((tmp_path / "saved").iterdir())
    assert len(saved) == (18 if "every_n_train_steps" in when else 3)
    for path in saved:
        done = int(path.stem.partition("step=")[2]) // 2
        resumed = fit(tmp_path, [], path)
        assert resumed.read == whole.read[done:], path.name


class GrowAfter(Callback):
    """Sets the batch size once so many batches are through, as a stage transition does."""

    def __init__(self, batches: int, batch_size: int) -> None:
        self.batches, self.batch_size = batches, batch_size

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if len(pl_module.read) == self.batches:
            trainer.datamodule.batch_size = self.batch_size


def test_batch_size_takes_effect_on_the_next_batch(tmp_path: Path) -> None:
    plain = fit(tmp_path, [], max_epochs=4)
    reader = fit(tmp_path, [GrowAfter(2, 5)])
    assert [len(batch) for batch in reader.read] == [3] * 2 + [5] * 16
    order = [key for batch in plain.read for key in batch]
    assert [key for batch in reader.read for key in batch][: len(order)] == order[: 6 + 16 * 5]
    assert reader.validated == 3 * 4  # still once an epoch


def test_evaluation_loaders(tmp_path: Path) -> None:
    data = mazes(tmp_path, eval_batch_size=2)
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False)
    for run, number in ((trainer.validate, 4), (trainer.test, 5), (trainer.predict, 5)):
        reader = Reader()
        run(reader, datamodule=data)
        assert reader.validated == number


def test_empty_test_split_is_an_error_only_where_it_is_asked_for(tmp_path: Path) -> None:
    data = mazes(tmp_path, test={})
    data.prepare_data()
    data.setup("fit")
    with pytest.raises(ValueError, match="the test split is empty"):
        data.test_dataloader()


def test_batch_size_is_checked_whenever_it_is_set(tmp_path: Path) -> None:
    data = mazes(tmp_path)
    with pytest.raises(ValueError, match="batch_size=0 must be at least 1"):
        data.batch_size = 0
    data.setup("fit")
    with pytest.raises(ValueError, match="batch_size=21 must be at most the 20 problems of the train split"):
        data.batch_size = 21
    assert data.batch_size == data.train_dataloader().batch_size == 3


class Repeating(MazeDataModule):
    """Leaves no repeats out."""

    def load_splits(self) -> Any:
        splits, dropped = super().load_splits()
        return {**splits, "train": [*splits["train"], splits["train"][4]]}, dropped


def test_a_problem_that_is_in_train_twice_is_refused_where_it_is_trained_on(tmp_path: Path) -> None:
    def data() -> Repeating:
        return Repeating(train={7: 20}, validation={7: 4}, batch_size=3, cache_dir=tmp_path / "cache")

    with pytest.raises(ValueError, match=r"problems 5 and 21 of train have one key, .*: load_splits must"):
        data().setup("fit")
    data().setup("validate")


def test_only_training_needs_the_train_split_of_the_checkpoint(tmp_path: Path) -> None:
    fit(tmp_path, [saver(tmp_path, every_n_train_steps=2)], max_epochs=1)
    saved = max((tmp_path / "saved").iterdir())
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False)
    trainer.validate(Reader(), mazes(tmp_path, train={7: 30}), ckpt_path=saved)
    with pytest.raises(ValueError, match="the train split holds other problems"):
        fit(tmp_path, [], saved, train={7: 30})


def test_sizes_tell_what_is_there_from_what_was_left_out(caplog: pytest.LogCaptureFixture, echo: Any) -> None:
    train, test = [echo("a"), echo("b")], [echo("c"), RepeatedProblem(echo("c"), 2)]
    with caplog.at_level(logging.INFO, "datamodules"):
        log_sizes({"train": train, "validation": [], "test": test}, {"train": 7, "validation": 0, "test": 1})
    assert caplog.messages == [
        "problems: train 2 (and 7 left out as repeats), validation 0, "
        "test 2 (1 of them repeats, and 1 left out as repeats)"
    ]


def test_cached_problems_are_the_generated_ones(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, second = mazes(tmp_path), mazes(tmp_path)
    with caplog.at_level(logging.INFO, "datamodules"):
        first.setup("fit")
    assert "problems: train 20, validation 4" in caplog.text
    written = first.cache_path.stat().st_mtime_ns
    second.prepare_data()
    second.setup("fit")
    assert second.splits == first.splits
    assert second.cache_path.stat().st_mtime_ns == written


def test_a_damaged_cache_is_generated_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, second = mazes(tmp_path), mazes(tmp_path)
    first.setup("fit")
    whole = first.cache_path.read_bytes()
    first.cache_path.write_bytes(whole[: len(whole) // 2])
    second.setup("fit")
    assert "damaged" in caplog.text
    assert second.splits == first.splits
    assert first.cache_path.read_bytes() == whole


def test_an_unwritable_cache_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"cache_dir=.* can't be written: .*; set another cache_dir"):
        mazes(tmp_path, cache_dir=tmp_path / "file").prepare_data()


def test_others_may_read_the_cache_as_they_may_any_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    mazes(tmp_path).prepare_data()
    (cached,) = (tmp_path / "cache").iterdir()
    assert cached.stat().st_mode == (tmp_path / "file").stat().st_mode


def test_two_processes_may_start_at_once(tmp_path: Path) -> None:
    cache, found = tmp_path / "cache", [tmp_path / name for name in "ab"]
    assert ended(*[started(race, cache, path) for path in found]) == [0, 0]
    assert found[0].read_text() == found[1].read_text() != ""
    assert len(list(cache.iterdir())) == 1


def race(cache: Path, found: Path) -> None:
    data = MazeDataModule({9: 2000}, {9: 10}, {9: 10}, cache_dir=cache)
    data.prepare_data()
    data.setup("fit")
    found.write_text("\n".join(problem.key for problem in data.splits["train"]))


class Seeding(MazeDataModule):
    """Seeds torch when it loads its problems, as a file of the user may."""

    def load_splits(self) -> Any:
        torch.manual_seed(42)
        return super().load_splits()


def test_loading_problems_leaves_the_random_states(tmp_path: Path) -> None:
    """A policy's initial weights are drawn after it."""
    data = Seeding(train={7: 6}, validation={7: 2}, test={}, batch_size=2, cache_dir=tmp_path)
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    data.prepare_data()
    data.setup("fit")
    assert torch.equal(torch.rand(3), expected)
