"""Zebra logic: find the table of people and things from clues."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from random import Random
from typing import Any, ClassVar

from datamodules.enigmata.tasks.answers import bare, rows
from datamodules.enigmata.tasks.task import Levels, Question, Task

KINDS = {
    "Beverage": ["cider", "cocoa", "coffee", "juice", "lemonade", "milk", "soda", "tea", "water"],
    "Color": ["amber", "black", "blue", "green", "orange", "purple", "red", "white", "yellow"],
    "Hobby": ["baking", "chess", "dancing", "fishing", "hiking", "knitting", "painting", "reading", "sailing"],
    "Instrument": ["cello", "clarinet", "drums", "flute", "guitar", "harp", "organ", "piano", "violin"],
    "Job": ["baker", "carpenter", "dentist", "farmer", "judge", "nurse", "pilot", "tailor", "teacher"],
    "Name": ["alma", "boris", "clara", "dmitri", "elena", "felix", "greta", "hugo", "irene"],
    "Pet": ["canary", "cat", "dog", "hamster", "hedgehog", "parrot", "rabbit", "snake", "turtle"],
    "Tree": ["ash", "beech", "birch", "cedar", "elm", "larch", "maple", "oak", "willow"],
}
"""Kinds of things, with their values; upstream has more kinds and other things."""

Clue = tuple[str, tuple[tuple[int, int], ...]]
"""A relation and its things: each a row and its position in that row of the solution."""
Order = tuple[int, ...]
"""The positions of a row's things."""

RELATIONS: dict[str, Callable[..., bool]] = {
    "{} is with {}": lambda size, a, b: a == b,
    "{} is directly left of {}": lambda size, a, b: a == b - 1,
    "{} is directly right of {}": lambda size, a, b: a == b + 1,
    "{} is on the far left": lambda size, a: a == 0,
    "{} is on the far right": lambda size, a: a == size - 1,
    "{} is in the middle": lambda size, a: 2 * a == size - 1,
    "{} is directly between {} and {}": lambda size, a, b, c: a == (b + c) / 2 and abs(b - c) == 2,
}
"""Upstream's relations of level 2 between columns, which all its difficulties use."""

_CLUE = re.compile(r"\s*[1-9][0-9]?\. (.+)")


class ZebraLogic(Task):
    """A question is `{"kinds": [[kind, thing, ...]], "clues": [str], "table": [[thing, ...]]}`, the table solved."""

    name = "zebra_logic"
    levels: ClassVar[Levels] = {"easy": ({"people": 2},), "medium": ({"people": 3},), "hard": ({"people": 4},)}

    def draw(self, random: Random, people: int, kinds: int = 4) -> tuple[Question, str] | None:
        """Rows of things, and true clues each of which is needed."""
        names = sorted(random.sample(sorted(KINDS), kinds))
        table = [random.sample(KINDS[name], people) for name in names]
        clues = needed(true_clues(random, kinds, people), kinds, people)
        if tables(clues, kinds, people) > 1:
            return None
        random.shuffle(clues)
        words = [sentence(clue, names, table) for clue in clues]
        listed = [[name, *sorted(row)] for name, row in zip(names, table, strict=True)]
        return {"kinds": listed, "clues": words, "table": table}, drawn_table(names, table)

    def ask(self, question: Question) -> str:
        kinds, size = question["kinds"], len(question["table"][0])
        listed = "\n".join(f"{kind}: {', '.join(things)}" for kind, *things in kinds)
        clues = "\n".join(f"{number}. {clue}." for number, clue in enumerate(question["clues"], 1))
        empty = drawn_table([kind for kind, *_ in kinds], [["?"] * size for _ in kinds])
        return (
            f"Zebra puzzle. {size} people stand in a row, from left (1) to right ({size}). Each has one thing of each "
            f"kind, and none is shared:\n\n{listed}\n\n{clues}\n\n`with` means: of the same person; `directly`: with "
            "nobody standing between the two, or between the one in the middle and the other two.\n\n"
            f"Fill in this table, a row for each kind and a column for each person:\n\n{empty}\n\nGive it in a fenced "
            "code block, in this form, without a heading."
        )

    def judge(self, question: Question, answer: str) -> bool:
        """All rows of the table in any order; lines without a bar, rulers and a heading of numbers are ignored."""
        told: dict[str, list[str]] = {}
        for line in rows(bare(answer)):
            cells = [" ".join(cell.split()).casefold() for cell in line.strip("|").split("|")]
            if "|" not in line or not any(cell.strip(":- ") and not numbered(cell) for cell in cells):
                continue
            if cells[0] in told:
                return False
            told[cells[0]] = cells[1:]
        return told == solved_rows(question)

    def canonical(self, question: Question) -> Any:
        return [question["kinds"], sorted(question["clues"])]

    def meta(self, question: Question) -> dict[str, Any]:
        listed = [f"{kind}: {', '.join(things)}" for kind, *things in question["kinds"]]
        clues = [f"{number}. {clue}" for number, clue in enumerate(question["clues"], 1)]
        return {"question": "\n".join([*listed, *clues])}

    def upstream_answer(self, question: Question, answer: str) -> str:
        return answer

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        """The record has lines of kinds, then numbered clues; its answer is the table."""
        meta, answer = record.get("meta"), record.get("answer")
        text = meta.get("question") if isinstance(meta, Mapping) else None
        if not isinstance(text, str) or not isinstance(answer, str):
            return None
        clues = [match[1] for line in text.splitlines() if (match := _CLUE.fullmatch(line))]
        parts = [line.partition(": ") for line in text.partition("\n1. ")[0].partition("\n 1. ")[0].splitlines()]
        kinds = [[kind, *things.split(", ")] for kind, _, things in parts]
        told = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in rows(answer)]
        if not clues or [[row[0], *sorted(row[1:])] for row in told] != kinds or len({len(row) for row in kinds}) != 1:
            return None
        return {"kinds": kinds, "clues": clues, "table": [row[1:] for row in told]}


def numbered(cell: str) -> bool:
    """Whether a cell is a number, as in a heading."""
    return cell.isdecimal()


def solved_rows(question: Question) -> dict[str, list[str]]:
    """Each kind with its things from left to right, in lower case."""
    pairs = zip(question["kinds"], question["table"], strict=True)
    return {kind.casefold(): [" ".join(thing.split()).casefold() for thing in row] for (kind, *_), row in pairs}


def drawn_table(names: Sequence[str], table: Sequence[Sequence[str]]) -> str:
    """The table as text, with bars between cells."""
    return "\n".join(f"| {' | '.join([name, *row])} |" for name, row in zip(names, table, strict=True))


def sentence(clue: Clue, names: Sequence[str], table: Sequence[Sequence[str]]) -> str:
    """A clue in words."""
    relation, things = clue
    return relation.format(*(f"{names[row]}:{table[row][place]}" for row, place in things))


def true_clues(random: Random, kinds: int, people: int) -> list[Clue]:
    """True clues of the solution in random order; all relations are drawn with equal probability."""
    things = [(row, place) for row in range(kinds) for place in range(people)]
    found: list[Clue] = []
    while len(found) < 15 * people:
        relation, check = random.choice(list(RELATIONS.items()))
        chosen = tuple(random.sample(things, relation.count("{}")))
        if check(people, *(place for _, place in chosen)) and (relation, chosen) not in found:
            found.append((relation, chosen))
    return found


def needed(clues: Sequence[Clue], kinds: int, people: int) -> list[Clue]:
    """The first clues until one table is left (or all), without those that are not needed for it."""
    low, high = 1, len(clues)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if tables(clues[:middle], kinds, people) == 1 else (middle + 1, high)
    kept = list(clues[:low])
    for clue in clues[:low]:
        fewer = [other for other in kept if other != clue]
        kept = fewer if tables(fewer, kinds, people) == 1 else kept
    return kept


def tables(clues: Sequence[Clue], kinds: int, people: int, most: int = 2) -> int:
    """The number of tables that agree with the clues, up to `most`; rows with the fewest orders come first."""
    of_rows = [(frozenset(row for row, _ in things), RELATIONS[name], things) for name, things in clues]

    def filtered(chosen: dict[int, Order], other: int, orders: Sequence[Order], last: int) -> list[Order]:
        """The orders of another row allowed by all clues that it completes together with the row chosen last."""
        known = {*chosen, other}
        due = [(check, things) for rows_, check, things in of_rows if {last, other} <= rows_ <= known]
        return [order for order in orders if allowed({**chosen, other: order}, due)]

    def allowed(
        chosen: dict[int, Order], due: Sequence[tuple[Callable[..., bool], tuple[tuple[int, int], ...]]]
    ) -> bool:
        return all(check(people, *(chosen[row][thing] for row, thing in things)) for check, things in due)

    def fill(chosen: dict[int, Order], left: dict[int, list[Order]]) -> int:
        if not left:
            return 1
        row, found = min(left, key=lambda other: len(left[other])), 0
        for order in left[row]:
            now = {**chosen, row: order}
            found += fill(now, {other: filtered(now, other, left[other], row) for other in left if other != row})
            if found >= most:
                break
        return found

    every = list(permutations(range(people)))
    return fill({}, {row: filtered({}, row, every, row) for row in range(kinds)})


TASK = ZebraLogic()
