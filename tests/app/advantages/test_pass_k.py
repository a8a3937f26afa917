"""The three estimators of Pass@k on rollouts."""

from __future__ import annotations

from math import sqrt
from typing import Literal

import pytest
import torch
from torch import Tensor

from app.advantages import PassK, PassKBootstrap, PassKFullSampling
from app.passk import full_sampling_advantage, pass_k_advantage
from app.types import Rollouts
from tests.conftest import EchoProblem


def batch(rewards: Tensor, first: int = 0) -> Rollouts:
    return Rollouts([EchoProblem(f"problem {first + index}") for index in range(len(rewards))], rewards=rewards)


def passes(n: int, *counts: int) -> Tensor:
    return torch.stack([(torch.arange(n) < c).float() for c in counts])


def test_analytic_and_full_sampling_are_the_formulas() -> None:
    rewards = passes(8, 0, 1, 3, 8)
    assert torch.equal(PassK(4)(batch(rewards)), pass_k_advantage(rewards.bool(), 4))
    assert torch.equal(PassKFullSampling(3)(batch(rewards)), full_sampling_advantage(rewards, 3))


def test_the_analytic_form_alone_refuses_graded_rewards() -> None:
    graded = batch(torch.tensor([[1.0, 0.5, 0.99, 0.0]]))
    with pytest.raises(ValueError, match=r"PassK takes binary rewards: a reward of 0.5"):
        PassK(2)(graded)
    for estimator in (PassKFullSampling(2), PassKBootstrap(2, num_subsets=20)):
        assert estimator(graded).ne(0).any()


@pytest.mark.parametrize(("n", "k", "c"), [(8, 3, 2), (8, 4, 3), (16, 4, 4), (16, 1, 8)])
def test_bootstrap_converges_to_the_analytic_form(n: int, k: int, c: int) -> None:
    """With M subsets the batch's moments come within O(1 / sqrt(M)) of the population's.

    A rollout is in k M / N subsets of normalised rewards of variance at most 1, so the standard
    error of its mean is sqrt(N / (k M)); five of them bound all rollouts, and the batch's own
    moments add as much again. The sum over M = N subsets has k times the mean's expectation, and
    over M subsets k M / N times.
    """
    num_subsets = 40_000
    rewards = passes(n, c)
    analytic = pass_k_advantage(rewards.bool(), k)
    mean = PassKBootstrap(k, num_subsets, "mean")(batch(rewards))
    total = PassKBootstrap(k, num_subsets, "sum")(batch(rewards))
    bound = 10 * sqrt(n / (k * num_subsets)) * max(1.0, analytic.abs().max().item())
    assert (mean - analytic).abs().max() < bound
    assert (total * n / num_subsets - k * analytic).abs().max() < k * bound


@pytest.mark.parametrize(("reduce", "factor"), [("mean", 1), ("sum", 4)])
def test_bootstrap_error_falls_with_the_root_of_the_subsets(reduce: Literal["mean", "sum"], factor: int) -> None:
    """Four times the subsets halve the root of the mean squared error, over a hundred problems of k = 4."""
    rewards = passes(16, 3).expand(100, -1)
    analytic = factor * pass_k_advantage(rewards.bool(), 4)
    errors = []
    for num_subsets in (200, 800, 3200):
        drawn = PassKBootstrap(4, num_subsets, reduce)(batch(rewards))
        scale = 16 / num_subsets if reduce == "sum" else 1  # to as many subsets as there are rollouts
        errors.append((drawn * scale - analytic).square().mean().sqrt().item())
    assert [errors[0] / error for error in errors] == pytest.approx([1, 2, 4], rel=0.1)


def test_bootstrap_as_the_paper_draws_it_is_about_k_times_the_analytic_form() -> None:
    """N subsets of N = 8: 8 percent less than k = 3 times, as every batch is divided by its own deviation."""
    num_problems, k = 4_000, 3
    rewards = passes(8, 2).expand(num_problems, -1)
    advantage = PassKBootstrap(k)(batch(rewards))
    analytic = pass_k_advantage(rewards[:1].bool(), k)[0]
    ratio = advantage.mean(0)[:2].mean() / analytic[:2].mean()
    assert ratio.item() == pytest.approx(0.92 * k, rel=0.05)
    assert advantage.sum(-1).abs().max() < 1e-9


def test_bootstrap_subsets_hold_distinct_rollouts() -> None:
    """With k = N every subset is the same, so nothing is learnt; with repetition subsets would differ."""
    assert PassKBootstrap(6, 50)(batch(passes(6, 1, 3))).eq(0).all()


def test_bootstrap_draws_again_what_it_drew() -> None:
    rollouts = batch(passes(8, 1, 3, 5))
    drawn = PassKBootstrap(3)(rollouts)
    torch.manual_seed(17)  # no generator but its own
    assert torch.equal(PassKBootstrap(3)(rollouts), drawn)
    assert not torch.equal(PassKBootstrap(3, seed=1)(rollouts), drawn)
    assert not torch.equal(PassKBootstrap(3)(batch(passes(8, 1, 3, 5), first=7)), drawn)


def test_bootstrap_draws_of_a_problem_do_not_depend_on_its_neighbours() -> None:
    rewards = passes(8, 1, 3, 5)
    together = PassKBootstrap(3)(batch(rewards))
    alone = [PassKBootstrap(3)(batch(rewards[index : index + 1], first=index)) for index in range(3)]
    torch.testing.assert_close(torch.cat(alone), together)


@pytest.mark.parametrize("estimator", [PassK, PassKFullSampling, PassKBootstrap])
def test_k_is_checked_before_any_sampling(estimator: type[PassK]) -> None:
    with pytest.raises(ValueError, match="k=0 must be at least 1"):
        estimator(0)
    with pytest.raises(ValueError, match="k=8 must lie between 1 and the 4 rollouts"):
        estimator(8).check(4)
    with pytest.raises(ValueError, match="N=1 must be at least 2"):
        estimator(1).check(1)
    estimator(4).check(4)
    with pytest.raises(ValueError, match="k=8 must lie between 1 and the 4 rollouts"):
        estimator(8)(batch(passes(4, 1)))


def test_a_single_bootstrap_subset_raises() -> None:
    with pytest.raises(ValueError, match="num_subsets=1 must be at least 2"):
        PassKBootstrap(2, num_subsets=1)


def test_an_unknown_reduction_raises() -> None:
    with pytest.raises(ValueError, match="median"):
        PassKBootstrap(2, reduce="median")  # type: ignore[arg-type]
