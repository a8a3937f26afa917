"""Values at the edges of a knob's way, and what is refused."""

from __future__ import annotations

from math import cos, pi

import pytest

from app.knobs import Fixed, HalfCosine, Knob, Knobs, Ramp, Stepwise, nearest

TABLE = [  # knob, iteration, expected
    (Fixed(3), 0, 3),
    (Fixed(3), 10**6, 3),
    (Ramp(8, 1, end=14), 0, 8),
    (Ramp(8, 1, end=14), 7, 4.5),
    (Ramp(8, 1, end=14), 14, 1),
    (Ramp(8, 1, end=14), 99, 1),
    (Ramp(1, 2, end=10, start=6), 6, 1),
    (Ramp(1, 2, end=10, start=6), 7, 1.25),
    (HalfCosine(1.0, 0.0, end=8), 0, 1.0),
    (HalfCosine(1.0, 0.0, end=8), 2, (1 + cos(pi / 4)) / 2),
    (HalfCosine(1.0, 0.0, end=8), 4, 0.5),
    (HalfCosine(0.5, 1.0, end=8, start=4), 4, 0.5),
    (HalfCosine(0.5, 1.0, end=8, start=4), 9, 1.0),
    (Stepwise({4: 2, 0: 8}), 3, 8),
    (Stepwise({4: 2, 0: 8}), 4, 2),
    (Stepwise({4: 2, 0: 8}), 99, 2),
]


@pytest.mark.parametrize(("knob", "iteration", "expected"), TABLE)
def test_values(knob: Knob, iteration: int, expected: float) -> None:
    assert knob(iteration) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("kind", [Ramp, HalfCosine])
def test_the_last_value_is_reached_exactly(kind: type[Ramp | HalfCosine]) -> None:
    """0.7 + (0.1 - 0.7) is not 0.1."""
    for first, last in ((0.7, 0.1), (0.1, 0.7), (1.5, 0.6), (1.2, 1.0)):
        knob = kind(first, last, end=7, start=3)
        assert [knob(0), knob(3), knob(7), knob(99)] == [first, first, last, last]


def test_whole_numbers_are_the_nearest_ones() -> None:
    assert [nearest(value) for value in (0.5, 1.49, 2.5, 3)] == [1, 1, 3, 3]
    knobs = Knobs(k=Ramp(8, 1, end=14), temperature=Fixed(0.7))
    assert [knobs.at(iteration)["k"] for iteration in (0, 1, 2, 13, 14)] == [8, 8, 7, 2, 1]
    assert Knobs(rollouts=Ramp(1, 4, end=6)).at(1) == {"rollouts": 2}


def test_each_set_of_values_is_there_once() -> None:
    knobs = Knobs(k=Ramp(3, 1, end=4), rollouts=Stepwise({0: 4, 9: 8}))
    assert knobs.all_values == [
        (0, {"k": 3, "rollouts": 4}),
        (2, {"k": 2, "rollouts": 4}),
        (4, {"k": 1, "rollouts": 4}),
        (9, {"k": 1, "rollouts": 8}),
    ]
    assert Knobs().all_values == [(0, {})]
    assert not Knobs()
    assert knobs


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Ramp(8, 1, end=0), "end=0 must come after start=0"),
        (lambda: HalfCosine(8, 1, end=3, start=3), "end=3 must come after start=3"),
        (lambda: Ramp(8, 1, end=3, start=-1), "start=-1 must be at least 0"),
        (lambda: Stepwise({1: 2.0}), "must begin at iteration 0"),
        (lambda: Knobs(k=Ramp(8, 1.5, end=3)), "knobs.k: 1.5 must be a whole number of at least 1"),
        (lambda: Knobs(k=Ramp(8, 0, end=3)), "knobs.k: 0 must be a whole number of at least 1"),
        (lambda: Knobs(rollouts=Fixed(2.5)), "knobs.rollouts: 2.5 must be a whole number"),
        (lambda: Knobs(k=Fixed(float("inf"))), "knobs.k: inf must be a whole number"),
    ],
)
def test_what_can_not_be_is_refused(build: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()  # type: ignore[operator]


def test_its_name_says_its_arguments() -> None:
    assert repr(Ramp(8, 1, end=14)) == "Ramp(first=8, last=1, end=14, start=0)"
    assert repr(Stepwise({0: 8})) == "Stepwise(values={0: 8})"
