"""The claims are whole: their stages are what a schedule takes, and no two share a name."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from app.advantages import AdvantageEstimator
from benchmarks.reproduce.claim import FOLDER, Claim, Sentence, Stage
from benchmarks.reproduce.claims import CLAIMS
from benchmarks.reproduce.comparisons import COMPARISONS

ALL = (*CLAIMS, *COMPARISONS)
STAGES = {id(stage): stage for claim in ALL for arm in claim.arms.values() for stage in arm}.values()
EXPLORED = 100
"""Seeds from here on chose the setting."""


def built(value: Any) -> Any:
    """What YAML says, as jsonargparse would build it."""
    if isinstance(value, dict) and "class_path" in value:
        module, _, name = value["class_path"].rpartition(".")
        arguments = {key: built(each) for key, each in value.get("init_args", {}).items()}
        return getattr(import_module(module), name)(**arguments)
    return value


def test_runs_of_a_name_are_the_same() -> None:
    for setting in {claim.setting for claim in ALL}:
        arms = [arm for claim in ALL if claim.setting == setting for arm in claim.arms.values()]
        stages = {id(stage): stage.name for arm in arms for stage in arm}
        assert len(stages) == len({*stages.values()}), setting
        assert (FOLDER / setting).exists()


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_stage_can_be_built(stage: Stage) -> None:
    objective = stage.advantage if isinstance(stage.advantage, dict) else {"class_path": stage.advantage}
    estimator = built(objective)
    assert isinstance(estimator, AdvantageEstimator)
    estimator.check(stage.changes.get("rollouts", 32))
    assert built(stage.changes["learning_rate"])(0) > 0
    assert built(stage.as_yaml()["until"]).steps == stage.steps


def test_every_claim_can_be_decided_by_fresh_seeds() -> None:
    assert len({claim.name for claim in ALL}) == len(ALL)
    for claim in ALL:
        assert claim.sentences or claim in COMPARISONS
        assert len(set(claim.seeds)) >= 3
        assert max(claim.seeds) < EXPLORED


def test_arms_of_a_comparison_have_as_many_rollouts() -> None:
    for claim in COMPARISONS:
        steps = 16 + 12 if claim.name.startswith("smollm2") else 125 + 475
        assert {sum(stage.steps for stage in arm) for arm in claim.arms.values()} == {steps}


def test_a_sentence_about_an_unknown_arm_is_refused() -> None:
    with pytest.raises(ValueError, match=r"claim x: c must be among the arms \['a', 'b'\]"):
        Claim("x", "X", {"a": (), "b": ()}, (Sentence("", "", "eval/pass@1", "a", "c"),))


def test_runs_that_arms_share_are_counted_once() -> None:
    one, two, three = (Stage(str(steps), None, steps) for steps in (1, 10, 100))
    assert Claim("x", "X", {"a": (one, two), "b": (one, three)}, (), seeds=(1, 2)).iterations == 222
