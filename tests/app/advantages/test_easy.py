"""Easy problems treated apart, for every number of passes."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from app.advantages import AdvantageEstimator, PassK, PassOne
from app.advantages.adaptive import Adaptive
from app.advantages.easy import ByAccuracy, WithoutEasy, pass_rate
from app.types import Rollouts
from tests.conftest import EchoProblem


def every_count(n: int) -> Rollouts:
    """N + 1 problems, the c-th with c passes."""
    rewards = torch.stack([(torch.arange(n) < c).double() for c in range(n + 1)])
    return Rollouts([EchoProblem(str(c)) for c in range(n + 1)], rewards=rewards)


def above(n: int, tenths: int) -> list[bool]:
    """Which numbers of passes exceed the threshold, in exact fractions."""
    return [Fraction(c, n) > Fraction(tenths, 10) for c in range(n + 1)]


SIZES = [(n, tenths) for n in (2, 3, 5, 7, 10, 20, 30, 32) for tenths in range(11)]


@pytest.mark.parametrize(("n", "tenths"), SIZES)
def test_a_rate_at_the_threshold_does_not_exceed_it(n: int, tenths: int) -> None:
    assert (pass_rate(every_count(n).passed) > tenths / 10).tolist() == above(n, tenths)


@pytest.mark.parametrize("of", [PassOne(), PassK(2)])
@pytest.mark.parametrize(("n", "tenths"), [(2, 5), (5, 6), (8, 0), (8, 10), (10, 3), (32, 6)])
def test_easy_problems_teach_nothing_and_others_as_before(of: AdvantageEstimator, n: int, tenths: int) -> None:
    rollouts, plain = every_count(n), of(every_count(n)).tolist()
    expected = [[0.0] * n if easy else row for easy, row in zip(above(n, tenths), plain, strict=True)]
    without = WithoutEasy(of, tenths / 10)
    assert without(rollouts).tolist() == expected
    assert without.informative(rollouts).tolist() == [any(row) for row in expected]


def test_unmarked_problems_are_asked_of_the_estimator_underneath() -> None:
    """Pass@1 would learn from 1 to 7 passes of 8, and 5 of 8 exceed 0.6."""
    assert WithoutEasy(Adaptive(PassK(4))).informative(every_count(8)).tolist() == [0 < c < 5 for c in range(9)]


@pytest.mark.parametrize(("n", "k", "tenths"), [(2, 1, 5), (8, 3, 5), (8, 8, 5), (10, 3, 3), (8, 4, 0), (8, 4, 10)])
def test_problems_switch_above_the_threshold(n: int, k: int, tenths: int) -> None:
    rollouts = every_count(n)
    low, high = PassOne()(rollouts).tolist(), PassK(k)(rollouts).tolist()
    expected = [high[c] if switched else low[c] for c, switched in enumerate(above(n, tenths))]
    assert ByAccuracy(high=PassK(k), threshold=tenths / 10)(rollouts).tolist() == expected


def test_its_curve_decays_to_zero_before_every_rollout_passes() -> None:
    eta = ByAccuracy(high=PassK(4))(every_count(32)).abs().sum(-1)  # Eq. 16
    assert eta.argmax().item() == 16
    assert (eta[17:].diff() <= 0).all()
    assert [c for c in range(33) if eta[c] == 0] == [0, *range(29, 33)]


def test_the_defaults_are_documented_ones() -> None:
    assert repr(WithoutEasy()) == "WithoutEasy(of=PassK(k=8), threshold=0.6)"
    assert repr(ByAccuracy()) == "ByAccuracy(low=PassOne(), high=PassK(k=8), threshold=0.5)"


@pytest.mark.parametrize("kind", [WithoutEasy, ByAccuracy])
@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_is_a_pass_rate(kind: type[WithoutEasy | ByAccuracy], threshold: float) -> None:
    with pytest.raises(ValueError, match=rf"threshold={threshold} must lie in \[0, 1\]"):
        kind(threshold=threshold)
