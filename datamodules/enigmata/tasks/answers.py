"""Parses answers from responses, in linear time and without executing anything.

A parser returns None for invalid input and never raises. Digits are ASCII; a number has at most nine of them
and no leading zero.
"""

from __future__ import annotations

import re

FENCE = "```"
LONGEST = 10_000
"""The most characters of an answer; a longer one counts as none."""

_INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,8})")
_PAIR = re.compile(r"[(\[]\s*(0|[1-9][0-9]{0,3})\s*,\s*(0|[1-9][0-9]{0,3})\s*[)\]]")
_NEXT_ROW = re.compile(r"\][ \t]*,")
_SEPARATORS = re.compile(r"[\s,;|]+")
_QUOTES = "\"'`\u201c\u201d\u2018\u2019"


def last_block(response: str) -> str | None:
    """The content of the last complete fenced block, without its language tag; None if there is none.

    Fences are paired from the start, so that an open one at the end is ignored.
    """
    pieces = response.split(FENCE)
    if len(pieces) < 3:
        return None
    block = pieces[-2] if len(pieces) % 2 else pieces[-3]
    first, newline, rest = block.partition("\n")
    content = (rest if newline and rest.strip() else first if newline else block).strip()
    return content if 0 < len(content) <= LONGEST else None


def unquoted(text: str) -> str:
    """The text without surrounding white space and quotes."""
    return text.strip().strip(_QUOTES).strip()


def bare(text: str) -> str:
    """The text without surrounding white space, quotes and a final full stop, irrelevant to lists and numbers."""
    return unquoted(unquoted(text).removesuffix("."))


def said(text: str, phrase: str) -> bool:
    """Whether the text is this phrase, ignoring case, quotes and a final full stop."""
    return bare(text).rstrip(".").casefold() == phrase.rstrip(".").casefold()


def integer(text: str) -> int | None:
    """A single integer and nothing else."""
    text = unquoted(text)
    return int(text) if _INTEGER.fullmatch(text) else None


def integers(text: str) -> list[int] | None:
    """Integers separated by white space, commas, semicolons or bars, with or without brackets."""
    words = [word for word in _SEPARATORS.split(bare(text).strip("[](){},; \t\n")) if word]
    numbers = [integer(word) for word in words]
    return None if any(number is None for number in numbers) else [number for number in numbers if number is not None]


def rows(text: str) -> list[str]:
    """The non-blank lines, without surrounding white space."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def pairs(text: str) -> list[tuple[int, int]] | None:
    """Pairs of integers from 0 to 9999, such as the cells `[(0, 3), (2, 1)]`, with or without outer brackets."""
    found = [(int(first), int(second)) for first, second in _PAIR.findall(text)]
    rest = "".join(_SEPARATORS.split(_PAIR.sub("", bare(text))))
    return found if rest in ("[]", "{}", "()") or (rest == "" and found) else None


def unnested(text: str) -> str:
    """Convert nested brackets to one row per line."""
    return _NEXT_ROW.sub("]\n", text)


def integer_grid(text: str, height: int, width: int) -> list[list[int]] | None:
    """A grid of integers, one row per line or as nested brackets; None unless it has this size."""
    lines = rows(unnested(bare(text)))
    parsed = [integers(line.strip("[], \t")) for line in lines]
    if len(parsed) != height or any(row is None or len(row) != width for row in parsed):
        return None
    return [row for row in parsed if row is not None]


def symbol_grid(text: str, height: int, width: int, symbols: str) -> list[str] | None:
    """A grid of one-character symbols, optionally separated by white space or commas.  -> rows as strings"""
    lines = ["".join(_SEPARATORS.split(line.strip("[], \t"))).translate(_NO_QUOTES) for line in rows(text)]
    if len(lines) != height or any(len(line) != width or set(line) - set(symbols) for line in lines):
        return None
    return lines


_NO_QUOTES = str.maketrans("", "", _QUOTES)
