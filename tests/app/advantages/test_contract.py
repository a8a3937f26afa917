"""What holds for every estimator: a new one is added to the list."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from inspect import signature

import pytest
import torch
from torch import Tensor

from app.advantages import (
    FADE,
    FGRPO,
    PKPO,
    QAE,
    RLOO,
    RLOOK,
    RSGRPO,
    UCPO,
    Adaptive,
    AdvantageEstimator,
    BestMinusSecond,
    Binary,
    ByAccuracy,
    Combination,
    CurveRL,
    DrGRPO,
    EntropyBonusAdvantage,
    Exceeding,
    FlipNegatives,
    Imitate,
    MaxKOffPolicy,
    MaxRL,
    PassK,
    PassKBootstrap,
    PassKFullSampling,
    PassKWithoutSigma,
    PassOne,
    PKPOLeaveOneOut,
    PKPOLeaveOneOutMinusOne,
    RejectionSampling,
    SoftOverlong,
    TailRL,
    Unlikeliness,
    WeightedPositives,
    WithoutEasy,
)
from app.advantages.base import informative_problems
from app.types import Completion, Rollouts
from tests.conftest import EchoProblem

CENTRED = [
    PassOne(), PassK(1), PassK(3), PassKBootstrap(3), PassKFullSampling(3),
    WithoutEasy(PassK(3)), ByAccuracy(high=PassK(3)), Exceeding(PassK(3)), Combination(high=PassK(3)),
    Adaptive(explore=PassK(3)), PassKWithoutSigma(3), PKPOLeaveOneOut(3), RLOO(), RLOOK(3), DrGRPO(), RSGRPO(),
    MaxRL(), TailRL(), FGRPO(), Unlikeliness(), Binary(PassK(3)), CurveRL(),
]  # fmt: skip
"""A problem's advantages sum to zero."""
UNMOVED = [
    *CENTRED, PassKBootstrap(3, reduce="mean"), PKPOLeaveOneOutMinusOne(3), BestMinusSecond(), FADE(), UCPO(),
    BestMinusSecond(std=True), EntropyBonusAdvantage(), WeightedPositives(), QAE(0.4),
]  # fmt: skip
"""A problem whose rollouts agree teaches nothing."""
ALL = [
    *UNMOVED, PKPO(3), MaxKOffPolicy(3), FlipNegatives(PassOne(), 0.5), SoftOverlong(max_tokens=4, margin=2),
    Imitate(), RejectionSampling(),
]  # fmt: skip


def rollouts(num_problems: int = 9, num_rollouts: int = 8) -> Rollouts:
    """c = 0 .. N passes, answers of one to five tokens, half of the problems to be explored."""
    passes = torch.arange(num_problems) % (num_rollouts + 1)
    generator = torch.Generator().manual_seed(0)

    def completion(index: int) -> Completion:
        noise = torch.rand(2, index % 5 + 1, generator=generator)
        return Completion(
            f"answer {index}", torch.ones(index % 5 + 1), "stop", sampler_logprobs=-noise[0], entropies=noise[1]
        )

    return Rollouts(
        [EchoProblem(str(index)) for index in range(num_problems)],
        completions=[[completion(3 * p + n) for n in range(num_rollouts)] for p in range(num_problems)],
        rewards=(torch.arange(num_rollouts) < passes[:, None]).float(),
        explore=torch.arange(num_problems) % 2 == 0,
    )


@pytest.mark.parametrize("estimator", ALL, ids=repr)
def test_one_finite_advantage_for_each_rollout_or_token(estimator: AdvantageEstimator) -> None:
    advantages = estimator(rollouts())
    assert advantages.shape in [(9, 8), (9, 8, 5)]
    assert advantages.isfinite().all()
    assert advantages.ne(0).any()


@pytest.mark.parametrize("estimator", ALL, ids=repr)
def test_rewards_are_left_as_they_are(estimator: AdvantageEstimator) -> None:
    batch = rollouts()
    before = batch.rewards.clone()
    estimator(batch)
    assert torch.equal(batch.rewards, before)


@pytest.mark.parametrize("estimator", CENTRED, ids=repr)
def test_what_some_gain_the_others_pay(estimator: AdvantageEstimator) -> None:
    assert estimator(rollouts()).sum(-1).abs().max() < 1e-12


@pytest.mark.parametrize("estimator", UNMOVED, ids=repr)
def test_nothing_is_learnt_where_all_rollouts_agree(estimator: AdvantageEstimator) -> None:
    advantages = estimator(rollouts())
    assert advantages[0].eq(0).all()
    assert advantages[8].eq(0).all()


@pytest.mark.parametrize("estimator", [each for each in ALL if not isinstance(each, FlipNegatives)], ids=repr)
def test_problems_do_not_touch_each_other(estimator: AdvantageEstimator) -> None:
    """But for FADE and CurveRL, whose running means and window do, and for the draws of noise."""
    batch = rollouts(18)
    whole = estimator(batch)
    half = Rollouts(
        batch.problems[:9], completions=batch.completions[:9], rewards=batch.rewards[:9], explore=batch.explore[:9]
    )
    if not isinstance(estimator, FADE | CurveRL):
        torch.testing.assert_close(estimator(half), whole[:9], rtol=0, atol=1e-12)


@pytest.mark.parametrize("estimator", ALL, ids=repr)
def test_informative_problems_are_those_with_an_advantage(estimator: AdvantageEstimator) -> None:
    """It may count too many, never too few: a problem that teaches is not to be replaced."""
    batch = rollouts()
    teaches = estimator(batch).ne(0).flatten(1).any(-1)
    assert not (teaches & ~estimator.informative(batch)).any()
    if not isinstance(estimator, (FADE, Combination)):
        assert torch.equal(teaches, estimator.informative(batch))


@pytest.mark.parametrize("estimator", ALL, ids=repr)
def test_bad_rewards_stay_outside(estimator: AdvantageEstimator) -> None:
    for value, message in {float("inf"): "inf must lie", 1.5: "1.5 must lie", -0.1: "-0.1 must lie"}.items():
        batch = rollouts()
        batch.rewards[2, 3] = value
        with pytest.raises(ValueError, match=message):
            estimator(batch)
    graded = rollouts()
    graded.rewards[2, 3] = 0.25
    if estimator.binary:
        with pytest.raises(ValueError, match=r"takes binary rewards: a reward of 0.25"):
            estimator(graded)
    else:
        assert estimator(graded).isfinite().all()


@pytest.mark.parametrize("estimator", ALL, ids=repr)
def test_an_unscored_answer_counts_as_one_that_was_not_drawn(estimator: AdvantageEstimator) -> None:
    """Problems 4 and 6 lack one answer, problem 5 two of them: each as if alone with the others."""
    batch, lacking = rollouts(), {4: [3], 5: [0, 6], 6: [7]}
    for place, gone in lacking.items():
        batch.rewards[place, gone] = torch.nan
    before = batch.rewards.clone()
    advantages = estimator(batch)
    assert advantages[~batch.scored].eq(0).all()
    assert torch.equal(batch.rewards.nan_to_num(-1), before.nan_to_num(-1))
    if isinstance(estimator, FADE | CurveRL | FlipNegatives | PassKBootstrap):
        return  # whose running means, and whose draws, depend on the batch
    for place in range(9):
        kept = [n for n in range(8) if n not in lacking.get(place, [])]
        alone = Rollouts(
            [batch.problems[place]],
            completions=[[batch.completions[place][n] for n in kept]],
            rewards=batch.rewards[place : place + 1, kept],
            explore=None if batch.explore is None else batch.explore[place : place + 1],
        )
        wanted = estimator(alone).double()
        torch.testing.assert_close(advantages[place : place + 1, kept], wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("estimator", ALL, ids=repr)
def test_too_few_scored_answers_teach_nothing(estimator: AdvantageEstimator) -> None:
    batch = rollouts()
    batch.rewards[3, 1:] = torch.nan
    batch.rewards[4] = torch.nan
    advantages = estimator(batch)
    assert advantages[4].eq(0).all()
    assert isinstance(estimator, Imitate) or advantages[3].eq(0).all()
    assert not informative_problems(estimator, batch)[4]
    assert isinstance(estimator, Imitate) or not informative_problems(estimator, batch)[3]
    batch.rewards[:] = torch.nan
    assert estimator(batch).eq(0).all()
    assert not informative_problems(estimator, batch).any()


@pytest.mark.parametrize("estimator", [each for each in ALL if not isinstance(each, Imitate)], ids=repr)
def test_a_single_rollout_compares_with_nothing(estimator: AdvantageEstimator) -> None:
    with pytest.raises(ValueError, match=r"N=1 must be at least 2|and the 1 rollouts|between 1 and 0"):
        estimator(rollouts(num_rollouts=1))


@pytest.mark.parametrize(
    "estimator", [each for each in ALL if hasattr(each, "k") and not isinstance(each, RLOOK)], ids=repr
)
def test_k_is_at_most_the_rollouts(estimator: AdvantageEstimator) -> None:
    kind = type(estimator)
    with pytest.raises(ValueError, match=r"k=9 must lie between 1 and"):
        kind(9).check(8)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match=r"k=0 must be at least 1"):
        kind(0)  # type: ignore[call-arg]


@pytest.mark.parametrize("estimator", ALL, ids=repr)
def test_k_may_be_set_where_there_is_one(estimator: AdvantageEstimator) -> None:
    """And is then that of all it wraps: as if they had been built with it."""
    estimator = deepcopy(estimator)
    if "k=3" not in repr(estimator) and "k=1" not in repr(estimator):
        with pytest.raises(ValueError, match="has no k"):
            estimator.set_k(2)
        return
    before = repr(estimator)
    estimator.set_k(2)
    assert repr(estimator) == re.sub("k=[13]", "k=2", before)
    with pytest.raises(ValueError, match=r"k=0 must be at least 1|has no k"):
        estimator.set_k(0)


@pytest.mark.parametrize("estimator", [each for each in ALL if each.requires], ids=repr)
def test_what_it_reads_must_be_there(estimator: AdvantageEstimator) -> None:
    batch = rollouts()
    batch.completions[4][2] = Completion("", torch.ones(2), "stop")
    with pytest.raises(ValueError, match=f"requires {estimator.requires[0]}: these completions"):
        estimator(batch)


@pytest.mark.parametrize("estimator", ALL, ids=repr)
def test_what_is_carried_fits_a_checkpoint(estimator: AdvantageEstimator) -> None:
    estimator(rollouts())
    state = estimator.state_dict()
    assert json.loads(json.dumps(state)) == state
    estimator.load_state_dict(state)
    assert estimator.state_dict() == state


@pytest.mark.parametrize("estimator", ALL, ids=repr)
def test_its_name_says_its_arguments(estimator: AdvantageEstimator) -> None:
    assert repr(estimator).startswith(type(estimator).__name__ + "(")
    arguments = signature(type(estimator)).parameters
    assert all(f"{name}={getattr(estimator, name)}" in repr(estimator) for name in arguments)


def test_an_estimator_that_changes_the_rewards_in_place_changes_no_ones_but_its_own() -> None:
    class InPlace(AdvantageEstimator):
        def observe(self, rollouts: Rollouts) -> None:
            rollouts.rewards.zero_()

        def estimate(self, rollouts: Rollouts) -> Tensor:
            rewards = rollouts.rewards
            rewards -= rewards.mean(-1, keepdim=True)
            return rewards

    rewards = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    rollouts = Rollouts([EchoProblem("a"), EchoProblem("b")], rewards=rewards)
    advantages = InPlace()(rollouts)
    assert advantages.tolist() == [[0.5, -0.5], [0.0, 0.0]]
    assert rollouts.rewards.tolist() == [[1.0, 0.0], [0.0, 0.0]]
