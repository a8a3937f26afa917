"""Sampled answers as rows of a table."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from app.types import Prompt, Rollouts
from app.types.pictures import text_of
from callbacks.display.media import Row


def answer_rows(rollouts: Rollouts, problems: int, answers: int) -> Iterator[Row]:
    """A row for each of the first answers to the first problems; an unscored answer has no reward."""
    of_each = zip(rollouts.problems, rollouts.completions, rollouts.rewards.tolist(), strict=True)
    for problem, rows, rewards in islice(of_each, problems):
        for row, reward in islice(zip(rows, rewards, strict=True), answers):
            yield {
                "set": problem.label,
                "prompt": prompt_text(problem.prompt),
                "reference": problem.solution,
                "answer": row.text,
                "reward": reward if reward == reward else None,
                "length": len(row.tokens),
                "finish": row.finish,
            }


def prompt_text(prompt: Prompt) -> str:
    """A prompt as text: each message of a chat follows the name of its role."""
    if isinstance(prompt, str):
        return prompt
    return "\n\n".join(f"{message['role']}: {text_of(message['content'])}" for message in prompt)
