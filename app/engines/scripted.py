"""Completions from a script, for tests and debugging."""

from __future__ import annotations

from app.engines.demonstrations import DemonstrationEngine
from app.types import Completion, Request, Sampling


class ScriptedEngine(DemonstrationEngine):
    """Give line r of a script as rollout r of every problem, from the beginning again after the last line.

    Args:
        script: the lines; "{solution}" in one stands for the problem's reference solution.
    """

    def __init__(self, script: list[str]) -> None:
        super().__init__()
        if not script:
            raise ValueError("script must hold at least one line")
        self.script = script

    def _demonstrate(self, request: Request, rollout: int, sampling: Sampling) -> Completion:
        line = self.script[rollout % len(self.script)].replace("{solution}", request.problem.solution)
        return self.completion(line, sampling)
