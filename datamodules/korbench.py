"""Data module of KOR-Bench, reasoning by new rules, for `validate` (docs/generalisation.md)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.types import Problem
from datamodules.base.data_module import ProblemDataModule
from datamodules.base.dedup import deduplicate
from datamodules.base.solutions import mostly_passing
from datamodules.korbench_rules import KORProblem, Question
from datamodules.sources import check_source, parse_rows, read_jsonl, read_rows
from datamodules.values import is_missing, text_of

CATEGORIES = ("operation", "logic", "cipher", "puzzle", "counterfactual")


class KORBenchDataModule(ProblemDataModule):
    """KOR-Bench's questions, reported by category; it has no train split.

    Args:
        validation: a folder like the benchmark's repository (`<category>/sample.jsonl` and `rule.jsonl`), or a
            .parquet, .jsonl or .csv file or hub id whose rows have the columns category, rule_id, idx,
            rule_content, question and answer.
        seed: has no effect without a train split.
        batch_size: has no effect without a train split.
        eval_batch_size: problems per batch and rank.

    Raises:
        ValueError: the source cannot be read; names it and the row.
    """

    def __init__(self, validation: str, seed: int = 0, batch_size: int = 16, eval_batch_size: int = 64) -> None:
        super().__init__(seed, batch_size, eval_batch_size)
        if not Path(validation).is_dir():
            check_source(validation)
        self.source = validation

    def load_splits(self) -> tuple[dict[str, list[Problem]], dict[str, int]]:
        """The questions of all categories, in order, as the validation split."""
        rows = folder_rows(Path(self.source)) if Path(self.source).is_dir() else read_rows(self.source, "test")
        problems = [*parse_rows(self.source, rows, problem_of)]
        return deduplicate({"train": [], "validation": mostly_passing(self.source, problems), "test": []})


def folder_rows(folder: Path) -> Iterator[dict[str, Any]]:
    """The questions of every category in the folder, each with its rule."""
    found = [category for category in CATEGORIES if (folder / category / "sample.jsonl").is_file()]
    if not found:
        raise ValueError(f"{folder} holds no <category>/sample.jsonl for any of {', '.join(CATEGORIES)}")
    for category in found:
        rules = {rule["idx"]: rule["rule_content"] for rule in read_jsonl(folder / category / "rule.jsonl")}
        for row in read_jsonl(folder / category / "sample.jsonl"):
            yield {**row, "category": category, "rule_content": rules.get(row.get("rule_id"))}


def problem_of(row: Any) -> KORProblem:
    """The problem of a row; ValueError for a missing column or an unknown category."""
    columns = ("category", "rule_id", "idx", "rule_content", "question", "answer")
    missing = [name for name in columns if not isinstance(row, dict) or is_missing(row.get(name)) or row[name] == ""]
    if missing:
        raise ValueError(f"no value in the column {missing[0]!r}")
    category, rule_id, index, rule, question, answer = (text_of(row[name]) for name in columns)
    if category not in CATEGORIES:
        raise ValueError(f"the category {category!r} must be one of {', '.join(CATEGORIES)}")
    if not answer.strip("[] \n"):
        raise ValueError(f"the answer {answer!r} says nothing")
    return KORProblem(rule, question, Question(category, rule_id, index, answer))
