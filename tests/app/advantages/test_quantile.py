"""QAE and CurveRL against loops over plain numbers."""

from __future__ import annotations

from math import floor, sqrt

import pytest
import torch

from app.advantages import QAE, CurveRL, MaxRL, PassOne
from app.advantages.curves import curves
from app.advantages.quantile import quantile_advantage
from app.types import Rollouts
from tests.app.test_passk import every_row
from tests.conftest import EchoProblem


def batch(rewards: torch.Tensor) -> Rollouts:
    return Rollouts([EchoProblem(str(index)) for index in range(len(rewards))], rewards=rewards.double())


def naive_quantile(rewards: list[float], level: float) -> list[float]:
    n = len(rewards)
    baseline = next(r for r in sorted(rewards) if sum(each <= r for each in rewards) >= level * n - 1e-9)
    mean = sum(rewards) / n
    std = sqrt(sum((r - mean) ** 2 for r in rewards) / n)
    return [(r - baseline) / std if std else 0.0 for r in rewards]


@pytest.mark.parametrize("level", [0.1, 0.25, 0.4, 0.5, 0.75, 0.9])
@pytest.mark.parametrize("n", [2, 3, 4, 8, 10])
def test_qae_is_the_deviation_from_the_quantile(n: int, level: float) -> None:
    rows = every_row(n).double()
    expected = [naive_quantile(row, level) for row in rows.tolist()]
    torch.testing.assert_close(QAE(level)(batch(rows)), torch.tensor(expected, dtype=torch.double), rtol=0, atol=1e-12)
    graded = torch.rand(5, n, generator=torch.Generator().manual_seed(n)).double()
    expected = [naive_quantile(row, level) for row in graded.tolist()]
    torch.testing.assert_close(
        quantile_advantage(graded, level), torch.tensor(expected, dtype=torch.double), rtol=0, atol=1e-9
    )


@pytest.mark.parametrize(("level", "hard"), [(0.4, 6), (0.5, 5), (0.75, 2)])
def test_qae_strengthens_rare_passes_and_punishes_rare_failures(level: float, hard: int) -> None:
    """Where p <= 1 - K, and above: ten rollouts."""
    rows = every_row(10).bool()
    advantages = QAE(level)(batch(rows))
    for c in range(1, 10):
        passed, failed = advantages[c][rows[c]], advantages[c][~rows[c]]
        scale = 1 / sqrt(c / 10 * (1 - c / 10))
        assert (passed.tolist(), failed.tolist()) == (
            pytest.approx([scale if c <= hard else 0.0] * c), pytest.approx([0.0 if c <= hard else -scale] * (10 - c)),
        )  # fmt: skip


def test_qae_weighs_problems_as_pass_at_1_does() -> None:
    p = torch.linspace(0.1, 0.9, 9)
    torch.testing.assert_close(curves(QAE(0.45), 256).weight(p), curves(PassOne(), 256).weight(p), rtol=0.02, atol=0)


def naive_curve(rewards: list[list[float]], reference: list[float]) -> list[list[float]]:
    n = len(rewards[0])
    bins = [floor(rate * (n + 1) + 1e-9) for rate in reference]
    advantages = []
    for row in rewards:
        rate = sum(row) / n
        own = floor(rate * (n + 1) + 1e-9)
        f, below = bins.count(own), sum(each <= own for each in bins)
        weight = f / below if 0 < rate < 1 and f else 0.0
        advantages.append([weight * (r - rate) for r in row])
    return advantages


@pytest.mark.parametrize("batches", [1, 2, 3, 5, 10])
def test_curve_rl_refers_to_the_batches_before(batches: int) -> None:
    estimator, random = CurveRL(batches), torch.Generator().manual_seed(0)
    before: list[list[float]] = []
    for _ in range(14):
        rewards = (torch.rand(12, 6, generator=random) < torch.rand(12, 1, generator=random)).double()
        rates = [rate for rate in rewards.mean(-1).tolist() if 0 < rate < 1]
        estimator.observe(batch(rewards))
        reference = [rate for each in before[-batches:] for rate in each] or rates
        expected = torch.tensor(naive_curve(rewards.tolist(), reference), dtype=torch.double)
        torch.testing.assert_close(estimator(batch(rewards)), expected, rtol=0, atol=1e-12)
        assert torch.equal(estimator(batch(rewards)), estimator(batch(rewards)))  # asked as often as one likes
        before.append(rates)


def test_curve_rl_goes_on_from_its_state() -> None:
    one, other = CurveRL(3), CurveRL(3)
    for c in (1, 2, 3, 1, 2):
        one.observe(batch(every_row(4)[[c, 2]]))
    other.load_state_dict(one.state_dict())
    rows = batch(every_row(4))
    assert torch.equal(one(rows), other(rows))
    one.observe(rows)
    assert torch.equal(other(rows), CurveRL.estimate(other, rows))
    assert one.state_dict() != other.state_dict()


def test_curve_rl_with_equally_frequent_rates_is_max_rl() -> None:
    rows = batch(every_row(8))
    inside = slice(1, 8)
    torch.testing.assert_close(CurveRL()(rows)[inside], MaxRL()(rows)[inside] / 8, rtol=0, atol=1e-12)


def test_curve_rl_without_a_window_refers_to_the_batch() -> None:
    estimator, rows = CurveRL(batches=0), batch(every_row(8))
    for _ in range(3):
        estimator.observe(rows)
    assert torch.equal(estimator(rows), CurveRL()(rows))


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, float("nan")])
def test_bounds(level: float) -> None:
    with pytest.raises(ValueError, match=f"level={level} must lie between 0 and 1"):
        QAE(level)
    with pytest.raises(ValueError, match="batches=-1 must be at least 0"):
        CurveRL(-1)
