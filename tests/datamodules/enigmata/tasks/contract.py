"""What holds for every task of Enigmata; test_tasks.py asks it of all of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from random import Random

from datamodules.enigmata.tasks.answers import FENCE
from datamodules.enigmata.tasks.task import DIFFICULTIES, Question, Task, TaskProblem, TaskPuzzle


def draws(task: Task, number: int, seed: int = 0) -> list[TaskProblem]:
    """So many problems of every difficulty."""
    found: list[TaskProblem] = []
    for difficulty in DIFFICULTIES:
        puzzle, mine, index = TaskPuzzle(task, difficulty), [], 0
        while len(mine) < number:
            problem = puzzle.generate(Random(f"{seed}/{difficulty}/{index}"))
            index += 1
            mine += [] if problem is None else [problem]
        found += mine
    return found


def check_contract(task: Task, number: int = 5) -> None:
    """Same seed, same problem; data fit for JSON; the reference passes, and only as an answer in a block."""
    problems = draws(task, number)
    assert [vars_of(problem) for problem in problems] == [vars_of(problem) for problem in draws(task, number)]
    for problem in problems:
        assert json.loads(json.dumps(problem.question)) == problem.question
        puzzle = TaskPuzzle(task, problem.difficulty)  # type: ignore[arg-type]
        again = puzzle.load(json.loads(json.dumps(puzzle.dump(problem))))
        assert (again.key, again.prompt, again.solution) == (problem.key, problem.prompt, problem.solution)
        before = deepcopy(problem.question)
        assert problem.score(problem.solution) == 1.0
        assert problem.score(f"Let me think.\n{FENCE}\nnot this\n{FENCE}\nSo:\n{problem.solution}\nDone.") == 1.0
        assert problem.score(problem.answer) == 0.0
        assert problem.score("") == problem.score(FENCE) == problem.score(f"{FENCE}\n{FENCE}") == 0.0
        assert problem.score(f"{FENCE}\n{'9' * 5000}\n{FENCE}") == 0.0
        assert problem.score(problem.solution) == 1.0
        assert problem.question == before
        assert isinstance(problem.prompt, str)
        assert problem.prompt.isascii()
        assert "fenced code block" in problem.prompt


def check_corrupted(task: Task, right: Callable[[Question, str], bool], number: int = 5, mutants: int = 40) -> None:
    """Answers near the reference, judged as the task's oracle says."""
    random = Random(0)
    for problem in draws(task, number, seed=2):
        assert right(problem.question, problem.answer)
        for _ in range(mutants):
            answer = mutated(problem.answer, random)
            expected = float(right(problem.question, answer))
            assert problem.score(f"{FENCE}\n{answer}\n{FENCE}") == expected, (problem.question, answer)


def number_of_distinct(puzzle: TaskPuzzle, most: int, attempts: int = 2_000) -> int:
    """How many different problems so many draws come to, counted up to `most`."""
    keys: set[str] = set()
    for index in range(attempts):
        problem = puzzle.generate(Random(f"distinct/{index}"))
        keys |= set() if problem is None else {problem.key}
        if len(keys) == most:
            break
    return len(keys)


def mutated(text: str, random: Random) -> str:
    """One or two characters changed, swapped, dropped or repeated."""
    letters = list(text)
    for _ in range(random.randint(1, 2)):
        place = random.randrange(len(letters)) if letters else 0
        what = random.choice(("change", "swap", "drop", "repeat"))
        if not letters or what == "change":
            letters[place : place + 1] = [random.choice(text or "0")]
        elif what == "swap":
            other = random.randrange(len(letters))
            letters[place], letters[other] = letters[other], letters[place]
        elif what == "drop":
            del letters[place]
        else:
            letters.insert(place, letters[place])
    return "".join(letters)


def vars_of(problem: TaskProblem) -> tuple[str, str, str]:
    return problem.key, str(problem.prompt), problem.answer
