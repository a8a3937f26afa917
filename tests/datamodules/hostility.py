"""A scorer against answers that no honest policy would give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from time import process_time

from app.types import Unscored

Maker = Callable[[Random, str, Sequence[str]], str]


def assert_total(score: Callable[[str], float], hostile: Maker, right: str, number: int = 150) -> None:
    """No exception, a number in [0, 1] or no score with its cause, and nothing above a second of the processor."""
    for index in range(number):
        response = hostile(Random(f"hostile/{right}/{index}"), right, ["1", "0 0"])
        start = process_time()
        value = score(response)
        assert type(value) in (float, Unscored), response[:200]
        assert 0 <= value <= 1 or (isinstance(value, Unscored) and value.cause), response[:200]
        assert process_time() - start < 1, response[:200]


def assert_extracts(extract: Callable[[str], str | None], hostile: Maker, right: str, number: int = 50) -> None:
    """No exception, a text or None, and nothing above a second of the processor."""
    for index in range(number):
        response = hostile(Random(f"extracted/{right}/{index}"), right, ["1", "0 0"])
        start = process_time()
        answer = extract(response)
        assert answer is None or isinstance(answer, str), response[:200]
        assert process_time() - start < 1, response[:200]
