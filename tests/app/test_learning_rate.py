"""Rates at the edges of warm-up and descent."""

from __future__ import annotations

from math import cos, pi

import pytest

from app.learning_rate import Constant, Cosine, LearningRate, Linear

TABLE = [  # rate, update, expected
    (Constant(2.0), 0, 2.0),
    (Constant(2.0), 10**6, 2.0),
    (Constant(2.0, warmup=4), 0, 0.5),
    (Constant(2.0, warmup=4), 2, 1.5),
    (Constant(2.0, warmup=4), 3, 2.0),
    (Constant(2.0, warmup=4), 4, 2.0),
    (Constant(2.0, warmup=1), 0, 2.0),
    (Linear(2.0, end=10), 0, 2.0),
    (Linear(2.0, end=10), 5, 1.0),
    (Linear(2.0, end=10), 9, 0.2),
    (Linear(2.0, end=10), 10, 0.0),
    (Linear(2.0, end=10), 99, 0.0),
    (Linear(2.0, end=10, floor=0.25), 10, 0.5),
    (Linear(2.0, end=10, floor=0.25), 99, 0.5),
    (Linear(2.0, end=12, warmup=4), 3, 2.0),
    (Linear(2.0, end=12, warmup=4), 4, 2.0),
    (Linear(2.0, end=12, warmup=4), 8, 1.0),
    (Linear(2.0, end=10, start=6), 6, 2.0),
    (Linear(2.0, end=10, start=6), 7, 1.5),
    (Linear(2.0, end=10, start=2, warmup=4), 4, 2.0),  # the descent waits for the warm-up
    (Linear(2.0, end=10, start=2, warmup=4), 7, 1.0),
    (Cosine(2.0, end=8), 0, 2.0),
    (Cosine(2.0, end=8), 2, 1 + cos(pi / 4)),
    (Cosine(2.0, end=8), 4, 1.0),
    (Cosine(2.0, end=8), 8, 0.0),
    (Cosine(2.0, end=8, floor=0.5, start=4), 3, 2.0),
    (Cosine(2.0, end=8, floor=0.5, start=4), 6, 1.5),
    (Cosine(2.0, end=8, floor=0.5, start=4), 20, 1.0),
]


@pytest.mark.parametrize(("rate", "update", "expected"), TABLE)
def test_rates(rate: LearningRate, update: int, expected: float) -> None:
    assert rate(update) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("rate", [Constant(1.0, 7), Linear(1.0, 30, 7, 0.1, 12), Cosine(1.0, 30, 7, 0.1, 12)])
def test_rises_to_the_peak_and_never_rises_again(rate: LearningRate) -> None:
    rates = [rate(update) for update in range(50)]
    peak = rates.index(max(rates))
    assert peak == 6
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert min(rates) > 0


@pytest.mark.parametrize(
    ("build", "arguments", "message"),
    [
        (Constant, {"peak": 0.0}, "peak=0.0 must be above 0"),
        (Constant, {"peak": -1e-3}, "peak=-0.001 must be above 0"),
        (Constant, {"peak": float("nan")}, "peak=nan must be above 0"),
        (Constant, {"peak": 1.0, "warmup": -1}, "warmup=-1 must be at least 0"),
        (Linear, {"peak": 1.0, "end": 5, "floor": 1.5}, r"floor=1.5 must lie in \[0, 1\]"),
        (Linear, {"peak": 1.0, "end": 5, "warmup": 5}, "end=5 must come after"),
        (Cosine, {"peak": 1.0, "end": 5, "start": 6}, "end=5 must come after"),
        (Cosine, {"peak": 1.0, "end": 0}, "end=0 must come after"),
    ],
)
def test_bad_arguments_raise(build: type[LearningRate], arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**arguments)
