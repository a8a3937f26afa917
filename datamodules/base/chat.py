"""Messages before every question: a system prompt, few-shot examples (docs/your_own_task.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.types import Problem, Prompt
from app.types.pictures import canonical
from datamodules.base.wrapped import WrappedProblem
from datamodules.sources.prompts import as_given, is_message
from datamodules.sources.rows import check_source, parse_rows, read_rows


@dataclass(frozen=True)
class Chat:
    """Messages with which every prompt of a run begins, for any data module.

    Args:
        system_prompt: the first message of every chat.
        few_shot: messages between it and the question, each with a role and a content, or a .jsonl, .json, .parquet
            or .csv file of such rows.
        wrap_text: whether a plain-text prompt becomes a user message of a chat.

    Attributes:
        examples: the messages of `few_shot`.

    Raises:
        ValueError: for an empty system prompt, and for an invalid message, with the file and the row.
    """

    system_prompt: str | None = None
    few_shot: list[dict[str, str]] | str | None = None
    wrap_text: bool = False
    examples: tuple[dict[str, Any], ...] = field(init=False, default=(), repr=False)

    def __post_init__(self) -> None:
        if self.system_prompt is not None and not self.system_prompt.strip():
            raise ValueError("chat.system_prompt is empty: null is for none")
        object.__setattr__(self, "examples", tuple(read_messages(self.few_shot)))

    @property
    def changes(self) -> bool:
        """Whether prompts are changed at all."""
        return self.wrap_text or self.system_prompt is not None or bool(self.examples)

    def ask(self, prompt: Prompt) -> Prompt:
        """The prompt for the policy.

        Raises:
            ValueError: for plain text without `wrap_text`, or a second system message.
        """
        if isinstance(prompt, str):
            if not self.wrap_text:
                raise ValueError(
                    "the prompt is plain text, which has no place for chat.system_prompt or chat.few_shot: "
                    "chat.wrap_text=true makes it the user's message"
                )
            prompt = ({"role": "user", "content": prompt},)
        own = prompt[:1] if prompt[0]["role"] == "system" else ()
        if own and self.system_prompt is not None:
            raise ValueError("the prompt has a system message of its own: leave out chat.system_prompt")
        system = () if self.system_prompt is None else ({"role": "system", "content": self.system_prompt},)
        return (*own, *system, *self.examples, *prompt[len(own) :])

    def ask_all(self, split: str, problems: Sequence[Problem]) -> list[Problem]:
        """The problems of a split with these messages; ValueError names the first impossible one."""
        if not self.changes:
            return [*problems]
        asked: list[Problem] = []
        for place, problem in enumerate(problems, start=1):
            try:
                self.ask(problem.prompt)
            except ValueError as error:
                raise ValueError(f"{problem.origin or f'problem {place} of {split}'}: {error}") from None
            asked.append(AskedProblem(problem, self))
        return asked


def read_messages(given: list[dict[str, str]] | str | None) -> list[dict[str, Any]]:
    """The examples as messages; ValueError for an invalid one."""
    if isinstance(given, str):
        check_source(given)
        return [*parse_rows(given, read_rows(given, "train"), as_message)]
    return [as_message(message) for message in given or ()]


def as_message(value: Any) -> dict[str, Any]:
    """The value as a message; ValueError if it has no role or no content."""
    if not is_message(value):
        raise ValueError(f"chat.few_shot: {value!r:.80} is no message with a role and a content")
    return as_given(value)


@dataclass(frozen=True)
class AskedProblem(WrappedProblem):
    """A problem with a run's messages before its question.

    Args:
        chat: has the messages.
    """

    chat: Chat = field(hash=False, repr=False)

    @property
    def prompt(self) -> Prompt:  # type: ignore[override]
        return self.chat.ask(self.problem.prompt)

    @property
    def identity(self) -> str:
        return f"{canonical(self.prompt)}\n{self.problem.identity}"
