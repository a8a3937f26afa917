"""Samplers by running pass rate: by the expected signal of the objective, or from easy to hard."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from app.draw.base import Place, Weighted
from app.draw.record import PassRecord
from app.knobs import Knob, Ramp


class ByPassRate(Weighted):
    """Draws problems in proportion to the expected signal of the stage's objective at their pass rate p.

    Args:
        weight: "informative", the probability that N rollouts have a non-zero advantage under the stage's objective,
            its k and its N; or "eta", the expected sum of absolute advantages (Eq. 16), which is 2 N p (1 - p) w(p) for
            estimators whose advantages sum to zero.
        floor: the smallest weight, as a share of the largest, so that problems without expected signal are
            still drawn sometimes, since the policy changes.
    """

    def __init__(self, weight: Literal["informative", "eta"] = "informative", floor: float = 0.1) -> None:
        if weight not in ("informative", "eta"):
            raise ValueError(f"weight={weight!r} must be 'informative' or 'eta'")
        check_floor(floor)
        self.weight, self.floor = weight, floor

    def weights(self, record: PassRecord, place: Place) -> Tensor:
        rates = record.rates
        objective = place.objective()
        if objective is None:
            return torch.ones_like(rates)
        worth = objective.share_informative if self.weight == "informative" else objective.expected_eta
        values, of_problems = rates.unique(return_inverse=True)  # far fewer than problems
        return with_floor(worth(values)[of_problems], self.floor)


class Curriculum(Weighted):
    """Draws problems whose running pass rate is near a target that moves from easy to hard.

    The weight is a Gaussian around the target, divided by that of the nearest problem. A problem not drawn yet has the
    mean rate of its set, so that easy sets come first and hard ones later.

    Args:
        target: the target pass rate as a function of the batches drawn in this run.
        width: the standard deviation of the Gaussian.
        floor: the smallest weight, as a share of the largest.
    """

    def __init__(self, target: Knob | None = None, width: float = 0.2, floor: float = 0.01) -> None:
        self.target = target or Ramp(0.8, 0.2, end=200)
        for value in self.target.given:
            if not 0 <= value <= 1:
                raise ValueError(f"target={value:g} must be a pass rate in [0, 1]")
        if not width > 0:
            raise ValueError(f"width={width} must be above 0")
        check_floor(floor)
        self.width, self.floor = width, floor

    def weights(self, record: PassRecord, place: Place) -> Tensor:
        distance = (record.rates - self.target(place.batch)) / self.width
        exponent = -(distance**2) / 2
        return with_floor((exponent - exponent.max()).exp(), self.floor)

    def figures(self, record: PassRecord, drawn: Tensor, place: Place) -> dict[str, float]:
        return {**super().figures(record, drawn, place), "draw/target": self.target(place.batch)}


def with_floor(weights: Tensor, floor: float) -> Tensor:
    """Weights of at least this share of the largest; 1 for all if they are too small for that.  [n] -> [n]"""
    smallest = floor * weights.max()
    return weights.clamp(min=smallest) if smallest > 1e-300 else torch.ones_like(weights)


def check_floor(floor: float) -> None:
    """Raise ValueError for a floor with which a problem might never be drawn, or above the largest weight."""
    if not 0 < floor <= 1:
        raise ValueError(f"floor={floor} must lie in (0, 1]")
