"""Every trigger, alone: a table of what it is asked and what it answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest

from callbacks.triggers import EntropyFloor, MetricReached, Plateau, Steps, Trigger

Asked = Sequence[tuple[int, dict[str, float]]]


def rewards(*values: float) -> Asked:
    """One measurement of the metric "m" after every iteration."""
    return [(step, {"m": value}) for step, value in enumerate(values, start=1)]


def entropies(*values: float) -> Asked:
    return [(step, {"entropy/mean": value}) for step, value in enumerate(values, start=1)]


NOTHING: Asked = [(step, {}) for step in range(1, 5)]

TABLE: dict[str, tuple[Callable[[], Trigger], Asked, str]] = {
    "steps": (lambda: Steps(3), NOTHING, "..xx"),
    "one step": (lambda: Steps(1), NOTHING, "xxxx"),
    "reached": (lambda: MetricReached("m", 0.5), rewards(0.4, 0.5, 0.4), ".x."),
    "another metric": (lambda: MetricReached("n", 0.5), rewards(0.4, 0.5), ".."),
    "reached too late": (lambda: MetricReached("m", 0.5, at_most=2), rewards(0.1, 0.1, 0.1), ".xx"),
    "rising": (lambda: Plateau("m", patience=2), rewards(0.1, 0.2, 0.3, 0.4), "...."),
    "flat": (lambda: Plateau("m", patience=2), rewards(0.1, 0.1, 0.1), "..x"),
    "falling": (lambda: Plateau("m", patience=2), rewards(0.3, 0.2, 0.1), "..x"),
    "rising in time": (lambda: Plateau("m", patience=2), rewards(0.3, 0.2, 0.4, 0.4, 0.4), "....x"),
    "below the best": (lambda: Plateau("m", patience=2), rewards(0.3, 0.1, 0.2), "..x"),
    "rising too little": (lambda: Plateau("m", patience=2, min_delta=0.1), rewards(0.25, 0.3, 0.35), "..x"),
    "rising just as much": (lambda: Plateau("m", patience=1, min_delta=0.25), rewards(0.25, 0.5), ".x"),
    "rarely measured": (
        lambda: Plateau("m", patience=1),
        [(1, {"m": 0.1}), (2, {}), (3, {}), (4, {"m": 0.1})],
        "...x",
    ),
    "rising for ever": (lambda: Plateau("m", patience=1, at_most=3), rewards(0.1, 0.2, 0.3, 0.4), "..xx"),
    "above the floor": (lambda: EntropyFloor(0.2), entropies(0.3, 0.25), ".."),
    "at the floor": (lambda: EntropyFloor(0.2), entropies(0.3, 0.2, 0.3), ".x."),
    "below it for long": (lambda: EntropyFloor(0.2, patience=2), entropies(0.1, 0.3, 0.1, 0.1), "...x"),
    "between iterations": (
        lambda: EntropyFloor(0.2, patience=2),
        [(1, {"entropy/mean": 0.1}), (1, {"eval/pass@1": 0.0}), (2, {"entropy/mean": 0.1})],
        "..x",
    ),
    "never": (lambda: EntropyFloor(0.2, at_most=3), NOTHING, "..xx"),
}


def answers(trigger: Trigger, asked: Asked) -> str:
    return "".join("x" if trigger.fires(step, metrics) else "." for step, metrics in asked)


@pytest.mark.parametrize(("make", "asked", "expected"), TABLE.values(), ids=TABLE)
class TestTrigger:
    def test_answers(self, make: Callable[[], Trigger], asked: Asked, expected: str) -> None:
        assert answers(make(), asked) == expected

    def test_begins_anew(self, make: Callable[[], Trigger], asked: Asked, expected: str) -> None:
        trigger = make()
        answers(trigger, asked)
        trigger.reset()
        assert answers(trigger, asked) == expected

    def test_goes_on_after_a_restart(self, make: Callable[[], Trigger], asked: Asked, expected: str) -> None:
        for cut in range(len(asked) + 1):
            before, after = make(), make()
            first = answers(before, asked[:cut])
            after.load_state_dict(json.loads(json.dumps(before.state_dict())))
            assert first + answers(after, asked[cut:]) == expected
