"""Data module of mathematics: AIME 2024 and 2025, OlymMATH, and your own training set (docs/maths.md).

The answer is the content of a response's last box, or of its last line that begins with "answer", compared
with the reference by math-verify: `pip install -e '.[math]'`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.types import Problem
from datamodules.base.data_module import ProblemDataModule
from datamodules.base.dedup import deduplicate_sets
from datamodules.math.scorer import MathScorer
from datamodules.scored import ScoredProblem
from datamodules.task import Table
from datamodules.values import squeezed

PUBLIC = {
    "AIME24": Table("HuggingFaceH4/aime_2024:train", prompt="problem"),
    "AIME25": Table("math-ai/aime25:test", prompt="problem"),
    "Olym-Easy": Table("RUC-AIBOX/OlymMATH/en-easy:test", prompt="problem"),
    "Olym-Hard": Table("RUC-AIBOX/OlymMATH/en-hard:test", prompt="problem"),
}
"""The sets of the paper's Table 5 that are on the hub."""

INSTRUCTION = (
    "Solve this problem step by step. At the end, give the final answer, and nothing besides it, in \\boxed{}."
)


class MathDataModule(ProblemDataModule):
    """Mathematics questions in named sets; deduplicated by question, duplicates stay in test.

    Args:
        train: the training set; None for none, as for `validate`.
        validation: the evaluation sets by the names under which they are reported.
        test: further sets, for `test` and `predict`.
        instruction: the text below every question.
        seed: of the order of training.
        batch_size: P, problems per iteration over all ranks.
        eval_batch_size: problems per batch and rank in validation, test and prediction.

    Raises:
        ValueError: a source cannot be read; names it and the row.
    """

    def __init__(
        self,
        train: Table | None = None,
        validation: dict[str, Table] = PUBLIC,
        test: dict[str, Table] | None = None,
        instruction: str = INSTRUCTION,
        seed: int = 0,
        batch_size: int = 16,
        eval_batch_size: int = 64,
    ) -> None:
        super().__init__(seed, batch_size, eval_batch_size)
        self.sets = {"train": {} if train is None else {"train": train}, "validation": validation, "test": test or {}}
        self.instruction = instruction
        self.scorer = MathScorer()

    def load_splits(self) -> tuple[dict[str, list[Problem]], dict[str, int]]:
        """Every set in the order of its source, then deduplicated."""
        return deduplicate_sets(self.sets, self._read)

    def _read(self, split: str, name: str, table: Table) -> Iterator[Problem]:
        return table.read(split, lambda question, answer: self._problem(question, answer, name))

    def _problem(self, question: Any, answer: Any, name: str) -> Problem:
        if isinstance(question, list):
            raise ValueError(
                f"the question is a chat, {question!r:.60}, to which no instruction is added: "
                "datamodules.task.TaskDataModule with the scorer datamodules.math.MathScorer takes chats"
            )
        if not isinstance(question, str) or not squeezed(question):
            raise ValueError(f"the question must be text, not {question!r:.80}")
        self.scorer.check(answer)
        prompt = ({"role": "user", "content": f"{question.strip()}\n\n{self.instruction}"},)
        return ScoredProblem(prompt, answer, self.scorer, name)
