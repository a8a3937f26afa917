"""Drawing distinct problems: exact counts, exhaustion, independence from order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from app.types import Problem
from datamodules.base import generate as module
from datamodules.base.generate import Puzzle, check_plan, draw_distinct, generate
from datamodules.maze.lattice_maze import Maze


@dataclass(frozen=True)
class Word(Problem):
    """A problem of nothing but a key."""

    key: str

    def score(self, response: str) -> float:
        return float(response == self.key)


class Letters(Puzzle[Word]):
    """One of four letters, or nothing; whoever draws doesn't know how many there are."""

    @property
    def label(self) -> str:
        return "letters"

    def generate(self, random: Random) -> Word | None:
        letter = random.choice("abcd-")
        return None if letter == "-" else Word(letter)

    def fingerprint(self) -> dict[str, Any]:
        return {}

    def dump(self, problem: Word) -> str:
        return problem.key

    def load(self, data: str) -> Word:
        return Word(data)


def test_every_maze_that_exists_can_be_asked_for() -> None:
    plan = {"train": [(Maze(5), 40)], "validation": [(Maze(5), 5)], "test": [(Maze(5), 3)]}
    check_plan(plan)
    splits, dropped = generate(plan, seed=0)
    keys = [problem.key for problems in splits.values() for problem in problems]
    assert Counter(map(len, splits.values())) == Counter([40, 5, 3])
    assert len(set(keys)) == 48
    assert dropped["train"] > 0


def test_far_mazes_can_be_had_to_the_last() -> None:
    puzzle = Maze(7, 0.0, 16)
    assert puzzle.capacity() == 40
    problems, _ = draw_distinct(puzzle, 40, "0/train/7x7", set())
    assert all(len(problem.solution) == 16 for problem in problems)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"train": [(Maze(7), 13000)], "test": [(Maze(7), 825)]}, "13825 distinct 7x7 .* only 13824 exist"),
        ({"train": [(Maze(5), 49)]}, "49 distinct 5x5 .* only 48 exist"),
        ({"train": [(Maze(5, 1.0), 13)]}, "13 distinct 5x5 .* only 12 exist"),
        ({"train": [(Maze(7, 0.0, 16), 41)]}, "41 distinct 7x7 .* only 40 exist"),
        ({"train": [(Maze(7, 1.0, 10), 1)]}, "1 distinct 7x7 .* only 0 exist"),
        ({"test": [(Maze(7), -1)]}, "test: the count -1 of 7x7 must be at least 0"),
    ],
)
def test_too_many_or_negative(plan: module.Plan, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_plan(plan)


def test_exhaustion_of_unknown_capacity_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Letters, "patience", 500)
    assert len(draw_distinct(Letters(), 4, "0/train/letters", set())[0]) == 4
    with pytest.raises(ValueError, match=r"5 distinct letters .* only 4 were found: 500 further draws"):
        draw_distinct(Letters(), 5, "0/train/letters", set())


def test_a_split_does_not_depend_on_those_drawn_after_it() -> None:
    small = generate({"train": [(Maze(7), 10)], "validation": [], "test": [(Maze(7), 20)]}, seed=1)[0]
    large = generate({"train": [(Maze(7), 30)], "validation": [(Maze(7), 5)], "test": [(Maze(7), 20)]}, seed=1)[0]
    assert small["test"] == large["test"]
    assert generate({"test": [(Maze(7), 20)]}, seed=2)[0]["test"] != small["test"]


def test_each_draw_stands_alone() -> None:
    """Index 7 makes the same maze whether or not 0 to 6 were drawn before."""
    problems, repeats = draw_distinct(Maze(15), 8, "0/train/15x15", set())
    assert repeats == 0
    assert problems[7] == Maze(15).generate(Random("0/train/15x15/7"))
