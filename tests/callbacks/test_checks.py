"""A `monitor` that no figure has, a rate that no pretrained policy survives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from app.advantages import PassOne
from app.learning_rate import Constant
from callbacks.checks import check_learning_rate, check_trigger, warn_of_modes
from callbacks.schedule.stages import Stage
from callbacks.triggers import MetricReached
from tests.conftest import CommandLine, stage, steps


def monitoring(kind: str, monitor: str) -> list[str]:
    arguments = [f"--trainer.callbacks.{argument}" for argument in (f"monitor={monitor}", "mode=max")]
    return [f"--trainer.callbacks+=lightning.pytorch.callbacks.{kind}", *arguments, "--trainer.val_check_interval=1"]


@pytest.mark.parametrize(
    ("kind", "monitor", "iterations"),
    [
        ("EarlyStopping", "eval/pass@9", 0),  # known at the start
        ("ModelCheckpoint", "eval/3x3/maj@9", 0),
        ("EarlyStopping", "eval/passes", 1),  # which a callback of the user's could log
        ("ModelCheckpoint", "rewards", 1),
    ],
)
def test_a_monitor_that_is_not_logged(
    passk: CommandLine, capsys: pytest.CaptureFixture[str], kind: str, monitor: str, iterations: int
) -> None:
    with pytest.raises(SystemExit) as ended:
        passk.fit([stage("only", until=steps(3))], *monitoring(kind, monitor))
    captured = capsys.readouterr()
    (line,) = [line for line in captured.err.splitlines() if "error" in line]
    assert ended.value.code == 2
    assert line.startswith(f"passk: error: {kind}: monitor='{monitor}' must be one of ")
    assert "eval/pass@1" in line
    assert ("[only] 1/3" in captured.out) == bool(iterations)


def test_a_monitor_that_is_logged_and_one_that_need_not_be(passk: CommandLine) -> None:
    lenient = [*monitoring("EarlyStopping", "nonsense"), "--trainer.callbacks.strict=false"]
    once = [stage("only", until=steps(1))]
    assert passk.fit(once, *monitoring("ModelCheckpoint", "eval/pass@1"), *lenient).model.iteration == 1


@pytest.mark.parametrize(
    ("kind", "metric", "iterations"),
    [("MetricReached", "eval/pass@9", 0), ("Plateau", "eval/passes", 1)],
)
def test_a_trigger_of_a_metric_that_no_validation_logs(
    passk: CommandLine, capsys: pytest.CaptureFixture[str], kind: str, metric: str, iterations: int
) -> None:
    with pytest.raises(SystemExit) as ended:
        passk.fit([measured(kind, metric)], "--trainer.val_check_interval=1", "--trainer.max_epochs=1")
    captured = capsys.readouterr()
    (line,) = [line for line in captured.err.splitlines() if "error" in line]
    assert ended.value.code == 2
    assert line.startswith(f"passk: error: stage 'only': {kind}: metric='{metric}' must be one of ")
    assert "eval/pass@1" in line
    assert ("[only] 1/?" in captured.out) == bool(iterations)


def test_a_trigger_of_a_validation_in_a_run_without_one(passk: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    endless = [measured("Plateau", "eval/pass@1")], "--trainer.limit_val_batches=0", "--trainer.max_epochs=1"
    with pytest.raises(SystemExit):
        passk.fit(*endless)
    assert "metric='eval/pass@1' needs a validation, and the run has none: give at_most" in capsys.readouterr().err
    assert passk.fit([measured("Plateau", "eval/pass@1", at_most=1)], *endless[1:]).model.iteration == 1


def test_a_trigger_of_a_training_metric_that_is_not_logged(
    passk: CommandLine, caplog: pytest.LogCaptureFixture
) -> None:
    passk.fit([measured("MetricReached", "rollout/rewards", at_most=2)])
    warning = "stage 'only': MetricReached: metric='rollout/rewards' is not logged in the first iteration, which has "
    assert caplog.text.count(warning) == 1


@pytest.mark.parametrize("metric", ["own/iteration", "own/validation", "own/later"])
def test_a_trigger_of_a_metric_that_a_users_callback_logs(passk: CommandLine, metric: str) -> None:
    logging = "--trainer.callbacks+=tests.callbacks.extras.OwnMetrics"
    cli = passk.fit(
        [measured("MetricReached", metric, value=2.0)],
        logging,
        "--trainer.val_check_interval=1",
        "--trainer.max_epochs=1",
    )
    assert cli.model.iteration == 2


def test_a_component_of_rewards_may_be_missing_in_a_validation() -> None:
    check_trigger(Stage("only", PassOne(), MetricReached("eval/reward/format", 1.0)), ["eval/pass@1"])
    with pytest.raises(ValueError, match="MetricReached: metric='eval/format' must be one of eval/pass@1"):
        check_trigger(Stage("only", PassOne(), MetricReached("eval/format", 1.0)), ["eval/pass@1"])


def measured(kind: str, metric: str, **arguments: Any) -> dict[str, Any]:
    """The stage `only`, which this metric ends."""
    value = {"value": 1.0} if kind == "MetricReached" and "value" not in arguments else {}
    until = {"class_path": f"callbacks.triggers.{kind}", "init_args": {"metric": metric, **value, **arguments}}
    return stage("only", until=until)


@pytest.mark.parametrize(
    ("weights", "rate", "warned"), [(10**7 + 1, 4e-4, True), (10**7 + 1, 1e-4, False), (9, 1.0, False)]
)
def test_a_rate_for_a_tiny_policy(caplog: pytest.LogCaptureFixture, weights: int, rate: float, warned: bool) -> None:
    policy: Any = torch.nn.Linear(weights, 1, bias=False, device="meta")
    check_learning_rate(policy, "explore", Constant(rate))
    assert ("stage 'explore': a learning rate of 0.0004" in caplog.text) == warned


def test_a_mode_that_takes_the_lowest_pass_at_k_for_the_best(caplog: pytest.LogCaptureFixture) -> None:
    lowest = [EarlyStopping("eval/pass@1"), ModelCheckpoint(monitor="eval/7x7/greedy")]
    others = [EarlyStopping("eval/pass@1", mode="max"), ModelCheckpoint(monitor="eval/length"), ModelCheckpoint()]
    off: dict[str, Any] = dict.fromkeys(("logger", "enable_progress_bar"), False)
    warn_of_modes(Trainer(accelerator="cpu", max_epochs=1, callbacks=[*others, *lowest], **off))
    assert caplog.messages == [
        "EarlyStopping: mode=min takes the lowest eval/pass@1 for the best: mode=max takes the highest",
        "ModelCheckpoint: mode=min takes the lowest eval/7x7/greedy for the best: mode=max takes the highest",
    ]


@pytest.mark.parametrize("command", ["validate", "test"])
def test_commands_that_do_not_train_need_no_monitored_metric(passk: CommandLine, command: str) -> None:
    cli = passk(command, "--evaluation.ks=[2]")
    assert [name for name in cli.trainer.callback_metrics if "pass@" in name and name.count("/") == 1] == [
        "eval/pass@2"
    ]
