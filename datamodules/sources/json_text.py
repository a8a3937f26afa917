"""Parses JSON without what JSON does not have or what is ambiguous: NaN, infinity, a repeated key, half a character."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from math import isinf
from typing import Any

_HALF = re.compile(r"\\u[dD][89abAB-Fc-f]")
_BLANK = re.compile(r"[ \t\r\n]*+")


def strict_json(text: str) -> Any:
    """The value of a JSON text; ValueError if it is invalid or ambiguous."""
    value = _DECODER.decode(text)
    return whole(value) if _HALF.search(text) else value


def whole(value: Any) -> Any:
    """The value unchanged; ValueError if a text in it has half a character."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start])[1:-1]
        raise ValueError(f"{half} is half a character, a lone surrogate") from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError(f"the key {first_repeat([key for key, _ in pairs])!r} stands twice in an object")
    return value


def first_repeat(names: Sequence[str]) -> str | None:
    """The first repeated name; None if there is none."""
    return next((name for place, name in enumerate(names) if name in names[:place]), None)


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no value of JSON")


def _number(digits: str) -> float:
    value = float(digits)
    if isinf(value):
        raise ValueError(f"{digits:.40} is above the largest number, 1.8e308: write it as text")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_number)


def json_list(text: str) -> Iterator[Any]:
    """The values of a list, one after another, each parsed when it is needed; ValueError as for `strict_json`."""
    has_halves = _HALF.search(text) is not None
    place = _behind(text, text.index("[") + 1)
    while not text.startswith("]", place):
        value, place = _DECODER.raw_decode(text, place)
        yield whole(value) if has_halves else value
        place = _behind(text, place)
        if text.startswith(",", place):
            place = _behind(text, place + 1)
            if text.startswith("]", place):
                raise json.JSONDecodeError("no value behind the comma", text, place)
        elif not text.startswith("]", place):
            raise json.JSONDecodeError("neither a comma nor the end of the list", text, place)
    if text[place + 1 :].strip():
        raise json.JSONDecodeError("something behind the end of the list", text, place)


def _behind(text: str, place: int) -> int:
    """The place behind white space."""
    blank = _BLANK.match(text, place)
    assert blank is not None  # it matches nothing too
    return blank.end()


def parse_json(text: str) -> Any:
    """The list or object in a JSON text; None if it is neither."""
    try:
        value = strict_json(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list)) else None
