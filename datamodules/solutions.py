"""Whether problems pass by their own solutions, asked when rows are read: no answer is waited for in vain."""

from __future__ import annotations

import logging
from time import perf_counter
from typing import TypeVar

from app.scoring import Contained
from app.types import Problem
from datamodules.scorers import Scorer

log = logging.getLogger(__name__)

ProblemT = TypeVar("ProblemT", bound=Problem)

SECONDS = 20.0
"""For which a run tries a scorer on its solutions; rows after that are taken on trust."""


def passing(problem: ProblemT) -> ProblemT:
    """A problem with a scorer of ours, as it is; ValueError where its own solution does not pass."""
    score = problem.score(problem.solution)
    if score != 1:
        raise ValueError(f"its own solution {problem.solution!r:.80} has the score {score:g}, not 1")
    return problem


class Trial:
    """Has a user's scorer judge the solutions of its problems, in the process that scores.

    A class that defines `solve` promises that the solution passes. One that does not, and a mean of several, may be
    meant for runs without demonstrations: their first failure is a warning, and the last that is tried.
    """

    def __init__(self, scorer: Scorer) -> None:
        self.scorer, self.judge = scorer, Contained()
        self.left = 0.0 if scorer.is_proven else SECONDS
        self.tried = 0

    def begin(self) -> None:
        """Start the process, without waiting for it."""
        if self.left > 0:
            self.judge.begin()

    def __call__(self, problem: Problem) -> None:
        """Raise ValueError where the solution does not pass though its scorer promises it."""
        if self.left <= 0:
            return
        start = perf_counter()
        failure = self._failure(problem)
        if failure and self.scorer.promises:
            raise ValueError(failure)
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
            (verdict,) = self.judge([(problem, solution)])
        except ValueError:  # a run that scores in this process, or else will say so
            self.left = 0.0
            return ""
        if verdict.score == 1:
            return ""
        said = f"has the score {verdict.score:g}, not 1" if verdict.scored else f"has no score ({verdict.cause})"
        return f"the scorer's own solution {solution!r:.80} {said}"
