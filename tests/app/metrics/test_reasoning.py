"""CoT-Pass@k: what a judge is asked, and what becomes of its verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from itertools import combinations

import pytest
import torch

from app.metrics.reasoning import CoTPassAtK, ReasoningJudge
from app.types import Completion, Problem, Rollouts
from tests.conftest import EchoProblem


class Sound(ReasoningJudge):
    """Accepts what says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def judge(self, responses: Sequence[tuple[Problem, str]]) -> list[bool]:
        self.asked += [text for _, text in responses]
        return ["sound" in text for _, text in responses]


def rolled(*rows: str) -> Rollouts:
    """A word for each response: "+" passes, "s" is sound, "?" has no score."""
    token = torch.zeros(1, dtype=torch.long)
    texts = [[f"{n} {'sound' if 's' in word else 'lucky'}" for n, word in enumerate(row.split())] for row in rows]
    rewards = [[float("nan") if "?" in word else float("+" in word) for word in row.split()] for row in rows]
    completions = [[Completion(text, token, "stop") for text in row] for row in texts]
    problems = [EchoProblem(str(index)) for index in range(len(rows))]
    return Rollouts(problems, completions=completions, rewards=torch.tensor(rewards))


@pytest.mark.parametrize("k", [1, 2, 4])
def test_a_response_counts_where_both_are_right(k: int) -> None:
    metric = CoTPassAtK(Sound(), k)
    metric.update(rolled("+s + s -", "+s +s + -", "s - - -"))
    right = [[True, False, False, False], [True, True, False, False], [False] * 4]
    subsets = [[any(chosen) for chosen in combinations(row, k)] for row in right]
    assert metric.compute().item() == pytest.approx(sum(sum(row) / len(row) for row in subsets) / 3)


def test_only_what_passes_is_judged_and_once() -> None:
    """Also where metrics of several sets ask the same judge."""
    judge = Sound()
    metric = CoTPassAtK(judge)
    other = metric.clone()
    assert other.judge is metric.judge is deepcopy(judge) is judge
    rollouts = rolled("+s + s -", "- - - -")
    metric.update(rollouts)
    other.update(rollouts)
    assert judge.asked == ["0 sound", "1 lucky"]
    assert metric.compute() == other.compute() == 1 / 8


def test_an_answer_without_a_score_counts_as_not_drawn() -> None:
    metric = CoTPassAtK(Sound())
    metric.update(rolled("+s ? ? +"))
    assert metric.compute() == 1 / 2


def test_a_verdict_is_needed_for_each() -> None:
    class Silent(Sound):
        def judge(self, responses: Sequence[tuple[Problem, str]]) -> list[bool]:
            return []

    with pytest.raises(ValueError, match=r"Silent.judge gave 0 verdicts: it must be one for each of the 1 responses"):
        CoTPassAtK(Silent()).update(rolled("+s"))
    with pytest.raises(ValueError, match="k=0 must be at least 1"):
        CoTPassAtK(Sound(), 0)
