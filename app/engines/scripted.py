"""The engine that returns scripted completions, for tests and debugging."""

from __future__ import annotations

from app.engines.demonstrations import DemonstrationEngine
from app.types import Completion, Request, Sampling


class ScriptedEngine(DemonstrationEngine):
    """Returns line r of a script as rollout r of every problem, starting again after the last line.

    Args:
        script: the lines; "{solution}" in a line is replaced by the problem's reference solution.
    """

    def __init__(self, script: list[str]) -> None:
        super().__init__()
        if not script:
            raise ValueError("script must hold at least one line")
        self.script = script

    def _demonstrate(self, request: Request, rollout: int, sampling: Sampling) -> Completion:
        line = self.script[rollout % len(self.script)].replace("{solution}", request.problem.solution)
        return self.completion(line, sampling)
