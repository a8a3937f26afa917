"""Speed of generating and scoring Enigmata's tasks, and robustness of the scorers against hostile answers.

    python -m benchmarks.enigmata [--tasks game24 sudoku] [--number 100] [--hostile 100000] [--seed 0]

For every task and difficulty: milliseconds to generate a problem, and answers scored per second (half of them right).
For hostile answers: how many were accepted, how many of these are wrong by the task's oracle (false accepts, each
shown), how many raised, and the slowest by wall-clock time and by CPU time, which does not depend on the load. Prints
a line of JSON for each task, then the totals.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from random import Random
from statistics import median
from time import perf_counter, thread_time
from typing import Any

from benchmarks.hostile import hostile, mutations
from datamodules.enigmata.tasks.records import TASKS
from datamodules.enigmata.tasks.task import DIFFICULTIES, TaskProblem, TaskPuzzle, task_named
from tests.oracles import oracle_named
from tests.oracles.reading import block


def drawn(puzzle: TaskPuzzle, number: int, sentence: str) -> list[TaskProblem]:
    """Generate `number` problems."""
    found: list[TaskProblem] = []
    index = 0
    while len(found) < number:
        problem = puzzle.generate(Random(f"{sentence}/{puzzle.label}/{index}"))
        index += 1
        found += [] if problem is None else [problem]
    return found


def draw_all(name: str, number: int) -> tuple[list[TaskProblem], dict[str, Any]]:
    """Generate `number` problems of each difficulty; also returns the times."""
    problems: list[TaskProblem] = []
    figures: dict[str, Any] = {}
    for difficulty in DIFFICULTIES:
        start = perf_counter()
        problems += drawn(TaskPuzzle(task_named(name), difficulty), number, "benchmark")
        figures[f"{difficulty}_ms"] = round(1e3 * (perf_counter() - start) / number, 2)
    return problems, figures | {"distinct": len({problem.key for problem in problems})}


def judged_per_second(problems: Sequence[TaskProblem]) -> int:
    """Answers scored per second: for every problem a right answer and a mutation of it."""
    random = Random("benchmark")
    pairs = [(each, each.solution) for each in problems]
    pairs += [(each, mutations(random, each.answer, ())) for each in problems]
    start = perf_counter()
    for problem, response in pairs:
        problem.score(response)
    return round(len(pairs) / (perf_counter() - start))


def attack(name: str, problems: Sequence[TaskProblem], number: int, others: Sequence[str], seed: int) -> dict[str, Any]:
    """Score `number` hostile answers; an accepted one must also be right by the oracle."""
    random, right = Random(f"{seed}/{name}"), oracle_named(name)
    counts = {"hostile": number, "accepted": 0, "false_accepts": 0, "raised": 0}
    slowest, slowest_cpu = 0.0, 0.0
    for _ in range(number):
        problem = random.choice(problems)
        response = hostile(random, problem.answer, [*others, random.choice(problems).answer])
        start, start_cpu = perf_counter(), thread_time()
        try:
            accepted = problem.score(response) > 0
        except Exception:
            counts["raised"], accepted = counts["raised"] + 1, False
        slowest_cpu = max(slowest_cpu, thread_time() - start_cpu)
        slowest = max(slowest, perf_counter() - start)
        counts["accepted"] += accepted
        if accepted and not right(problem.question, block(response)):
            counts["false_accepts"] += 1
            print(json.dumps({"false_accept": response[:300], "of": problem.question}))
    return counts | {"slowest_ms": round(1e3 * slowest, 1), "slowest_cpu_ms": round(1e3 * slowest_cpu, 1)}


def totals(results: Sequence[dict[str, Any]], number: int) -> dict[str, Any]:
    """Totals over all tasks."""
    seconds = [sum(row[f"{level}_ms"] for level in DIFFICULTIES) * number / 1e3 for row in results]
    return {
        "seconds_to_draw_all": round(sum(seconds), 1),
        "seconds_of_the_slowest_task": round(max(seconds), 1),
        "median_judged_per_second": median(row["judged_per_second"] for row in results),
        **{key: sum(row[key] for row in results) for key in ("hostile", "accepted", "false_accepts", "raised")},
        **{key: max(row[key] for row in results) for key in ("slowest_ms", "slowest_cpu_ms")},
    }


def main() -> None:
    """Print a line for each task, then the totals."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--number", type=int, default=100)
    parser.add_argument("--hostile", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    easy = [drawn(TaskPuzzle(task_named(name), "easy"), 1, "others")[0] for name in TASKS]
    results = []
    for name in options.tasks:
        others = [problem.answer for problem in easy if problem.task.name != name]
        problems, figures = draw_all(name, options.number)
        figures |= {"judged_per_second": judged_per_second(problems)}
        figures |= attack(name, problems, options.hostile, others, options.seed)
        results.append({"task": name, **figures})
        print(json.dumps(results[-1]), flush=True)
    print(json.dumps(totals(results, options.number)))


if __name__ == "__main__":
    main()
