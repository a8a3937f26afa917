"""Reads a row's prompt: plain text, chat messages, or a template filled with the row's columns."""

from __future__ import annotations

import re
from collections.abc import Callable
from string import Formatter
from typing import Any

from app.types import Prompt
from datamodules.values import text_of

WRITTEN_CHAT = re.compile(r"""\s*\[\s*\{\s*(["'])(role|content)\1\s*:""")
"""Matches messages that were printed as text, by JSON or Python; the policy would get the brackets."""


def read_prompt(value: Any) -> Prompt:
    """The chat messages or the plain text of a row; ValueError if it is neither, or empty."""
    if isinstance(value, str):
        if not value.strip():
            raise ValueError("the prompt is empty")
        if WRITTEN_CHAT.match(value):
            raise ValueError(
                f"the prompt is a chat written as text: {value!r:.60}: give messages, as JSON or in Parquet"
            )
        return value
    if isinstance(value, list) and value and all(map(is_message, value)):
        messages = tuple(map(as_given, value))
        if not any(message["content"].strip() for message in messages):
            raise ValueError("the prompt is empty")
        return messages
    raise ValueError("the prompt is neither text nor a list of messages with a role and a content")


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
