"""Parses the reference answer of a mathematics row in the formats of published sets, and checks it.

Sets have a bare answer, a number, a list of one text (OlympiadBench), or a whole solution that ends in `#### 72`
(GSM8K) or has its answer in a box (MATH).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from datamodules.math.answers import TAIL, final_answer, last_box, plain
from datamodules.math.size import LONGEST
from datamodules.values import is_missing, readable, text_of

MARK = "####"
"""The mark before the answer of a GSM8K solution."""

NO_ANSWERS = frozenset(("nan", "<na>", "null", "inf", "-inf"))
"""The text of a missing or infinite value in a table of numbers."""

_FORMULA = re.compile(
    r"\\begin\s*\{.*\\end\s*\{[a-zA-Z]+\*?\}|\$\$.*\$\$|\$[^$]*\$|\\(?:text|mathrm|mbox)\s*\{[^{}]*\}", re.DOTALL
)
_WORDS = re.compile(r"[A-Za-z]{2,},? [A-Za-z]{2,},? [A-Za-z]{2,}")
_SENTENCES = re.compile(r"[a-z0-9)@>]\.\s+[A-Z]|\n")
_OBJECT = re.compile(r"""\{\s*(['"])\w+\1\s*:.*\}""", re.DOTALL)
_TEXTS = re.compile(r"""\[\s*(['"]).*\1\s*\]""", re.DOTALL)
"""An object or a list of strings in JSON or Python syntax."""
_SOLE = re.compile(r"""\[(['"])((?:\\.|(?!\1)[^\\])*)\1\]""", re.DOTALL)
"""Such a list of one text."""
_ESCAPED = re.compile(r"\\(['\"\\])")


def reference(answer: Any) -> str:
    """The answer of a row in the form with which responses are compared.

    From a solution, the text after its last `####` on one line, or else its last box; a number in plain digits.
    Never raises: `check_reference` rejects values that are no answer.
    """
    return _read(text_of(sole(answer)))


def sole(answer: Any) -> Any:
    """The item of a list of one, or of a list of one string in JSON or Python syntax; other values unchanged."""
    if isinstance(answer, str):
        written = _SOLE.fullmatch(answer.strip())
        return _ESCAPED.sub(r"\1", written[2]) if written else answer
    return answer[0] if isinstance(answer, list) and len(answer) == 1 else answer


@lru_cache(maxsize=4096)
def _read(text: str) -> str:
    text = text[-TAIL:]
    _, mark, rest = text.rpartition(MARK)
    boxed = last_box(text)
    if mark and "\n" not in rest.strip():
        text = rest
    elif boxed is not None:
        text = boxed
    before = None
    while text != before:
        before, text = text, plain(text)
    return text


def check_reference(answer: Any) -> None:
    """Raise ValueError for a reference that no response to a mathematics question could equal."""
    answer = sole(answer)
    said = f"the answer {answer!r:.80}"
    if isinstance(answer, dict) or (isinstance(answer, str) and _OBJECT.fullmatch(answer.strip())):
        raise ValueError(f"{said} is an object: name the key that holds it behind the column, as in column.key")
    if isinstance(answer, (list, tuple, bytes)) or (isinstance(answer, str) and _TEXTS.fullmatch(answer.strip())):
        raise ValueError(f"{said} is neither text nor a number; several answers are one text, such as '2, 3'")
    text = reference(answer)
    if not readable(text).strip() or is_missing(answer) or text.lower() in NO_ANSWERS:
        raise ValueError(f"{said} says nothing" + "; infinity is \\infty" * ("inf" in text.lower()))
    if len(text) > LONGEST:
        raise ValueError(
            f"{said} has {len(text)} characters, more than the {LONGEST} that are compared; "
            f"of a solution what follows {MARK} or its last box is read"
        )
    if is_prose(text):
        raise ValueError(f"{said} is several sentences, without {MARK} or a box that says which is the answer")
    if final_answer(f"\\boxed{{{text}}}") != text:
        raise ValueError(f"{said} can't stand in a box: its braces don't match")


def is_prose(text: str) -> bool:
    """Whether a text has several lines or sentences, and words outside formulas."""
    words = _FORMULA.sub("@", text)
    return bool(_SENTENCES.search(words) and _WORDS.search(words))
