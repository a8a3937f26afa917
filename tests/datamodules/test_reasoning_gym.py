"""reasoning-gym's tasks as Problems, where that library is installed."""

from __future__ import annotations

import pytest

from datamodules.reasoning_gym import ReasoningGymDataModule

pytest.importorskip("reasoning_gym")

TASKS = {"chain_sum": {"max_terms": 3}, "leg_counting": {}}


def test_splits_are_drawn_scored_and_distinct() -> None:
    data = ReasoningGymDataModule(TASKS, train=20, validation=5, test=5, batch_size=4)
    data.setup("fit")
    problems = [problem for split in data.splits.values() for problem in split]
    assert {problem.label for problem in problems} == set(TASKS)
    assert len({problem.key for problem in problems}) == len(problems)
    for problem in problems:
        assert problem.score(problem.solution) == 1.0
        assert problem.score("```\nno idea\n```") < 1.0
        assert problem.score("no block") == 0.0


def test_a_scorer_that_raises_gives_nothing() -> None:
    data = ReasoningGymDataModule(TASKS, train=4, validation=1, test=0, batch_size=4)
    data.setup("fit")
    problem = data.splits["train"][0]

    def broken(answer: str, entry: object) -> float:
        raise KeyError(answer)

    problem.gym.score_answer = broken
    assert problem.score(problem.solution) == 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"tasks": {}}, "at least one"), ({"tasks": TASKS, "train": -1}, "train=-1")],
)
def test_bad_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ReasoningGymDataModule(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("tasks", [{"no_such_task": {}}, {"chain_sum": {"no_such_setting": 1}}])
def test_what_the_library_does_not_know(tasks: dict[str, dict[str, int]]) -> None:
    with pytest.raises(ValueError, match="reasoning-gym's"):
        ReasoningGymDataModule(tasks, train=4, validation=1, test=0, batch_size=4).setup("fit")
