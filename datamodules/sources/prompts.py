"""Reads a row's prompt: plain text, chat messages, or a template filled with the row's columns."""

from __future__ import annotations

import re
from collections.abc import Callable
from string import Formatter
from typing import Any

from app.types import Prompt
from datamodules.values import squeezed, text_of

_MESSAGES = re.compile(r"""\s*\[\s*\{\s*(["'])(?:role|content|from)\1\s*:""")
_MESSAGE = re.compile(r"""\s*\{\s*(["'])(role|content)\1\s*:""")


def read_prompt(value: Any) -> Prompt:
    """The chat messages or the plain text of a row; ValueError if it is neither, or empty."""
    if isinstance(value, str):
        if not squeezed(value):
            raise ValueError("the prompt is empty")
        if is_written_chat(value):
            raise ValueError(
                f"the prompt is a chat written as text: {value!r:.60}: give messages, as JSON or in Parquet"
            )
        return value
    if isinstance(value, list) and value and all(map(is_message, value)):
        messages = tuple(map(as_given, value))
        messages = messages[:-1] if is_placeholder(messages[-1]) else messages
        if not any(squeezed(message["content"]) for message in messages):
            raise ValueError("the prompt is empty")
        return messages
    raise ValueError("the prompt is neither text nor a list of messages with a role and a content")


def is_placeholder(message: dict[str, Any]) -> bool:
    """Whether a chat's last message is an assistant's without text, the place of the answer; it would be continued."""
    return message["role"] == "assistant" and not message.get("tool_calls") and not squeezed(message["content"])


def is_written_chat(text: str) -> bool:
    """Whether a text is messages, or one, printed by JSON or Python; the policy would get the brackets."""
    if _MESSAGES.match(text):
        return True
    first = _MESSAGE.match(text)
    if first is None or not text.rstrip().endswith("}"):
        return False
    other = "content" if first[2] == "role" else "role"
    return f"{first[1]}{other}{first[1]}" in text


def is_message(value: Any) -> bool:
    """Whether a value is a chat message; one that calls tools may have no content."""
    if not isinstance(value, dict) or not isinstance(value.get("role"), str):
        return False
    content = value.get("content")
    return isinstance(content, str) or (content is None and bool(value.get("tool_calls")))


def as_given(message: dict[str, Any]) -> dict[str, Any]:
    """A message with all fields that a chat template may read, such as tool calls; without Parquet's None fields."""
    return {"content": "", **{key: value for key, value in message.items() if value is not None}}


def columns_of(template: str) -> list[tuple[str, str | None]]:
    """A template's parts in order: a text, and the column after it, None at the end.

    Columns are in single braces; a brace of the text is written twice, as in Python's `format`. Nothing else of
    `format` applies: a name is a column's and is never evaluated.

    Raises:
        ValueError: for an unmatched brace, a name with a conversion or a format, or no column at all.
    """
    try:
        fields = [*Formatter().parse(template)]
    except ValueError as error:
        raise ValueError(f"template={template!r:.80}: {error}; a brace of the text is written twice") from None
    for _, name, spec, conversion in fields:
        if name is not None and (not name or spec or conversion):
            given = f"{name}{f'!{conversion}' if conversion else ''}{f':{spec}' if spec else ''}"
            raise ValueError(
                f"template: {{{given}}} must be the name of a column alone; a brace of the text is written twice"
            )
    if all(name is None for _, name, _, _ in fields):
        raise ValueError(f"template={template!r:.80} names no column in braces")
    return [(text, name) for text, name, _, _ in fields]


def fill(template: str, value_of: Callable[[str], Any]) -> str:
    """Fill the template with the columns' values; ValueError for a value that is not text or a number."""
    return "".join(text + ("" if name is None else _text(name, value_of(name))) for text, name in columns_of(template))


def _text(name: str, value: Any) -> str:
    if not isinstance(value, (str, int, float)):
        raise ValueError(f"template: the column {name!r} holds neither text nor a number, but {value!r:.80}")
    return text_of(value)
