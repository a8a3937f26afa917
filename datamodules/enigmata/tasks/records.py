"""Writes and reads upstream's records: prompt, answer, task_name, ability, language, meta."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datamodules.enigmata.tasks.task import CATEGORIES, TaskProblem, task_named
from datamodules.sources import parse_json, read_prompt

ABILITY = "logic_puzzle"
TASKS = tuple(name for names in CATEGORIES.values() for name in names)


def record_of(problem: TaskProblem) -> dict[str, Any]:
    """A problem in upstream's format; upstream's verifiers read `answer` and `meta`."""
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
    """The problem of a record, with the record's prompt, scored by passk's task.

    Raises:
        ValueError: for a record of an unknown task, or one that its task cannot read.
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
    if question is None:  # lists and objects within `meta` may be JSON text too
        question = task.question_of({**read, "meta": {key: decoded(value) for key, value in meta.items()}})
    if question is None:
        raise ValueError(f"{name} can't read its meta and answer")
    level = meta.get("difficulty_level") or meta.get("difficulty")
    reference = answer if isinstance(answer, str) else str(record.get("answer"))
    return TaskProblem(
        task, question, reference, level if isinstance(level, str) else "easy", read_prompt(record.get("prompt"))
    )


def decoded(value: Any) -> Any:
    """The value of JSON text; anything else unchanged."""
    if not isinstance(value, str):
        return value
    found = parse_json(value)
    return value if found is None else found
