"""Scores, in a process of their own."""

from app.scoring.scorers import Answer, BatchScorer, Contained, InProcess, Verdict, judge

__all__ = ["Answer", "BatchScorer", "Contained", "InProcess", "Verdict", "judge"]
