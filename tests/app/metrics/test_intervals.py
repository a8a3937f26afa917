"""The interval against a loop that draws problems one by one, and against what a mean is known to do."""

from __future__ import annotations

from random import Random
from statistics import mean, quantiles

import pytest

from app.metrics.intervals import COUNTED, bootstrap_interval


@pytest.mark.parametrize("times", [1, 3], ids=["drawn", "counted"])
def test_it_is_what_drawing_problems_one_by_one_gives(times: int) -> None:
    values, counts = [0.0, 0.25, 0.7, 1.0], [times * count for count in (9, 5, 4, 12)]
    assert (len(values) * COUNTED < sum(counts)) == (times == 3)
    problems = [value for value, number in zip(values, counts, strict=True) for _ in range(number)]
    random = Random(0)
    means = [mean(random.choices(problems, k=len(problems))) for _ in range(10_000)]
    cuts = quantiles(means, n=40, method="inclusive")
    assert bootstrap_interval(values, counts, "a set") == pytest.approx((cuts[0], cuts[-1]), abs=0.012)


def test_a_sentence_decides_the_draws() -> None:
    once, again, other = (bootstrap_interval([0.0, 0.3, 1.0], [7, 9, 8], name) for name in ("a", "a", "b"))
    assert once == again != other


def test_it_covers_the_truth_about_as_often_as_it_says() -> None:
    """Problems solved with chance 0.4: of 200 sets of 60, some 95 % have 0.4 in their interval."""
    covered = 0
    for trial in range(200):
        solved = sum(Random(f"{trial}/{problem}").random() < 0.4 for problem in range(60))
        low, high = bootstrap_interval([0.0, 1.0], [60 - solved, solved], str(trial))
        covered += low <= 0.4 <= high
    assert 182 <= covered <= 198


def test_problems_that_are_all_alike_leave_no_doubt() -> None:
    assert bootstrap_interval([0.5], [30], "a set") == (0.5, 0.5)


def test_no_problem() -> None:
    with pytest.raises(ValueError, match="an interval needs at least one problem"):
        bootstrap_interval([], [], "a set")
