"""The base class of Enigmata's tasks: generates questions, makes prompts, scores answers, converts records.

A question is plain data for JSON; a problem consists of a question and its reference answer. A task has
no state, so that problems can be scored concurrently and never change.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from app.extras import needed
from app.types import Problem, Prompt
from datamodules.base.generate import Puzzle
from datamodules.enigmata.tasks.answers import FENCE, last_block

Difficulty: TypeAlias = Literal["easy", "medium", "hard"]
DIFFICULTIES: tuple[Difficulty, ...] = get_args(Difficulty)
Question: TypeAlias = dict[str, Any]
Levels: TypeAlias = Mapping[Difficulty, Sequence[Mapping[str, Any]]]

CATEGORIES: dict[str, tuple[str, ...]] = {
    "Crypto": ("crypto_KKA", "crypto_KPA"),
    "Arithmetic": ("game24", "countdown"),
    "Logic": ("knights_and_knaves", "FOLIO", "zebra_logic"),
    "Grid": (
        "binario", "campsite", "magic_square", "skyscraper", "sum_skyscraper", "star_battle", "sudoku2", "sudoku",
        "full_crosswords", "symbolic_hard",
    ),
    "Graph": ("hamiltonian_cycle", "hamiltonian_path", "natural_language_navigation", "maze"),
    "Search": (
        "hitori", "kakurasu", "light_up", "minesweeper", "slant", "checkmate_in_one", "tic_tac_toe",
    ),
    "Sequential": (
        "twiddle", "car_painting", "stack_permutation", "big_bench_symbolic", "eight_puzzle", "fifteen_puzzle",
        "nine_puzzle", "sixteen_puzzle",
    ),
}  # fmt: skip
"""Upstream's categories and the names of their tasks."""


class Task(ABC):
    """One kind of puzzle.

    Attributes:
        name: upstream's name.
        levels: for each difficulty the possible settings of `draw`, by upstream's variables;
            one of them is chosen for each problem.
    """

    name: ClassVar[str]
    levels: ClassVar[Levels]

    @property
    def category(self) -> str:
        return next(category for category, names in CATEGORIES.items() if self.name in names)

    @abstractmethod
    def draw(self, random: Random, *args: Any, **settings: Any) -> tuple[Question, str] | None:
        """Generate a question and its reference answer, using only `random`; None if this draw gives none."""

    @abstractmethod
    def ask(self, question: Question) -> str:
        """The prompt: rules, the instance, and the format of the answer in the fenced block."""

    @abstractmethod
    def judge(self, question: Question, answer: str) -> bool:
        """Whether the answer, extracted from its block, is right: any right answer, not only the reference.

        Never raises: any string is scored, within milliseconds, and the question is not changed.
        """

    def canonical(self, question: Question) -> Any:
        """Plain data that are equal for two questions only if they are the same puzzle; by default the question."""
        return question

    def meta(self, question: Question) -> dict[str, Any]:
        """The `meta` field of upstream's record, in the format of upstream's verifier of this task."""
        return {"question": question}

    def upstream_answer(self, question: Question, answer: str) -> Any:
        """The `answer` field of upstream's record."""
        return answer

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        """The question of an upstream record with its `meta` and `answer` decoded; None if it is invalid."""
        return None


@dataclass(frozen=True)
class TaskProblem(Problem):
    """A question of a task, with the answer in the last fenced block of the response.

    Args:
        task: the task of the question.
        question: plain data.
        answer: a right reference; an official record's may be wrong, or in another form (docs/enigmata.md).
        difficulty: "easy", "medium", "hard", or a record's value.
        asked: the prompt if it is not the task's, as in official records.
    """

    task: Task
    question: Question = field(hash=False)
    answer: str
    difficulty: str = "easy"
    asked: Prompt | None = None

    @cached_property
    def prompt(self) -> Prompt:  # type: ignore[override]
        return self.task.ask(self.question) if self.asked is None else self.asked

    @cached_property
    def key(self) -> str:  # type: ignore[override]
        return f"{self.task.name} {json.dumps(self.task.canonical(self.question), sort_keys=True)}"

    @property
    def solution(self) -> str:  # type: ignore[override]
        return f"{FENCE}\n{self.answer}\n{FENCE}"

    @property
    def label(self) -> str:  # type: ignore[override]
        return self.task.name

    @property
    def sets(self) -> tuple[str, ...]:
        return (self.task.category, self.task.name)

    def score(self, response: str) -> float:
        answer = last_block(response)
        return float(answer is not None and self.task.judge(self.question, answer))

    def extract_answer(self, response: str) -> str | None:
        return last_block(response)


@dataclass(frozen=True)
class TaskPuzzle(Puzzle[TaskProblem]):
    """The problems of one task and difficulty."""

    patience: ClassVar[int] = 2_000

    task: Task
    difficulty: Difficulty

    @property
    def label(self) -> str:
        return f"{self.task.name}/{self.difficulty}"

    def generate(self, random: Random) -> TaskProblem | None:
        settings = random.choice(self.task.levels[self.difficulty])
        drawn = self.task.draw(random, **settings)
        return None if drawn is None else TaskProblem(self.task, *drawn, self.difficulty)

    def fingerprint(self) -> dict[str, Any]:
        levels = [dict(settings) for settings in self.task.levels[self.difficulty]]
        return {"task": self.task.name, "difficulty": self.difficulty, "levels": levels}

    def dump(self, problem: TaskProblem) -> Any:
        return [problem.question, problem.answer]

    def load(self, data: Any) -> TaskProblem:
        question, answer = data
        return TaskProblem(self.task, question, answer, self.difficulty)


def task_named(name: str) -> Task:
    """`TASK` of the file with this name in lower case; ValueError for a name that upstream does not have."""
    if not any(name in names for names in CATEGORIES.values()):
        raise ValueError(f"no task of Enigmata is called {name!r}")
    return needed(f"datamodules.enigmata.tasks.{name.lower()}", "enigmata", f"the task {name}").TASK
