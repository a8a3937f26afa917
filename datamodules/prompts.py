"""Data module of prompts for `passk predict`, with or without reference answers."""

from __future__ import annotations

from typing import Any

from app.types import Problem
from datamodules.base.data_module import ProblemDataModule
from datamodules.scored import AskedPrompt
from datamodules.sources import check_source, fill, parse_rows, read_prompt, read_rows
from datamodules.task import check_template, value_in
from datamodules.values import is_missing, text_of


class PromptsDataModule(ProblemDataModule):
    """A file of prompts for `predict`, answered in order and without scores.

    Args:
        prompts: a .parquet, .jsonl, .json or .csv file, or a hub id, owner/name[/configuration][:split].
        prompt: the column of the prompts: text, or the messages of a chat.
        answer: the column of the references; may be missing in rows.
        template: the prompt as text with columns in braces, instead of the column `prompt`.
        label: the name of the set.
        eval_batch_size: prompts per batch and rank.

    Raises:
        ValueError: the source cannot be read; names it and the row.
    """

    def __init__(
        self,
        prompts: str,
        prompt: str = "prompt",
        answer: str = "answer",
        template: str | None = None,
        label: str = "prompts",
        eval_batch_size: int = 64,
    ) -> None:
        super().__init__(0, 1, eval_batch_size)
        check_source(prompts)
        if template is not None:
            check_template(template, prompt, "prompt", answer)
        self.source, self.columns, self.template = prompts, (prompt, answer), template
        self.label = self.task_name = label

    def load_splits(self) -> tuple[dict[str, list[Problem]], dict[str, int]]:
        """All rows, as the test split."""
        rows = [*parse_rows(self.source, read_rows(self.source, "test"), self._problem)]
        return {"train": [], "validation": [], "test": rows}, dict.fromkeys(("train", "validation", "test"), 0)

    def _problem(self, row: Any) -> Problem:
        prompt, answer = self.columns
        asked = (
            value_in(row, prompt) if self.template is None else fill(self.template, lambda name: value_in(row, name))
        )
        reference = row.get(answer)
        return AskedPrompt(read_prompt(asked), "" if is_missing(reference) else text_of(reference), self.label)
