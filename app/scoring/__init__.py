"""Scoring of answers, in a separate process."""

from app.scoring.scorers import Answer, BatchScorer, InProcess, SubprocessScorer
from app.scoring.verdicts import Verdict, judge

__all__ = ["Answer", "BatchScorer", "InProcess", "SubprocessScorer", "Verdict", "judge"]
