"""Warnings of a run that goes astray."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from math import nan
from typing import Any

import pytest
import torch

from app.advantages import PassK
from app.types import Completion, Problem, Rollouts
from callbacks.display.health import Health, short, why_idle
from tests.conftest import CommandLine, EchoProblem, constant, scripted, stage, steps


def watched(**bounds: float) -> dict[str, Any]:
    return {"trainer": {"callbacks": [{"class_path": "callbacks.display.health.Health", "init_args": bounds}]}}


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "callbacks.display.health"]


def test_an_ordinary_run_is_not_warned_of(passk: CommandLine, caplog: pytest.LogCaptureFixture) -> None:
    passk.fit([stage("explore", "tests.callbacks.extras.ByLength")], **watched())
    assert warnings(caplog) == []


def test_each_warning_comes_once_and_tells_the_value(passk: CommandLine, caplog: pytest.LogCaptureFixture) -> None:
    """Two updates in an iteration, the first of which throws the policy far; and bounds that every run passes."""
    wild = [stage("explore", "tests.callbacks.extras.ByLength", learning_rate=constant(3.0))]
    passk.fit(wild, **watched(entropy=9.0))
    collapsed, left = sorted(warnings(caplog))
    assert left.startswith("the policy has left the one that sampled: tokens are on average")
    assert left.endswith("at iteration 1")
    assert collapsed.startswith("the entropy has collapsed: 4.")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ratio": 1.0}, "ratio=1.0 must be above 1"),
        ({"entropy": -0.1}, "entropy=-0.1 must be at least 0"),
        ({"idle": 0}, "idle=0 must be at least 1"),
    ],
)
def test_bounds_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Health(**changes)


# -- runs that learn nothing --------------------------------------------------------------------------


def batch_of(rewards: list[list[float]], cut_off: int = 0) -> Rollouts:
    """Problems with these rewards, NaN where there is none; of their answers the first so many were cut off."""
    rows = [Completion("it is 7", torch.tensor([1, 2]), "stop") for _ in range(len(rewards) * len(rewards[0]))]
    rows[:cut_off] = [replace(row, finish="length") for row in rows[:cut_off]]
    width = len(rewards[0])
    problems: list[Problem] = [EchoProblem(f"what is {index}?") for index in range(len(rewards))]
    groups = [rows[first : first + width] for first in range(0, len(rows), width)]
    return Rollouts(problems, completions=groups, rewards=torch.tensor(rewards))


@pytest.mark.parametrize(
    ("batch", "kind", "words"),
    [
        (batch_of([[0.0, 0.0]], cut_off=2), "truncated", "all 2 answers ran into max_new_tokens and were cut off"),
        (batch_of([[nan, nan]]), "unscored", "none of the 2 answers has a score"),
        (
            batch_of([[0.0, nan], [0.0, 0.0]], cut_off=1),
            "failed",
            "none of the 4 answers passes (1 were cut off, 1 have no score, 2 have no final answer); for example, "
            "to 'what is 1?' it says 'it is 7', the reference is 'what is 1?'",
        ),
        (batch_of([[1.0, nan], [1.0, 1.0]]), "passed", "all 3 answers pass"),
        (batch_of([[0.0, 0.0], [1.0, 1.0]]), "alike", "the answers to each problem all have the same score"),
        (batch_of([[0.0, 1.0], [1.0, 0.0]]), "advantage", "scores differ, but PassK(k=2) is zero for"),
    ],
)
def test_the_first_cause_of_nothing_learnt_is_named(batch: Rollouts, kind: str, words: str) -> None:
    found, text = why_idle(batch, PassK(2))
    assert found == kind
    assert text.startswith(words)


def test_a_long_text_is_shown_by_its_ends() -> None:
    assert short("a\nb") == r"'a\nb'"
    assert short("x" * 300 + "end", limit=20) == f"'{'x' * 9} ... {'x' * 6}end'"


def test_a_run_that_learns_nothing_says_so_once_and_at_its_end(
    passk: CommandLine, caplog: pytest.LogCaptureFixture
) -> None:
    says_nonsense = stage("explore", engine=scripted("nonsense", "again"), until=steps(4))
    passk.fit([says_nonsense], "--trainer.limit_val_batches=0", **watched(idle=2))
    first, last = warnings(caplog)
    assert first.startswith(
        "nothing was learnt in the last 2 iterations, to iteration 2: none of the 16 answers passes"
    )
    assert "it says 'nonsense', the reference is '" in first
    assert last.startswith("nothing was learnt in any of the 4 iterations: none of the 16 answers passes")


@pytest.mark.parametrize("command", ["validate", "test"])
def test_an_evaluation_without_a_passing_answer_shows_one(
    passk: CommandLine, caplog: pytest.LogCaptureFixture, command: str
) -> None:
    passk(command, "--rollout.engine", json.dumps(scripted("nonsense")), **watched())
    (warning,) = warnings(caplog)
    assert re.match(
        r"of the first \d+ problems, none of the \d+ answers passes \(0 were cut off, 0 have no sc", warning
    )
    assert "it says 'nonsense', the reference is '" in warning
