"""Upstream's records, both ways: prompt, answer, task_name, ability, language, meta."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datamodules.enigmata.tasks.task import CATEGORIES, TaskProblem, task_named
from datamodules.sources import parse_json, read_prompt

ABILITY = "logic_puzzle"
TASKS = tuple(name for names in CATEGORIES.values() for name in names)


def record_of(problem: TaskProblem) -> dict[str, Any]:
    """A problem as upstream has it; its verifiers read `answer` and `meta`."""
    task, question = problem.task, problem.question
    return {
        "prompt": [{"role": "user", "content": problem.prompt}],
        "answer": task.upstream_answer(question, problem.answer),
        "task_name": task.name,
        "ability": ABILITY,
        "language": "en",
        "meta": {**task.meta(question), "difficulty_level": problem.difficulty},
    }


def problem_of(record: Any) -> TaskProblem:
    """The problem of a record, judged by our rules and asked in the record's words.

    Raises:
        ValueError: for a record of no task that is known, or that its task can't read.
    """
    if not isinstance(record, Mapping):
        raise ValueError("it is no object with fields")
    name = record.get("task_name")
    if name not in TASKS:
        raise ValueError(f"task_name={name!r} is none of Enigmata's 36")
    task, meta, answer = task_named(name), decoded(record.get("meta")), decoded(record.get("answer"))
    if not isinstance(meta, dict):
        raise ValueError(f"its meta is no object: {str(meta)[:80]!r}")
    read = {**record, "meta": meta, "answer": answer}
    question = task.question_of(read)
    if question is None:  # a list or an object may be written as text within the meta, too
        question = task.question_of({**read, "meta": {key: decoded(value) for key, value in meta.items()}})
    if question is None:
        raise ValueError(f"{name} can't read its meta and answer")
    level = meta.get("difficulty_level") or meta.get("difficulty")
    reference = answer if isinstance(answer, str) else str(record.get("answer"))
    return TaskProblem(
        task, question, reference, level if isinstance(level, str) else "easy", read_prompt(record.get("prompt"))
    )


def decoded(value: Any) -> Any:
    """JSON text as what it says; anything else as it is."""
    if not isinstance(value, str):
        return value
    found = parse_json(value)
    return value if found is None else found
