"""Eqs. 17 and 18 against plain arithmetic on advantages enumerated over all subsets."""

from __future__ import annotations

from math import log, log10

import pytest
import torch
from torch import Tensor

from app.advantages import AdvantageEstimator, PassK, PassOne
from app.advantages.adaptive import Adaptive
from app.advantages.shaped import Combination, Exceeding, exceeding_weight
from app.types import Rollouts
from tests.app.test_passk import SMALL, enumerated_advantages, every_row
from tests.conftest import EchoProblem

SEVERAL = [(n, k) for n, k in SMALL if n > 1]


def batch(rewards: Tensor) -> Rollouts:
    return Rollouts([EchoProblem(str(index)) for index in range(len(rewards))], rewards=rewards.double())


def etas(estimator: AdvantageEstimator, n: int = 32) -> list[float]:
    """Eq. 16 for every number of passes."""
    return estimator(batch(every_row(n))).abs().sum(-1).tolist()


def peak(curve: list[float]) -> int:
    return curve.index(max(curve))


@pytest.mark.parametrize(("n", "k"), SEVERAL)
def test_exceeding_is_the_weight_times_the_advantage(n: int, k: int) -> None:
    rows = every_row(n)
    for base in (10.0, 2.0):
        expected = []
        for c, passed in enumerate(rows.tolist()):
            weight = 4 / (10 * log(c + 0.5, base)) if c else 0.0
            expected.append([weight * advantage for advantage in enumerated_advantages(passed, k)])
        actual = Exceeding(PassK(k), base)(batch(rows))
        torch.testing.assert_close(actual, torch.tensor(expected, dtype=torch.double), rtol=0, atol=1e-10)
        assert torch.equal(Exceeding(PassK(k), base).informative(batch(rows)), PassK(k).informative(batch(rows)))


@pytest.mark.parametrize("base", [10.0, 2.718281828459045, 1.5])
@pytest.mark.parametrize("k", [1, 2, 4, 8, 16])
def test_exceeding_peaks_at_one_pass_of_32(k: int, base: float) -> None:
    assert peak(etas(Exceeding(PassK(k), base))) == 1


def test_figures_of_exceeding_that_its_docstring_gives() -> None:
    assert max(etas(Exceeding(PassK(4)))) == pytest.approx(12.02, abs=5e-3)
    assert max(etas(PassK(4))) == pytest.approx(10.36, abs=5e-3)
    assert exceeding_weight(every_row(2)).tolist()[1:] == pytest.approx([0.4 / log10(1.5), 0.4 / log10(2.5)])
    assert exceeding_weight(every_row(2)).tolist() == pytest.approx([2.27, 2.27, 1.0], abs=0.01)
    assert exceeding_weight(every_row(1), base=2.718281828459045).tolist() == pytest.approx([0.99, 0.99], abs=0.01)
    otherwise = [0.4 * log(c + 0.5) * eta for c, eta in enumerate(etas(PassK(8)))]
    assert peak(otherwise) == 7


def test_the_weight_is_never_negative_and_falls() -> None:
    weight = exceeding_weight(every_row(100))
    assert (weight > 0).all()
    assert (weight.diff() <= 0).all()


def test_where_none_passes_what_was_better_is_still_pushed_up() -> None:
    graded = batch(torch.tensor([[0.5, 0.0, 0.0, 0.5]]))
    plain, weighed = PassOne()(graded), Exceeding(PassOne())(graded)
    assert plain.tolist() == [[1, -1, -1, 1]]
    torch.testing.assert_close(weighed, plain * 0.4 / log10(1.5), rtol=0, atol=1e-12)


@pytest.mark.parametrize("base", [1.0, 0.5, -2.0, float("nan")])
def test_the_base_is_one_of_a_logarithm_that_grows(base: float) -> None:
    with pytest.raises(ValueError, match=f"base={base} must be above 1"):
        Exceeding(PassOne(), base)


def test_exceeding_asks_the_estimator_underneath_where_problems_are_unmarked() -> None:
    assert Exceeding(Adaptive(PassK(4))).informative(batch(every_row(8))).tolist() == [0 < c < 8 for c in range(9)]


@pytest.mark.parametrize(("n", "k"), SEVERAL)
def test_combination_weighs_both_by_the_pass_rate(n: int, k: int) -> None:
    rows = every_row(n)
    expected = [
        [
            c / n * many + (1 - c / n) * one
            for many, one in zip(enumerated_advantages(passed, k), enumerated_advantages(passed, 1), strict=True)
        ]
        for c, passed in enumerate(rows.tolist())
    ]
    combination = Combination(high=PassK(k))
    actual = combination(batch(rows))
    torch.testing.assert_close(actual, torch.tensor(expected, dtype=torch.double), rtol=0, atol=1e-10)
    assert actual.sum(-1).abs().max() < 1e-10
    assert combination.informative(batch(rows)).tolist() == [0 < c < n for c in range(n + 1)]


@pytest.mark.parametrize(("k", "passes", "eta"), [(1, 16, 32.0), (4, 9, 23.58), (8, 8, 21.88)])
def test_where_combination_peaks_among_32_rollouts(k: int, passes: int, eta: float) -> None:
    curve = etas(Combination(high=PassK(k)))
    assert peak(curve) == passes
    assert max(curve) == pytest.approx(eta, abs=5e-3)


def test_the_defaults_are_documented_ones() -> None:
    assert repr(Exceeding()) == "Exceeding(of=PassK(k=8), base=10.0)"
    assert repr(Combination()) == "Combination(low=PassOne(), high=PassK(k=8))"
