"""Crosswords: three words across and three down, each with a clue.

Upstream has no generator and no hard ones; here hard ones have shuffled clues, whose order follows from the crossings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import permutations, product
from random import Random
from typing import Any, ClassVar

from datamodules.enigmata.tasks.answers import rows
from datamodules.enigmata.tasks.induction import said_in
from datamodules.enigmata.tasks.task import Levels, Question, Task

WAYS = ("across", "down")
LINES = {5: (0, 2, 4), 7: (1, 3, 5)}
"""The rows and columns with words, by the side of the grid."""

CLUES: dict[str, str] = dict(
    line.split(": ", 1)
    for line in files("datamodules.enigmata.tasks").joinpath("clues.txt").read_text("utf-8").splitlines()
)
"""A newly written clue for each of many common English words of five and seven letters, in lower case."""

LONGEST = 100
"""The numbers of letters of a word in a record."""

_MARKS = str.maketrans("", "", " \t\"'`[]{}.*")
_FIELD = re.compile(r"[\"'](across|down)[\"'] ?:")


class FullCrosswords(Task):
    """A question is `{"text": grid and clues, "across": [words in capitals], "down": [words]}`."""

    name = "full_crosswords"
    levels: ClassVar[Levels] = {
        "easy": ({"size": 5, "shuffled": False},),
        "medium": ({"size": 7, "shuffled": False},),
        "hard": ({"size": 7, "shuffled": True},),
    }

    def draw(self, random: Random, size: int, shuffled: bool) -> tuple[Question, str]:
        """Six different crossing words, with clues in an order that allows only one placement."""
        across = down = [""]
        while len({*across, *down}) < 6 or (shuffled and len(list(placements(across, down, LINES[size]))) > 1):
            across, down = crossing(random, size)
        drawn = "\n".join(" ".join(row) for row in layout(size))
        parts = [
            f"{way.capitalize()}:\n{told(random, words, shuffled)}"
            for way, words in zip(WAYS, (across, down), strict=True)
        ]
        order = "in no particular order" if shuffled else "in that order"
        text = f"{drawn}\n\nThese are the clues, {order}.\n\n" + "\n\n".join(parts)
        question = {"text": text, "across": [*map(str.upper, across)], "down": [*map(str.upper, down)]}
        return question, "\n".join(f"{way}: {', '.join(question[way])}" for way in WAYS)

    def ask(self, question: Question) -> str:
        return (
            "Solve this crossword. `_` is a cell for one letter, `*` is blocked. Every row without `*` holds one word "
            "across, from top to bottom; every column without `*` one word down, from left to right. Other rows and "
            f"columns need not be words.\n\n{question['text']}\n\nGive the words in a fenced code block, on two lines "
            "like these, the rows from top to bottom and the columns from left to right:\n"
            "across: FIRST, SECOND, THIRD\ndown: FIRST, SECOND, THIRD"
        )

    def judge(self, question: Question, answer: str) -> bool:
        found: dict[str, list[str]] = {}
        if answer.lstrip().startswith("{"):  # JSON, as in upstream's records
            answer = _FIELD.sub(r"\n\1:", answer.strip().strip("{}"))
        for line in rows(answer):
            way, colon, words = line.partition(":")
            way = way.strip(" \"'*-").lower()
            if not colon or way not in WAYS or way in found or not words.isascii():
                return False
            found[way] = [word.translate(_MARKS).upper() for word in words.strip(" ,").split(",")]
        return all(found.get(way) == question[way] for way in WAYS)

    def canonical(self, question: Question) -> Any:
        return [question["text"], question["across"], question["down"]]

    def meta(self, question: Question) -> dict[str, Any]:
        return {"question": question["text"]}

    def upstream_answer(self, question: Question, answer: str) -> Any:
        return {way: question[way] for way in WAYS}

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        """Upstream's `meta` is not documented; if it has no text, the prompt is used."""
        meta, answer = record.get("meta"), record.get("answer")
        text = meta.get("question") if isinstance(meta, Mapping) else None
        text = text if isinstance(text, str) else said_in(record.get("prompt"))
        lists = [answer.get(way) for way in WAYS] if isinstance(answer, Mapping) else []
        if not text.strip() or not lists or not all(map(are_words, lists)):
            return None
        across, down = [[word.translate(_MARKS).upper() for word in words or ()] for words in lists]
        return {"text": text, "across": across, "down": down}


def are_words(data: Any) -> bool:
    """Whether this is a list of words as in records."""
    is_list = isinstance(data, list) and len(data) > 0
    return is_list and all(isinstance(word, str) and word.isascii() and len(word) <= LONGEST for word in data)


def layout(size: int) -> list[str]:
    """The rows of the empty grid."""
    lines = LINES[size]
    return ["".join("_" if row in lines or column in lines else "*" for column in range(size)) for row in range(size)]


def told(random: Random, words: Sequence[str], shuffled: bool) -> str:
    """The clues of words, one per line."""
    ordered = random.sample(words, len(words)) if shuffled else words
    return "\n".join(f"- {CLUES[word]}" for word in ordered)


@cache
def index(size: int) -> tuple[list[str], dict[str, list[str]]]:
    """The words with this many letters; and those words by their letters at the first crossings."""
    words = [word for word in CLUES if len(word) == size]
    places: dict[str, list[str]] = {}
    for word in words:
        letters = "".join(word[line] for line in LINES[size])
        for end in range(1, len(letters) + 1):
            places.setdefault(letters[:end], []).append(word)
    return words, places


def crossing(random: Random, size: int) -> tuple[list[str], list[str]]:
    """Three words across and three down that fit together; some may be equal."""
    (words, places), lines = index(size), LINES[size]
    while True:
        first, second = random.sample(words, 2)
        begun = [first[line] + second[line] for line in lines]
        if not all(two in places for two in begun):
            continue
        fitting = [
            word for word in words if all(two + word[line] in places for two, line in zip(begun, lines, strict=True))
        ]
        if fitting:
            across = [first, second, random.choice(fitting)]
            return across, [random.choice(places["".join(word[line] for word in across)]) for line in lines]


def placements(across: Sequence[str], down: Sequence[str], lines: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    """Orders of the words in which all letters agree at the crossings."""
    places = list(product(range(len(lines)), repeat=2))
    for ordered, columns in product(permutations(across), permutations(down)):
        if all(ordered[i][lines[j]] == columns[j][lines[i]] for i, j in places):
            yield ordered, columns


TASK = FullCrosswords()
