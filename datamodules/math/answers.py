"""Extracts the final answer from a response to a mathematics question, and compares it with the reference.

Spelling, numerals and units are compared first. Other answers go to math-verify, which parses LaTeX and compares with
sympy. For a hostile expression that takes seconds or never ends; `size.py` rejects those. Install it
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
from datamodules.math.apart import apart, value_beside
from datamodules.math.forms import is_two_numbers, parsable, readings, spelled, tight
from datamodules.math.numerals import parse_bases, parse_numeral, same_number
from datamodules.math.size import LONGEST, is_balanced, is_computable, is_simplifiable
from datamodules.math.units import parse_unit
from datamodules.values import digits

TAIL = 20_000
"""Characters at the end of a response that are searched for the answer."""

LAYERS = 50
"""The most wrappers removed around an answer: each takes time linear in its length."""

_BOX = re.compile(r"\\boxed\s*\{|\\fbox\s*\{|\\.|[{}]", re.DOTALL)
_MARKUP = " \t\r*_`.,;。"
_MARKS = r"[ \t*_`]*+"
_LINE = re.compile(
    rf"[ \t*_`#>+\-•]*+(?:\(?[0-9]{{1,3}}[.)]{_MARKS})?(?:(?:so|thus|therefore|hence)(?![a-z])[,:]?{_MARKS})?"
    rf"(?:(?:the|my|our)\s++)?{_MARKS}(?:correct\s++)?(?:final\s++)?answer(?![a-z])"
    rf"{_MARKS}(?P<is>is(?![a-z']){_MARKS})?(?P<sign>[:=]?){_MARKS}(?P<rest>.*)",
    re.IGNORECASE,
)
_CHINESE_LINE = re.compile(
    rf"[ \t*_`#>+\-•]*+(?:(?:所以|因此|故|综上所述|综上|最后)[,\uff0c]?{_MARKS})?(?:这道题的|本题的|此题的)?"
    rf"(?:最终|正确|最后)?(?:的)?答案{_MARKS}(?P<is>应?该?[是为]{_MARKS})?(?P<sign>[:\uff1a=]?){_MARKS}(?P<rest>.*)"
)
_TAG = re.compile(r"<(/?)answer>", re.IGNORECASE)
_MINERVA_ENDING = re.compile(r"(?<![a-z])I hope (?:it|this)(?:'s| is) correct[\s.!*_]*", re.IGNORECASE)
"""The sentence that ends answers in Minerva's prompt (2206.14858)."""
_FOUR = re.compile(r"[ \t]*####[ \t]*(?P<rest>[^\s#].*)")
"""The last line of GSM8K's solutions (2110.14168)."""
_FENCES = {"$$": "$$", r"\[": r"\]"}
_WRAPPERS = (
    (r"\(", r"\)"), (r"\[", r"\]"), ("$$", "$$"), ("$", "$"), ("**", "**"), ("__", "__"), ("```", "```"), ("`", "`"),
)  # fmt: skip
_ENDS = " \t\r\n.,;:~\\。"
_WORD = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{2,}")
_SENTENCE = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{2,}[,;:]? [a-zA-Z]{2,}[,;:]? [a-zA-Z]{2,}")


class UndecidedError(ValueError):
    """Two answers were not compared because that may take forever; the message says why."""


def final_answer(response: str) -> str | None:
    """The content of the last box, or else the answer in the last line that begins with "answer" or "so the answer is".

    Instead of such a line, a response may end in GSM8K's `#### 72`. If it has `<answer>...</answer>`, only the content
    of the last such pair counts: a box or a line in it, or else all of it.
    """
    tail = response[-TAIL:]
    tagged = _last_tagged(tail)
    tail = tail if tagged is None else tagged
    answer = last_box(tail)
    answer = plain((_last_line(tail) or tagged or "") if answer is None else answer)
    return answer or None


def _last_tagged(text: str) -> str | None:
    """The content of the last complete `<answer>...</answer>`; None if there is none."""
    found, begun = None, None
    for tag in _TAG.finditer(text):
        if not tag[1]:
            begun = tag.end()
        elif begun is not None:
            found, begun = text[begun : tag.start()], None
    return found


def last_box(text: str) -> str | None:
    r"""The content of the last complete `\boxed{...}`, with balanced braces; None if there is none."""
    found: str | None = None
    opened: list[int | None] = []  # for each open brace, where a box's content starts, else None
    for match in _BOX.finditer(text):
        if match[0].endswith("{") and match[0] != r"\{":
            opened.append(match.end() if len(match[0]) > 1 else None)
        elif match[0] == "}" and opened:
            start = opened.pop()
            if start is not None:
                found = text[start : match.start()]
    return found


def _last_line(text: str) -> str:
    """The answer in the last line that begins with "answer", or after it if it is a heading; "" if there is none."""
    lines, answer = text.rstrip().split("\n"), ""
    number = _FOUR.fullmatch(lines[-1])
    if number and parse_numeral(plain(number["rest"]).removeprefix("$")):
        return number["rest"]
    for place, line in enumerate(lines):
        match = _LINE.match(line) or _CHINESE_LINE.match(line)
        if not match:
            continue
        within = _LINE.match(match["rest"])  # "Final Answer: The final answer is 72."
        match = within if within and (within["is"] or within["sign"]) else match
        rest = _without_markup(_without_minerva_ending(match["rest"]))
        if not rest:
            answer = _paragraph(lines[place + 1 :]) or answer
        elif match["is"] or match["sign"] or not rest[0].isalpha():
            answer = rest
    return answer


def _without_markup(text: str, others: str = "") -> str:
    """The text without Markdown and punctuation around it; the point of .5 stays."""
    inner = text.strip(_MARKUP + others)
    is_decimal = inner[:1].isdecimal() and text[: text.index(inner)].endswith(".")
    return "." * is_decimal + inner


def _without_minerva_ending(text: str) -> str:
    """The line without Minerva's last sentence."""
    *_, last = [None, *_MINERVA_ENDING.finditer(text)]
    return text[: last.start()] if last and last.end() == len(text) else text


def _paragraph(lines: list[str]) -> str:
    """The first line with text; if it opens a displayed formula, the formula."""
    for place, line in enumerate(lines):
        text = _without_markup(line, "#>")
        if text in _FENCES:
            formula = "\n".join(lines[place + 1 :]).partition(_FENCES[text])
            return formula[0] if formula[1] else ""
        if text:
            return "" if _LINE.match(line) or _CHINESE_LINE.match(line) else text
    return ""


def plain(answer: str) -> str:
    """The answer without surrounding math delimiters, boxes, Markdown and punctuation."""
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
    """Whether two answers are equal: as text, as words, as numerals, or by math-verify without units.

    Raises:
        UndecidedError: they are not the same text, and math-verify cannot be used safely.
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
    pairs = [(parsable(one), parsable(other)) for one in readings(given) for other in readings(wanted)]
    return any(_verified(*pair) for pair in pairs)


def canonical(answer: str | None) -> str | None:
    r"""A final answer in the form in which votes count it, in linear time; None if there is none.

    Spelling is normalised, and numerals get plain digits: 1,000 equals $1000.0$. Other expressions are compared as
    text: 0.5 and \frac{1}{2}, equal by `equivalent`, are two answers in a vote.
    """
    if answer is None:
        return None
    text = tight(spelled(answer))
    numeral = parse_numeral(text)
    return text if numeral is None else digits(numeral.value) + "%" * numeral.percent


def decided(comparison: Callable[[], bool]) -> float:
    """1 or 0 by a comparison, or `Unscored` if it is undecided: a limit never makes an answer wrong."""
    try:
        return float(comparison())
    except UndecidedError as error:
        return Unscored(str(error))


def _is_words(text: str) -> bool:
    return len(text) > 1 and re.sub(r"[-'.]", "", text).isalpha()


def _verified(given: str, wanted: str) -> bool:
    """The result of math-verify, if it is safe and needed: a text that is no expression is equal to none."""
    if not all(is_balanced(text) and not is_two_numbers(text) for text in (given, wanted)):
        return False
    too_complex = [text for text in (given, wanted) if not is_simplifiable(text)]
    if any(map(_is_prose, too_complex)):
        return False
    if not all(map(is_computable, too_complex)):
        raise UndecidedError(f"too large or too deep for math-verify: {too_complex[0]!r:.100}")
    library = _library()
    try:
        expression, reference = _parsed(given), _parsed_reference(wanted)
        if not expression or not reference or apart(expression[0], reference[0]):
            return False
        if not too_complex:
            wanted_value = value_beside(expression[0], reference)
            return bool(library.verify(wanted_value, expression, timeout_seconds=None, raise_on_error=True))
    except Exception as error:  # sympy's errors have no common base class
        raise UndecidedError(f"math-verify fails at {given!r:.100}: {type(error).__name__}: {error}") from error
    raise UndecidedError(f"too much for math-verify to simplify: {too_complex[0]!r:.100}")


def _is_prose(text: str) -> bool:
    """Whether a text has three words in a row, or more than half of it is words."""
    return _SENTENCE.search(text) is not None or 2 * sum(map(len, _WORD.findall(text))) > len(text)


@lru_cache(maxsize=4096)
def _parsed_reference(reference: str) -> Any:
    return _parsed(reference)


def _parsed(answer: str) -> Any:
    r"""An answer parsed by math-verify, without units; in a box, first match, so that it is not parsed in part."""
    library = _library()
    latex = library.parser.LatexExtractionConfig(boxed_match_priority=0, normalization_config=_normalization())
    return library.parse(
        rf"\boxed{{{answer}}}", extraction_config=[latex], extraction_mode="first_match", parsing_timeout=None
    )


@lru_cache(maxsize=1)
def _normalization() -> Any:
    """math-verify's default normalisation without its units, which are parsed before."""
    library = import_module("latex2sympy2_extended")
    return library.NormalizationConfig(basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="all")


@lru_cache(maxsize=1)
def _library() -> Any:
    """math-verify without its warnings; ImportError says how to install it."""
    library = needed("math_verify", "math", "mathematics")
    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that its time limits are off
    return library
