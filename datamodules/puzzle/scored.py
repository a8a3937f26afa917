"""The base class of your own puzzles, which generate questions and score answers (CONTRIBUTING.md)."""

from __future__ import annotations

import json
from abc import abstractmethod
from dataclasses import MISSING, fields, is_dataclass
from hashlib import blake2b
from inspect import getfile
from pathlib import Path
from random import Random
from typing import Any

from app.types import Prompt
from datamodules.base.generate import Puzzle
from datamodules.scored import ScoredProblem
from datamodules.scorers import Scorer
from datamodules.sources import read_prompt


class ScoredPuzzle(Puzzle[ScoredProblem], Scorer):
    """A puzzle in one class: `draw` makes a prompt and an answer, `score` scores a response.

    A puzzle with settings is a frozen dataclass with the settings as fields. Other methods of `Scorer` can be defined
    too: `solve`, a response that passes, for a cold start; `extract_answer`.
    """

    @abstractmethod
    def draw(self, random: Random) -> tuple[Prompt, Any] | None:
        """Generate a prompt and an answer, using only `random`; None if this draw gives no problem.

        The prompt is text, or a tuple of chat messages. `score` gets the answer as after conversion to JSON: text, a
        number, a list (also for a tuple) or a dictionary.
        """

    @property
    def label(self) -> str:
        """The class name with the settings that differ from defaults, such as "Sums(largest=99)"."""
        defaults = {field.name: field.default for field in fields(self)} if is_dataclass(self) else {}
        changed = {name: value for name, value in self.settings().items() if value != defaults.get(name, MISSING)}
        given = ", ".join(f"{name}={value}" for name, value in changed.items())
        return f"{type(self).__name__}({given})" if given else type(self).__name__

    def settings(self) -> dict[str, Any]:
        """Its settings: the fields of a dataclass, or all attributes."""
        return {field.name: getattr(self, field.name) for field in fields(self)} if is_dataclass(self) else vars(self)

    def generate(self, random: Random) -> ScoredProblem | None:
        drawn = self.draw(random)
        if drawn is None:
            return None
        try:
            return self.load(json.loads(json.dumps(drawn)))
        except (TypeError, ValueError) as error:
            name = type(self).__name__
            raise ValueError(f"{name}.draw gave {drawn!r:.80}: it must be a prompt and an answer ({error})") from None

    def fingerprint(self) -> dict[str, Any]:
        """Its settings and a digest of its source file; after a change of either, problems are generated again.

        Raises:
            ValueError: for a setting that JSON cannot represent.
        """
        try:
            json.dumps(self.settings())
        except (TypeError, ValueError) as error:
            raise ValueError(f"the settings of {self.label} must be plain data: {error}") from None
        source = blake2b(Path(getfile(type(self))).read_bytes(), digest_size=16).hexdigest()
        return {"settings": self.settings(), "source": source}

    def dump(self, problem: ScoredProblem) -> Any:
        return [problem.prompt, problem.answer]

    def load(self, data: Any) -> ScoredProblem:
        prompt, answer = data
        return ScoredProblem(read_prompt(prompt), answer, self, self.label)
