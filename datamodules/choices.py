"""Multiple choice: the options of a row, how they are put, and which one a response takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any, NamedTuple

from datamodules.maths.answers import decided, equivalent, final_answer
from datamodules.maths.references import reference
from datamodules.scorers import Scorer
from datamodules.sources import parse_json
from datamodules.values import text_of

_LETTER = re.compile(r"\(?([A-Z])\)?[.:]?")
_LETTER_FIRST = re.compile(r"\(?([A-Za-z])\)?(?:[.:)].*)?", re.DOTALL)
_WRAPPED = re.compile(r"\\(?:text|mathrm|textbf|mathbf|mbox)\s*\{(.*)\}", re.DOTALL)
_LITERAL = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)
_ESCAPE = re.compile(r"\\(['\"\\])")


class Choice(NamedTuple):
    """The right letter, and what the letters stand for."""

    letter: str
    options: tuple[str, ...]


class ChoiceScorer(Scorer):
    """Passes the right letter, or the right option in its own words, as the final answer."""

    def score(self, response: str, answer: Any) -> float:
        given = final_answer(response)
        return float(given is not None and chosen(given, answer.options) == answer.letter)

    def solve(self, answer: Any) -> str:
        return f"\\boxed{{{answer.letter}}}"


class OpenScorer(Scorer):
    """Passes a final answer that equals the reference, or one of several in a list, as math-verify compares."""

    def score(self, response: str, answer: Any) -> float:
        given = final_answer(response)
        return decided(lambda: given is not None and any(equivalent(given, reference(each)) for each in answer))

    def solve(self, answer: Any) -> str:
        return f"\\boxed{{{reference(answer[0])}}}"


def chosen(answer: str, options: Sequence[str]) -> str | None:
    """The letter of the option that an answer takes; None where it takes none, or could mean several.

    A capital letter alone is a letter, whatever the options say; then come the options' own words, then a letter with
    more behind it.
    """
    wrapped = _WRAPPED.fullmatch(answer)
    answer = (wrapped[1] if wrapped else answer).strip()
    letters = ascii_uppercase[: len(options)]
    spoken = [letter for letter, option in zip(letters, options, strict=True) if option.strip() == answer]
    if match := _LETTER.fullmatch(answer):
        return match[1] if match[1] in letters else None
    if spoken:
        return spoken[0] if len(spoken) == 1 else None
    match = _LETTER_FIRST.fullmatch(answer)
    return match[1].upper() if match and match[1].upper() in letters else None


def lettered(options: Sequence[str]) -> str:
    """A line for each option; nothing where options are but letters, whose meaning a picture shows."""
    lines = [f"{letter}. {option}" for letter, option in zip(ascii_uppercase, options, strict=False)]
    return "" if list(options) == [*ascii_uppercase[: len(options)]] else "\n".join(lines)


def read_choice(answer: Any, options: Sequence[str]) -> Choice:
    """The answer as a letter, or as one of the options; ValueError where it is neither."""
    letter = chosen(text_of(answer).strip(), options) if 2 <= len(options) <= len(ascii_uppercase) else None
    if letter is None:
        raise ValueError(f"the answer {answer!r:.80} is none of the {len(options)} options")
    return Choice(letter, tuple(options))


def read_list(value: Any) -> tuple[str, ...]:
    """The items of a list, or the texts of one written as JSON or Python writes it; () of what is none, as [1, 2]."""
    if isinstance(value, str):
        text = value.strip()
        if not (text.startswith("[") and text.endswith("]")):
            return ()
        items = parse_json(text)
        if items and all(isinstance(item, str) for item in items):
            return tuple(items)
        return tuple(_ESCAPE.sub(r"\1", one or other) for one, other in _LITERAL.findall(text))
    return tuple(map(text_of, value)) if isinstance(value, list) else ()
