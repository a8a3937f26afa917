"""Metrics against loops over problems and rollouts, in one process and in two."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from math import comb, nan
from random import Random
from typing import Any

import pytest
import torch

from app.metrics.answers import answer_entropies, distinct_wrong, majority_votes
from app.metrics.components import ComponentMeans
from app.metrics.rollouts import (
    Accuracy,
    AnswerDiversity,
    CoverAtTau,
    PassAtK,
    ResponseLength,
    TokenEntropy,
    TruncationRate,
    evaluation_metrics,
    fresh_sums,
    rollout_sums,
)
from app.module import RLVRModule
from app.types import Completion, Rollouts
from tests.app.measured import figures, random_batch
from tests.conftest import build_tiny_policy

BATCHES = [random_batch(seed, problems=1 + seed) for seed in range(5)]


def metrics_of(batch: Rollouts, advantages: torch.Tensor) -> dict[str, float]:
    """As one process logs them."""
    module = RLVRModule(build_tiny_policy())
    return module.ratios_over_processes(*fresh_sums(batch, advantages))


def naive_pass_at_k(batches: list[Rollouts], k: int) -> float:
    shares = []
    for row in [row for batch in batches for row in batch.rewards.tolist()]:
        groups = list(combinations(row, k))
        shares.append(sum(1 in group for group in groups) / len(groups))
    return sum(shares) / len(shares)


def naive(batches: list[Rollouts]) -> dict[str, float]:
    """A list of all rollouts, and of the answers of the failing ones of each problem."""
    rollouts, distinct, wrong, passes = [], 0, 0, 0
    for batch in batches:
        for group, rewards in zip(batch.completions, batch.rewards.tolist(), strict=True):
            answers = [row.answer for row, reward in zip(group, rewards, strict=True) if reward < 1]
            rollouts += group
            distinct, wrong, passes = distinct + len(set(answers)), wrong + len(answers), passes + rewards.count(1)
    entropies = [value for row in rollouts for value in row.entropies.tolist()]
    return {
        "length": sum(len(row.tokens) for row in rollouts) / len(rollouts),
        "truncated": sum(row.finish == "length" for row in rollouts) / len(rollouts),
        "entropy": sum(entropies) / len(entropies),
        "distinct_wrong": distinct / wrong,
        "accuracy": passes / len(rollouts),
        "unscored": 0,
    }


@pytest.mark.parametrize("seed", range(8))
def test_the_vote_of_k_is_the_mean_over_all_subsets_of_k(seed: int) -> None:
    random = Random(seed)
    answers = [random.choice([None, "a", "b", "c"]) for _ in range(random.randint(3, 8))]
    rewards = [random.choice([0.0, 1.0, nan]) if random.random() < 0.5 else float(each == "a") for each in answers]
    scored = [place for place, reward in enumerate(rewards) if reward == reward]
    rows = [Completion("", torch.tensor([1]), "stop", answer=answer) for answer in answers]
    batch = Rollouts([None], completions=[rows], rewards=torch.tensor([rewards]))  # type: ignore[list-item]
    for k in range(1, len(answers) + 1):
        (vote,) = majority_votes(batch, k)
        if k > len(scored):
            assert math.isnan(vote)
            continue
        subsets = [*combinations(scored, k)]
        votes = [vote_of(places, answers, rewards) for places in subsets]
        assert vote == pytest.approx(sum(votes) / len(votes), abs=1e-12)


@pytest.mark.parametrize("k", [2, 8, 29, 64, 100])
def test_the_vote_of_k_of_many_is_that_of_counting_in_whole_numbers(k: int) -> None:
    answers = [*("a" * 31), *("b" * 30), *("c" * 30), *("d" * 4), *"efghi", *([None] * 20)]
    rewards = [float(answer == "b") for answer in answers]
    rows = [Completion("", torch.tensor([1]), "stop", answer=answer) for answer in answers]
    batch = Rollouts([None], completions=[rows], rewards=torch.tensor([rewards]))  # type: ignore[list-item]
    assert majority_votes(batch, k)[0] == pytest.approx(chance_by_counting(30, [31, 30, 4, *[1] * 5], 20, k), rel=1e-9)


def chance_by_counting(size: int, others: list[int], silent: int, k: int) -> float:
    """Of all subsets of k responses, the share in which the answer of this many wins, ties shared out."""
    wins = Fraction(0)
    for m in range(1, min(size, k) + 1):
        ways = Counter({(0, 0): comb(size, m)})  # by others that come m times, and responses drawn of the others
        for other in others:
            further: Counter[tuple[int, int]] = Counter()
            for (ties, drawn), number in ways.items():
                for count in range(min(other, m, k - m - drawn) + 1):
                    further[ties + (count == m), drawn + count] += number * comb(other, count)
            ways = further
        wins += sum(Fraction(number * comb(silent, k - m - drawn), ties + 1) for (ties, drawn), number in ways.items())
    return float(wins / comb(size + sum(others) + silent, k))


def vote_of(places: tuple[int, ...], answers: list[str | None], rewards: list[float]) -> float:
    """Of the most frequent answers in these places, one at random; and of the places with it, one at random."""
    counts = Counter(answers[place] for place in places if answers[place] is not None)
    most = [answer for answer, count in counts.items() if count == max(counts.values())]
    alike = [[rewards[place] for place in places if answers[place] == answer] for answer in most]
    return sum(sum(row) / len(row) for row in alike) / len(alike) if alike else 0.0


def naive_majority_vote(answers: list[str | None], rewards: list[float]) -> float:
    """The most frequent answer in 2,000 shuffled orders, the first of them where several are as frequent."""
    passed, random = [], Random("votes")
    votes = [vote for vote in zip(answers, rewards, strict=True) if vote[0] is not None and not math.isnan(vote[1])]
    for _ in range(2000):
        random.shuffle(votes)
        most = Counter(answer for answer, _ in votes).most_common(1)
        of_most = [reward for answer, reward in votes if answer == most[0][0]]
        passed.append(sum(reward >= 1 for reward in of_most) / len(of_most))
    return sum(passed) / len(passed)


def test_every_metric_is_a_loop() -> None:
    actual = figures(BATCHES)
    votes = [vote for batch in BATCHES for vote in majority_votes(batch)]
    expected = naive(BATCHES) | {f"pass@{k}": naive_pass_at_k(BATCHES, k) for k in (1, 2, 6)}
    expected["maj@6"] = sum(votes) / len(votes)
    pairs = [vote for batch in BATCHES for vote in majority_votes(batch, 2)]
    expected["maj@2"] = sum(pairs) / len(pairs)
    entropies = [naive_entropy(problem) for batch in BATCHES for problem in batch.completions]
    expected["answer_entropy"] = sum(entropies) / len(entropies)
    assert actual.keys() == expected.keys()
    assert actual == pytest.approx(expected, abs=1e-6)


def naive_entropy(rows: Sequence[Completion]) -> float:
    answers = [row.answer for row in rows]
    shares = [answers.count(answer) / len(answers) for answer in {*answers}]
    return -sum(share * math.log(share) for share in shares)


def test_answers_without_a_score_have_no_part_in_the_entropy() -> None:
    rows = [Completion("", torch.tensor([1]), "stop", answer=answer) for answer in ("a", "a", "b", None)]
    rewards = torch.tensor([[1.0, 0.0, nan, 0.0], [nan] * 4, [0.0] * 4])
    batch = Rollouts([None] * 3, completions=[rows] * 3, rewards=rewards)  # type: ignore[list-item]
    one, none, all_of_them = answer_entropies(batch)
    assert one == pytest.approx(-(2 / 3) * math.log(2 / 3) - math.log(1 / 3) / 3)
    assert math.isnan(none)
    assert all_of_them == pytest.approx(1.5 * math.log(2))


@pytest.mark.parametrize("tau", [0.1, 0.25, 0.3, 0.5, 0.7, 1.0])
def test_cover_is_the_share_of_problems_that_pass_often_enough(tau: float) -> None:
    metric = CoverAtTau([tau])
    rows = torch.tensor([[1.0] * c + [0.0] * (10 - c) for c in range(11)])
    metric.update(Rollouts([None] * 11, rewards=rows))  # type: ignore[list-item]
    covered = [c for c in range(11) if 10 * tau - c < 1e-9]
    assert metric.compute()[f"cover@{tau}".removesuffix(".0")].item() == pytest.approx(len(covered) / 11)
    unscored = CoverAtTau([tau])
    unscored.update(Rollouts([None] * 2, rewards=torch.tensor([[1.0, nan], [nan, nan]])))  # type: ignore[list-item]
    assert [*unscored.compute().values()] == [1]


def test_figures_do_not_depend_on_how_problems_are_batched() -> None:
    problems = [
        Rollouts([None], completions=[group], rewards=rewards[None])  # type: ignore[list-item]
        for batch in BATCHES
        for group, rewards in zip(batch.completions, batch.rewards, strict=True)
    ]
    assert figures(problems[::-1]) == pytest.approx(figures(BATCHES), abs=1e-6)


def test_two_processes_measure_what_one_does(two_processes: list[dict[str, Any]]) -> None:
    """Shares of problems, not means of means: the processes hold unequal numbers."""
    expected = figures([random_batch(seed) for seed in (0, 1, 2, 4)])
    for result in two_processes:
        assert result["figures"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("reward", [0.0, 1.0])
def test_edges_none_and_all_pass(reward: float) -> None:
    batch = random_batch(0)
    batch = replace(batch, rewards=torch.full_like(batch.rewards, reward))
    actual = figures([batch])
    assert [actual[name] for name in ("pass@1", "pass@2", "pass@6", "accuracy")] == [reward] * 4
    if reward:
        assert actual["distinct_wrong"] == 0
        assert distinct_wrong(batch) == (0, 0)


def test_a_partial_reward_is_a_failure() -> None:
    batch = random_batch(0)
    batch = replace(batch, rewards=torch.full_like(batch.rewards, 0.99))
    assert figures([batch])["pass@6"] == 0
    assert distinct_wrong(batch)[1] == batch.rewards.numel()


def test_responses_are_compared_by_their_answers() -> None:
    """Chains of thought differ, answers are few; what holds none, or is cut off, is one answer."""
    batch = random_batch(0, problems=1)
    batch = replace(batch, rewards=torch.zeros_like(batch.rewards))
    answers = ["4", "4", None, "5", None, "4"]
    rows = [
        replace(row, text=f"thought {place}", answer=answer)
        for place, (row, answer) in enumerate(zip(batch.completions[0], answers, strict=True))
    ]
    batch = replace(batch, completions=[rows])
    assert distinct_wrong(batch) == (3, 6)


NAN = math.nan


@pytest.mark.parametrize(
    ("answers", "rewards", "vote"),
    [
        ("aab", [1, 1, 0], 1.0),
        ("abb", [1, 0, 0], 0.0),
        ("abab", [1, 0, 1, 0], 1 / 2),
        ("abc", [0, 1, 0], 1 / 3),
        ("aabbccd", [0, 0, 1, 1, 0, 0, 1], 1 / 3),
        ("---a", [0, 0, 0, 1], 1.0),  # what holds no answer does not vote
        ("bbba", [NAN, NAN, NAN, 1], 1.0),  # nor does what is unscored
        ("bbaaa", [0, 0, NAN, NAN, 1], 0.0),
        ("aaa", [1, 0, 0.9], 1 / 3),  # a scorer that does not judge by the answer alone
        ("--", [0, 0], 0.0),
        ("--", [0, NAN], 0.0),
        ("ab", [NAN, NAN], NAN),
        ("-", [1], 0.0),
        ("a", [1], 1.0),
    ],
)
def test_the_majority_decides(answers: str, rewards: list[float], vote: float) -> None:
    row = random_batch(0).completions[0][0]
    given = [None if answer == "-" else answer for answer in answers]
    batch = Rollouts(
        [None],  # type: ignore[list-item]
        completions=[[replace(row, answer=answer) for answer in given]],
        rewards=torch.tensor([rewards], dtype=torch.double),
    )
    assert majority_votes(batch) == pytest.approx([vote], nan_ok=True)
    if any(answer is not None and not math.isnan(reward) for answer, reward in zip(given, rewards, strict=True)):
        assert majority_votes(batch)[0] == pytest.approx(naive_majority_vote(given, rewards), abs=0.06)


def test_a_vote_is_taken_among_problems_with_a_score() -> None:
    batch = random_batch(1, problems=3)
    batch.rewards[1] = torch.nan
    found = majority_votes(batch)
    assert math.isnan(found[1])
    assert figures([batch])["maj@6"] == pytest.approx((found[0] + found[2]) / 2)


def test_sets_that_differ_in_n_have_no_common_vote_and_metrics_of_ones_own_are_copied() -> None:
    own = Accuracy()
    metrics = evaluation_metrics([1], None, {"accuracy": own})
    metrics.update(BATCHES[0])
    found = metrics.compute()
    assert not [name for name in found if name.startswith("maj@")]
    assert found["accuracy"] == found["pass@1"]
    assert own.denominator == 0


def test_k_above_the_answers_raises() -> None:
    with pytest.raises(ValueError, match="k=7 must lie between 1 and the 6 rollouts"):
        PassAtK([1, 7]).update(random_batch(0))


@pytest.mark.parametrize("metric", [Accuracy, AnswerDiversity, ResponseLength, TokenEntropy, TruncationRate])
def test_before_any_rollout_a_share_is_zero(metric: type[Accuracy]) -> None:
    with pytest.warns(UserWarning, match="was called before the ``update``"):
        assert metric().compute() == 0


def test_reset_forgets() -> None:
    metrics = evaluation_metrics([1], 6, {})
    metrics.update(BATCHES[0])
    metrics.reset()
    metrics.update(BATCHES[3])
    assert metrics.compute()["pass@1"].item() == pytest.approx(naive_pass_at_k(BATCHES[3:4], 1))


def test_what_a_training_iteration_says() -> None:
    batch = random_batch(3, problems=4)
    advantages = torch.zeros(4, 6, dtype=torch.double)
    advantages[1, 2] = -0.3
    expected = naive([batch])
    actual = metrics_of(batch, advantages)
    assert actual == pytest.approx(
        {
            "rollout/reward": batch.rewards.mean().item(),
            "rollout/unscored": 0,
            "rollout/solved": sum(1 in row for row in batch.rewards.tolist()) / 4,
            "rollout/informative": 1 / 4,
            "rollout/length": expected["length"],
            "rollout/truncated": expected["truncated"],
            "rollout/distinct_wrong": expected["distinct_wrong"],
            "entropy/mean": batch.entropies.mean().item(),
        },
        abs=1e-6,
    )


def test_the_figures_of_an_iteration_do_not_depend_on_how_it_is_divided() -> None:
    """With two processes the ratio of distinct wrong answers was the mean of two ratios."""
    batch = random_batch(5, problems=4)
    batch.rewards[0, 2], batch.rewards[1, 1:], batch.rewards[3] = torch.nan, torch.nan, torch.nan
    advantages = torch.rand(4, 6, dtype=torch.double)
    parts = [batch.select(torch.tensor(places)) for places in ([0], [1, 2, 3])]
    one, other = rollout_sums(parts[0], advantages[:1]), rollout_sums(parts[1], advantages[1:])
    added = {name: [torch.tensor(each[name]) for each in (one, other)] for name in one}
    ratios = {name: float((both[0][0] + both[1][0]) / (both[0][1] + both[1][1])) for name, both in added.items()}
    assert ratios == pytest.approx(metrics_of(batch, advantages))


def test_answers_that_were_given_a_prefix_are_left_out() -> None:
    batch = random_batch(3, problems=4)
    advantages = torch.rand(4, 6, dtype=torch.double)
    given = replace(batch, prefixes=[0, 2, 0, 1])
    without = batch.select(torch.tensor([0, 2]))
    sums, number = fresh_sums(given, advantages)
    assert number == 2
    assert sums == rollout_sums(without, advantages[[0, 2]])
    means = ComponentMeans(), ComponentMeans()
    for each, rollouts in zip(means, (given, without), strict=True):
        each.update(rollouts)
    assert means[0].sums == means[1].sums
    assert fresh_sums(replace(batch, prefixes=[1] * 4), advantages) == (dict.fromkeys(sums, (0.0, 0.0)), 0)
    assert fresh_sums(batch, advantages) == (rollout_sums(batch, advantages), 4)


# -- unscored answers ---------------------------------------------------------------------------------


def test_unscored_answers_count_as_not_drawn() -> None:
    """Problem 0 has 5 scored answers, problem 1 one, problem 2 all 6, problem 3 none."""
    batch = random_batch(5, problems=4)
    batch.rewards[0, 2], batch.rewards[1, 1:], batch.rewards[3] = torch.nan, torch.nan, torch.nan
    left = [batch.select(torch.tensor([place]), batch.scored[place : place + 1]) for place in range(3)]
    assert [part.rewards.shape[1] for part in left] == [5, 1, 6]
    found, naively = figures([batch]), naive(left)
    assert found["pass@1"] == pytest.approx(naive_pass_at_k(left, 1))
    assert found["pass@2"] == pytest.approx(naive_pass_at_k([left[0], left[2]], 2))
    assert found["pass@6"] == pytest.approx(naive_pass_at_k([left[2]], 6))
    assert found["accuracy"] == pytest.approx(naively["accuracy"])
    assert found["distinct_wrong"] == pytest.approx(naively["distinct_wrong"])
    assert found["unscored"] == pytest.approx((1 + 5 + 6) / 24)
    metric = PassAtK([1, 2, 6])
    metric.update(batch)
    assert metric.left_out.tolist() == [1, 2, 3]
    said = metrics_of(batch, torch.zeros(4, 6))
    assert said["rollout/reward"] == pytest.approx(naively["accuracy"])
    assert said["rollout/unscored"] == pytest.approx(12 / 24)


def test_with_nothing_scored_there_is_no_pass_at_k() -> None:
    batch = random_batch(0)
    batch.rewards[:] = torch.nan
    found = figures([batch])
    assert all(math.isnan(found[name]) for name in ("pass@1", "pass@2", "pass@6", "maj@6"))
    assert (found["accuracy"], found["unscored"]) == (0, 1)
    assert metrics_of(batch, torch.zeros(3, 6))["rollout/reward"] == 0


def test_demonstrations_have_no_entropy_to_tell() -> None:
    batch = random_batch(0)
    batch = replace(batch, completions=[[replace(row, entropies=None) for row in group] for group in batch.completions])
    assert "entropy/mean" not in rollout_sums(batch, torch.zeros(3, 6))
