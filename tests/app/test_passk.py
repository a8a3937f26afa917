"""The formulas against the paper's figures, exact fractions and the enumeration of every subset."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import comb, sqrt

import pytest
import torch
from torch import Tensor

from app.passk import (
    all_fail_probability,
    bootstrap_advantage,
    full_sampling_advantage,
    normalise,
    pass_at_k,
    pass_k_advantage,
)

GOLDEN = [  # N, k, c, mean subset reward, sigma, positive, negative, eta (Eqs. 4 to 15, by exact fractions)
    (32, 1, 8, 0.25000000, 0.43301270, 1.73205081, -0.57735027, 27.712813),
    (32, 4, 1, 0.12500000, 0.33071891, 2.64575131, -0.08534682, 5.291503),
    (32, 4, 8, 0.70450501, 0.45626495, 0.64763904, -0.21587968, 10.362225),
    (32, 4, 16, 0.94938821, 0.21920364, 0.23088937, -0.23088937, 7.388460),
    (32, 4, 28, 0.99997219, 0.00527332, 0.00527347, -0.03691427, 0.295314),
    (32, 8, 1, 0.25000000, 0.43301270, 1.73205081, -0.05587261, 3.464102),
    (32, 8, 4, 0.70450501, 0.45626495, 0.64763904, -0.09251986, 5.181112),
    (32, 8, 16, 0.99877642, 0.03495833, 0.03500115, -0.03500115, 1.120037),
    (8, 4, 3, 0.92857143, 0.25753938, 0.27735010, -0.16641006, 1.664101),
    (8, 2, 3, 0.64285714, 0.47915742, 0.74535599, -0.44721360, 4.472136),
]
SMALL = [(n, k) for n in range(1, 9) for k in range(1, n + 1)]


def row(n: int, c: int) -> Tensor:
    """[1, N], the first c of which pass."""
    return (torch.arange(n) < c)[None]


def every_row(n: int) -> Tensor:
    """[N + 1, N], one row for each number of passes, the passes scattered."""
    generator = torch.Generator().manual_seed(n)
    return torch.stack([row(n, c)[0, torch.randperm(n, generator=generator)] for c in range(n + 1)])


def enumerated_pass_at_k(passed: list[bool], k: int) -> Fraction:
    subsets = list(combinations(passed, k))
    return Fraction(sum(any(subset) for subset in subsets), len(subsets))


def enumerated_advantages(passed: list[bool], k: int) -> list[float]:
    """Every subset of k, normalised over all of them; a rollout takes the mean of the subsets it is in."""
    subsets = list(combinations(range(len(passed)), k))
    rewards = [Fraction(any(passed[index] for index in subset)) for subset in subsets]
    mean = sum(rewards) / len(rewards)
    variance = sum((reward - mean) ** 2 for reward in rewards) / len(rewards)
    if variance == 0:
        return [0.0] * len(passed)
    advantages = []
    for index in range(len(passed)):
        own = [reward for subset, reward in zip(subsets, rewards, strict=True) if index in subset]
        advantages.append(float(sum(own) / len(own) - mean) / sqrt(variance))
    return advantages


@pytest.mark.parametrize(("n", "k", "c", "mean", "sigma", "positive", "negative", "eta"), GOLDEN)
def test_golden_values(
    n: int, k: int, c: int, mean: float, sigma: float, positive: float, negative: float, eta: float
) -> None:
    fail = all_fail_probability(row(n, c), k).item()
    advantage = pass_k_advantage(row(n, c), k)[0]
    assert 1 - fail == pytest.approx(mean, abs=1e-8)
    assert sqrt(fail * (1 - fail)) == pytest.approx(sigma, abs=1e-8)
    assert advantage[:c].tolist() == pytest.approx([positive] * c, abs=1e-8)
    assert advantage[c:].tolist() == pytest.approx([negative] * (n - c), abs=1e-8)
    assert advantage.abs().sum().item() == pytest.approx(eta, abs=1e-6)  # Eq. 16


@pytest.mark.parametrize(("n", "k"), SMALL)
def test_pass_at_k_is_the_share_of_subsets_that_pass(n: int, k: int) -> None:
    rows = every_row(n)
    expected = [float(enumerated_pass_at_k(passed, k)) for passed in rows.tolist()]
    assert pass_at_k(rows, k).tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("n", "k"), SMALL)
def test_advantages_are_those_of_all_subsets(n: int, k: int) -> None:
    rows = every_row(n)
    expected = torch.tensor([enumerated_advantages(passed, k) for passed in rows.tolist()], dtype=torch.double)
    torch.testing.assert_close(pass_k_advantage(rows, k), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("n", "k"), [*SMALL, (32, 1), (32, 8), (64, 16)])
def test_rows_sum_to_zero(n: int, k: int) -> None:
    sums = pass_k_advantage(every_row(n), k).sum(-1)
    torch.testing.assert_close(sums, torch.zeros_like(sums), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("n", "k"), [*SMALL, (32, 4), (32, 8), (32, 16), (32, 32)])
def test_dead_zones(n: int, k: int) -> None:
    """Zero where all fail or every subset passes, and nowhere else."""
    informative = (pass_k_advantage(every_row(n), k) != 0).any(-1).tolist()
    assert informative == [0 < c <= n - k for c in range(n + 1)]


@pytest.mark.parametrize("n", [2, 5, 8, 32])
def test_k_of_one_is_the_population_normalised_reward(n: int) -> None:
    rows = every_row(n)
    rewards = rows.double()
    std = rewards.std(-1, correction=0, keepdim=True)
    expected = torch.where(std > 0, (rewards - rewards.mean(-1, keepdim=True)) / std, 0.0)
    torch.testing.assert_close(pass_k_advantage(rows, 1), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(normalise(rewards), expected, rtol=0, atol=1e-12)


def enumerated_pkpo(passed: list[bool], k: int) -> list[Fraction]:
    """PKPO's r_i: what the subsets of k that rollout i is in are worth, over the number of all subsets (its Eq. 8)."""
    subsets = list(combinations(range(len(passed)), k))
    worth = [any(passed[index] for index in subset) for subset in subsets]
    totals = [
        sum(value for subset, value in zip(subsets, worth, strict=True) if i in subset) for i in range(len(passed))
    ]
    return [Fraction(total, len(subsets)) for total in totals]


@pytest.mark.parametrize(("n", "k"), SMALL)
def test_identity_with_enumerated_pkpo(n: int, k: int) -> None:
    """A_i = (N / k) (r_i - mean r) / sigma."""
    for passed in every_row(n).tolist():
        value = enumerated_pass_at_k(passed, k)
        sigma, r = sqrt(value * (1 - value)), enumerated_pkpo(passed, k)
        centred = [Fraction(n, k) * (each - sum(r) / n) for each in r]
        expected = [float(each) / sigma if sigma else 0.0 for each in centred]
        assert pass_k_advantage(torch.tensor([passed]), k)[0].tolist() == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(("n", "k"), [(8, 2), (8, 4), (12, 3), (32, 8)])
def test_identity_with_pkpo(n: int, k: int) -> None:
    """Binary rewards: PKPO's r_i is k/N where i passes, else k/N times the chance that its other k - 1 hold a pass."""
    for c in range(1, n - k + 1):
        some_pass = 1 - comb(n - 1 - c, k - 1) / comb(n - 1, k - 1)
        r = torch.tensor([k / n] * c + [k / n * some_pass] * (n - c), dtype=torch.double)
        fail = all_fail_probability(row(n, c), k)[0]
        expected = n / k * (r - r.mean()) / (fail * (1 - fail)).sqrt()
        torch.testing.assert_close(pass_k_advantage(row(n, c), k)[0], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("k", "peak", "eta"), [(1, 16, 32.0), (2, 12, 18.91), (4, 8, 10.362), (8, 4, 5.181), (16, 2, 2.26)]
)
def test_where_eta_peaks_among_32_rollouts(k: int, peak: int, eta: float) -> None:
    curve = torch.stack([pass_k_advantage(row(32, c), k).abs().sum() for c in range(33)])
    assert curve.argmax().item() == peak
    assert curve.max().item() == pytest.approx(eta, abs=5e-3)


@pytest.mark.parametrize("c", [0, 1, 2, 10, 49_999, 50_000, 50_001, 99_999, 100_000])
def test_a_hundred_thousand_rollouts(c: int) -> None:
    n, k = 100_000, 50_000
    advantage = pass_k_advantage(row(n, c), k)
    assert advantage.isfinite().all()
    assert abs(advantage.sum().item()) < 1e-6
    if c <= 2:  # C(N - c, k) / C(N, k) in exact fractions
        exact = {0: Fraction(1), 1: Fraction(n - k, n), 2: Fraction((n - k) * (n - k - 1), n * (n - 1))}[c]
        assert all_fail_probability(row(n, c), k).item() == pytest.approx(float(exact), rel=1e-9)
        assert advantage[0, 0].item() == pytest.approx(sqrt(exact / (1 - exact)) if c else 0.0, rel=1e-9)


@pytest.mark.parametrize("k", [-1, 0, 5])
def test_k_outside_the_rollouts_raises(k: int) -> None:
    rewards = row(4, 2).double()
    for call in (all_fail_probability, pass_at_k, pass_k_advantage):
        with pytest.raises(ValueError, match=f"k={k} must lie between 1 and the 4 rollouts"):
            call(rewards.bool(), k)
    with pytest.raises(ValueError, match=f"k={k} must lie between 1 and the 4 rollouts"):
        full_sampling_advantage(rewards, k)
    if k != -1:
        with pytest.raises(ValueError, match=f"k={k} must lie between 1 and the 4 rollouts"):
            bootstrap_advantage(rewards, torch.zeros(1, 6, k, dtype=torch.long))


def test_normalise_of_equal_rewards_is_zero() -> None:
    rewards = torch.tensor([[0.1] * 3, [0.0] * 3, [1.0] * 3, [1e-30, 0.0, 0.0]])
    assert normalise(rewards)[:3].eq(0).all()
    assert normalise(rewards)[3].tolist() == pytest.approx([sqrt(2), -sqrt(0.5), -sqrt(0.5)])


def looped_full_sampling(rewards: list[float], k: int) -> list[float]:
    subsets = [rewards[first : first + k] for first in range(0, len(rewards) - k + 1, k)]
    best = [max(subset) for subset in subsets]
    mean = sum(best) / len(best)
    std = sqrt(sum((value - mean) ** 2 for value in best) / len(best))
    members = [0.0 if std == 0 else (value - mean) / std for value in best for _ in range(k)]
    return members + [0.0] * (len(rewards) - len(members))


@pytest.mark.parametrize(("n", "k"), [(8, 1), (8, 2), (8, 3), (8, 4), (8, 5), (8, 8), (7, 2), (9, 4), (1, 1)])
@pytest.mark.parametrize("binary", [True, False])
def test_full_sampling_is_a_loop_over_subsets(n: int, k: int, binary: bool) -> None:
    rewards = torch.rand(20, n, generator=torch.Generator().manual_seed(n * k), dtype=torch.double)
    rewards = (rewards < 0.2).double() if binary else rewards
    expected = [looped_full_sampling(values, k) for values in rewards.tolist()]
    torch.testing.assert_close(full_sampling_advantage(rewards, k), torch.tensor(expected, dtype=torch.double))


def looped_bootstrap(rewards: list[float], subsets: list[list[int]], reduce: str) -> list[float]:
    best = [max(rewards[index] for index in subset) for subset in subsets]
    mean = sum(best) / len(best)
    std = sqrt(sum((value - mean) ** 2 for value in best) / len(best))
    total, times = [0.0] * len(rewards), [0] * len(rewards)
    for subset, value in zip(subsets, best, strict=True):
        for index in subset:
            total[index] += 0.0 if std == 0 else (value - mean) / std
            times[index] += 1
    return total if reduce == "sum" else [value / max(count, 1) for value, count in zip(total, times, strict=True)]


@pytest.mark.parametrize("reduce", ["sum", "mean"])
@pytest.mark.parametrize(("n", "k", "num_subsets"), [(6, 1, 6), (6, 2, 4), (6, 3, 10), (6, 6, 3)])
def test_bootstrap_is_a_loop_over_subsets(n: int, k: int, num_subsets: int, reduce: str) -> None:
    generator = torch.Generator().manual_seed(n + k)
    rewards = torch.rand(10, n, generator=generator, dtype=torch.double).lt(0.3).double()
    members = torch.rand(10, num_subsets, n, generator=generator).argsort(-1)[..., :k]
    expected = [
        looped_bootstrap(values, subsets, reduce)
        for values, subsets in zip(rewards.tolist(), members.tolist(), strict=True)
    ]
    actual = bootstrap_advantage(rewards, members, reduce)
    torch.testing.assert_close(actual, torch.tensor(expected, dtype=torch.double), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("n", "k"), [(4, 2), (6, 3), (8, 4), (8, 3)])
def test_bootstrap_over_every_subset_once_is_the_analytic_form(n: int, k: int) -> None:
    """The exact factor: with all C(N, k) subsets the mean is Eqs. 14-15, and the sum C(N - 1, k - 1) times them."""
    rows = every_row(n)
    members = torch.tensor(list(combinations(range(n), k))).expand(len(rows), -1, -1)
    analytic = pass_k_advantage(rows, k)
    for reduce, factor in (("mean", 1), ("sum", comb(n - 1, k - 1))):
        actual = bootstrap_advantage(rows.double(), members, reduce)
        torch.testing.assert_close(actual, factor * analytic, rtol=0, atol=1e-11)
