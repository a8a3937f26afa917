"""Rarity against loops over one problem's responses."""

from __future__ import annotations

from math import exp

import pytest
import torch
from torch import Tensor

from app.advantages import PassK, PassOne
from app.advantages.base import AdvantageEstimator
from app.advantages.rarity import UCPO, Unlikeliness, likelihood_ranks, rarity_weights, unlikely_rewards
from app.types import Completion, Problem, Rollouts
from tests.conftest import EchoProblem


def batch(rewards: list[list[float]], logprobs: list[list[list[float]]]) -> Rollouts:
    """One problem a row, one list of token log-probabilities a rollout."""
    completions = [
        [
            Completion("", torch.arange(len(row)), "stop", sampler_logprobs=torch.tensor(row, dtype=torch.double))
            for row in group
        ]
        for group in logprobs
    ]
    problems: list[Problem] = [EchoProblem(str(index)) for index in range(len(rewards))]
    return Rollouts(problems, completions=completions, rewards=torch.tensor(rewards, dtype=torch.double))


def random_batch(num_rollouts: int, seed: int = 0) -> Rollouts:
    """A problem for each number of passes, responses of 1 to 5 tokens."""
    generator = torch.Generator().manual_seed(seed)
    rewards, logprobs = [], []
    for c in range(num_rollouts + 1):
        order = torch.randperm(num_rollouts, generator=generator)
        rewards.append((order < c).double().tolist())
        lengths = torch.randint(1, 6, (num_rollouts,), generator=generator).tolist()
        logprobs.append([(-3 * torch.rand(length, generator=generator)).tolist() for length in lengths])
    return batch(rewards, logprobs)


def passing(row: list[float]) -> list[int]:
    return [index for index, reward in enumerate(row) if reward == 1]


def lists(rollouts: Rollouts) -> list[list[list[float]]]:
    tokens = []
    for group in rollouts.completions:
        assert all(row.sampler_logprobs is not None for row in group)
        tokens.append([row.sampler_logprobs.tolist() for row in group if row.sampler_logprobs is not None])
    return tokens


def regraded(rewards: list[float], tokens: list[list[float]], beta: float) -> list[float]:
    """The definition, one response after the other."""
    group, totals = len(rewards), [sum(row) for row in tokens]
    ranks = [sum(other > total for other in totals) for total in totals]
    return [reward * (1 - beta * (group - rank) / group) for reward, rank in zip(rewards, ranks, strict=True)]


@pytest.mark.parametrize("n", [2, 5, 8])
@pytest.mark.parametrize("beta", [0.0, 0.25, 1.0])
def test_unlikeliness_regrades_by_rank(n: int, beta: float) -> None:
    rollouts = random_batch(n)
    rewards, expected = rollouts.rewards.tolist(), []
    for row, tokens in zip(rewards, lists(rollouts), strict=True):
        graded = regraded(row, tokens, beta)
        mean = sum(graded) / n
        std = (sum((value - mean) ** 2 for value in graded) / n) ** 0.5
        alike = len(set(row)) == 1
        expected.append([0.0 if alike or std == 0 else (value - mean) / std for value in graded])
    found = Unlikeliness(beta=beta)(rollouts)
    assert (found - torch.tensor(expected, dtype=torch.double)).abs().max() < 1e-10


def test_unlikeliness_by_hand() -> None:
    """The paper's formula with G = 4: the most probable keeps 3/4 at beta = 1/4, the least 15/16."""
    logprobs = torch.tensor([[-4.0, -1.0, -2.0, -3.0]])
    assert likelihood_ranks(logprobs).tolist() == [[3, 0, 1, 2]]
    assert unlikely_rewards(torch.ones(1, 4), logprobs, 0.25).tolist() == [[15 / 16, 12 / 16, 13 / 16, 14 / 16]]
    assert unlikely_rewards(torch.zeros(1, 4), logprobs, 0.25).tolist() == [[0, 0, 0, 0]]


def test_length_counts_in_the_probability_of_a_response() -> None:
    """The sum over tokens ranks the short response first, though each of its tokens is less likely."""
    rollouts = batch([[1.0, 1.0, 0.0]], [[[-1.0], [-0.75, -0.75], [-9.0]]])
    short, long, _ = Unlikeliness()(rollouts)[0].tolist()
    assert short < long


def test_equal_probabilities_share_a_rank() -> None:
    assert likelihood_ranks(torch.tensor([[-2.0, -1.0, -1.0, -2.0, -3.0]])).tolist() == [[2, 0, 0, 2, 4]]


def test_unlikeliness_leaves_agreeing_problems_alone() -> None:
    rollouts = random_batch(4)
    found = Unlikeliness()(rollouts)
    assert found[[0, 4]].eq(0).all()
    assert found[1:4].ne(0).any(-1).all()
    assert PassOne()(Unlikeliness()._regraded(rollouts))[4].ne(0).any(), "the ranks alone would tell them apart"


def test_unlikeliness_refuses_an_estimator_of_passes_alone() -> None:
    with pytest.raises(ValueError, match="Unlikeliness grades rewards, and PassK must have them 0 or 1"):
        Unlikeliness(PassK(2))


def test_unlikeliness_leaves_the_batch_as_it_was() -> None:
    rollouts = random_batch(4)
    before = rollouts.rewards.clone()
    Unlikeliness()(rollouts)
    assert torch.equal(rollouts.rewards, before)


@pytest.mark.parametrize("n", [2, 5, 8])
@pytest.mark.parametrize("tau", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("of", [None, PassK(2)], ids=repr)
def test_ucpo_shares_by_rarity(n: int, tau: float, of: AdvantageEstimator | None) -> None:
    rollouts = random_batch(n)
    base = (of or PassOne())(rollouts).tolist()
    expected = []
    for row, tokens, advantages in zip(rollouts.rewards.tolist(), lists(rollouts), base, strict=True):
        right, out = passing(row), list(advantages)
        weights = {index: exp(sum(tokens[index]) / len(tokens[index])) for index in right}
        q = {index: weight / sum(weights.values()) for index, weight in weights.items()}
        for index in right:
            b = (1 - tau) / len(right) + tau * (1 / q[index]) / sum(1 / value for value in q.values())
            out[index] = advantages[index] * len(right) * b
        expected.append(out)
    assert (UCPO(of, tau)(rollouts) - torch.tensor(expected, dtype=torch.double)).abs().max() < 1e-10


def test_ucpo_keeps_the_sum_and_favours_the_rare() -> None:
    rollouts = random_batch(8, seed=3)
    found, base = UCPO()(rollouts), PassOne()(rollouts)
    assert (found.sum(-1) - base.sum(-1)).abs().max() < 1e-12
    assert torch.equal(found[~rollouts.passed], base[~rollouts.passed])
    means = torch.tensor([[sum(row) / len(row) for row in group] for group in lists(rollouts)])
    for row, mean, passed in zip(found[2:8], means[2:8], rollouts.passed[2:8], strict=True):
        assert row[passed].argsort().tolist() == (-mean[passed]).argsort().tolist()


def test_ucpo_measures_the_mean_over_tokens() -> None:
    """Twice the tokens at the same probability are no rarer."""
    rollouts = batch([[1.0, 1.0, 0.0]], [[[-0.5], [-0.5, -0.5], [-1.0]]])
    first, second, _ = UCPO(tau=1.0)(rollouts)[0].tolist()
    assert first == pytest.approx(second)


def test_ucpo_stands_very_unlikely_responses() -> None:
    weights = rarity_weights(torch.tensor([[-1e4, -1.0, -2.0]]), torch.tensor([[True, True, False]]), 0.5)
    assert weights[0].tolist() == pytest.approx([1.5, 0.5, 1.0])


def test_ucpo_of_advantages_per_token() -> None:
    class PerToken(PassOne):
        def estimate(self, rollouts: Rollouts) -> Tensor:
            return super().estimate(rollouts)[..., None].expand(-1, -1, 5)

    rollouts = random_batch(4)
    assert torch.equal(UCPO(PerToken())(rollouts), UCPO()(rollouts)[..., None].expand(-1, -1, 5))
    assert Unlikeliness(PerToken())(rollouts).shape == (5, 4, 5)


@pytest.mark.parametrize("estimator", [Unlikeliness(), UCPO(), UCPO(PassK(3))], ids=repr)
def test_informative_is_what_has_advantages(estimator: AdvantageEstimator) -> None:
    rollouts = random_batch(6)
    assert torch.equal(estimator.informative(rollouts), estimator(rollouts).ne(0).any(-1))


@pytest.mark.parametrize("estimator", [Unlikeliness(), UCPO()], ids=repr)
def test_the_order_of_sampling_is_of_no_account(estimator: AdvantageEstimator) -> None:
    rollouts, order = random_batch(6), [3, 0, 5, 1, 4, 2]
    shuffled = Rollouts(
        rollouts.problems,
        completions=[[group[index] for index in order] for group in rollouts.completions],
        rewards=rollouts.rewards[:, order],
    )
    torch.testing.assert_close(estimator(shuffled), estimator(rollouts)[:, order], rtol=0, atol=1e-12)


@pytest.mark.parametrize("estimator", [Unlikeliness(), UCPO()], ids=repr)
def test_completions_without_logprobs_are_refused(estimator: AdvantageEstimator) -> None:
    rollouts = batch([[1.0, 0.0]], [[[-1.0], [-1.0]]])
    rollouts.completions[0][1] = Completion("", torch.arange(1), "stop")
    with pytest.raises(ValueError, match="requires sampler_logprobs"):
        estimator(rollouts)


def test_shares_are_shares() -> None:
    with pytest.raises(ValueError, match=r"beta=1.5 must lie in \[0, 1\]"):
        Unlikeliness(beta=1.5)
    with pytest.raises(ValueError, match=r"tau=-0.1 must lie in \[0, 1\]"):
        UCPO(tau=-0.1)
    with pytest.raises(ValueError, match=r"UCPO takes binary rewards: a reward of 0\.5"):
        UCPO()(batch([[1.0, 0.5]], [[[-1.0], [-1.0]]]))
