"""The neighbours of PKPO against the enumeration of subsets and outcomes."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, product
from math import comb, prod
from time import thread_time

import pytest
import torch
from torch import Tensor

from app.advantages.base import AdvantageEstimator
from app.advantages.max_k import (
    RLOOK,
    BestMinusSecond,
    MaxKOffPolicy,
    PassKWithoutSigma,
    best_minus_second,
    max_k_off_policy,
    pass_k_without_sigma,
    rloo_k,
)
from app.advantages.pkpo import pkpo, pkpo_leave_one_out, pkpo_leave_one_out_minus_one
from app.advantages.plain import leave_one_out
from app.types import Rollouts
from tests.conftest import EchoProblem

SMALL = [(n, k) for n in range(2, 9) for k in range(1, n + 1)]


def batch(rewards: Tensor, ratios: Tensor | None = None) -> Rollouts:
    return Rollouts([EchoProblem(str(i)) for i in range(len(rewards))], rewards=rewards, importance_ratios=ratios)


def binary(n: int) -> Tensor:
    """[N + 1, N], one row for each number of passes, the passes scattered."""
    generator = torch.Generator().manual_seed(n)
    return torch.stack([(torch.arange(n) < c)[torch.randperm(n, generator=generator)].double() for c in range(n + 1)])


def rows(n: int) -> Tensor:
    """Binary rows, rows with many ties, and rows with hardly any."""
    generator = torch.Generator().manual_seed(n)
    draw = [torch.randint(0, most + 1, (6, n), generator=generator).double() / most for most in (4, 1024)]
    return torch.cat([binary(n), *draw])


def ratios_of(rewards: Tensor, spread: float = 1.0) -> Tensor:
    """Between 1 - spread and 1 + spread, exact in binary."""
    drawn = torch.randint(-64, 65, rewards.shape, generator=torch.Generator().manual_seed(rewards.shape[-1]))
    return 1 + spread * drawn.double() / 64


def enumerated(rewards: Tensor, ratios: Tensor, k: int, first_order: bool = True) -> Tensor:
    """k times the mean over the subsets of k with i of the subset's weight times its best reward."""
    values = []
    for row, of_row in zip(rewards.tolist(), ratios.tolist(), strict=True):
        g, ratio = [Fraction(value) for value in row], [Fraction(value) for value in of_row]
        total = [Fraction(0)] * len(g)
        for subset in combinations(range(len(g)), k):
            drawn = [ratio[j] for j in subset]
            weight = 1 + sum(value - 1 for value in drawn) if first_order else prod(drawn)
            for i in subset:
                total[i] += weight * max(g[j] for j in subset)
        values.append([float(k * value / comb(len(g) - 1, k - 1)) for value in total])
    return torch.tensor(values, dtype=torch.double)


@pytest.mark.parametrize(("n", "k"), SMALL)
def test_off_policy_is_the_first_order_of_all_subsets(n: int, k: int) -> None:
    rewards = rows(n)
    ratios = ratios_of(rewards)
    actual = max_k_off_policy(rewards, ratios, k)
    torch.testing.assert_close(actual, enumerated(rewards, ratios, k), rtol=0, atol=1e-11)


@pytest.mark.parametrize(("n", "k"), [(5, 3), (8, 4), (6, 6), (7, 2)])
def test_off_policy_weights_are_those_of_the_paper(n: int, k: int) -> None:
    """Bagirov et al. count, in sorted order, the subsets of i whose best is i itself, or j > i."""

    def choose(total: int, drawn: int) -> int:
        return comb(total, drawn) if total >= 0 and drawn >= 0 else 0

    rewards = rows(n).sort(-1).values
    ratios = ratios_of(rewards)
    expected = torch.zeros_like(rewards)
    for problem in range(len(rewards)):
        g, delta = [0.0, *rewards[problem].tolist()], [0.0, *(ratios[problem] - 1).tolist()]
        for i in range(1, n + 1):
            before = sum(delta[1:i])
            total = g[i] * (choose(i - 1, k - 1) * (1 + delta[i]) + choose(i - 2, k - 2) * before)
            for j in range(i + 1, n + 1):
                between = sum(delta[m] for m in range(1, j) if m != i)
                own = choose(j - 2, k - 2) * (1 + delta[i] + delta[j])
                total += g[j] * (own + choose(j - 3, k - 3) * between)
            expected[problem, i - 1] = n * total / comb(n, k)
    torch.testing.assert_close(max_k_off_policy(rewards, ratios, k), expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize(("n", "k"), SMALL)
def test_off_policy_with_equal_policies_is_pkpo(n: int, k: int) -> None:
    for ratios in (None, torch.ones_like(rows(n))):
        torch.testing.assert_close(max_k_off_policy(rows(n), ratios, k), pkpo(rows(n), k), rtol=0, atol=1e-12)


def test_what_off_policy_drops_is_of_second_order() -> None:
    """Halving the deltas leaves a quarter of the error."""
    rewards = rows(6)
    errors = []
    for spread in (2**-6, 2**-7):
        ratios = ratios_of(rewards, spread)
        exact = enumerated(rewards, ratios, 3, first_order=False)
        errors.append((max_k_off_policy(rewards, ratios, 3) - exact).abs().max().item())
    assert errors[0] > 1e-6
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize("k", [1, 2, 4])
def test_off_policy_expectation_follows_the_policy_that_is_now(k: int) -> None:
    """Sampled at p = 0.4, updated at 0.401: the expected gradient is that of Pass@k at 0.401, to second order."""
    n, old = 5, 0.4
    outcomes = torch.tensor(list(product([0.0, 1.0], repeat=n)), dtype=torch.double)
    chances = (outcomes * old + (1 - outcomes) * (1 - old)).prod(-1)

    def error(now: float) -> float:
        ratios = outcomes * now / old + (1 - outcomes) * (1 - now) / (1 - old)
        slopes = outcomes / now - (1 - outcomes) / (1 - now)
        gradient = (chances * (max_k_off_policy(outcomes, ratios, k) * slopes).mean(-1)).sum().item()
        return abs(gradient - k * (1 - now) ** (k - 1))

    assert error(0.4) < 1e-12
    assert error(0.401) < 2e-5  # without ratios it is 2e-3 and more
    if k > 1:  # at k = 1 the first order is all there is
        assert error(0.402) / error(0.401) == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize("k", [1, 3, 7])
def test_off_policy_order_does_not_matter(k: int) -> None:
    rewards = rows(7)
    ratios = ratios_of(rewards)
    shuffle = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        max_k_off_policy(rewards, ratios, k)[:, shuffle],
        max_k_off_policy(rewards[:, shuffle], ratios[:, shuffle], k),
        rtol=0,
        atol=1e-12,
    )


def test_off_policy_refuses_what_is_no_ratio() -> None:
    rewards = binary(3)[:1]
    with pytest.raises(ValueError, match=r"ratios of shape \(1, 2\) must be of the rewards' shape \(1, 3\)"):
        max_k_off_policy(rewards, torch.ones(1, 2), 2)
    for bad in (-0.5, float("inf"), float("nan")):
        with pytest.raises(ValueError, match=f"a ratio of {bad:g} must be finite and at least 0"):
            MaxKOffPolicy(2)(batch(rewards, torch.tensor([[1.0, bad, 1.0]])))
    for k in (0, 4):
        with pytest.raises(ValueError, match=f"k={k} must lie between 1 and the 3 rollouts"):
            max_k_off_policy(rewards, None, k)


def test_off_policy_asks_for_ratios_and_uses_them() -> None:
    rewards = rows(4)
    assert MaxKOffPolicy(2).requires_importance_ratios
    for dtype in (torch.float, torch.double):
        estimated = MaxKOffPolicy(2)(batch(rewards.to(dtype), ratios_of(rewards).to(dtype)))
        assert estimated.dtype == torch.double
        assert torch.equal(estimated, max_k_off_policy(rewards, ratios_of(rewards), 2))
    assert torch.equal(MaxKOffPolicy(2)(batch(rewards)), max_k_off_policy(rewards, None, 2))


def test_it_stays_on_the_device_of_the_rewards() -> None:
    """A tensor made on another device can't be combined with one on "meta"."""
    rewards = torch.ones(2, 5, device="meta")
    for advantages in (
        max_k_off_policy(rewards, None, 3),
        best_minus_second(rewards, std=True),
        pass_k_without_sigma(rewards.bool(), 3),
        rloo_k(rewards, 3),
    ):
        assert advantages.device.type == "meta"


def test_a_hundred_thousand_rollouts_take_no_time() -> None:
    start = thread_time()
    for shape, k in (((1, 100_000), 50_000), ((128, 32), 8)):
        rewards = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        assert max_k_off_policy(rewards, rewards + 0.5, k).isfinite().all()
        assert best_minus_second(rewards, std=True).isfinite().all()
        assert pass_k_without_sigma(rewards > 0.9, k).isfinite().all()
        assert rloo_k((rewards > 0.9).double(), k).isfinite().all()
    assert thread_time() - start < 2  # seconds of CPU; about a tenth


# -- the best against the second ---------------------------------------------------------------------


def test_best_minus_second_by_hand() -> None:
    rewards = torch.tensor([[0.25, 1.0, 0.5, 0.0], [0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0], [0.5, 0.5, 0.5, 0.5]])
    expected = [[0, 0.5, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert BestMinusSecond()(batch(rewards)).tolist() == expected
    deviation = [(35 / 64 / 3) ** 0.5, 0.5, 1, 1]  # squares about the mean: 35 / 64 and 3 / 4, over N - 1
    divided = [[value / by for value in row] for row, by in zip(expected, deviation, strict=True)]
    actual = BestMinusSecond(std=True)(batch(rewards))
    torch.testing.assert_close(actual, torch.tensor(divided, dtype=torch.double), rtol=0, atol=1e-12)
    assert BestMinusSecond()(batch(torch.tensor([[0.25, 1.0]]))).tolist() == [[0, 0.75]]


@pytest.mark.parametrize("n", range(2, 9))
def test_best_minus_second_is_leave_one_out_minus_one_at_k_of_all(n: int) -> None:
    torch.testing.assert_close(
        n * best_minus_second(rows(n)), pkpo_leave_one_out_minus_one(rows(n), n), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("std", [False, True])
def test_best_minus_second_pays_one_rollout_at_most(std: bool) -> None:
    advantages = best_minus_second(rows(6), std)
    assert advantages.ne(0).sum(-1).max() == 1
    assert advantages.isfinite().all()
    assert best_minus_second(binary(6), std).ne(0).any(-1).tolist() == [c == 1 for c in range(7)]
    assert repr(BestMinusSecond(std)) == f"BestMinusSecond(std={std})"


# -- Pass@k without sigma, and RLOO re-weighted ------------------------------------------------------


@pytest.mark.parametrize(("n", "k"), SMALL)
def test_without_sigma_is_subsets_with_a_rollout_against_all(n: int, k: int) -> None:
    expected = []
    for row in binary(n).tolist():
        subsets = list(combinations(range(n), k))
        passes = [any(row[j] for j in subset) for subset in subsets]
        own = [[ok for subset, ok in zip(subsets, passes, strict=True) if i in subset] for i in range(n)]
        mean = Fraction(sum(passes), len(subsets))
        expected.append([float(Fraction(sum(mine), len(mine)) - mean) for mine in own])
    actual = PassKWithoutSigma(k)(batch(binary(n)))
    torch.testing.assert_close(actual, torch.tensor(expected, dtype=torch.double), rtol=0, atol=1e-12)
    assert actual.ne(0).any(-1).tolist() == [0 < c <= n - k for c in range(n + 1)]
    if k < n:
        centred = (n - k) / (n * k) * pkpo_leave_one_out(binary(n), k)
        torch.testing.assert_close(actual, centred, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("estimator", "k", "share"),
    [(PassKWithoutSigma(3), 3, 1 / 3 - 1 / 5), (PassKWithoutSigma(5), 5, 0), (BestMinusSecond(), 5, 1 / 5)],
)
@pytest.mark.parametrize("p", [0.1, 0.6])
def test_expected_gradient_is_a_share_of_that_of_pass_at_k(
    estimator: AdvantageEstimator, k: int, share: float, p: float
) -> None:
    outcomes = torch.tensor(list(product([0.0, 1.0], repeat=5)), dtype=torch.double)
    slopes = outcomes / p - (1 - outcomes) / (1 - p)
    chances = (outcomes * p + (1 - outcomes) * (1 - p)).prod(-1)
    gradient = (chances * (estimator(batch(outcomes)) * slopes).mean(-1)).sum().item()
    assert gradient == pytest.approx(share * k * (1 - p) ** (k - 1), abs=1e-12)


@pytest.mark.parametrize(("n", "k"), [*SMALL, (4, 9)])
def test_rloo_k_is_rloo_times_the_slope(n: int, k: int) -> None:
    slope = torch.tensor([k * float(1 - Fraction(c, n)) ** (k - 1) for c in range(n + 1)], dtype=torch.double)
    actual = RLOOK(k)(batch(binary(n)))
    torch.testing.assert_close(actual, slope[:, None] * leave_one_out(binary(n)), rtol=0, atol=1e-12)
    assert actual.ne(0).any(-1).tolist() == [0 < c < n for c in range(n + 1)]
    assert actual.sum(-1).abs().max() < 1e-12


@pytest.mark.parametrize("p", [0.2, 0.7])
def test_rloo_k_approaches_the_slope_with_n(p: float) -> None:
    """By the binomial: of N rollouts, w = sum over c of its chance times the gradient of its row."""

    def gradient(n: int, k: int = 4) -> float:
        advantages = rloo_k(torch.stack([(torch.arange(n) < c).double() for c in range(n + 1)]), k)
        total = 0.0
        for c in range(n + 1):
            chance = comb(n, c) * p**c * (1 - p) ** (n - c)
            total += chance * (advantages[c, :c].sum().item() / p - advantages[c, c:].sum().item() / (1 - p)) / n
        return total

    target = 4 * (1 - p) ** 3
    errors = [abs(gradient(n) - target) for n in (16, 32, 64)]
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.3)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.2)


# -- at the door -------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", [MaxKOffPolicy, PassKWithoutSigma])
def test_k_is_checked_before_any_sampling(estimator: type[MaxKOffPolicy]) -> None:
    with pytest.raises(ValueError, match="k=0 must be at least 1"):
        estimator(0)
    with pytest.raises(ValueError, match="k=5 must lie between 1 and the 4 rollouts"):
        estimator(5).check(4)
    estimator(4).check(4)


def test_rloo_k_needs_no_subset_of_k() -> None:
    with pytest.raises(ValueError, match="k=0 must be at least 1"):
        RLOOK(0)
    RLOOK(9).check(4)


@pytest.mark.parametrize("estimator", [MaxKOffPolicy(1), PassKWithoutSigma(1), RLOOK(1), BestMinusSecond()])
def test_one_rollout_is_refused(estimator: AdvantageEstimator) -> None:
    with pytest.raises(ValueError, match="N=1 must be at least 2"):
        estimator(batch(torch.ones(2, 1)))


@pytest.mark.parametrize("estimator", [PassKWithoutSigma(2), RLOOK(2)])
def test_graded_rewards_are_refused(estimator: AdvantageEstimator) -> None:
    with pytest.raises(ValueError, match=r"a reward of 0\.5 must be 0 or 1"):
        estimator(batch(torch.tensor([[1.0, 0.5, 0.0]])))
