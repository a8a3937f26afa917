"""Taking the final answer out of a response to a question of mathematics, and comparing it with the reference.

Plain text decides first. What is left goes to math-verify, which parses LaTeX and compares with sympy, in
seconds or never for an expression that is made to be monstrous; `size.py` keeps those from it. Install it
with `pip install -e '.[math]'`.
"""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from importlib import import_module
from typing import Any

from datamodules.maths.size import LONGEST, is_tame

TAIL = 20_000
"""Characters at the end of a response in which the answer is looked for."""

TOLERANCE = 1e-6
"""Relative difference above which two numbers are apart: math-verify rounds to so many places."""

_BOX = re.compile(r"\\boxed\s*\{|\\fbox\s*\{|\\.|[{}]", re.DOTALL)
_LINE = re.compile(r"(?:the )?(?:final )?answer(?: is)?\s*[:=]?\s*(.+)", re.IGNORECASE)
_MARKUP = " \t\r*_#>"
_WRAPPERS = ((r"\(", r"\)"), (r"\[", r"\]"), ("$$", "$$"), ("$", "$"), ("**", "**"))
_SPACES = re.compile(r"\s+|\\[,;:! ]|\\q?quad(?![a-zA-Z])")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,2}(?:,[0-9]{3})+|[1-9][0-9]*)(?:\.0+)?")
_UNIT = re.compile(r"\\(?:text|mathrm|textbf|mbox)\s*\{[a-zA-Z ./]*\}(?:\^\{?[0-9]\}?)?$")
_WORDS = re.compile(r"\\(?:text|mathrm|textbf|mbox)\s*\{(?!\s*[a-zA-Z]{1,3}\s*\})")
"""The beginning of words that are no unit, letter, "or" or "and": math-verify drops them with all that follows."""


def final_answer(response: str) -> str | None:
    """What the last box holds, or else what the last line that begins with "answer" says; None where neither is."""
    tail = response[-TAIL:]
    answer = last_box(tail)
    if answer is None:
        said = [match[1] for line in tail.split("\n") if (match := _LINE.match(line.strip(_MARKUP)))]
        answer = said[-1].strip(_MARKUP) if said else None
    answer = None if answer is None else plain(answer)
    return answer if answer and len(answer) <= LONGEST else None


def last_box(text: str) -> str | None:
    r"""What the last complete `\boxed{...}` holds, its braces balanced; None where there is none."""
    found: str | None = None
    opened: list[int | None] = []  # of each open brace where the box's content starts; None for others
    for match in _BOX.finditer(text):
        if match[0].endswith("{") and match[0] != r"\{":
            opened.append(match.end() if len(match[0]) > 1 else None)
        elif match[0] == "}" and opened:
            start = opened.pop()
            if start is not None:
                found = text[start : match.start()]
    return found


def plain(answer: str) -> str:
    """Without the signs of mathematics mode, boxes, units and a full stop around it."""
    before = None
    while answer != before:
        before, answer = answer, answer.strip().removesuffix(".")
        for opening, closing in _WRAPPERS:
            if answer.startswith(opening) and answer.endswith(closing) and len(answer) >= len(opening + closing):
                answer = answer[len(opening) : -len(closing)]
        boxed = last_box(answer) if answer.startswith(r"\boxed") and answer.endswith("}") else None
        answer = answer if boxed is None else boxed
    return _UNIT.sub("", answer).strip() or answer


def equivalent(answer: str, reference: str) -> bool:
    """Whether two answers are one, as text, as numbers, or as math-verify sees them."""
    given, wanted = _SPACES.sub("", answer), _SPACES.sub("", reference)
    if given == wanted:
        return True
    if _NUMBER.fullmatch(given) and _NUMBER.fullmatch(wanted):
        return _whole(given) == _whole(wanted)
    sayable = all(is_tame(text) and not _WORDS.search(text) for text in (answer, reference))
    return sayable and _verified(answer, reference)


def _whole(number: str) -> str:
    """A whole number without its commas and zeros behind the point; text, since it may be long."""
    digits = number.partition(".")[0].replace(",", "")
    return "0" if digits == "-0" else digits


def _verified(answer: str, reference: str) -> bool:
    """What math-verify says, unless the two are apart at a glance; where it raises, the answer is unscored."""
    given, wanted = _parsed(answer), _parsed_reference(reference)
    if not given or not wanted or apart(given[0], wanted[0]):
        return False
    return bool(_library().verify(wanted, given, timeout_seconds=None, raise_on_error=True))


def apart(one: Any, other: Any) -> bool:
    """Whether expressions differ by a letter that the other one lacks, or as numbers; False where that is not plain.

    It spares sympy's simplification, which may build numbers that neither has: of log(x) - n it makes log(x / e^n).
    A percentage is left to math-verify, which takes 5 % for 5 as well.
    """
    expression = import_module("sympy").Expr
    if not isinstance(one, expression) or not isinstance(other, expression):
        return False
    if one.free_symbols - other.free_symbols:
        return True
    if not one.is_number or not other.is_number or _is_percentage(one) or _is_percentage(other):
        return False
    try:
        size, gap = (abs(value).evalf(15, maxn=400) for value in (other, one - other))
    except ValueError:  # mpmath's word for a pole: what has no value equals nothing
        return True
    return not gap.is_finite or bool(gap.is_Float and size.is_Float and gap > TOLERANCE * max(1, size))


def _is_percentage(value: Any) -> bool:
    return value.has(import_module("sympy").UnevaluatedExpr)


@lru_cache(maxsize=4096)
def _parsed_reference(reference: str) -> Any:
    return _parsed(reference)


def _parsed(answer: str) -> Any:
    r"""math-verify's reading of an answer, which is put in a box so that it looks for no other."""
    library = _library()
    latex = library.parser.LatexExtractionConfig(boxed_match_priority=0)
    return library.parse(rf"\boxed{{{answer}}}", extraction_config=[latex], parsing_timeout=None)


@lru_cache(maxsize=1)
def _library() -> Any:
    """math-verify, quietly; ImportError says how to install it."""
    try:
        library = import_module("math_verify")
    except ImportError:
        raise ImportError("mathematics needs math-verify: pip install -e '.[math]'") from None
    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that its own time limits, by signals, are off
    return library
