"""Prompts of rows: text, messages, and templates filled with columns."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.types.pictures import canonical
from datamodules.sources import columns_of, fill, read_prompt
from datamodules.sources.prompts import as_given

ROW = {"question": "2+2?", "hint": 5.0, "a.b": "dotted", "x[0]": "indexed", "list": ["4"], "inject": "{question}"}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("Question: {question}\nAnswer:", "Question: 2+2?\nAnswer:"),
        ("{question} {question}", "2+2? 2+2?"),
        ("{hint}", "5"),
        ("Box it: \\boxed{{}} {question}", "Box it: \\boxed{} 2+2?"),
        ("{{question}} {question}", "{question} 2+2?"),
        ("{a.b} {x[0]}", "dotted indexed"),
        ("{inject}", "{question}"),
    ],
)
def test_columns_are_put_in_as_they_are(template: str, text: str) -> None:
    assert fill(template, ROW.__getitem__) == text


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{question!r}", r"template: \{question!r\} must be the name of a column alone"),
        ("{question:>100000000}", r"template: \{question:>100000000\} must be the name of a column alone"),
        ("{question:{hint}}", r"template: \{question:\{hint\}\} must be the name of a column alone"),
        ("\\boxed{} {question}", r"template: \{\} must be the name of a column alone; a brace of the text is written"),
        ("{question", "template='{question': .*; a brace of the text is written twice"),
        ("question}", "template='question}': .*; a brace of the text is written twice"),
        ("no column", "template='no column' names no column in braces"),
    ],
)
def test_nothing_else_of_format_holds(template: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        columns_of(template)


def test_a_value_that_is_no_text_is_told_with_its_column() -> None:
    with pytest.raises(ValueError, match=r"the column 'list' holds neither text nor a number, but \['4'\]"):
        fill("{list}", ROW.__getitem__)


CHAT = [{"role": "user", "content": "2+2?"}]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "the prompt is empty"),
        (" \n", "the prompt is empty"),
        ([{"role": "system", "content": ""}, {"role": "user", "content": " "}], "the prompt is empty"),
        (json.dumps(CHAT), r"the prompt is a chat written as text: '\[{\"role\": .*: give messages"),
        (str(CHAT), r"the prompt is a chat written as text: .*: give messages"),
        (json.dumps(CHAT[0], indent=1), r"the prompt is a chat written as text: .*: give messages"),
        (str(dict(reversed(CHAT[0].items()))), r"the prompt is a chat written as text: .*: give messages"),
        (json.dumps([{"from": "human", "value": "2+2?"}]), r"the prompt is a chat written as text: .*: give messages"),
        ("\u200b\ufeff\n", "the prompt is empty"),
        (5, "the prompt is neither text nor a list of messages"),
    ],
)
def test_a_prompt_that_asks_nothing_or_is_no_prompt(value: Any, message: str) -> None:
    """A missing value is an empty field of CSV, and a chat there is text."""
    with pytest.raises(ValueError, match=message):
        read_prompt(value)
    for text in ("Read [{'a': 1}]", '{"role": "admin"}', '{"content": "A text."} Which "role" has it?'):
        assert read_prompt(text) == text
    assert read_prompt(CHAT) == tuple(CHAT)


CALL = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "add", "arguments": {"a": 1}}}]}


def test_a_message_keeps_what_a_chat_template_may_read() -> None:
    """Parquet gives every message the keys of all."""
    question = {"role": "user", "content": "1 + 1?", "tool_calls": None, "name": None}
    result = {"role": "tool", "content": "2", "tool_calls": None, "name": "add"}
    assert read_prompt([question, CALL, result]) == (
        {"role": "user", "content": "1 + 1?"}, {**CALL, "content": ""}, {"role": "tool", "content": "2", "name": "add"},
    )  # fmt: skip
    other = {**CALL, "tool_calls": [{"function": {"name": "add", "arguments": {"a": 2}}}]}
    one, another = (canonical(read_prompt([question, call, result])) for call in (CALL, other))
    assert one != another
    assert canonical(read_prompt([question])) == "1 + 1?"
    with pytest.raises(ValueError, match="neither text nor a list of messages"):
        read_prompt([question, {"role": "assistant", "content": None}])


def test_an_empty_last_message_is_the_place_of_the_answer() -> None:
    """As in DeepSeek-Math's files; a chat template would close it, and the policy would begin after its end."""
    system = {"role": "system", "content": ""}
    for content in ("", " \n", None):
        empty = {"role": "assistant", "content": content, "tool_calls": [CALL] if content is None else None}
        assert read_prompt([system, *CHAT, empty]) == (system, *CHAT) + (as_given(empty),) * (content is None)
    begun = {"role": "assistant", "content": "<think>"}
    assert read_prompt([*CHAT, begun]) == (*CHAT, begun)
    with pytest.raises(ValueError, match="the prompt is empty"):
        read_prompt([{"role": "assistant", "content": ""}])
