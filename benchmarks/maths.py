"""Scores hostile answers to mathematics questions as in a run: in a worker with limits of time and memory.

    python -m benchmarks.maths --answers 100000

Prints the worker's peak memory and the slowest answers. Scores are not checked.
"""

from __future__ import annotations

import argparse
import resource
from collections import Counter
from collections.abc import Iterator
from heapq import nlargest
from random import Random
from time import perf_counter

from app.scoring import SubprocessScorer
from benchmarks.hostile_maths import REFERENCES, hostile_maths
from datamodules.math import MathScorer
from datamodules.math.answers import final_answer
from datamodules.scored import ScoredProblem

BATCH = 1000


def answers(number: int) -> Iterator[tuple[ScoredProblem, str]]:
    """Hostile answers; each depends only on its number."""
    scorer = MathScorer()
    problems = [ScoredProblem(f"Say {reference}.", reference, scorer, "hostile") for reference in REFERENCES]
    for index in range(number):
        problem = problems[index % len(problems)]
        others = [reference for reference in REFERENCES if reference != problem.answer]
        yield problem, hostile_maths(Random(f"hostile maths/{index}"), problem.answer, others)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="for one answer")
    parser.add_argument("--memory", type=float, default=4.0, help="of the worker, in GB")
    options = parser.parse_args()
    scorer = SubprocessScorer(options.seconds, options.memory)
    seconds, causes, passed, started = list[tuple[float, str]](), Counter[str](), 0, perf_counter()
    list(scorer(list(answers(1))))  # starts the worker, which takes seconds
    waiting = answers(options.answers)
    while batch := [pair for pair, _ in zip(waiting, range(BATCH), strict=False)]:
        before = perf_counter()
        for (problem, response), verdict in zip(batch, scorer(batch), strict=True):
            now = perf_counter()
            seconds.append((now - before, f"{final_answer(response)!r:.100} for {problem.answer}"))
            before, passed = now, passed + (verdict.score == 1)
            if not verdict.scored:
                causes[verdict.cause] += 1
    total = perf_counter() - started
    scorer.worker.stop()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    print(f"{options.answers} answers in {total:.0f} s, {passed} passed; the worker's peak memory {peak:.2f} GB")
    print(f"unscored: {sum(causes.values())} {dict(causes)}")
    print("slowest:", *(f"  {spent:6.2f} s  {what}" for spent, what in nlargest(10, seconds)), sep="\n")


if __name__ == "__main__":
    main()
