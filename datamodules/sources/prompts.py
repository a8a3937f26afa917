"""A row's prompt: plain text, the messages of a chat, or a template filled with the row's columns."""

from __future__ import annotations

import re
from collections.abc import Callable
from string import Formatter
from typing import Any

from app.types import Prompt
from datamodules.values import text_of

WRITTEN_CHAT = re.compile(r"""\s*\[\s*\{\s*(["'])(role|content)\1\s*:""")
"""How messages begin that were printed into a column of text, by JSON or Python: a policy would read the brackets."""


def read_prompt(value: Any) -> Prompt:
    """The chat messages of a row, or its plain text; ValueError where it is neither, or asks nothing."""
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
    """Is it one message of a chat? One that calls tools may have no content."""
    if not isinstance(value, dict) or not isinstance(value.get("role"), str):
        return False
    content = value.get("content")
    return isinstance(content, str) or (content is None and bool(value.get("tool_calls")))


def as_given(message: dict[str, Any]) -> dict[str, Any]:
    """A message with all that a chat template may read of it, such as tool calls; Parquet has None for what is not."""
    return {"content": "", **{key: value for key, value in message.items() if value is not None}}


def columns_of(template: str) -> list[tuple[str, str | None]]:
    """A template's pieces in order: a text, and the column that follows it, None at the end.

    Columns stand in single braces; a brace of the text is written twice, as for Python's `format`, of which nothing
    else holds: a name is looked up as a column and never evaluated.

    Raises:
        ValueError: for a brace without its other, a name with a conversion or a format, or no column at all.
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
    """The template with every column's value in its place, which is text or a number; ValueError for another."""
    return "".join(text + ("" if name is None else _text(name, value_of(name))) for text, name in columns_of(template))


def _text(name: str, value: Any) -> str:
    if not isinstance(value, (str, int, float)):
        raise ValueError(f"template: the column {name!r} holds neither text nor a number, but {value!r:.80}")
    return text_of(value)
