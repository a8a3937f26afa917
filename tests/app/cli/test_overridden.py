"""What was configured in vain, since every stage has its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.cli.overridden import without_effect

DEFAULTS = """
model:
  advantage: {class_path: app.advantages.PassK, init_args: {k: 8}}
  learning_rate: {class_path: app.learning_rate.Constant, init_args: {peak: 1.0, warmup: 5}}
  loss: {class_path: app.losses.Clipped, init_args: {reduction: app.losses.TokenMean}}
rollout: {rollouts: 32, sampling: {temperature: 1.0}}
data: {class_path: Data, init_args: {batch_size: 32}}
"""


def of_class(class_path: str, **init_args: Any) -> dict[str, Any]:
    return {"class_path": class_path, "init_args": init_args}


def configured(stages: list[dict[str, Any]], **model: Any) -> dict[str, Any]:
    """As it is once it is read: classes with all their arguments."""
    usual = {
        "advantage": of_class("app.advantages.PassK", k=8),
        "learning_rate": of_class("app.learning_rate.Constant", peak=1.0, warmup=5),
        "loss": of_class("app.losses.Clipped", reduction=of_class("app.losses.TokenMean"), clip_low=0.2),
    }
    return {
        "model": usual | model,
        "rollout": {"rollouts": 32, "sampling": {"temperature": 0.5}},
        "data": of_class("Data", batch_size=32),
        "evaluation": {"sampling": None},
        "schedule": {"stages": stages},
    }


ONE = {"advantage": of_class("app.advantages.PassOne"), "learning_rate": None}
OWN_RATE = {**ONE, "learning_rate": of_class("app.learning_rate.Constant", peak=2.0)}
OTHER_RATE = of_class("app.learning_rate.Constant", peak=0.5, warmup=5)
OTHER_K = of_class("app.advantages.PassK", k=4)


@pytest.mark.parametrize(
    ("config", "found"),
    [
        (configured([ONE]), []),
        (configured([ONE], advantage=OTHER_K), ["model.advantage.k=4"]),
        (configured([ONE], advantage=of_class("A")), ["model.advantage.class_path=A"]),
        (configured([ONE, OWN_RATE], learning_rate=OTHER_RATE), []),
        (configured([OWN_RATE, OWN_RATE], learning_rate=OTHER_RATE), ["model.learning_rate.peak=0.5"]),
        (configured([{"repeat": 2, "stages": [OWN_RATE]}], learning_rate=OTHER_RATE), ["model.learning_rate.peak=0.5"]),
        (configured([{**ONE, "loss": of_class("app.losses.Clipped")}]), []),
        (configured([{**ONE, "sampling": {"temperature": 0.7}}]), []),  # validations sample as training is configured
        (
            configured([{**ONE, "sampling": {"temperature": 0.7}}])
            | {"evaluation": {"sampling": {"temperature": 1.0}}},
            ["rollout.sampling.temperature=0.5"],
        ),
        (configured([{**ONE, "rollouts": 4, "problems": 2}]), []),
    ],
)
def test_what_no_stage_uses_is_found(config: dict[str, Any], found: list[str], tmp_path: Path) -> None:
    defaults = tmp_path / "defaults.yaml"
    defaults.write_text(DEFAULTS)
    assert without_effect(config, defaults) == found
