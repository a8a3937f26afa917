"""What of Lightning's Trainer is refused, with what to use instead, and what is not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.callbacks import (
    EarlyStopping,
    GradientAccumulationScheduler,
    ModelCheckpoint,
    OnExceptionCheckpoint,
    RichProgressBar,
    WeightAveraging,
)
from lightning.pytorch.plugins import HalfPrecision, MixedPrecision, Precision
from lightning.pytorch.plugins.io import TorchCheckpointIO

from app.cli.trainer_arguments import (
    check_files,
    check_parts,
    check_state_keys,
    check_trainer,
    launched,
    one_progress_bar,
)
from callbacks.display.dashboard import Dashboard
from callbacks.display.report import Report

STRATEGIES = "lightning.pytorch.strategies."


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"strategy": "ddp", "precision": "16-mixed", "max_steps": 3, "accumulate_grad_batches": 1},
        {"strategy": {"class_path": f"{STRATEGIES}DDPStrategy", "init_args": {"start_method": None}}},
        {"strategy": {"class_path": f"{STRATEGIES}ModelParallelStrategy"}, "precision": "bf16-mixed"},
        {"max_steps": -1, "max_epochs": -1, "limit_train_batches": 2, "enable_checkpointing": None},
    ],
)
def test_what_serves_passes(arguments: dict[str, Any]) -> None:
    check_trainer(arguments, "fit")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strategy": "xla"}, "trainer.strategy=xla must be one of auto or ddp"),
        ({"strategy": "fsdp"}, "trainer.strategy=fsdp must be one of auto or ddp"),
        ({"strategy": "deepspeed_stage_2"}, "trainer.strategy=deepspeed_stage_2 must be one of auto or ddp"),
        (
            {"strategy": {"class_path": f"{STRATEGIES}DeepSpeedStrategy"}},
            "trainer.strategy=lightning.pytorch.strategies.DeepSpeedStrategy must be one of auto or ddp",
        ),
        (
            {"strategy": {"class_path": f"{STRATEGIES}DDPStrategy", "init_args": {"start_method": "fork"}}},
            "start_method=fork of lightning.pytorch.strategies.DDPStrategy must be popen",
        ),
        (
            {"strategy": {"class_path": f"{STRATEGIES}DDPStrategy", "dict_kwargs": {"static_graph": True}}},
            "static_graph=true of lightning.pytorch.strategies.DDPStrategy must be false",
        ),
        ({"precision": "64-true"}, "trainer.precision=64-true must be 32-true, bf16-mixed or 16-mixed"),
        ({"precision": "transformer-engine"}, "trainer.precision=transformer-engine must be"),
        ({"accumulate_grad_batches": 4}, "trainer.accumulate_grad_batches=4 can't be had: model.microbatch_tokens"),
        ({"gradient_clip_algorithm": "value"}, "trainer.gradient_clip_algorithm=value .* model.max_grad_norm"),
        ({"min_steps": 3}, "trainer.min_steps=3 can't be had: the schedule's stages"),
        ({"min_epochs": 1}, "trainer.min_epochs=1 can't be had: the schedule's stages"),
        ({"barebones": True}, "trainer.barebones=True can't be had"),
        ({"enable_checkpointing": False}, "trainer.enable_checkpointing=False can't be had"),
        ({"max_steps": 0}, "trainer.max_steps=0 leaves nothing to train on"),
        ({"limit_train_batches": 0.0}, "trainer.limit_train_batches=0.0 leaves nothing to train on"),
    ],
)
def test_what_does_not_is_refused_with_what_to_use(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_trainer(arguments, "fit")


@pytest.mark.parametrize(
    ("given", "instead"),
    [
        ("ddp_fork", "ddp"),
        ("ddp_spawn", "ddp"),
        ("ddp_notebook_find_unused_parameters_true", "ddp_find_unused_parameters_true"),
        ("ddp", "ddp"),
        ("fsdp", "fsdp"),
        ("ddp_forked", "ddp_forked"),
        (None, None),
    ],
)
def test_processes_are_launched_where_they_would_be_forked(
    given: str | None, instead: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    assert launched(given) == instead
    said = f"trainer.strategy={given}: processes are launched, as by ddp"
    assert caplog.messages == ([] if given == instead else [said])


def test_what_concerns_training_is_asked_of_training_alone() -> None:
    check_trainer({"gradient_clip_val": 1.0, "max_steps": 0, "limit_test_batches": 0}, "validate")
    with pytest.raises(ValueError, match="limit_test_batches=0 leaves nothing to test"):
        check_trainer({"limit_test_batches": 0}, "test")


def test_callbacks_and_plugins_that_cannot_serve_are_named() -> None:
    check_parts([EarlyStopping("eval/pass@1")], [Precision(), MixedPrecision("bf16-mixed", "cpu")])
    for callback in (WeightAveraging(), GradientAccumulationScheduler({0: 2})):
        with pytest.raises(ValueError, match=f"trainer.callbacks: {type(callback).__name__} can't be had: "):
            check_parts([callback], [])
    check_parts([ModelCheckpoint(every_n_train_steps=5)], [])
    with pytest.raises(ValueError, match="ModelCheckpoint: train_time_interval=0:01:00 can't be had: "):
        check_parts([ModelCheckpoint(train_time_interval=timedelta(minutes=1))], [])
    for plugin in (HalfPrecision("bf16-true"), TorchCheckpointIO()):
        with pytest.raises(ValueError, match=f"trainer.plugins: {type(plugin).__name__} can't be had: "):
            check_parts([], [plugin])


def test_two_callbacks_whose_states_have_one_key_are_refused() -> None:
    """A progress bar has no state, and two checkpoints with different monitors have different keys."""
    kept = [ModelCheckpoint(monitor=f"eval/pass@{k}") for k in (1, 2)]
    check_state_keys([*kept, RichProgressBar(), RichProgressBar()])
    with pytest.raises(ValueError, match="of only one Report with the state_key 'Report': give the whole list"):
        check_state_keys([Report(), *kept, Report(problems=2)])
    with pytest.raises(ValueError, match="of only one ModelCheckpoint with the state_key "):
        check_state_keys([*kept, ModelCheckpoint(monitor="eval/pass@2", save_top_k=3)])


def test_two_checkpoints_of_one_file_are_refused() -> None:
    def kept(k: int, **arguments: Any) -> ModelCheckpoint:
        return ModelCheckpoint(monitor=f"eval/pass@{k}", **{"enable_version_counter": False, **arguments})

    check_files([kept(1, filename="best"), kept(8, filename="best 8"), kept(2, filename="best", dirpath="two")])
    check_files([kept(1, filename="best"), kept(8, filename="best", enable_version_counter=True)])
    with pytest.raises(ValueError, match="ModelCheckpoint: filename=best is that of another one: each would replace"):
        check_files([kept(1, filename="best"), RichProgressBar(), kept(8, filename="best")])


@pytest.mark.parametrize("arguments", [{"filename": "last"}, {"save_last": True}, {"save_last": "link"}])
def test_a_checkpoint_that_would_replace_the_runs_own_is_refused(arguments: dict[str, Any], tmp_path: Path) -> None:
    """A numbered one is called last-v1.ckpt beside it."""
    check_files([ModelCheckpoint(**arguments), ModelCheckpoint(dirpath=tmp_path, enable_version_counter=False)])
    check_files([ModelCheckpoint(dirpath=tmp_path, enable_version_counter=False, **arguments)])
    with pytest.raises(ValueError, match=r"ModelCheckpoint would replace last\.ckpt, from which the run resumes: set "):
        check_files([ModelCheckpoint(enable_version_counter=False, **arguments)])


@pytest.mark.parametrize("kind", [ModelCheckpoint, OnExceptionCheckpoint])
def test_checkpoints_on_another_file_system_are_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match="memory://bucket must be a folder of this machine's file system"):
        check_parts([kind(dirpath="memory://bucket")], [])


def test_a_progress_bar_of_the_users_takes_the_place_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    dashboard, stopping, rich = Dashboard(), EarlyStopping("eval/pass@1"), RichProgressBar()
    assert one_progress_bar([dashboard, stopping, rich]) == [stopping, rich]
    assert caplog.messages == ["trainer.callbacks: RichProgressBar takes the place of Dashboard"]
    assert one_progress_bar([dashboard, stopping]) == [dashboard, stopping]
