"""Taking the final answer out of a response to a question of mathematics, and comparing it with the reference.

Spelling, numerals and units decide first. What is left goes to math-verify, which parses LaTeX and compares with
sympy, in seconds or never for an expression that is made to be monstrous; `size.py` keeps those from it. Install it
with `pip install -e '.[math]'`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any

from app.extras import needed
from app.types import Unscored
from datamodules.math.apart import apart
from datamodules.math.forms import is_two_numbers, parsable, spelled, tight
from datamodules.math.numerals import parse_bases, parse_numeral, same_number
from datamodules.math.size import LONGEST, is_balanced, is_computable, is_tame
from datamodules.math.units import parse_unit
from datamodules.values import digits

TAIL = 20_000
"""Characters at the end of a response in which the answer is looked for."""

LAYERS = 50
"""That may stand around an answer: each takes time in proportion to the whole."""

_BOX = re.compile(r"\\boxed\s*\{|\\fbox\s*\{|\\.|[{}]", re.DOTALL)
_MARKUP = " \t\r*_`.,;"
_MARKS = r"[ \t*_`]*+"
_LINE = re.compile(
    rf"[ \t*_`#>+\-•]*+(?:\(?[0-9]{{1,3}}[.)]{_MARKS})?(?:(?:so|thus|therefore|hence)(?![a-z])[,:]?{_MARKS})?"
    rf"(?:the\s++)?{_MARKS}(?:correct\s++)?(?:final\s++)?answer(?![a-z])"
    rf"{_MARKS}(?P<is>is(?![a-z']){_MARKS})?(?P<sign>[:=]?){_MARKS}(?P<rest>.*)",
    re.IGNORECASE,
)
_HOPE = re.compile(r"(?<![a-z])I hope (?:it|this)(?:'s| is) correct[\s.!*_]*", re.IGNORECASE)
"""The sentence that Minerva's prompt (2206.14858) ends answers with."""
_FOUR = re.compile(r"[ \t]*####[ \t]*(?P<rest>[^\s#].*)")
"""A last line as the solutions of GSM8K (2110.14168) have it."""
_FENCES = {"$$": "$$", r"\[": r"\]"}
_WRAPPERS = (
    (r"\(", r"\)"), (r"\[", r"\]"), ("$$", "$$"), ("$", "$"), ("**", "**"), ("__", "__"), ("```", "```"), ("`", "`"),
)  # fmt: skip
_ENDS = " \t\r\n.,;:~\\"
_WORD = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{2,}")
_SENTENCE = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{2,}[,;:]? [a-zA-Z]{2,}[,;:]? [a-zA-Z]{2,}")


class UndecidedError(ValueError):
    """Whether two answers are one was not asked, since the answer to that may never come; the message says why."""


def final_answer(response: str) -> str | None:
    """What the last box holds, or else what the last line says that begins with "answer", or "so the answer is".

    In place of such a line, a response may end in GSM8K's `#### 72`.
    """
    tail = response[-TAIL:]
    answer = last_box(tail)
    answer = plain(_last_line(tail) if answer is None else answer)
    return answer or None


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


def _last_line(text: str) -> str:
    """What the last line says that begins with "answer"; a heading says what follows it. Empty where there is none."""
    lines, answer = text.rstrip().split("\n"), ""
    number = _FOUR.fullmatch(lines[-1])
    if number and parse_numeral(plain(number["rest"]).removeprefix("$")):
        return number["rest"]
    for place, line in enumerate(lines):
        match = _LINE.match(line)
        if not match:
            continue
        within = _LINE.match(match["rest"])  # "Final Answer: The final answer is 72."
        match = within if within and (within["is"] or within["sign"]) else match
        rest = _without_hope(match["rest"]).strip(_MARKUP)
        if not rest:
            answer = _paragraph(lines[place + 1 :]) or answer
        elif match["is"] or match["sign"] or not rest[0].isalpha():
            answer = rest
    return answer


def _without_hope(text: str) -> str:
    """A line without Minerva's last sentence."""
    *_, last = [None, *_HOPE.finditer(text)]
    return text[: last.start()] if last and last.end() == len(text) else text


def _paragraph(lines: list[str]) -> str:
    """The first line that says something, with the rest of a displayed formula that it opens."""
    for place, line in enumerate(lines):
        text = line.strip(_MARKUP + "#>")
        if text in _FENCES:
            formula = "\n".join(lines[place + 1 :]).partition(_FENCES[text])
            return formula[0] if formula[1] else ""
        if text:
            return "" if _LINE.match(line) else text
    return ""


def plain(answer: str) -> str:
    """Without the signs of mathematics mode, boxes, Markdown and punctuation around it."""
    for _ in range(LAYERS):
        before, answer = answer, answer.lstrip().rstrip(_ENDS)
        for opening, closing in _WRAPPERS:
            if answer.startswith(opening) and answer.endswith(closing) and len(answer) >= len(opening + closing):
                answer = answer[len(opening) : -len(closing)]
        boxed = last_box(answer) if answer.startswith(r"\boxed") and answer.endswith("}") else None
        answer = answer if boxed is None else boxed
        if answer == before:
            break
    return answer


def equivalent(answer: str, reference: str) -> bool:
    """Whether two answers are one: as text, as words, as numerals, or as math-verify sees them without their units.

    Raises:
        UndecidedError: they are not the same text, and math-verify can't be asked.
    """
    given, wanted = spelled(answer), spelled(reference)
    sides = tight(given), tight(wanted)
    if sides[0] == sides[1]:
        return True
    if all(map(_is_words, sides)) and ("\\" in answer + reference or " " in given + wanted):
        return False
    (given, base), (wanted, its_base) = parse_bases(given), parse_bases(wanted)
    if base != its_base:
        return False
    if max(map(len, sides)) <= LONGEST:
        (given, unit), (wanted, its_unit) = parse_unit(given), parse_unit(wanted)
        if unit is not None and its_unit is not None and unit != its_unit:
            return False
    numerals = [parse_numeral(tight(side)) for side in (given, wanted)]
    if numerals[0] and numerals[1]:
        return same_number(numerals[0], numerals[1])
    return _verified(parsable(given), parsable(wanted))


def canonical(answer: str | None) -> str | None:
    r"""A final answer in the form in which answers are counted, in time linear in it; None where there is none.

    Spelled in one way, and a numeral in plain digits: 1,000 is $1000.0$. Other expressions are compared as text: of
    0.5 and \frac{1}{2}, which `equivalent` takes for one, a vote sees two.
    """
    if answer is None:
        return None
    text = tight(spelled(answer))
    numeral = parse_numeral(text)
    return text if numeral is None else digits(numeral.value) + "%" * numeral.percent


def decided(comparison: Callable[[], bool]) -> float:
    """1 or 0 as a comparison says, or `Unscored` where it can't: a guard never makes an answer wrong."""
    try:
        return float(comparison())
    except UndecidedError as error:
        return Unscored(str(error))


def _is_words(text: str) -> bool:
    return len(text) > 1 and re.sub(r"[-'.]", "", text).isalpha()


def _verified(given: str, wanted: str) -> bool:
    """What math-verify says, unless it may not be asked, or need not: what is no expression equals nothing."""
    if not all(is_balanced(text) and not is_two_numbers(text) for text in (given, wanted)):
        return False
    wild = [text for text in (given, wanted) if not is_tame(text)]
    if any(map(_is_prose, wild)):
        return False
    if not all(map(is_computable, wild)):
        raise UndecidedError(f"too large or too deep for math-verify: {wild[0]!r:.100}")
    library = _library()
    try:
        expression, reference = _parsed(given), _parsed_reference(wanted)
        if not expression or not reference or apart(expression[0], reference[0]):
            return False
        if not wild:
            return bool(library.verify(reference, expression, timeout_seconds=None, raise_on_error=True))
    except Exception as error:  # of sympy, which has no base class for them
        raise UndecidedError(f"math-verify fails at {given!r:.100}: {type(error).__name__}: {error}") from error
    raise UndecidedError(f"too much for math-verify to simplify: {wild[0]!r:.100}")


def _is_prose(text: str) -> bool:
    """Whether a text has three words in a row, or is words by more than half."""
    return _SENTENCE.search(text) is not None or 2 * sum(map(len, _WORD.findall(text))) > len(text)


@lru_cache(maxsize=4096)
def _parsed_reference(reference: str) -> Any:
    return _parsed(reference)


def _parsed(answer: str) -> Any:
    r"""math-verify's reading of an answer, its units off; in a box, and the first match, so that no part is read."""
    library = _library()
    latex = library.parser.LatexExtractionConfig(boxed_match_priority=0, normalization_config=_normalization())
    return library.parse(
        rf"\boxed{{{answer}}}", extraction_config=[latex], extraction_mode="first_match", parsing_timeout=None
    )


@lru_cache(maxsize=1)
def _normalization() -> Any:
    """math-verify's own, except for its units, which are read before."""
    library = import_module("latex2sympy2_extended")
    return library.NormalizationConfig(basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="all")


@lru_cache(maxsize=1)
def _library() -> Any:
    """math-verify, quietly; ImportError says how to install it."""
    library = needed("math_verify", "math", "mathematics")
    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that its own time limits, by signals, are off
    return library
