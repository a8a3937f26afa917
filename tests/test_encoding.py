"""Text files are UTF-8 whatever the locale, which a run's environment sets, and a scorer may change."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT


def unencoded(text: str) -> list[int]:
    """The lines on which a text file is opened, read or written in the encoding of the locale."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return [call.lineno for call in calls if opens_text(call) and not is_encoded(call)]


def opens_text(call: ast.Call) -> bool:
    """Whether a call is of read_text or write_text, or of open with a mode of text files."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    mode = [each.value for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    is_open = name == "open" and bool(mode) and "b" not in mode[-1]
    return name in ("read_text", "write_text") or is_open


def is_encoded(call: ast.Call) -> bool:
    named = any(keyword.arg == "encoding" for keyword in call.keywords)
    return named or any(isinstance(each, ast.Constant) and each.value == "utf-8" for each in call.args)


@pytest.mark.parametrize("package", ["app", "callbacks", "datamodules"])
def test_the_encoding_of_every_text_file_is_given(package: str) -> None:
    files = sorted(Path(ROOT, package).rglob("*.py"))
    assert {str(file): lines for file in files if (lines := unencoded(file.read_text(encoding="utf-8")))} == {}


def test_what_is_looked_for_is_found() -> None:
    text = "\n".join(
        [
            'path.read_text(encoding="utf-8")',
            "path.read_text()",
            'path.write_text("é")',
            'path.open("w")',
            'open(path, "a")',
            'path.open("rb")',
            'open(path, "w", encoding="utf-8")',
            "picture.open()",
        ]
    )
    assert unencoded(text) == [2, 3, 4, 5]
