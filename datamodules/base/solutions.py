"""Checks, when rows are read, that problems pass with their own solutions."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from time import perf_counter
from typing import TypeVar

from app.scoring import SubprocessScorer, Verdict, judge
from app.types import Problem
from datamodules.scorers import Scorer

log = logging.getLogger(__name__)

ProblemT = TypeVar("ProblemT", bound=Problem)

SECONDS = 20.0
"""Time for which a run checks a scorer on its solutions; later rows are not checked."""

WRONG = 0.05
"""Share of a benchmark's official answers that may fail by its own rules: KOR-Bench has one."""


def passing(problem: ProblemT) -> ProblemT:
    """Return a problem with one of passk's scorers unchanged; ValueError if its own solution does not pass."""
    try:
        solution = problem.solution
        verdict = judge(problem, solution)
    except (IndexError, KeyError, TypeError) as error:  # an answer of the wrong type for its question
        raise ValueError(f"its answer can't be read: {type(error).__name__}: {error}") from None
    if verdict.score != 1:
        raise ValueError(f"its own solution {solution!r:.80} {said(verdict)}")
    return problem


def mostly_passing(source: str, problems: Sequence[ProblemT]) -> Sequence[ProblemT]:
    """Return a benchmark's problems, one per row, unchanged; warn of the number of official answers that do not pass.

    Raises:
        ValueError: more than a few do not pass; names the source and the first row.
    """
    failures: list[str] = []
    for number, problem in enumerate(problems, start=1):
        try:
            passing(problem)
        except ValueError as error:
            failures.append(f"{source}, row {number}: {error}")
    if len(failures) > WRONG * len(problems):
        raise ValueError(failures[0])
    if failures:
        log.warning("%d of %d official answers do not pass; the first: %s", len(failures), len(problems), failures[0])
    return problems


def said(verdict: Verdict) -> str:
    """Describes a verdict that should be 1 but is not."""
    return f"has the score {verdict.score:g}, not 1" if verdict.scored else f"has no score ({verdict.cause})"


class Trial:
    """Runs a user's scorer on the solutions of its problems, in the scoring process.

    If a class defines both `solve` and `score`, its solutions must pass. One that does not, and a mean of
    several scorers, may be meant for runs without demonstrations: the first failure is a warning, and ends the checks.
    """

    def __init__(self, scorer: Scorer) -> None:
        self.scorer, self.process = scorer, SubprocessScorer()
        untried = scorer.is_proven or scorer.judges_rows  # answers of rows need not be whole responses
        self.left = 0.0 if untried else SECONDS
        self.tried = 0

    def begin(self) -> None:
        """Start the process, without waiting for it."""
        if self.left > 0:
            self.process.begin()

    def __call__(self, problem: Problem) -> None:
        """Raise ValueError if the solution does not pass but has to."""
        if self.left <= 0:
            return
        start = perf_counter()
        failure = self._failure(problem)
        if failure and self.scorer.promises:
            raise ValueError(failure)
        if self.tried:  # the first one waits for the process to start
            self.left -= perf_counter() - start
        self.tried += 1
        if failure:
            self.left = 0.0
            log.warning("%s: a cold start would teach it; give the scorer a `solve`", failure)
        elif self.left <= 0:
            log.warning("the scorer takes its time: %d solutions were tried, the others are not", self.tried)

    def _failure(self, problem: Problem) -> str:
        """What is wrong with a solution; "" if it passes, or if the scorer cannot be sent to the scoring process."""
        try:
            solution = problem.solution
        except Exception as error:
            return f"`solve` fails: {type(error).__name__}: {error}".replace("\n", " ")
        try:
            (verdict,) = self.process([(problem, solution)])
        except ValueError:  # the run scores in this process, or reports it later
            self.left = 0.0
            return ""
        if verdict.score == 1:
            return ""
        return f"the scorer's own solution {solution!r:.80} {said(verdict)}"
