"""PKPO against the enumeration of all subsets, and of all outcomes."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import combinations, product
from math import comb
from time import thread_time

import pytest
import torch
from torch import Tensor

from app.advantages.pass_k import PassK
from app.advantages.pkpo import (
    PKPO,
    PKPOLeaveOneOut,
    PKPOLeaveOneOutMinusOne,
    all_among,
    pkpo,
    pkpo_leave_one_out,
    pkpo_leave_one_out_minus_one,
)
from app.advantages.plain import leave_one_out
from app.types import Rollouts
from tests.conftest import EchoProblem

Exact = list[Fraction]
CLASSES = [PKPO, PKPOLeaveOneOut, PKPOLeaveOneOutMinusOne]
FUNCTIONS = [pkpo, pkpo_leave_one_out, pkpo_leave_one_out_minus_one]
SMALL = [(n, k) for n in range(2, 9) for k in range(1, n + 1)]
SPARE = [(n, k) for n, k in SMALL if k < n]


def batch(rewards: Tensor) -> Rollouts:
    return Rollouts([EchoProblem(str(index)) for index in range(len(rewards))], rewards=rewards)


def binary(n: int) -> Tensor:
    """[N + 1, N], one row for each number of passes, the passes scattered."""
    generator = torch.Generator().manual_seed(n)
    return torch.stack([(torch.arange(n) < c)[torch.randperm(n, generator=generator)].double() for c in range(n + 1)])


def rows(n: int) -> Tensor:
    """Binary rows, rows with many ties, and rows with hardly any; all of them exact in float32."""
    generator = torch.Generator().manual_seed(n)
    draw = [torch.randint(0, most + 1, (6, n), generator=generator).double() / most for most in (4, 1024)]
    return torch.cat([binary(n), *draw, torch.full((1, n), 0.5, dtype=torch.double)])


def weight(g: Exact, i: int, k: int, members: list[int]) -> Fraction:
    """S(i, k, members): the sum of the best rewards of the subsets of k that hold i, over the number of all subsets."""
    best = [max(g[j] for j in subset) for subset in combinations(members, k) if i in subset]
    return sum(best, Fraction(0)) / comb(len(members), k)


def baseline(g: Exact, i: int, k: int) -> Fraction:
    """k times the mean best reward of the subsets of k without i."""
    subsets = list(combinations(g[:i] + g[i + 1 :], k))
    return k * sum((max(subset) for subset in subsets), Fraction(0)) / len(subsets)


def printed_leave_one_out(g: Exact, i: int, k: int) -> Fraction:
    """Eq. 29 to the letter."""
    everyone = list(range(len(g)))
    others = [j for j in everyone if j != i]
    return weight(g, i, k, everyone) - sum((weight(g, j, k, others) for j in others), Fraction(0)) / len(others)


def printed_minus_one(g: Exact, i: int, k: int) -> Fraction:
    """Eq. 33 to the letter."""
    total = Fraction(0)
    for subset in combinations(range(len(g)), k):
        if i in subset:
            total += max(g[j] for j in subset) - max(g[j] for j in subset if j != i)
    return total / comb(len(g), k)


def expect(actual: Tensor, rewards: Tensor, exact: Callable[[Exact, int], Fraction]) -> None:
    expected = []
    for row in rewards.tolist():
        g = [Fraction(value) for value in row]
        expected.append([float(exact(g, i)) for i in range(len(g))])
    torch.testing.assert_close(actual, torch.tensor(expected, dtype=torch.double), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("n", "k"), SMALL)
def test_weights_are_those_of_all_subsets(n: int, k: int) -> None:
    expect(pkpo(rows(n), k), rows(n), lambda g, i: n * weight(g, i, k, list(range(n))))


@pytest.mark.parametrize(("n", "k"), SPARE)
def test_leave_one_out_is_subsets_with_a_rollout_against_subsets_without(n: int, k: int) -> None:
    expect(
        pkpo_leave_one_out(rows(n), k),
        rows(n),
        lambda g, i: n * weight(g, i, k, list(range(n))) - baseline(g, i, k),
    )


@pytest.mark.parametrize(("n", "k"), [(2, 1), (4, 1), (4, 3), (6, 2), (7, 4)])
def test_leave_one_out_next_to_equation_29_as_printed(n: int, k: int) -> None:
    """The same but for a baseline N / (N - 1) times as large."""
    expect(
        pkpo_leave_one_out(rows(n), k),
        rows(n),
        lambda g, i: n * printed_leave_one_out(g, i, k) + baseline(g, i, k) / (n - 1),
    )


@pytest.mark.parametrize(("n", "k"), [(n, k) for n, k in SMALL if k >= 2])
def test_leave_one_out_minus_one_is_equation_33(n: int, k: int) -> None:
    expect(pkpo_leave_one_out_minus_one(rows(n), k), rows(n), lambda g, i: n * printed_minus_one(g, i, k))


@pytest.mark.parametrize("n", range(2, 9))
def test_k_of_one_is_reinforce_and_rloo(n: int) -> None:
    torch.testing.assert_close(pkpo(rows(n), 1), rows(n), rtol=0, atol=1e-12)
    for function in (pkpo_leave_one_out, pkpo_leave_one_out_minus_one):
        torch.testing.assert_close(function(rows(n), 1), leave_one_out(rows(n)), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("n", "k"), SMALL)
def test_binary_closed_forms(n: int, k: int) -> None:
    def rho(n: int, c: int, k: int) -> Fraction:
        return 1 - Fraction(comb(n - c, k), comb(n, k))

    def r(f: Fraction, c: int) -> Fraction:
        return Fraction(k, n) * (1 if f else rho(n - 1, c, k - 1))  # Eq. 8

    expect(pkpo(binary(n), k), binary(n), lambda g, i: n * r(g[i], int(sum(g))))
    if k < n:
        expect(
            pkpo_leave_one_out(binary(n), k),
            binary(n),
            lambda g, i: n * r(g[i], int(sum(g))) - k * rho(n - 1, int(sum(g) - g[i]), k),
        )
    if k >= 2:
        expect(
            pkpo_leave_one_out_minus_one(binary(n), k),
            binary(n),
            lambda g, i: n * g[i] * Fraction(comb(int(n - sum(g)), k - 1), comb(n, k)),
        )


@pytest.mark.parametrize("p", [0.1, 0.5, 0.85])
@pytest.mark.parametrize(
    ("function", "k"), [(f, k) for f in FUNCTIONS for k in range(1, 7) if (f, k) != (pkpo_leave_one_out, 6)]
)
def test_expected_gradient_is_that_of_pass_at_k(function: Callable[..., Tensor], k: int, p: float) -> None:
    """A policy that passes with chance p, every outcome of 6 rollouts, the mean over rollouts of A d log pi / dp."""
    outcomes = torch.tensor(list(product([0.0, 1.0], repeat=6)), dtype=torch.double)
    slopes = outcomes / p - (1 - outcomes) / (1 - p)
    chances = (outcomes * p + (1 - outcomes) * (1 - p)).prod(-1)
    gradient = (chances * (function(outcomes, k) * slopes).mean(-1)).sum().item()
    assert gradient == pytest.approx(k * (1 - p) ** (k - 1), abs=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_expected_gradient_is_that_of_the_best_of_k(function: Callable[..., Tensor], k: int) -> None:
    """Three graded answers with chances softmax(z), every outcome of 4 rollouts; d E[max of k] / dz by autograd."""
    graded = torch.tensor([0.0, 0.25, 1.0], dtype=torch.double)
    z = torch.tensor([0.3, -0.2, 0.5], dtype=torch.double, requires_grad=True)
    below = z.softmax(0).cumsum(0) ** k  # chance that all k are at most this good
    (expected,) = torch.autograd.grad((graded * below.diff(prepend=torch.zeros(1))).sum(), z)

    outcomes = torch.tensor(list(product(range(3), repeat=4)))
    logs = z.log_softmax(0)[outcomes]  # [81, 4]
    surrogate = logs.sum(-1).exp().detach() * (function(graded[outcomes], k) * logs).mean(-1)
    (actual,) = torch.autograd.grad(surrogate.sum(), z)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("n", "k"), SPARE)
def test_leave_one_out_rows_sum_to_zero(n: int, k: int) -> None:
    assert pkpo_leave_one_out(rows(n), k).sum(-1).abs().max() < 1e-12


def test_the_others_are_not_centred() -> None:
    one = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    assert pkpo(one, 2)[0].tolist() == pytest.approx([2, 2 / 3, 2 / 3, 2 / 3])
    assert pkpo_leave_one_out_minus_one(one, 2)[0].tolist() == pytest.approx([2, 0, 0, 0])
    assert pkpo_leave_one_out(one, 2)[0].tolist() == pytest.approx([2, -2 / 3, -2 / 3, -2 / 3])


@pytest.mark.parametrize(("n", "k"), SMALL)
def test_dead_zones(n: int, k: int) -> None:
    """Exactly zero there: none of it is rounding."""
    teaches = [pkpo(binary(n), k).ne(0).any(-1).tolist()]
    assert teaches == [[c > 0 for c in range(n + 1)]]
    minus_one = pkpo_leave_one_out_minus_one(binary(n), k).ne(0).any(-1).tolist()
    assert minus_one == [0 < c <= n - max(k, 2) + 1 for c in range(n + 1)]
    if k < n:
        spare = pkpo_leave_one_out(binary(n), k).ne(0).any(-1).tolist()
        assert spare == [0 < c <= n - k for c in range(n + 1)]


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("value", [0.0, 0.1, 0.7, 1.0])
def test_equal_rewards(value: float, k: int) -> None:
    equal = torch.full((1, 5), value)
    assert pkpo(equal, k).tolist() == [[k * equal[0, 0].item()] * 5]
    assert pkpo_leave_one_out(equal, k).eq(0).all()
    assert pkpo_leave_one_out_minus_one(equal, k).eq(0).all()


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_order_does_not_matter_and_ties_share(function: Callable[..., Tensor], k: int) -> None:
    rewards, shuffle = rows(7), torch.randperm(7, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(function(rewards, k)[:, shuffle], function(rewards[:, shuffle], k), rtol=0, atol=1e-12)
    tied = function(torch.tensor([[0.5, 0.0, 0.5, 1.0, 0.5, 0.0, 0.25]]), k)[0]
    torch.testing.assert_close(tied[[0, 2, 4]], tied[[0, 0, 0]], rtol=0, atol=1e-12)
    torch.testing.assert_close(tied[1], tied[5], rtol=0, atol=1e-12)
    assert tied[3] > tied[0] >= tied[6] >= tied[1]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_single_precision_gives_the_same_in_double(function: Callable[..., Tensor]) -> None:
    assert function(rows(6).float(), 3).dtype == torch.double
    assert torch.equal(function(rows(6).float(), 3), function(rows(6), 3))


def test_a_subset_of_two() -> None:
    rewards = torch.tensor([[0.25, 1.0]])
    assert PKPO(2)(batch(rewards)).tolist() == [[2, 2]]
    assert PKPOLeaveOneOutMinusOne(2)(batch(rewards)).tolist() == [[0, 1.5]]
    assert PKPOLeaveOneOut(1)(batch(rewards)).tolist() == [[-0.75, 0.75]]


@pytest.mark.parametrize(("n", "k"), [(8, 2), (16, 4), (32, 8)])
def test_pass_k_is_the_leave_one_out_form_over_sigma(n: int, k: int) -> None:
    """The identity that ties the two papers together: A sigma = (N - k) / (N k) times PKPOLeaveOneOut."""
    rewards = binary(n)[1 : n - k + 1]
    fail = torch.tensor([comb(n - c, k) / comb(n, k) for c in range(1, n - k + 1)], dtype=torch.double)[:, None]
    sigma = (fail * (1 - fail)).sqrt()
    expected = (n - k) / (n * k) * pkpo_leave_one_out(rewards, k) / sigma
    torch.testing.assert_close(PassK(k)(batch(rewards)), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("draws", "total"), [(0, 5), (1, 5), (3, 5), (5, 5), (7, 31), (400, 1000)])
def test_all_among_is_a_ratio_of_binomials(draws: int, total: int) -> None:
    expected = [float(Fraction(comb(first, draws), comb(total, draws))) for first in range(total + 1)]
    assert all_among(draws, total).tolist() == pytest.approx(expected, rel=1e-11, abs=0)


def test_nothing_overflows_at_ten_thousand() -> None:
    n, k, c = 10_000, 5_000, 2
    rewards = (torch.arange(n) < c).double()[None]
    passes = float(k * Fraction(comb(n - c, k - 1), comb(n - 1, k - 1)))
    assert pkpo_leave_one_out_minus_one(rewards, k)[0, :c].tolist() == pytest.approx([passes] * c, rel=1e-10)
    fails = k * float(1 - Fraction(comb(n - 1 - c, k - 1), comb(n - 1, k - 1)))
    assert pkpo(rewards, k)[0, c].item() == pytest.approx(fails, rel=1e-10)
    centred = pkpo_leave_one_out(rewards, k)[0]
    fail = Fraction(comb(n - c, k), comb(n, k))
    assert centred[0].item() == pytest.approx(float(fail * n * k / (n - k)), rel=1e-10)
    assert centred[c].item() == pytest.approx(float(-fail * n * k / (n - k) * c / (n - c)), rel=1e-10)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_it_stays_on_the_device_of_the_rewards(function: Callable[..., Tensor], k: int) -> None:
    """A tensor made on another device can't be combined with one on "meta"."""
    assert function(torch.ones(2, 5, device="meta"), k).device.type == "meta"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_hundred_thousand_rollouts_take_no_time(function: Callable[..., Tensor]) -> None:
    """Linear after the sort: an [N, N] matrix would be 80 GB."""
    start = thread_time()
    large = function(torch.rand(1, 100_000, generator=torch.Generator().manual_seed(0)), 50_000)
    many = function(torch.rand(128, 32, generator=torch.Generator().manual_seed(0)), 8)
    assert thread_time() - start < 2  # seconds of CPU; about a tenth
    assert large.isfinite().all()
    assert many.isfinite().all()


@pytest.mark.parametrize("estimator", CLASSES)
def test_bounds(estimator: type[PKPO]) -> None:
    with pytest.raises(ValueError, match="k=0 must be at least 1"):
        estimator(0)
    with pytest.raises(ValueError, match="k=5 must lie between 1 and the 4 rollouts"):
        estimator(5).check(4)
    with pytest.raises(ValueError, match="N=1 must be at least 2"):
        estimator(1)(batch(torch.ones(1, 1)))
    with pytest.raises(ValueError, match="k=5 must lie between 1 and the 4 rollouts"):
        estimator(5)(batch(torch.ones(1, 4)))
    estimator(3).check(4)


def test_leave_one_out_needs_one_more() -> None:
    PKPO(4).check(4)
    PKPOLeaveOneOutMinusOne(4).check(4)
    with pytest.raises(ValueError, match="k=4 must lie between 1 and 3: one of the 4 rollouts is left out"):
        PKPOLeaveOneOut(4).check(4)
    for k in (0, 4):
        with pytest.raises(ValueError, match=f"k={k} must lie between 1 and 3"):
            pkpo_leave_one_out(torch.ones(1, 4), k)


@pytest.mark.parametrize("k", [0, 5])
def test_functions_check_k_themselves(k: int) -> None:
    for function in (pkpo, pkpo_leave_one_out_minus_one):
        with pytest.raises(ValueError, match=f"k={k} must lie between 1 and the 4 rollouts"):
            function(torch.ones(1, 4), k)


@pytest.mark.parametrize(("estimator", "function"), list(zip(CLASSES, FUNCTIONS, strict=True)))
def test_classes_are_their_functions(estimator: type[PKPO], function: Callable[..., Tensor]) -> None:
    assert torch.equal(estimator(3)(batch(rows(5))), function(rows(5), 3))
    assert repr(estimator(3)) == f"{estimator.__name__}(k=3)"
