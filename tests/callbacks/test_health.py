"""Warnings of a run that goes astray."""

from __future__ import annotations

from typing import Any

import pytest

from callbacks.health import Health
from tests.conftest import CommandLine, constant, stage


def watched(**bounds: float) -> dict[str, Any]:
    return {"trainer": {"callbacks": [{"class_path": "callbacks.health.Health", "init_args": bounds}]}}


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "callbacks.health"]


def test_an_ordinary_run_is_not_warned_of(passk: CommandLine, caplog: pytest.LogCaptureFixture) -> None:
    passk.fit([stage("explore", "tests.callbacks.extras.ByLength")], **watched())
    assert warnings(caplog) == []


def test_each_warning_comes_once_and_tells_the_value(passk: CommandLine, caplog: pytest.LogCaptureFixture) -> None:
    """Two updates in an iteration, the first of which throws the policy far; and bounds that every run passes."""
    wild = [stage("explore", "tests.callbacks.extras.ByLength", learning_rate=constant(3.0))]
    passk.fit(wild, **watched(entropy=9.0))
    left, doubts = sorted(warnings(caplog))
    assert left.startswith("the policy has left the one that sampled: tokens are on average")
    assert left.endswith("at iteration 1")
    assert doubts.startswith("the policy no longer doubts: 4.")


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"ratio": 1.0}, "ratio=1.0 must be above 1"), ({"entropy": -0.1}, "entropy=-0.1 must be at least 0")],
)
def test_bounds_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Health(**changes)
