"""Rewards that are shown to an estimator in place of the batch's own."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
from torch import Tensor

from app.advantages import AdvantageEstimator, CurveRL, PassK, PassOne
from app.advantages.adaptive import Adaptive
from app.advantages.noise import Binary, FlipNegatives
from app.types import Completion, Problem, Rollouts
from tests.conftest import EchoProblem


class Shown(AdvantageEstimator):
    """Gives back the rewards that it was shown."""

    def estimate(self, rollouts: Rollouts) -> Tensor:
        return rollouts.rewards.clone()


def batch(rewards: Tensor, texts: str | None = None, first: int = 0) -> Rollouts:
    """Problems by number; with texts, each rollout says them with its own number."""
    problems: list[Problem] = [EchoProblem(f"problem {first + index}") for index in range(len(rewards))]
    tokens = torch.tensor([1, 2])
    said = [[Completion(f"{texts} {rollout}", tokens, "stop") for rollout in range(rewards.shape[1])] for _ in problems]
    return Rollouts(problems, completions=[] if texts is None else said, rewards=rewards)


FAILING = torch.zeros(5, 12)
GRADED = torch.tensor([[0.0, 0.25, 0.5, 0.75, 1.0]])


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_so_many_failing_rollouts_are_flipped_and_no_passing_one(share: float) -> None:
    rewards = (torch.arange(32) < 8).float().expand(400, -1)
    shown = FlipNegatives(Shown(), share)(batch(rewards))
    assert shown[:, :8].eq(1).all()
    flipped = shown[:, 8:]
    assert set(flipped.unique().tolist()) == {0.0, 1.0}
    assert flipped.mean().item() == pytest.approx(share, abs=4 * sqrt(share * (1 - share) / flipped.numel()))


def test_each_is_flipped_by_a_draw_of_its_own() -> None:
    """The number flipped is binomial: over 2000 problems its variance lies within 15 % of N s (1 - s)."""
    flips = FlipNegatives(Shown(), 0.3)(batch(torch.zeros(2000, 10)))
    assert flips.sum(-1).var().item() == pytest.approx(10 * 0.3 * 0.7, rel=0.15)
    assert (flips.mean(0) - 0.3).abs().max() < 4 * sqrt(0.3 * 0.7 / 2000)


@pytest.mark.parametrize(("share", "shown"), [(0.0, 0.0), (1.0, 1.0)])
def test_none_or_all(share: float, shown: float) -> None:
    assert FlipNegatives(Shown(), share)(batch(FAILING)).eq(shown).all()


@pytest.mark.parametrize("texts", [None, "left"])
def test_it_flips_again_what_it_flipped(texts: str | None) -> None:
    flips = FlipNegatives(Shown(), 0.5)(batch(FAILING, texts))
    torch.manual_seed(17)  # no generator but its own
    assert torch.equal(FlipNegatives(Shown(), 0.5)(batch(FAILING, texts)), flips)
    assert not torch.equal(FlipNegatives(Shown(), 0.5, seed=1)(batch(FAILING, texts)), flips)
    assert not torch.equal(FlipNegatives(Shown(), 0.5)(batch(FAILING, texts, first=5)), flips)
    alone = [FlipNegatives(Shown(), 0.5)(batch(FAILING[:1], texts, first=index)) for index in range(5)]
    assert torch.equal(torch.cat(alone), flips)


def test_other_answers_are_flipped_otherwise() -> None:
    """Rewards alone would not do: a problem that always fails would be flipped alike in every iteration."""
    flips = [FlipNegatives(Shown(), 0.5)(batch(FAILING, texts)) for texts in ("left", "right")]
    assert not torch.equal(*flips)


def test_the_estimator_sees_the_flips_and_the_batch_does_not() -> None:
    rewards = (torch.arange(8) < 2).float().expand(20, -1).clone()
    rollouts = batch(rewards)
    noisy, shown = FlipNegatives(PassK(3), 0.3)(rollouts), FlipNegatives(Shown(), 0.3)(rollouts)
    assert torch.equal(noisy, PassK(3)(batch(shown)))
    assert not torch.equal(noisy, PassK(3)(rollouts))
    assert torch.equal(rollouts.rewards, rewards)


def test_problems_teach_by_their_flipped_rewards() -> None:
    noisy = FlipNegatives(PassOne(), 0.2)
    rollouts = batch(torch.zeros(30, 5))
    informative = noisy.informative(rollouts)
    assert torch.equal(informative, noisy(rollouts).ne(0).any(-1))
    assert 0 < informative.sum() < 30


@pytest.mark.parametrize("wrapped", [FlipNegatives(Adaptive(PassK(3)), 0.5), Binary(Adaptive(PassK(3)))])
def test_unmarked_problems_are_asked_of_the_estimator_underneath(wrapped: AdvantageEstimator) -> None:
    """Five of six passing is in the dead zone of Pass@3 alone."""
    rollouts = batch(torch.tensor([[1.0] * 6, [1.0] * 5 + [0.0]]), "left")
    shown = FlipNegatives(Shown(), 0.5)(rollouts) if isinstance(wrapped, FlipNegatives) else rollouts.rewards
    assert wrapped.informative(rollouts).tolist() == [0 < sum(row) < 6 for row in shown.tolist()]


def test_a_graded_failure_is_flipped_to_one() -> None:
    assert FlipNegatives(Shown(), 1.0)(batch(GRADED)).eq(1).all()
    with pytest.raises(ValueError, match=r"FlipNegatives takes binary rewards: a reward of 0.25"):
        FlipNegatives(PassK(2), 0.5)(batch(GRADED))


class Watching(Shown):
    """Keeps the rewards that it observed last."""

    def observe(self, rollouts: Rollouts) -> None:
        self.observed = rollouts.rewards.clone()


@pytest.mark.parametrize("wrapped", [FlipNegatives(Watching(), 0.5), Binary(Watching(), 0.5)], ids=["flips", "binary"])
@pytest.mark.parametrize("unscored", [0, 3])
def test_the_state_is_of_the_rewards_that_the_estimate_is_of(wrapped: FlipNegatives | Binary, unscored: int) -> None:
    rewards = GRADED.repeat(6, 2)
    rewards[2, :unscored], rewards[4] = float("nan"), 0.0
    rollouts = batch(rewards.clone(), "left")
    wrapped.observe(rollouts)
    observed, scored = wrapped.of.observed, rollouts.scored  # type: ignore[attr-defined]
    assert torch.equal(observed[scored].double(), wrapped(rollouts)[scored].double())
    assert torch.equal(observed.isnan(), rewards.isnan())
    assert torch.equal(rollouts.rewards[scored], rewards[scored])


def test_graded_rewards_are_binary_for_an_estimator_with_a_state() -> None:
    graded, plain = Binary(CurveRL(), 0.5), CurveRL()
    for rewards in (GRADED, GRADED.flip(-1) / 2, GRADED):
        graded.observe(batch(rewards))
        plain.observe(batch((rewards >= 0.5).float()))
    assert graded.state_dict() == plain.state_dict()
    assert torch.equal(graded(batch(GRADED)), plain(batch((GRADED >= 0.5).float())))


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(ValueError, match=rf"share={share} must lie in \[0, 1\]"):
        FlipNegatives(PassOne(), share)


@pytest.mark.parametrize(("at", "passing"), [(1.0, 1), (0.76, 1), (0.75, 2), (0.5, 3), (0.01, 4)])
def test_rewards_of_at_least_the_bound_pass(at: float, passing: int) -> None:
    rollouts = batch(GRADED)
    assert Binary(Shown(), at)(rollouts).tolist() == [[0.0] * (5 - passing) + [1.0] * passing]
    expected = PassK(2)(batch((at <= GRADED).float()))
    assert torch.equal(Binary(PassK(2), at)(rollouts), expected)
    assert torch.equal(Binary(PassK(2), at).informative(rollouts), expected.ne(0).any(-1))
    assert torch.equal(rollouts.rewards, GRADED)


def test_what_is_no_reward_is_refused_all_the_same() -> None:
    for ask in (Binary(PassK(2)), Binary(PassK(2)).informative, FlipNegatives(PassK(2), 0.5).informative):
        with pytest.raises(ValueError, match=r"a reward of 1.5 must lie in \[0, 1\]"):
            ask(batch(GRADED * 2))


@pytest.mark.parametrize("at", [0.0, -1.0, 1.5])
def test_the_bound_is_a_reward_that_failing_does_not_have(at: float) -> None:
    with pytest.raises(ValueError, match=rf"threshold={at} must lie in \(0, 1\]"):
        Binary(PassOne(), at)


def test_so_many_rollouts_as_the_estimator_needs() -> None:
    for wrapped in (Binary(PassK(8)), FlipNegatives(PassK(8), 0.5)):
        with pytest.raises(ValueError, match="k=8 must lie between 1 and the 4 rollouts"):
            wrapped.check(4)
