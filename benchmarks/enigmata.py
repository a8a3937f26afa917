"""How fast Enigmata's tasks are drawn and judged, and whether hostile answers disturb a scorer.

    python -m benchmarks.enigmata [--tasks game24 sudoku] [--number 100] [--hostile 100000]

Every task and difficulty: milliseconds to draw a problem, answers judged per second (half of them right), and of
the hostile answers the slowest and whether any raised. A line of JSON for each task, then the totals.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from random import Random
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.hostile import hostile, mutations
from datamodules.puzzles.enigmata.records import TASKS
from datamodules.puzzles.enigmata.task import DIFFICULTIES, TaskProblem, TaskPuzzle, task_named


def drawn(puzzle: TaskPuzzle, number: int, sentence: str) -> list[TaskProblem]:
    """So many problems."""
    found: list[TaskProblem] = []
    index = 0
    while len(found) < number:
        problem = puzzle.generate(Random(f"{sentence}/{puzzle.label}/{index}"))
        index += 1
        found += [] if problem is None else [problem]
    return found


def measure(name: str, number: int, num_hostile: int, others: Sequence[str]) -> dict[str, Any]:
    """Everything about one task."""
    result: dict[str, Any] = {"task": name}
    problems: list[TaskProblem] = []
    for difficulty in DIFFICULTIES:
        start = perf_counter()
        problems += drawn(TaskPuzzle(task_named(name), difficulty), number, "benchmark")
        result[f"{difficulty}_ms"] = round(1e3 * (perf_counter() - start) / number, 2)
    result["distinct"] = len({problem.key for problem in problems})
    random = Random("benchmark")
    pairs = [(each, each.solution) for each in problems] + [
        (each, mutations(random, each.answer, ())) for each in problems
    ]
    start = perf_counter()
    for problem, response in pairs:
        problem.score(response)
    result["judged_per_second"] = round(len(pairs) / (perf_counter() - start))
    slowest, raised = 0.0, 0
    for _ in range(num_hostile):
        problem = random.choice(problems)
        response = hostile(random, problem.answer, others)
        start = perf_counter()
        try:
            problem.score(response)
        except Exception:
            raised += 1
        slowest = max(slowest, perf_counter() - start)
    return {**result, "hostile": num_hostile, "slowest_ms": round(1e3 * slowest, 1), "raised": raised}


def main() -> None:
    """Print a line for each task, then the totals."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--number", type=int, default=100)
    parser.add_argument("--hostile", type=int, default=0)
    options = parser.parse_args()
    easy = [drawn(TaskPuzzle(task_named(name), "easy"), 1, "others")[0] for name in options.tasks]
    results = []
    for name in options.tasks:
        others = [problem.answer for problem in easy if problem.task.name != name] or ["24"]
        results.append(measure(name, options.number, options.hostile, others))
        print(json.dumps(results[-1]), flush=True)
    seconds = [sum(row[f"{level}_ms"] for level in DIFFICULTIES) * options.number / 1e3 for row in results]
    print(
        json.dumps(
            {
                "seconds_to_draw_all": round(sum(seconds), 1),
                "seconds_of_the_slowest_task": round(max(seconds), 1),
                "median_judged_per_second": median(row["judged_per_second"] for row in results),
                "slowest_hostile_ms": max(row["slowest_ms"] for row in results),
                "raised": sum(row["raised"] for row in results),
            }
        )
    )


if __name__ == "__main__":
    main()
