"""How tokens are weighed, against sums by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from app.losses import ConstantLength, Reduction, SequenceMean, TokenMean
from tests.app.losses.loops import LENGTHS, random_rows


@pytest.mark.parametrize(
    ("reduction", "weight", "count"),
    [
        (TokenMean(), lambda length: 1.0, sum(LENGTHS)),
        (SequenceMean(), lambda length: 1 / length, len(LENGTHS)),
        (ConstantLength(9), lambda length: 1 / 9, len(LENGTHS)),
    ],
)
def test_weights_and_counts(reduction: Reduction, weight: Any, count: int) -> None:
    rows, _ = random_rows()
    weights = reduction.weights(rows.mask)
    for row, length in zip(weights.tolist(), LENGTHS, strict=True):
        assert row == pytest.approx([weight(length)] * length + [0.0] * (max(LENGTHS) - length), abs=1e-15)
    assert reduction.count(rows) == count
    assert sum(reduction.count(rows.select(torch.tensor(part))) for part in ([0, 3], [1, 2, 4], [5])) == count


def test_no_row_weighs_nothing() -> None:
    mask = torch.zeros(2, 3, dtype=torch.bool)
    assert SequenceMean().weights(mask).tolist() == [[0.0] * 3] * 2


def test_a_length_must_be_some() -> None:
    with pytest.raises(ValueError, match="length=0 must be at least 1"):
        ConstantLength(0)
