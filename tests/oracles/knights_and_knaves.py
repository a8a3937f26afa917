"""Knights and knaves: the text read sentence by sentence, all worlds tried."""

from __future__ import annotations

import re
from functools import cache
from itertools import product

from datamodules.enigmata.tasks.task import Question
from tests.oracles.reading import says

World = dict[str, bool]


def holds(sentence: str, world: World) -> bool:
    """Whether a sentence is true in a world in which these are knights."""
    sentence = sentence.rstrip(".")
    if match := re.fullmatch(r"(\w+) is a (knight|knave)", sentence):
        return world[match[1]] == (match[2] == "knight")
    if match := re.fullmatch(r"If (.+), then (.+)", sentence):
        return not holds(match[1], world) or holds(match[2], world)
    if match := re.fullmatch(r"Of (.+), exactly (\d) are knights", sentence):
        return sum(world[name] for name in re.findall(r"[A-Z]\w+", match[1])) == int(match[2])
    if match := re.fullmatch(r"(\w+) and (\w+) are of (the same kind|different kinds)", sentence):
        return (world[match[1]] == world[match[2]]) == (match[3] == "the same kind")
    if match := re.fullmatch(r"(.+), (and|or) (.+)", sentence):
        both = (holds(match[1], world), holds(match[3], world))
        return all(both) if match[2] == "and" else any(both)
    raise AssertionError(sentence)


@cache
def solved(text: str) -> tuple[str, int]:
    """The verdict, and how many worlds are possible."""
    people = re.findall(r"[A-Z]\w+", text.partition(" live here.")[0])
    said = re.findall(r'(\w+) says: "([^"]+)"', text)
    conclusion = text.rpartition("Statement: ")[2]
    worlds = [dict(zip(people, kinds, strict=True)) for kinds in product((False, True), repeat=len(people))]
    possible = [world for world in worlds if all(world[who] == holds(what, world) for who, what in said)]
    verdicts = {holds(conclusion, world) for world in possible}
    return "Unknown" if len(verdicts) == 2 else "Entailment" if True in verdicts else "Contradiction", len(possible)


def right(question: Question, answer: str) -> bool:
    return says(answer, solved(question["text"])[0])
