"""Data module of your own task: rows of prompt and answer, and a scorer (docs/your_own_task.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from math import isinf
from typing import Any, TypeVar

from app.kept import settings_kept
from app.types import Problem
from datamodules.base.data_module import ProblemDataModule
from datamodules.base.dedup import deduplicate
from datamodules.base.solutions import Trial
from datamodules.scored import ScoredProblem
from datamodules.scorers import Row, Scorer
from datamodules.sources import check_source, columns_of, fill, parse_json, parse_rows, read_prompt, read_rows
from datamodules.values import is_missing

T = TypeVar("T")

MOST_NAMES = 30
"""The most columns that a message names."""


@dataclass(frozen=True)
class Table:
    """A table of questions and answers.

    Args:
        source: a .parquet, .jsonl, .json or .csv file, or a hub id, owner/name[/configuration][:split].
        prompt: the column of the question; "extra_info.question" is the key question of the objects in extra_info.
        answer: the column of the answer, or a key in its objects, such as verl's "reward_model.ground_truth".
        max_skipped_rows: the share of rows that may be unreadable; they are skipped and counted. If there are more,
            the first one is an error.
        template: the question instead of `prompt`, with columns in braces: "Question: {question}\\nAnswer:". A brace
            of the text is written twice.
    """

    source: str
    prompt: str = "prompt"
    answer: str = "answer"
    max_skipped_rows: float = 0.0
    template: str | None = None

    def __post_init__(self) -> None:
        check_source(self.source)
        check_skipped(self.max_skipped_rows)
        if self.template is not None:
            check_template(self.template, self.prompt, "prompt", self.answer)

    def read(self, split: str, make: Callable[[Any, Any], T]) -> Iterator[T]:
        """Apply `make` to each prompt and answer; ValueError names the source and the row."""
        return parse_rows(
            self.source,
            read_rows(self.source, split),
            lambda row: make(self.question_of(row), value_in(row, self.answer)),
            self.max_skipped_rows,
        )

    def read_whole(self, split: str, make: Callable[[Any, Row], T]) -> Iterator[T]:
        """Apply `make` to each prompt and its whole row, which may have no answer; see `read`."""
        return parse_rows(
            self.source,
            read_rows(self.source, split),
            lambda row: make(self.question_of(row), self.whole(row)),
            self.max_skipped_rows,
        )

    def whole(self, row: Any) -> Row:
        """A row with all of its columns."""
        answer = None if self.answer == Table.answer and Table.answer not in row else value_in(row, self.answer)
        return Row(read_prompt(self.question_of(row)), answer, dict(row))

    def question_of(self, row: Any) -> Any:
        """The question of a row; ValueError if it is empty."""
        if self.template is None:
            return value_in(row, self.prompt)
        return fill(self.template, lambda column: value_in(row, column))


def check_skipped(share: float) -> None:
    """Raise ValueError for a share of skipped rows outside [0, 1)."""
    if not 0 <= share < 1:
        raise ValueError(f"max_skipped_rows={share} must lie in [0, 1)")


def check_template(template: str, column: str, default: str, answer: str) -> None:
    """Raise ValueError for a template together with a question column, or one that contains the answer."""
    names = [name for _, name in columns_of(template)]
    if column != default:
        raise ValueError(f"template and {default}={column} can't both be given: the template names its columns")
    if answer in names:
        raise ValueError(f"template: {{{answer}}} is the column of the answer, which would stand in the question")


def found_in(row: dict[str, Any], column: str) -> Any:
    """The value of a column, or of a dotted key in its objects; None if there is none."""
    if column in row:
        return row[column]
    value: Any = row
    for key in column.split("."):
        value = parse_json(value) if isinstance(value, str) else value
        value = value.get(key) if isinstance(value, dict) else None
    return value


def value_in(row: Any, column: str) -> Any:
    """The value of a column, or of a dotted key in its objects; ValueError if there is none."""
    if not isinstance(row, dict):
        raise ValueError("not an object with named columns")
    value = found_in(row, column)
    if is_missing(value):
        raise ValueError(f"no value in the column {column!r}; there are {names_of(row)}")
    if isinstance(value, float) and isinf(value):
        raise ValueError(f"the column {column!r} holds {value}, which is no finite number")
    return value


def names_of(row: dict[str, Any]) -> str:
    """The names of a row's columns, at most MOST_NAMES of them."""
    names = [*map(str, row)]
    return ", ".join(names[:MOST_NAMES]) + f" and {len(names) - MOST_NAMES} more" * (len(names) > MOST_NAMES)


class TaskDataModule(ProblemDataModule):
    """Your prompts and answers with your scorer; deduplicated by prompt, duplicates stay in test.

    A prompt is plain text, used unchanged, or a list of messages, which goes through the policy's chat template.

    Args:
        train: a .parquet, .jsonl, .json or .csv file, a folder of `Dataset.save_to_disk`, or a hub id.
        validation: such a source.
        test: such a source; None leaves the split empty.
        scorer: scores a response by the row's answer.
        prompt: the column of the prompts.
        answer: the column of the answers; the default one may be missing if the scorer uses whole rows.
        label: the name of the set, and of the task.
        max_skipped_rows: the share of a source's rows that may be invalid; they are skipped and counted.
        template: the prompt as plain text with columns in braces, instead of the column `prompt`; see `Table`.
        seed: of the order of training.
        batch_size: P, problems per iteration over all ranks.
        eval_batch_size: problems per batch and rank in validation, test and prediction.

    Raises:
        ValueError: a source cannot be read; names it and the row.
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
        max_skipped_rows: float = 0.0,
        template: str | None = None,
        seed: int = 0,
        batch_size: int = 16,
        eval_batch_size: int = 64,
    ) -> None:
        super().__init__(seed, batch_size, eval_batch_size)
        sources = {"train": train, "validation": validation, "test": test}
        self.tables = {
            split: Table(source, prompt, answer, max_skipped_rows, template)
            for split, source in sources.items()
            if source is not None
        }
        self.scorer, self.label = scorer, label
        self.task_name = label
        self.trial = Trial(scorer)

    def load_splits(self) -> tuple[dict[str, list[Problem]], dict[str, int]]:
        """Every split in the order of its source, then deduplicated."""
        self.trial.begin()
        read = {
            split: list((table.read_whole if self.scorer.judges_rows else table.read)(split, self._problem))
            for split, table in self.tables.items()
        }
        return deduplicate({"train": [], "validation": [], "test": [], **read})

    def _problem(self, prompt: Any, answer: Any) -> Problem:
        with settings_kept():
            self.scorer.check(deepcopy(answer))
        problem = ScoredProblem(read_prompt(prompt), answer, self.scorer, self.label)
        self.trial(problem)
        return problem
