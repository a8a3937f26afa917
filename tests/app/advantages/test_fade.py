"""FADE's formula, its running means, and what two processes make of them."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
import torch

from app.advantages.fade import FADE, fade_advantage
from app.types import Completion, Problem, Rollouts
from tests.conftest import EchoProblem


def batch(rewards: list[list[float]], entropies: list[list[list[float]]]) -> Rollouts:
    """One problem a row, one list of token entropies a rollout."""
    completions = [
        [Completion("", torch.arange(len(row)), "stop", entropies=torch.tensor(row)) for row in group]
        for group in entropies
    ]
    problems: list[Problem] = [EchoProblem(str(index)) for index in range(len(rewards))]
    return Rollouts(problems, completions=completions, rewards=torch.tensor(rewards, dtype=torch.double))


def uniform(reward: float, entropy: float) -> Rollouts:
    """4 rollouts, `reward` of them pass on average; every token has this entropy."""
    passing = round(4 * reward)
    return batch([[float(index < passing) for index in range(4)]], [[[entropy] * (2 + index) for index in range(4)]])


def loop(rows: list[list[float]], alpha: float, delta: float) -> list[list[float]]:
    advantages = []
    for row in rows:
        mean = sum(map(Fraction, row)) / len(row)
        weight = float(1 - mean) ** (alpha - 1)
        deviations = [float(Fraction(reward) - mean) for reward in row]
        advantages.append([weight * value * (1 if value >= 0 else 1 / delta) for value in deviations])
    return advantages


@pytest.mark.parametrize(("alpha", "delta"), [(1.0, 1.0), (2.5, 0.3), (3.0, 0.7)])
@pytest.mark.parametrize("n", [2, 4])
def test_the_formula(alpha: float, delta: float, n: int) -> None:
    rows = [list(row) for row in product([0.0, 0.5, 1.0], repeat=n)]
    found = fade_advantage(torch.tensor(rows), alpha, delta)
    assert found.dtype == torch.double
    assert (found - torch.tensor(loop(rows, alpha, delta), dtype=torch.double)).abs().max() < 1e-10


STREAM = [  # rewards, entropies of each rollout's tokens
    ([[1.0, 0.0], [0.0, 0.0]], [[[1.0, 2.0], [3.0]], [[0.5], [0.5, 0.5, 0.5]]]),
    ([[1.0, 1.0], [1.0, 0.0]], [[[0.25], [0.25]], [[0.125], [0.0, 0.0]]]),
    ([[1.0, 0.0]], [[[0.0], [0.0]]]),
]


def observed(fade: FADE, rollouts: Rollouts) -> torch.Tensor:
    """One iteration: the batch counts, then it is estimated."""
    fade.observe(rollouts)
    return fade(rollouts)


def running(stream: list[Any], target: float | None, rate: float) -> list[list[list[float]]]:
    """A loop over batches with lists of numbers, from the definition."""
    advantages, pass_rate, entropy = [], 0.0, 0.0
    for step, (rewards, entropies) in enumerate(stream):
        all_rewards = [reward for row in rewards for reward in row]
        tokens = [value for group in entropies for row in group for value in row]
        now = sum(all_rewards) / len(all_rewards), sum(tokens) / len(tokens)
        if step == 0:
            pass_rate, entropy = now
            target = now[1] / 2 if target is None else target
        else:
            pass_rate = (1 - rate) * pass_rate + rate * now[0]
            entropy = (1 - rate) * entropy + rate * now[1]
        assert target is not None
        alpha = max(1, min(3, 3 * (1 - pass_rate) / (2 * pass_rate)))
        delta = max(0.3, min(1, 1 + entropy - target))
        advantages.append(loop(rewards, alpha, delta))
    return advantages


@pytest.mark.parametrize("target", [None, 0.2, 1.5])
@pytest.mark.parametrize("rate", [0.02, 0.5, 1.0])
def test_a_run_follows_pass_rate_and_entropy(target: float | None, rate: float) -> None:
    fade = FADE(target_entropy=target, rate=rate)
    for given, expected in zip(STREAM, running(STREAM, target, rate), strict=True):
        assert (
            observed(fade, batch(*given)) - torch.tensor(expected, dtype=torch.double)
        ).abs().max() < 1e-7  # float entropies


def test_the_stream_visits_both_sides_of_the_target() -> None:
    """Or the run above would show nothing of delta."""
    fade, deltas = FADE(rate=1.0), []
    for given in STREAM:
        observed(fade, batch(*given))
        deltas.append(fade._delta(fade.state_dict()["entropy"]))
    assert deltas[0] == 1
    assert 0.3 < deltas[1] < 1
    assert 0.3 < deltas[2] < 1


def test_a_small_rate_moves_little() -> None:
    fade = FADE(rate=0.02)
    fade.observe(uniform(0.5, 1.0))
    fade.observe(uniform(1.0, 0.0))
    state = fade.state_dict()
    assert state["pass_rate"] == pytest.approx(0.51)
    assert state["entropy"] == pytest.approx(0.98)
    assert state["first_entropy"] == pytest.approx(1.0)


@pytest.mark.parametrize(("pass_rate", "alpha"), [(0.0, 3.0), (1e-300, 3.0), (0.25, 3.0), (0.5, 1.5), (0.75, 1.0)])
def test_alpha_is_clipped(pass_rate: float, alpha: float) -> None:
    assert FADE()._alpha(pass_rate) == pytest.approx(alpha)


def test_failures_count_more_once_the_entropy_has_fallen() -> None:
    fade = FADE(target_entropy=0.5, rate=1.0, delta_min=0.3)
    passing, failing = observed(fade, uniform(0.25, 0.6))[0, [0, 3]].tolist()
    assert 3 * failing == pytest.approx(-passing)
    passing, failing = observed(fade, uniform(0.25, 0.1))[0, [0, 3]].tolist()
    assert 3 * failing == pytest.approx(-passing / 0.6)
    fade = FADE(target_entropy=2.0, rate=1.0, delta_min=0.3)
    passing, failing = observed(fade, uniform(0.25, 0.1))[0, [0, 3]].tolist()
    assert 3 * failing == pytest.approx(-passing / 0.3)


@pytest.mark.parametrize("reward", [0.0, 1.0])
def test_problems_without_a_difference_teach_nothing(reward: float) -> None:
    assert FADE()(uniform(reward, 1.0)).eq(0).all()


def test_asking_what_is_informative_changes_nothing() -> None:
    rollouts = batch(*STREAM[0])
    fade = FADE()
    assert fade.informative(rollouts).tolist() == [True, False]
    assert fade.state_dict() == {"pass_rate": None, "entropy": None, "first_entropy": None}
    observed(fade, rollouts)
    before, name = fade.state_dict(), repr(fade)
    fade.informative(batch(*STREAM[1]))
    assert fade.state_dict() == before
    assert repr(fade) == name == "FADE(alpha_max=3.0, target_entropy=None, rate=0.02, delta_min=0.3)"


def test_a_batch_counts_once_in_an_iteration() -> None:
    fade, first, second = FADE(rate=0.5), batch(*STREAM[0]), batch(*STREAM[1])
    observed(fade, first)
    advantages, before = observed(fade, second), fade.state_dict()
    assert torch.equal(fade(second), advantages)
    assert fade.state_dict() == before
    ratios = torch.full_like(second.rewards, 1.5)
    assert torch.equal(fade(replace(second, importance_ratios=ratios)), advantages)


def test_before_the_first_iteration_a_batch_is_measured_by_itself() -> None:
    rollouts = batch(*STREAM[0])
    fade = FADE()
    advantages = fade(rollouts)
    assert fade.state_dict()["pass_rate"] is None
    assert torch.equal(observed(fade, rollouts), advantages)


@pytest.mark.parametrize("rewards", [[[0.1, 0.1, 0.1]], [[0.2, 0.1, 0.1]]])
def test_informative_is_what_has_advantages(rewards: list[list[float]]) -> None:
    rollouts = batch(rewards, [[[1.0]] * 3])
    fade = FADE()
    assert torch.equal(fade.informative(rollouts), fade(rollouts).ne(0).any(-1))


@pytest.mark.parametrize("done", range(4))
def test_resuming_continues_exactly(done: int) -> None:
    whole, first, second = (FADE(rate=0.3) for _ in range(3))
    for given in STREAM[:done]:
        whole.observe(batch(*given))
        first.observe(batch(*given))
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for given in STREAM[done:]:
        assert torch.equal(observed(second, batch(*given)), observed(whole, batch(*given)))
    assert second.state_dict() == whole.state_dict()


def test_processes_share_their_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes with unequal shares hold the means of the union, and give its advantages."""
    whole, halves = FADE(), [FADE(), FADE()]
    rewards, entropies = [[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]], [[[1.0], [2.0]], [[3.0, 1.0], [2.0]], [[0.0], [7.0]]]
    parts = [batch(rewards[:1], entropies[:1]), batch(rewards[1:], entropies[1:])]
    expected = observed(whole, batch(rewards, entropies))

    asked: list[torch.Tensor] = []

    def ask(sums: torch.Tensor) -> torch.Tensor:
        asked.append(sums)
        return sums

    monkeypatch.setattr("app.advantages.fade.sum_over_processes", ask)
    for part in parts:
        FADE().observe(part)
    monkeypatch.setattr("app.advantages.fade.sum_over_processes", lambda sums: asked[0] + asked[1])
    found = torch.cat([observed(half, part) for half, part in zip(halves, parts, strict=True)])
    assert len(asked) == 2
    assert halves[0].state_dict() == halves[1].state_dict() == whole.state_dict()
    assert torch.equal(found, expected)


def test_completions_without_entropies_are_refused() -> None:
    rollouts = batch([[1.0, 0.0]], [[[1.0], [1.0]]])
    group = [rollouts.completions[0][0], Completion("", torch.arange(1), "stop")]
    rollouts, fade = replace(rollouts, completions=[group]), FADE()
    with pytest.raises(ValueError, match="FADE requires entropies"):
        fade(rollouts)
    with pytest.raises(ValueError, match="FADE requires entropies"):
        fade.observe(rollouts)
    assert fade.state_dict()["pass_rate"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha_max": 0.5}, r"alpha_max=0.5 must be a finite number of at least 1"),
        ({"alpha_max": float("inf")}, r"alpha_max=inf must be"),
        ({"target_entropy": -0.1}, r"target_entropy=-0.1 must be a finite number of at least 0"),
        ({"target_entropy": float("nan")}, r"target_entropy=nan must be"),
        ({"rate": 0.0}, r"rate=0.0 must lie in \(0, 1\]"),
        ({"rate": 1.1}, r"rate=1.1 must lie in \(0, 1\]"),
        ({"delta_min": 0.0}, r"delta_min=0.0 must lie in \(0, 1\]"),
        ({"delta_min": 2.0}, r"delta_min=2.0 must lie in \(0, 1\]"),
    ],
)
def test_bad_arguments(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FADE(**arguments)
