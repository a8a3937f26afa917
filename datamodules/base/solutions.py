"""Whether problems pass by their own solutions, tried when rows are read."""

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
"""For which a run tries a scorer on its solutions; rows after that are taken on trust."""

WRONG = 0.05
"""Share of a benchmark's official answers that may fail by its own rules: KOR-Bench has one such."""


def passing(problem: ProblemT) -> ProblemT:
    """A problem with a scorer of ours, as it is; ValueError where its own solution does not pass."""
    try:
        solution = problem.solution
        verdict = judge(problem, solution)
    except (IndexError, KeyError, TypeError) as error:  # of an answer that is not of the kind that its question has
        raise ValueError(f"its answer can't be read: {type(error).__name__}: {error}") from None
    if verdict.score != 1:
        raise ValueError(f"its own solution {solution!r:.80} {said(verdict)}")
    return problem


def mostly_passing(source: str, problems: Sequence[ProblemT]) -> Sequence[ProblemT]:
    """The problems of a benchmark, one a row, as they are; a warning counts official answers that do not pass.

    Raises:
        ValueError: where these are more than a few, naming the source and the first row.
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
    """Of a verdict that should be 1, what it is."""
    return f"has the score {verdict.score:g}, not 1" if verdict.scored else f"has no score ({verdict.cause})"


class Trial:
    """Has a user's scorer judge the solutions of its problems, in the process that scores.

    A class that defines `solve` with its `score` promises that the solution passes. One that does not, and a mean of
    several, may be meant for runs without demonstrations: their first failure is a warning, and the last that is tried.
    """

    def __init__(self, scorer: Scorer) -> None:
        self.scorer, self.process = scorer, SubprocessScorer()
        untried = scorer.is_proven or scorer.judges_rows  # by a row: its answer need be no whole response
        self.left = 0.0 if untried else SECONDS
        self.tried = 0

    def begin(self) -> None:
        """Start the process, without waiting for it."""
        if self.left > 0:
            self.process.begin()

    def __call__(self, problem: Problem) -> None:
        """Raise ValueError where the solution does not pass though its scorer promises it."""
        if self.left <= 0:
            return
        start = perf_counter()
        failure = self._failure(problem)
        if failure and self.scorer.promises:
            raise ValueError(failure)
        if self.tried:  # the first waits for the process to start
            self.left -= perf_counter() - start
        self.tried += 1
        if failure:
            self.left = 0.0
            log.warning("%s: a cold start would teach it; give the scorer a `solve`", failure)
        elif self.left <= 0:
            log.warning("the scorer takes its time: %d solutions were tried, the others are not", self.tried)

    def _failure(self, problem: Problem) -> str:
        """What is wrong with a solution; nothing where it passes, or where the scorer can't be sent to its process."""
        try:
            solution = problem.solution
        except Exception as error:
            return f"`solve` fails: {type(error).__name__}: {error}".replace("\n", " ")
        try:
            (verdict,) = self.process([(problem, solution)])
        except ValueError:  # a run that scores in this process, or else will say so
            self.left = 0.0
            return ""
        if verdict.score == 1:
            return ""
        return f"the scorer's own solution {solution!r:.80} {said(verdict)}"
