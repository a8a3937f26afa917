"""Weights against products by hand, at their borders; `test_loops.py` and `test_module.py` put them to work."""

from __future__ import annotations

from collections.abc import Callable
from math import exp

import pytest
import torch

from app.losses import Correction, GeometricMIS, IcePop, SequenceMIS, SequenceTIS, TokenTIS
from tests.app.losses.loops import CORRECTIONS, Row, random_rows
from tests.app.losses.test_loops import OF_CORRECTIONS

MASK = torch.tensor([[True, True, True], [True, False, False]])


def weights(correction: Correction, *log_rho: list[float]) -> list[list[float]]:
    """Of the tokens alone."""
    values = correction.weights(torch.tensor(log_rho, dtype=torch.double), MASK)
    assert values.shape == MASK.shape
    return [row[mask].tolist() for row, mask in zip(values, MASK, strict=True)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", CORRECTIONS)
def test_weights_are_those_of_a_loop(name: str, seed: int) -> None:
    rows, logits = random_rows(seed)
    assert rows.old_logprobs is not None and rows.sampler_logprobs is not None
    values = OF_CORRECTIONS[name].weights(rows.old_logprobs - rows.sampler_logprobs, rows.mask)
    for b in range(len(rows)):
        row = Row(rows, logits, b)
        naive = [CORRECTIONS[name](row, t) for t in range(row.length)]
        assert values[b, : row.length].tolist() == pytest.approx(naive, abs=1e-12)


@pytest.mark.parametrize(
    "correction",
    [TokenTIS(), SequenceTIS(), IcePop(), SequenceMIS(), GeometricMIS()],
    ids=lambda each: type(each).__name__,
)
def test_an_engine_that_agrees_changes_nothing(correction: Correction) -> None:
    assert weights(correction, [0.0] * 3, [0.0] * 3) == [[1.0] * 3, [1.0]]


def test_by_hand() -> None:
    """Padding holds what it will; ratios of 2, 1/2 and 3 have the product 3."""
    log_rho = torch.tensor([[2.0, 0.5, 3.0], [0.5, 9.0, 9.0]], dtype=torch.double).log().tolist()
    cube = 3 ** (1 / 3)
    assert weights(TokenTIS(2.5), *log_rho) == [pytest.approx([2, 0.5, 2.5]), pytest.approx([0.5])]
    assert weights(SequenceTIS(2.5), *log_rho) == [pytest.approx([2.5] * 3), pytest.approx([0.5])]
    assert weights(SequenceTIS(4.0), *log_rho) == [pytest.approx([3] * 3), pytest.approx([0.5])]
    assert weights(IcePop(0.6, 2.5), *log_rho) == [pytest.approx([2, 0, 0]), [0.0]]
    assert weights(SequenceMIS(0.0, 2.9), *log_rho) == [[0.0] * 3, pytest.approx([0.5])]
    assert weights(SequenceMIS(0.6, 3.1), *log_rho) == [pytest.approx([3] * 3), [0.0]]
    assert weights(GeometricMIS(0.4, cube + 1e-9), *log_rho) == [[1.0] * 3, [1.0]]
    assert weights(GeometricMIS(0.6, cube - 1e-9), *log_rho) == [[0.0] * 3, [0.0]]


@pytest.mark.parametrize("name", OF_CORRECTIONS)
def test_the_widest_gap_gives_finite_weights(name: str) -> None:
    values = OF_CORRECTIONS[name].weights(torch.tensor([[1e4, -1e4, 1e4], [-1e4, 0.0, 0.0]]), MASK)
    assert values.isfinite().all()
    assert exp(-1e4) == 0


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: TokenTIS(0.0), "cap=0.0 must be above 0"),
        (lambda: SequenceTIS(-1.0), "cap=-1.0 must be above 0"),
        (lambda: TokenTIS(float("nan")), "cap=nan must be above 0"),
        (lambda: IcePop(-0.1, 1.0), "low=-0.1 must be at least 0 and below high=1.0"),
        (lambda: SequenceMIS(2.0, 2.0), "low=2.0 must be at least 0 and below high=2.0"),
        (lambda: GeometricMIS(3.0, 2.0), "low=3.0 must be at least 0 and below high=2.0"),
    ],
)
def test_bad_arguments_raise(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
