"""Crosswords: the words written into the drawn grid, and their clues looked for in the text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from datamodules.enigmata.tasks.full_crosswords import CLUES
from datamodules.enigmata.tasks.task import Question


def right(question: Question, answer: str) -> bool:
    told = words(answer)
    if told is None:
        return False
    drawn, order, across, down = question["text"].split("\n\n")
    return fits(drawn.replace(" ", "").splitlines(), *told) and all(
        clued(found, clues.splitlines()[1:], "no particular" in order)
        for found, clues in zip(told, (across, down), strict=True)
    )


def words(answer: str) -> list[list[str]] | None:
    """The words across and down; None unless each way is told once."""
    text = re.sub(r"[\"'](across|down)[\"'] ?:", r"\n\1:", answer.strip().strip("{}")) if "{" in answer else answer
    found: dict[str, list[str]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        way, _, listed = line.upper().partition(":")
        way = way.strip(" \"'*-")
        if way not in ("ACROSS", "DOWN") or way in found:
            return None
        found[way] = [re.sub(r"[ \t\"'`\[\]{}.*]", "", word) for word in listed.strip(" ,").split(",")]
    return [found["ACROSS"], found["DOWN"]] if len(found) == 2 else None


def fits(drawn: Sequence[str], across: Sequence[str], down: Sequence[str]) -> bool:
    """Whether the words fill all blanks, each cell with one letter."""
    size = len(drawn)
    full = [r for r in range(size) if "*" not in drawn[r]]
    upright = [c for c in range(size) if all(row[c] != "*" for row in drawn)]
    if (len(across), len(down)) != (len(full), len(upright)):
        return False
    written = [((r, c), letter) for r, word in zip(full, across, strict=True) for c, letter in enumerate(word)]
    written += [((r, c), letter) for c, word in zip(upright, down, strict=True) for r, letter in enumerate(word)]
    blanks = {(r, c) for r in range(size) for c in range(size) if drawn[r][c] == "_"}
    return {cell for cell, _ in written} == blanks and len(set(written)) == len(blanks)


def clued(found: Sequence[str], clues: Sequence[str], shuffled: bool) -> bool:
    """Whether these are the clues of the words, in their order or in any."""
    own = [f"- {CLUES.get(word.lower())}" for word in found]
    return sorted(own) == sorted(clues) if shuffled else own == list(clues)
