"""Answers read in the plainest way there is, by other means than the scorers'."""

from __future__ import annotations

import re

Cell = tuple[int, int]

QUOTES = "\"'`\u201c\u201d\u2018\u2019"


def block(response: str) -> str:
    """What stands in the last pair of fences, a first line beside the fence left out where more lines follow."""
    *_, inside = re.findall(r"```(.*?)```", response, re.DOTALL)
    beside, _, below = inside.partition("\n")
    return (below if below.strip() else beside).strip()


def inner(text: str) -> str:
    """A text out of its quotes and without its final stop."""
    for end in ("", ".", ""):
        text = text.strip().removesuffix(end).strip().strip(QUOTES)
    return text.strip()


def says(answer: str, phrase: str) -> bool:
    """Whether the answer is a sentence, whatever its case, quotes and final stop."""
    return inner(answer).rstrip(".").lower() == phrase.rstrip(".").lower()


def words(text: str) -> list[str]:
    """What stands between blanks, commas, semicolons and bars, without quotes and the brackets around all of it."""
    found = re.split(r"[\s,;|]+", inner(text).strip("[](){},; \t\r\n"))
    return [word.strip(QUOTES) for word in found if word]


def number(word: str) -> int | None:
    """A whole number as one writes it, of a hundred digits at most."""
    return int(word) if re.fullmatch(r"[+-]?(0|[1-9][0-9]{0,99})", word) else None


def table(text: str) -> list[list[str]]:
    """The words of every line that is not blank; nested brackets end lines, too."""
    lines = re.sub(r"\][ \t]*,", "]\n", inner(text)).splitlines()
    return [words(line.strip("[], \t")) for line in lines if line.strip()]


def letters(text: str) -> list[str]:
    """Every line that is not blank without what stands between its one-letter cells."""
    lines = [line.strip("[], \t") for line in text.splitlines() if line.strip()]
    return [re.sub(rf"[\s,;|{QUOTES}]", "", line) for line in lines]


def digits(text: str, size: int) -> list[str] | None:
    """A square of so many digits a line, ruled or not."""
    drawn = re.sub(r"\][ \t]*,", "]\n", inner(text)).splitlines()
    found = letters("\n".join(line for line in drawn if set(line) - set("-+|=_ \t")))
    return found if [len(line) for line in found] == [size] * size and set("".join(found)) <= set("123456789") else None


def tagged(text: str) -> list[str]:
    """The lines of a board between its tags, or all of a text that has none."""
    return letters(text.split("<begin_board>")[-1].split("<end_board>")[0].replace("x", "X"))


def cells(text: str) -> list[Cell] | None:
    """Pairs of whole numbers, token by token."""
    for mark in "()[]{},;|":
        text = text.replace(mark, f" {mark} ")
    tokens, found, rest, place = inner(text).split(), [], "", 0
    while place < len(tokens):
        opening, first, comma, second, closing = [*tokens[place : place + 5], *[""] * 5][:5]
        shaped = opening in ("(", "[") and comma == "," and closing in (")", "]")
        if shaped and all(re.fullmatch("0|[1-9][0-9]{0,3}", part) for part in (first, second)):
            found.append((int(first), int(second)))
            place += 5
        else:
            rest += "" if opening in (",", ";", "|") else opening
            place += 1
    return found if rest in ("[]", "{}", "()") or (not rest and found) else None
