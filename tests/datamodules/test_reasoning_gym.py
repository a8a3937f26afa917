"""reasoning-gym's tasks as Problems: the adapter by itself, and with that library where it is installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest

from app.scoring import judge
from datamodules.reasoning_gym import GymProblem, ReasoningGymDataModule

TASKS: dict[str, dict[str, Any]] = {"chain_sum": {"max_terms": 3}, "leg_counting": {}}
installed = pytest.mark.skipif(find_spec("reasoning_gym") is None, reason="reasoning-gym is not installed")


class Gym:
    """Scores as it is told."""

    def __init__(self, verdict: Any) -> None:
        self.verdict = verdict

    def score_answer(self, answer: str, entry: dict[str, Any]) -> Any:
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict if answer == entry["answer"] else 0.01


@pytest.mark.parametrize("verdict", [1.0, 0.25, True])
def test_a_score_is_the_librarys(verdict: Any) -> None:
    problem = GymProblem(Gym(verdict), {"question": "1 + 1?", "answer": "2"}, "sums")
    assert problem.score(problem.solution) == verdict
    assert problem.score("2") == 0.0
    assert problem.prompt.startswith("1 + 1?")
    assert (problem.key, problem.label) == ("sums 1 + 1?", "sums")


@pytest.mark.parametrize("verdict", [KeyError("x"), RecursionError(), float("nan"), 2.0, "x", None])
def test_an_answer_is_unscored_where_the_library_fails(verdict: Any) -> None:
    problem = GymProblem(Gym(verdict), {"question": "1 + 1?", "answer": "2"}, "sums")
    assert not judge(problem, problem.solution).scored
    assert judge(problem, "no block").score == 0.0


@installed
def test_splits_are_drawn_scored_and_distinct() -> None:
    data = ReasoningGymDataModule(TASKS, train=20, validation=5, test=5, batch_size=4)
    data.setup("fit")
    problems = [problem for split in data.splits.values() for problem in split]
    assert {problem.label for problem in problems} == set(TASKS)
    assert len({problem.key for problem in problems}) == len(problems)
    for problem in problems:
        assert problem.score(problem.solution) == 1.0
        assert problem.score("```\nno idea\n```") < 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tasks": {}}, "at least one"),
        ({"tasks": TASKS, "train": -1}, "train=-1"),
        ({"tasks": TASKS, "test": 1_000_001}, "test=1000001 must lie between 0 and 1000000"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ReasoningGymDataModule(**arguments)


@installed
@pytest.mark.parametrize("tasks", [{"no_such_task": {}}, {"chain_sum": {"no_such_setting": 1}}])
def test_what_the_library_does_not_know(tasks: dict[str, dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match="reasoning-gym's"):
        ReasoningGymDataModule(tasks, train=4, validation=1, test=0, batch_size=4).setup("fit")


@installed
def test_splits_are_drawn_apart() -> None:
    """Entries come from seed plus index: neighboring seeds would share nearly all of them."""
    data = ReasoningGymDataModule({"chain_sum": {"min_digits": 4}}, train=40, validation=20, test=20, batch_size=4)
    data.setup("fit")
    assert {split: len(problems) for split, problems in data.splits.items()} == {
        "train": 40,
        "validation": 20,
        "test": 20,
    }
