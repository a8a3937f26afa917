"""The curves against the paper's peaks, and the weight against all outcomes of a few rollouts."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor

from app.advantages import (
    FADE,
    AdvantageEstimator,
    Combination,
    EntropyBonusAdvantage,
    Exceeding,
    MaxRL,
    PassK,
    PassKFullSampling,
    PassKWithoutSigma,
    PassOne,
)
from app.advantages.curves import curves
from app.types import Rollouts
from tests.conftest import EchoProblem


@pytest.mark.parametrize(
    ("estimator", "passes", "peak"),
    [
        (PassOne(), 16, 32.0),
        (PassK(1), 16, 32.0),
        (PassK(2), 12, 18.91),
        (PassK(4), 8, 10.362),
        (PassK(8), 4, 5.181),
        (PassK(16), 2, 2.26),
        (Exceeding(PassK(4)), 1, 12.02),
        (Exceeding(PassK(8)), 1, None),
        (Combination(high=PassK(4)), 9, 23.58),
        (Combination(high=PassK(8)), 8, 21.88),
    ],
    ids=repr,
)
def test_eta_peaks_where_the_formulas_say(estimator: AdvantageEstimator, passes: int, peak: float | None) -> None:
    eta = curves(estimator, 32, repeats=1).eta
    assert int(eta.argmax()) == passes
    assert peak is None or eta.max().item() == pytest.approx(peak, abs=5e-3)


def test_points_are_what_the_estimator_says() -> None:
    found = curves(PassK(2), 8, repeats=3)
    for c in range(9):
        passed = torch.arange(8) < c
        (advantages,) = PassK(2)(Rollouts([EchoProblem("x")], rewards=passed[None].double())).tolist()
        assert c == 0 or found.positive[c].item() == pytest.approx(advantages[0], abs=1e-12)
        assert c == 8 or found.negative[c].item() == pytest.approx(advantages[-1], abs=1e-12)
        assert found.eta[c].item() == pytest.approx(sum(map(abs, advantages)), abs=1e-12)
    assert found.pass_rates.tolist() == [c / 8 for c in range(9)]


def expected_gradient(estimator: AdvantageEstimator, num_rollouts: int, p: float) -> float:
    """Of the mean over rollouts of A log pi, for a policy that passes with probability p: all outcomes, one by one."""
    total = 0.0
    for outcome in product((0.0, 1.0), repeat=num_rollouts):
        (advantages,) = estimator(Rollouts([EchoProblem("x")], rewards=torch.tensor([outcome]).double())).tolist()
        chance = 1.0
        for passed in outcome:
            chance *= p if passed else 1 - p
        slopes = [1 / p if passed else -1 / (1 - p) for passed in outcome]
        total += chance * sum(a * slope for a, slope in zip(advantages, slopes, strict=True)) / num_rollouts
    return total


@pytest.mark.parametrize("estimator", [PassOne(), PassK(3), MaxRL(), PassKWithoutSigma(2)], ids=repr)
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_weight_is_the_expected_gradient(estimator: AdvantageEstimator, p: float) -> None:
    weight = curves(estimator, 6, repeats=1).weight(torch.tensor(p, dtype=torch.double))
    assert weight.item() == pytest.approx(expected_gradient(estimator, 6, p), rel=1e-9)


def test_weights_keep_the_shape_of_p() -> None:
    p: Tensor = torch.linspace(0.1, 0.9, 6).view(2, 3)
    assert curves(PassOne(), 4).weight(p).shape == (2, 3)


def test_passes_stand_at_random_places() -> None:
    """Full sampling depends on where they stand: two passes of four share a subset of two only now and then."""
    found = curves(PassKFullSampling(2), 4, repeats=3000)
    assert found.positive[2].item() == pytest.approx(1 / 3, abs=0.03)


def test_the_estimator_is_left_as_it_was() -> None:
    estimator = FADE()
    curves(estimator, 4)
    assert estimator.state_dict() == FADE().state_dict()


def test_token_level_advantages_are_averaged() -> None:
    found = curves(EntropyBonusAdvantage(PassOne()), 8)
    assert torch.equal(found.positive, curves(PassOne(), 8).positive)
