"""A row's prompt: plain text, or the messages of a chat."""

from __future__ import annotations

from typing import Any

from app.types import Prompt


def read_prompt(value: Any) -> Prompt:
    """The chat messages of a row, or its plain text; ValueError where it is neither."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(map(is_message, value)):
        return tuple({"role": message["role"], "content": message["content"]} for message in value)
    raise ValueError("the prompt is neither text nor a list of messages with a role and a content")


def is_message(value: Any) -> bool:
    """Is it one message of a chat?"""
    return isinstance(value, dict) and isinstance(value.get("role"), str) and isinstance(value.get("content"), str)
