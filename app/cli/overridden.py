"""Finds settings of a run that have no effect, because every stage of its schedule has its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from app.storage.resume import Config, differences, unrolled

OF_STAGES = {
    "model.advantage": "advantage",
    "model.loss": "loss",
    "model.learning_rate": "learning_rate",
    "model.minibatch_size": "minibatch_size",
    "model.count_skipped_tokens": "count_skipped_tokens",
    "rollout.rollouts": "rollouts",
    "rollout.sampling": "sampling",
    "data.batch_size": "problems",
}
"""Settings of a stage, by the setting in the configuration that they replace."""


def without_effect(config: Config, defaults: Path) -> list[str]:
    """Settings that differ from `lightning.yaml` and that no stage uses, as dotted names with values."""
    usual, stages = yaml.safe_load(defaults.read_text(encoding="utf-8")), unrolled(config["schedule"]["stages"])
    found = []
    for name, of_stage in OF_STAGES.items():
        if not all(stage.get(of_stage) is not None for stage in stages):
            continue
        if name == "rollout.sampling" and config["evaluation"].get("sampling") is None:
            continue  # used by validations
        mine = _at(config, name)
        found += [f"{key}={now}" for key, _, now in differences(_spelt_out(_at(usual, name), mine), mine, name)]
    return found


def _at(config: Mapping[str, Any], name: str) -> Any:
    """The value of a dotted name without `init_args`; None if there is none."""
    section, key = name.split(".")
    value = config.get(section) or {}
    return value.get("init_args", value).get(key)


def _spelt_out(usual: Any, mine: Any) -> Any:
    """The value, with a class given only by its path expanded to the form of a parsed configuration."""
    if isinstance(usual, str) and isinstance(mine, dict):
        return {"class_path": usual, "init_args": {}}
    if isinstance(usual, dict) and isinstance(mine, dict):
        return {key: _spelt_out(value, mine.get(key)) for key, value in usual.items()}
    return usual
