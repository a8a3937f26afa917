"""Multiple choice: the options of a row, their text in the prompt, and the option that a response selects."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from string import ascii_uppercase
from typing import Any, NamedTuple

from datamodules.choices.wording import bare, without_spaces, without_unit
from datamodules.math.answers import (
    TAIL,
    UndecidedError,
    canonical,
    decided,
    equivalent,
    final_answer,
    last_box,
)
from datamodules.math.references import reference
from datamodules.math.size import is_simplifiable
from datamodules.scorers import Scorer
from datamodules.sources import parse_json
from datamodules.values import text_of

LONGEST = 1_000
"""The most characters of an answer; a longer one selects no option."""

_OPEN, _CLOSED = r"(?:\\?[(\[{<])?\s*", r"\s*(?:\\?[)\]}>])?[.:]?"
_LETTER = re.compile(rf"{_OPEN}([A-Za-z]){_CLOSED}")
_LETTER_FIRST = re.compile(rf"{_OPEN}([A-Za-z])({_CLOSED}\s*)(\S.*)", re.DOTALL)
_LETTER_LAST = re.compile(r"(.*\S)\s*(?:[(\[]\s*([A-Za-z])\s*[)\]]|\s([A-Z]))", re.DOTALL)
_LETTER_WITHIN = re.compile(r"(?<![A-Za-z])[A-Z](?![A-Za-z])|(?<=[(\[])[a-z](?=[)\]])")
_LETTERED = re.compile(r"\s*\(?([A-Z])[).:\uff0e]\s*(\S.*)", re.DOTALL)
"""An option with its letter before it: (A) 12, A)12, A. 12."""
_BETWEEN = re.compile(r"[,=]\s*|[-\u2013\u2014](?:\s+|(?=[^\W\d]))")
"""Separators between a letter and words, except a minus before a number."""
_SAID = re.compile(
    r":\s*|(?:(?:the|best|right|correct|final)\s+)*(?:answer|option|choice)\b(?:\s+(?:is|option|choice)\b)*\s*:?\s*",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"\\(?!(?:frac|sqrt|pi|cdot|times|circ)(?![a-zA-Z]))[a-zA-Z]|(?<![\\a-zA-Z])[a-zA-Z]|[;&|]")
_LITERAL = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)
_ESCAPE = re.compile(r"\\(['\"\\])")


class Choice(NamedTuple):
    """The right letter, and the options of all letters."""

    letter: str
    options: tuple[str, ...]


class ChoiceScorer(Scorer):
    """Passes a final answer that is the right letter, or the text of the right option."""

    def score(self, response: str, answer: Any) -> float:
        given = self._final(response)
        return decided(lambda: given is not None and chosen(given, answer.options) == answer.letter)

    def extract_answer(self, response: str, answer: Any) -> str | None:
        """The letter."""
        given = self._final(response)
        with suppress(UndecidedError):
            return None if given is None else chosen(given, answer.options)
        return None

    @staticmethod
    def _final(response: str) -> str | None:
        box = last_box(response[-TAIL:])  # unchanged: `final_answer` strips the box's content
        return final_answer(response) if box is None else box

    def solve(self, answer: Any) -> str:
        return f"\\boxed{{{answer.letter}}}"

    @property
    def is_proven(self) -> bool:
        return type(self) is ChoiceScorer  # `read_choice` makes its answers


class OpenScorer(Scorer):
    """Passes a final answer that equals the reference, or one of a list of references, by math-verify."""

    def score(self, response: str, answer: Any) -> float:
        given = final_answer(response)
        return decided(lambda: given is not None and any(equivalent(given, reference(each)) for each in answer))

    def extract_answer(self, response: str, answer: Any) -> str | None:
        return canonical(final_answer(response))

    def solve(self, answer: Any) -> str:
        return f"\\boxed{{{reference(answer[0])}}}"

    @property
    def is_proven(self) -> bool:
        return type(self) is OpenScorer  # `check_reference` accepts its answers


def chosen(answer: str, options: Sequence[str]) -> str | None:
    """The letter of the option that an answer selects; None if it selects none, or could mean several.

    Checked in this order: a single capital letter; the text of an option; a letter, alone or next to the text of its
    own option but not of another; a number equal to an option.
    """
    if len(answer) > LONGEST:
        return None
    letters, text = ascii_uppercase[: len(options)], bare(answer)
    if not in_words(text, options) and (said := _SAID.match(text)):
        text = text[said.end() :]
    alone = _LETTER.fullmatch(text)
    if alone and alone[1] in letters:
        return alone[1]
    taken = in_words(text, options)
    if not taken and alone and alone[1].upper() in letters:
        return alone[1].upper()
    if not taken:
        taken = beside_words(text, options)
    return only(equal(text, options) if taken is None else taken)


def beside_words(text: str, options: Sequence[str]) -> str | None:
    """The letter before or after words; "" if the words mention another option, None if there is no such letter.

    If the words are no option's text, a letter counts if brackets, a full stop or a colon separate it from them.
    """
    letters = ascii_uppercase[: len(options)]
    pairs: list[tuple[str, list[str], bool]] = []  # letter, readings of the words, whether it is separated
    if last := _LETTER_LAST.fullmatch(text):
        pairs.append(((last[2] or last[3]).upper(), [last[1], last[1].rstrip(" ,:;=-\u2013\u2014")], False))
    if first := _LETTER_FIRST.fullmatch(text):
        between = _BETWEEN.match(first[3])
        words = first[3][between.end() :] if between else first[3]
        if first[2] or between:
            is_apart = bool(first[2].strip()) or words.startswith("(")
            pairs.append((first[1].upper(), [first[3], words] if is_apart else [words], is_apart))
    found: str | None = None
    for letter, readings, is_apart in (pair for pair in pairs if pair[0] in letters):
        words, taken = next(((each, said) for each in readings if (said := said_of(each, options))), (readings[0], ""))
        if letter in taken and (is_apart or not names_another(words, letter, letters)):
            return letter
        if taken or (is_apart and speaks_of_another(words, letter, options)):
            found = ""
        elif is_apart:
            found = letter if found is None else found
    return found


def names_another(words: str, letter: str, letters: str) -> bool:
    """Whether words are only another letter: "A, B" selects two options, even if the text of option A is B."""
    alone = _LETTER.fullmatch(words)
    return alone is not None and alone[1].upper() in letters.replace(letter, "")


def speaks_of_another(words: str, letter: str, options: Sequence[str]) -> bool:
    """Whether the words contain another option's letter or text."""
    letters = ascii_uppercase[: len(options)].replace(letter, "")
    if any(found.upper() in letters for found in _LETTER_WITHIN.findall(words)):
        return True
    others = [bare(option) for place, option in enumerate(options) if ascii_uppercase[place] != letter]
    return any(re.search(rf"(?<!\w){re.escape(other)}(?!\w)", words, re.IGNORECASE) for other in others if other)


def in_words(text: str, options: Sequence[str]) -> str:
    """The letters of the options with this text: exactly, or else up to formatting, case or a unit."""
    forms: tuple[Callable[[str], str], ...] = (str.strip, without_spaces, lambda each: without_spaces(each).casefold())
    for form in forms:
        said = form(text)
        if found := [letter for letter, each in zip(ascii_uppercase, options, strict=False) if form(each) == said]:
            return "".join(found)
    number = without_spaces(text)
    if not is_number(number):
        return ""
    return "".join(
        each for each, option in zip(ascii_uppercase, options, strict=False) if without_unit(option) == number
    )


def equal(text: str, options: Sequence[str]) -> str:
    """The letters of the options equal to this number, in any form; with letters sympy would take too long."""
    if not is_number(text):
        return ""
    pairs = [(letter, bare(option)) for letter, option in zip(ascii_uppercase, options, strict=False)]
    return "".join(letter for letter, option in pairs if is_number(option) and equivalent(text, option))


def is_number(text: str) -> bool:
    """Whether a text is a number, or an expression of numbers only."""
    return any(map(str.isdigit, text)) and not _VARIABLE.search(text) and len(text) <= 60 and is_simplifiable(text)


def said_of(words: str, options: Sequence[str]) -> str:
    """The letters of the options with this text, or else of those equal to it as a number."""
    return in_words(words, options) or equal(words, options)


def only(letters: str) -> str | None:
    """The letter, if there is exactly one."""
    return letters if len(letters) == 1 else None


def option_lines(options: Sequence[str]) -> str:
    """A line for each option; "" if options are only letters, which a picture explains."""
    lines = [f"{letter}. {option}" for letter, option in zip(ascii_uppercase, options, strict=False)]
    return "" if list(options) == [*ascii_uppercase[: len(options)]] else "\n".join(lines)


def read_choice(answer: Any, options: Sequence[str], first: int | None = None) -> Choice:
    """The choice of an answer that is a letter or the text of an option, or an option's number.

    Args:
        answer: a value of a row, or a list of one.
        options: the texts of the options.
        first: the number of the first option, if answers are numbers of options; None: they are letters or texts.

    Raises:
        ValueError: the answer is none of these, or may be both an option's text and its number.
    """
    answer = answer[0] if isinstance(answer, list) and len(answer) == 1 else answer
    said, number = text_of(answer).strip(), len(options)
    if not 2 <= number <= len(ascii_uppercase):
        raise ValueError(f"the number of options, {number}, must be 2 to {len(ascii_uppercase)}")
    if first is not None:
        numbers = [str(first + place) for place in range(number)]
        if said not in numbers:
            raise ValueError(f"the answer {answer!r:.80} must be a number from {numbers[0]} to {numbers[-1]}")
        return Choice(ascii_uppercase[numbers.index(said)], tuple(options))
    letter = chosen(said, options)
    if isinstance(answer, int) and 0 <= answer <= number:
        raise ValueError(f"the answer {answer} may be the number of an option: set first_option to 0 or 1")
    if letter is None:
        raise ValueError(f"the answer {answer!r:.80} is none of the {number} options")
    return Choice(letter, tuple(options))


def read_options(value: Any) -> tuple[str, ...]:
    """The options of a row, without letters before them; () if there are none, as for an open question.

    Args:
        value: a list, a list in text, or an object with the letters A, B, C and so on as keys.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(value, dict) and value and {*value} == {*ascii_uppercase[: len(value)]}:
        value = [value[letter] for letter in sorted(value)]
    return _without_letters(_listed(value))


def _without_letters(options: tuple[str, ...]) -> tuple[str, ...]:
    """Options of which each begins with its letter, "(A) 12" or "A)12", without it; others unchanged."""
    found = [_LETTERED.fullmatch(option) for option in options]
    letters = [each[1] if each else None for each in found]
    return tuple(each[2] for each in found if each) if letters == [*ascii_uppercase[: len(options)]] else options


def _listed(value: Any) -> tuple[str, ...]:
    """The options of a list, or of a list in text; ValueError for anything else."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    options = read_list(value)
    numbers = parse_json(value) if isinstance(value, str) and not options else None
    options = tuple(map(str, numbers)) if isinstance(numbers, list) else options
    if options or value is None or value == [] or (isinstance(value, str) and value.strip() in ("", "[]")):
        return options
    raise ValueError(f"the options {value!r:.80} are no list")


def read_list(value: Any) -> tuple[str, ...]:
    """The items of a list, or the strings of a list in JSON or Python syntax; () for anything else, such as "[1, 2]".

    Raises:
        ValueError: for a text with a list of strings and something else.
    """
    if isinstance(value, str):
        text = value.strip()
        if not (text.startswith("[") and text.endswith("]")):
            return ()
        items = parse_json(text)
        if items and all(isinstance(item, str) for item in items):
            return tuple(items)
        texts = [_ESCAPE.sub(r"\1", one or other) for one, other in _LITERAL.findall(text)]
        if texts and _LITERAL.sub("", text).strip("[], \n"):
            raise ValueError(f"the list {text!r:.80} holds something besides texts")
        return tuple(texts)
    return tuple(map(text_of, value)) if isinstance(value, list) else ()
