"""Data module of questions with pictures: MathVision, MMMU, your own sets (docs/pictures.md).

A row with options is multiple choice, one without is open; both are answered in a box. Open answers are compared as
mathematics: `pip install -e '.[math]'`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.types import Problem
from datamodules.base.data_module import ProblemDataModule
from datamodules.base.dedup import deduplicate_sets
from datamodules.choices import ChoiceScorer, OpenScorer, option_lines, read_choice, read_list, read_options
from datamodules.math.references import check_reference
from datamodules.multimodal.picture_columns import read_pictures, with_pictures
from datamodules.scored import ScoredProblem
from datamodules.sources import check_source, fill, parse_rows, read_rows
from datamodules.task import check_skipped, check_template, found_in, names_of, value_in
from datamodules.values import is_missing, text_of

CHOICE = "Think step by step. At the end, give the letter of the right option, and nothing besides it, in \\boxed{}."
OPEN = "Think step by step. At the end, give the final answer, and nothing besides it, in \\boxed{}."

COLUMNS = ("image", *(f"image_{number}" for number in range(1, 8)))
"""The default columns of pictures: one column, or MMMU's seven."""


@dataclass(frozen=True)
class PictureTable:
    """A table of questions with pictures, options (if any) and answers.

    Args:
        source: a .parquet, .jsonl or .json file, or a hub id, owner/name[/configuration][:split].
        question: the column of the question, in which <image 1> or <image1> marks the place of the first picture.
        answer: the column of the answer: a letter or an option; for an open question a text or a list of texts.
        options: the column of the options, a list, a list in text or an object by letters; or a column for each
            option; None if all questions are open.
        first_option: the number of the first option, if the answer is the number of one: 0 in MMLU.
        pictures: the columns of the pictures, in order; a row must have one of them, but all may be empty. []: none.
        folder: the folder of pictures that rows give by file name; None does not allow file names.
        template: the question, instead of the column `question`; see `datamodules.task.Table`.
        max_skipped_rows: the share of rows that may be unreadable, such as those with several right options; see
            `datamodules.task.Table`.
    """

    source: str
    question: str = "question"
    answer: str = "answer"
    options: str | list[str] | None = "options"
    first_option: int | None = None
    pictures: Sequence[str] = COLUMNS
    folder: str | None = None
    template: str | None = None
    max_skipped_rows: float = 0.0

    def __post_init__(self) -> None:
        check_source(self.source)
        check_skipped(self.max_skipped_rows)
        if self.template is not None:
            check_template(self.template, self.question, "question", self.answer)
        if self.folder is not None and not Path(self.folder).is_dir():
            raise ValueError(f"folder={self.folder} is no folder")

    def options_of(self, row: dict[str, Any]) -> tuple[str, ...]:
        """The row's options; () for an open question."""
        if self.options is None:
            return ()
        if isinstance(self.options, str):
            return read_options(found_in(row, self.options))
        return tuple(text_of(value_in(row, column)).strip() for column in self.options)

    def question_of(self, row: dict[str, Any]) -> Any:
        """The row's question, from the column or the template."""
        if self.template is None:
            return row.get(self.question)
        return fill(self.template, lambda column: value_in(row, column))


MATH_VISION = PictureTable("MathLLMs/MathVision:testmini", pictures=("decoded_image",))
"""A tenth of its questions, from the hub; `:test` has all."""


class MultimodalDataModule(ProblemDataModule):
    """Named sets of questions with pictures; deduplicated by both, duplicates stay in test.

    Args:
        train: the training set; None for none, as for `validate`.
        validation: the evaluation sets by the names under which they are reported.
        test: further sets, for `test` and `predict`.
        choice: the text below every question with options.
        open: the text below every question without options.
        seed: of the order of training.
        batch_size: P, problems per iteration over all ranks.
        eval_batch_size: problems per batch and rank in validation, test and prediction.

    Raises:
        ValueError: a source cannot be read; names it and the row.
    """

    def __init__(
        self,
        train: PictureTable | None = None,
        validation: dict[str, PictureTable] | None = None,
        test: dict[str, PictureTable] | None = None,
        choice: str = CHOICE,
        open: str = OPEN,
        seed: int = 0,
        batch_size: int = 16,
        eval_batch_size: int = 64,
    ) -> None:
        super().__init__(seed, batch_size, eval_batch_size)
        validation = {"MathVision": MATH_VISION} if validation is None else validation
        self.sets = {"train": {} if train is None else {"train": train}, "validation": validation, "test": test or {}}
        self.choice, self.open = choice, open

    def load_splits(self) -> tuple[dict[str, list[Problem]], dict[str, int]]:
        """Every set in the order of its source, then deduplicated."""
        return deduplicate_sets(self.sets, self._read)

    def _read(self, split: str, name: str, table: PictureTable) -> Iterator[Problem]:
        rows = read_rows(table.source, split)
        return parse_rows(table.source, rows, lambda row: self._problem(row, name, table), table.max_skipped_rows)

    def _problem(self, row: Any, name: str, table: PictureTable) -> Problem:
        if not isinstance(row, dict):
            raise ValueError("not an object with named columns")
        question, answer = table.question_of(row), found_in(row, table.answer)
        if not isinstance(question, str) or not question.strip():
            raise ValueError(f"the column {table.question!r} holds no question, but {question!r:.80}")
        if is_missing(answer) or not text_of(answer).strip():
            raise ValueError(f"the column {table.answer!r} holds no answer")
        options = table.options_of(row)
        if table.pictures and not any(column in row for column in table.pictures):
            raise ValueError(f"no column of pictures, {', '.join(table.pictures)}; there are {names_of(row)}")
        folder = None if table.folder is None else Path(table.folder)
        pictures = read_pictures([row.get(column) for column in table.pictures], folder)
        asked = [question.strip(), option_lines(options), self.choice if options else self.open]
        content = with_pictures("\n\n".join(part for part in asked if part), pictures)
        prompt = ({"role": "user", "content": content},)
        if options:
            return ScoredProblem(prompt, read_choice(answer, options, table.first_option), ChoiceScorer(), name)
        answers = read_list(answer) or (text_of(answer),)
        for each in answer if isinstance(answer, list) else answers:
            check_reference(each)
        return ScoredProblem(prompt, answers, OpenScorer(), name)
