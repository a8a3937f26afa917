"""A task of your own: rows with a prompt and an answer, and a scorer (docs/your_own_task.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from app.pictures import canonical
from app.types import Problem, Prompt
from datamodules.base import ProblemDataModule
from datamodules.dedup import deduplicate
from datamodules.scorers import Scorer
from datamodules.sources import check_source, read_each, read_prompt, read_rows

T = TypeVar("T")


@dataclass(frozen=True)
class ScoredProblem(Problem):
    """A prompt with an answer, judged by a scorer.

    Args:
        prompt: what the policy reads.
        answer: as the row has it.
        scorer: judges.
        label: the set it is reported under.
    """

    prompt: Prompt
    answer: Any = field(hash=False)
    scorer: Scorer = field(repr=False, compare=False)
    label: str

    @property
    def key(self) -> str:  # type: ignore[override]
        """The prompt, its pictures by what they show."""
        return canonical(self.prompt)

    @property
    def solution(self) -> str:  # type: ignore[override]
        return self.scorer.solve(self.answer)

    @property
    def identity(self) -> str:
        """Asks nothing of the scorer, whose `solve` may fail or change its mind."""
        return f"{self.key}\n{self.answer}"

    def score(self, response: str) -> float:
        return self.scorer.score(response, self.answer)


@dataclass(frozen=True)
class Table:
    """Rows that hold a question and its answer.

    Args:
        source: a .parquet, .jsonl or .csv file, or a hub id, owner/name[/configuration][:split].
        prompt: the column of the question.
        answer: the column of the answer.
    """

    source: str
    prompt: str = "prompt"
    answer: str = "answer"

    def __post_init__(self) -> None:
        check_source(self.source)

    def read(self, split: str, make: Callable[[Any, Any], T]) -> Iterator[T]:
        """What `make` makes of each prompt and answer; ValueError names the source and the row."""
        return read_each(
            self.source,
            read_rows(self.source, split),
            lambda row: make(self._value(row, self.prompt), self._value(row, self.answer)),
        )

    @staticmethod
    def _value(row: Any, column: str) -> Any:
        if not isinstance(row, dict):
            raise ValueError("not an object with named columns")
        if row.get(column) is None:
            raise ValueError(f"no value in the column {column!r}; there are {', '.join(map(str, row))}")
        return row[column]


class TaskDataModule(ProblemDataModule):
    """Your prompts and answers, judged by your scorer; deduplicated by prompt, test wins.

    A prompt is plain text, given as it stands, or a list of messages, which goes through the policy's chat template.

    Args:
        train, validation, test: a .parquet, .jsonl or .csv file, or a hub id; `test` may be None.
        scorer: judges a response by the row's answer.
        prompt: the column of the prompts.
        answer: the column of the answers.
        label: the name of the set.
        seed: of the order of training.
        batch_size: P, problems per iteration over all ranks.
        eval_batch_size: problems per batch and rank in validation, test and prediction.

    Raises:
        ValueError: where a source can't be read, naming it and the row.
    """

    def __init__(
        self,
        train: str,
        validation: str,
        scorer: Scorer,
        test: str | None = None,
        prompt: str = "prompt",
        answer: str = "answer",
        label: str = "task",
        seed: int = 0,
        batch_size: int = 16,
        eval_batch_size: int = 64,
    ) -> None:
        super().__init__(seed, batch_size, eval_batch_size)
        sources = {"train": train, "validation": validation, "test": test}
        self.tables = {split: Table(source, prompt, answer) for split, source in sources.items() if source is not None}
        self.scorer, self.label = scorer, label

    def load_splits(self) -> tuple[dict[str, list[Problem]], dict[str, int]]:
        """Every split in the order of its source, then deduplicated."""
        read = {split: list(table.read(split, self._problem)) for split, table in self.tables.items()}
        return deduplicate({"train": [], "validation": [], "test": [], **read})

    def _problem(self, prompt: Any, answer: Any) -> Problem:
        return ScoredProblem(read_prompt(prompt), answer, self.scorer, self.label)
