"""Zebra logic: the prompt read clue by clue, all tables found by a SAT solver."""

from __future__ import annotations

import re
from functools import cache
from itertools import combinations, product

from datamodules.enigmata.tasks.task import Question
from datamodules.enigmata.tasks.zebra_logic import TASK
from tests.oracles.reading import inner
from tests.oracles.sat import models

FORMS = {
    r"(\S+) is with (\S+)": lambda n, a, b: a == b,
    r"(\S+) is directly left of (\S+)": lambda n, a, b: b - a == 1,
    r"(\S+) is directly right of (\S+)": lambda n, a, b: a - b == 1,
    r"(\S+) is on the far left": lambda n, a: a == 1,
    r"(\S+) is on the far right": lambda n, a: a == n,
    r"(\S+) is in the middle": lambda n, a: a - 1 == n - a,
    r"(\S+) is directly between (\S+) and (\S+)": lambda n, a, b, c: {a - b, a - c} == {1, -1},
}


@cache
def solutions(prompt: str) -> list[dict[str, int]]:
    """Where each thing may stand: one variable per thing and place, every combination that a clue forbids a clause."""
    kinds = [(kind, things.split(", ")) for kind, things in re.findall(r"^([A-Z]\w+): (.+)$", prompt, re.M)]
    names, size = [f"{kind}:{thing}" for kind, things in kinds for thing in things], len(kinds[0][1])
    places = range(1, size + 1)
    number = {(name, place): i for i, (name, place) in enumerate(product(names, places), 1)}
    clauses = [[number[name, place] for place in places] for name in names]
    clauses += [[-number[name, a], -number[name, b]] for name in names for a, b in combinations(places, 2)]
    for kind, things in kinds:
        for (a, b), place in product(combinations(things, 2), places):
            clauses.append([-number[f"{kind}:{a}", place], -number[f"{kind}:{b}", place]])
    for clue in re.findall(r"^\s*\d+\. (.+)\.$", prompt, re.M):
        match, allows = next((match, check) for form, check in FORMS.items() if (match := re.fullmatch(form, clue)))
        for combination in product(places, repeat=len(match.groups())):
            if not allows(size, *combination):
                clauses.append([-number[name, place] for name, place in zip(match.groups(), combination, strict=True)])
    return [{name: place for (name, place), i in number.items() if i in model} for model in models(clauses)]


def right(question: Question, answer: str) -> bool:
    """A line for each kind, its things from left to right; lines without letters do not count."""
    (places,) = solutions(TASK.ask(question))
    wanted: dict[str, list[str]] = {}
    for place in sorted(places, key=places.__getitem__):
        kind, thing = place.lower().split(":")
        wanted.setdefault(kind, []).append(thing)
    lines = [line.strip() for line in inner(answer).splitlines() if "|" in line and re.search("[^-|: 0-9\t]", line)]
    cells = [[" ".join(cell.lower().split()) for cell in line.strip("|").split("|")] for line in lines]
    return len(cells) == len(wanted) and {row[0]: row[1:] for row in cells} == wanted
