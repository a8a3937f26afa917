"""Prompts of rows: text, messages, and templates filled with columns."""

from __future__ import annotations

import pytest

from datamodules.sources import columns_of, fill

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
