"""Scores one answer: a verdict with its cause in one line, whatever the user's scorer does."""

from __future__ import annotations

from hashlib import blake2b
from math import nan
from numbers import Real
from typing import Any, NamedTuple

from app.kept import settings_kept
from app.raised import raised_at
from app.types import Composite, Problem, Unscored

LONGEST_CAUSE = 200
"""The most characters of a cause for a missing score."""

LONGEST_ANSWER = 200
"""The most characters of an extracted answer; a longer one is cut and gets a digest of the whole."""


class Verdict(NamedTuple):
    """A score in [0, 1] with the extracted answer, or None if there is none; or NaN with a cause of one line.

    `parts` are the components of the score, by name.
    """

    score: float
    cause: str = ""
    answer: str | None = None
    parts: dict[str, float] | None = None

    @property
    def scored(self) -> bool:
        return not self.cause


def judge(problem: Problem, text: str) -> Verdict:
    """Score and extract one answer.

    It is unscored if the problem raises, or returns a score that is no number in [0, 1] or an extracted answer that
    is no string. What the scorer changes for its process, such as the working folder, is restored, but for the
    handlers of signals.
    """
    try:
        with settings_kept(handled=()):
            return _verdict(problem, text)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Verdict(nan, described(error))


def _verdict(problem: Problem, text: str) -> Verdict:
    """Score and extract one answer; raises what the problem raises."""
    given: Any = problem.score(text)
    score: float = given.item() if hasattr(given, "item") else given  # a scalar of numpy or torch
    if isinstance(score, Unscored):
        return Verdict(nan, one_line(score.cause))
    if isinstance(score, Real) and 0 <= score <= 1 and 0 <= float(score) <= 1:
        parts = score.parts if isinstance(score, Composite) else None
        return answered(float(score), problem.extract_answer(text))._replace(parts=parts)
    return Verdict(nan, one_line(f"a score of {score!r} is no number in [0, 1]"))


def answered(score: float, answer: object) -> Verdict:
    """A score with the extracted answer, which must have at most LONGEST_ANSWER characters."""
    if answer is None or isinstance(answer, str):
        return Verdict(score, answer=None if answer is None else shortened(str(answer)))
    return Verdict(nan, one_line(f"an extracted answer of {answer!r} is neither text nor None"))


def shortened(answer: str) -> str:
    """The answer; a long one is cut and gets a digest, so that equal answers stay equal and others do not become so."""
    if len(answer) <= LONGEST_ANSWER:
        return answer
    digest = blake2b(answer.encode(errors="surrogatepass"), digest_size=16).hexdigest()
    return f"{answer[: LONGEST_ANSWER - len(digest) - 1]} {digest}"


def described(error: BaseException) -> str:
    """An exception's class and message in one line, with the line of the user's code that raised it."""
    try:
        message = one_line(str(error))
    except Exception:  # a class that the scorer defines
        message = ""
    raised = raised_at(error)
    place = one_line(raised[1])[-LONGEST_CAUSE // 2 :] if raised else ""
    said = one_line(f"{type(error).__name__}: {message}".removesuffix(": "))
    return f"{said[: LONGEST_CAUSE - len(place) - 3]} ({place})" if place else said


def one_line(text: str) -> str:
    """A printable text: without line breaks, control characters and lone surrogates, and not too long."""
    words = " ".join(text[: 4 * LONGEST_CAUSE].split())
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in words)[:LONGEST_CAUSE]
