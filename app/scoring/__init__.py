"""Scores, in a process of their own."""

from app.scoring.scorers import Answer, BatchScorer, InProcess, SubprocessScorer, Verdict, judge

__all__ = ["Answer", "BatchScorer", "InProcess", "SubprocessScorer", "Verdict", "judge"]
