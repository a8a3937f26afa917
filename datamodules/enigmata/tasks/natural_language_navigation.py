"""Navigation: roads in words form a tree of landmarks; find the shortest path to the nearest one of a kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar

from datamodules.enigmata.tasks.task import Levels, Question, Task

KINDS = ("store", "bank", "house", "cinema", "garden", "school")
LETTERS = "ABCDEFGHIJ"
LENGTHS = (100, 200)
FEWEST, MOST = 7, 10
"""The fewest and the most landmarks of a puzzle."""

_ROAD = re.compile(r"\b([0-9]{1,6}) meters long from ([a-z]{1,20} [A-Z]) to ([a-z]{1,20} [A-Z])\b")
_START = re.compile(r"\bstart point is ([a-z]{1,20} [A-Z])\b")
_GOAL = re.compile(r"\bnearest ([a-z]{1,20})\?")
_ANSWER = re.compile(r"[A-Za-z]{1,26}")
_MARKS = str.maketrans("", "", " \t\r\n,;.>-\"'`[]()")


class NaturalLanguageNavigation(Task):
    """A question is `{"start": "bank A", "goal": "store", "roads": [["bank A", "store B", 100], ...]}`.

    Every road leads away from the start; a landmark has a kind and its own letter.
    """

    name = "natural_language_navigation"
    levels: ClassVar[Levels] = {
        "easy": ({"least": 2, "most": 2},),
        "medium": ({"least": 3, "most": 3},),
        "hard": ({"least": 4, "most": MOST},),
    }

    def draw(self, random: Random, least: int, most: int) -> tuple[Question, str]:
        """A binary tree of landmarks, and a kind whose nearest landmark is unique, this many letters away."""
        while True:
            number = random.randint(FEWEST, MOST)
            landmarks = [f"{random.choice(KINDS)} {letter}" for letter in random.sample(LETTERS, number)]
            open_ends, roads = [landmarks[0]] * 2, []
            for landmark in landmarks[1:]:
                origin = open_ends.pop(random.randrange(len(open_ends)))
                open_ends += [landmark] * 2
                roads.append([origin, landmark, random.choice(LENGTHS)])
            question = {"start": landmarks[0], "goal": "", "roads": random.sample(roads, len(roads))}
            found = [(goal, nearest({**question, "goal": goal})) for goal in KINDS if goal != kind(landmarks[0])]
            good = [(goal, ways[0]) for goal, ways in found if len(ways) == 1 and least <= len(ways[0]) <= most]
            if good:
                goal, way = random.choice(good)
                return {**question, "goal": goal}, way

    def ask(self, question: Question) -> str:
        lines = "\n".join(f"From {one} to {other} it is {length} meters." for one, other, length in question["roads"])
        return (
            f"In a small town every landmark has a letter. You are at the {question['start']}. These are all the "
            f"roads:\n\n{lines}\n\nWhich way is the shortest to a {question['goal']}, the nearest one? Give the "
            "letters of the landmarks on your way in order in a fenced code block, the one you are at and the one you "
            "reach included, such as `ABC`."
        )

    def judge(self, question: Question, answer: str) -> bool:
        letters = answer.translate(_MARKS)
        return _ANSWER.fullmatch(letters) is not None and letters.upper() in nearest(question)

    def canonical(self, question: Question) -> Any:
        """The tree without letters, with branches in a fixed order, and the goal."""
        below: dict[str, list[str]] = {}
        for one, other, length in reversed(outward(question)):
            tree = f"{length} {kind(other)}({','.join(sorted(below.get(other, [])))})"
            below.setdefault(one, []).append(tree)
        start = question["start"]
        return [f"{kind(start)}({','.join(sorted(below.get(start, [])))})", question["goal"]]

    def meta(self, question: Question) -> dict[str, Any]:
        roads = " ".join(f"{length} meters long from {one} to {other}." for one, other, length in question["roads"])
        return {"question": f"The start point is {question['start']}. {roads} Where is the nearest {question['goal']}?"}

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        meta = record.get("meta")
        text = meta.get("question") if isinstance(meta, Mapping) else None
        if not isinstance(text, str):
            return None
        starts, goals = _START.findall(text), _GOAL.findall(text)
        roads = [[one, other, int(length)] for length, one, other in _ROAD.findall(text)]
        if len(starts) != 1 or len(goals) != 1:
            return None
        question = {"start": starts[0], "goal": goals[0], "roads": roads}
        letters = {landmark[-1] for landmark in (starts[0], *(road[1] for road in roads))}
        is_tree = len(letters) == len(roads) + 1 == len(outward(question)) + 1
        return question if is_tree and nearest(question) else None


def kind(landmark: str) -> str:
    """The kind of a landmark, without its letter."""
    return landmark.split()[0]


def outward(question: Question) -> list[tuple[str, str, int]]:
    """The reachable roads, each after the one that leads to it."""
    reached, roads, found = {question["start"]}, [tuple(road) for road in question["roads"]], []
    while fresh := [road for road in roads if road[0] in reached]:
        roads = [road for road in roads if road[0] not in reached]
        reached |= {road[1] for road in fresh}
        found += fresh
    return found


def nearest(question: Question) -> list[str]:
    """The letters of the paths to the nearest landmarks of the kind in question."""
    start = question["start"]
    ways = {start: (0, start[-1])}
    for one, other, length in outward(question):
        ways[other] = (ways[one][0] + length, ways[one][1] + other[-1])
    goals = [way for landmark, way in ways.items() if landmark != start and kind(landmark) == question["goal"]]
    return [letters for distance, letters in goals if distance == min(goals)[0]]


TASK = NaturalLanguageNavigation()
