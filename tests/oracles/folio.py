"""FOLIO: the text read sentence by sentence, all small models tried."""

from __future__ import annotations

import re
from functools import cache
from itertools import combinations, product

from datamodules.enigmata.tasks.task import Question
from tests.oracles.reading import says

Kinds = frozenset[str]
"""What one being is."""


def rule_allows(text: str, being: Kinds) -> bool | None:
    """Whether a being keeps to a rule; None where the text is none."""
    match = re.fullmatch(
        r"(Every|No) (\w+)(?: that is (not )?a (\w+))? is (?:both )?a (\w+)(?: (or|and) a (\w+))?\.", text
    )
    if match is None:
        return None
    every, first, unless, that, second, word, third = match.groups()
    if first not in being or (that and (that in being) == bool(unless)):
        return True
    if word:
        return any((second in being, third in being)) if word == "or" else all((second in being, third in being))
    return (second in being) == (every == "Every")


def holds(text: str, beings: dict[str, Kinds]) -> bool:
    """Whether a sentence is true in a model: beings with and without names."""
    if re.match("Every|No ", text):
        return all(rule_allows(text, being) is True for being in beings.values())
    if match := re.fullmatch(r"Some (\w+) is (not )?a (\w+)\.", text):
        return any(match[1] in being and (match[3] in being) != bool(match[2]) for being in beings.values())
    if match := re.fullmatch(r"If (\w+) is a (\w+), then (\w+) is (not )?a (\w+)\.", text):
        return match[2] not in beings[match[1]] or (match[5] in beings[match[3]]) != bool(match[4])
    match = re.fullmatch(r"(\w+) is (not )?a (\w+)(?: (or|and not) a (\w+))?\.", text)
    assert match, text
    being = beings[match[1]]
    if match[4] == "or":
        return match[3] in being or match[5] in being
    return (match[3] in being) != bool(match[2]) and (match[4] is None or match[5] not in being)


@cache
def solved(text: str) -> str:
    """By all models: each name is any being that the rules allow, and all other such beings exist too, or do not.

    Universal sentences about kinds alone only forbid beings, so the fullest model has all the allowed anonymous ones;
    for "Every" and "Some" as conclusions their denial is tried with the allowed ones taken away one by one instead.
    """
    *premises, conclusion = text.split("\n")
    conclusion = conclusion.removeprefix("Conclusion: ")
    nouns = sorted(set(re.findall(r"\ban? (\w+)", text)) | set(re.findall(r"(?:Every|No|Some) (\w+)", text)))
    names = sorted(set(re.findall(r"(?:^|If |then |: )([A-Z]\w+) is", text, re.M)) - {"Some", "No", "Every"})
    every = [frozenset(chosen) for size in range(len(nouns) + 1) for chosen in combinations(nouns, size)]
    rules = [line for line in premises if re.match("Every|No ", line)]
    rest = [line for line in premises if line not in rules]
    allowed = [being for being in every if all(rule_allows(line, being) for line in rules)]
    about = [line for line in rest if not line.startswith("Some")]
    verdicts: set[bool] = set()
    for chosen in product(allowed, repeat=len(names)) if names else [()]:
        named = dict(zip(names, chosen, strict=True))
        if not all(holds(line, named) for line in about):
            continue
        if not re.match("Every|No |Some", conclusion):
            full = named | {str(i): being for i, being in enumerate(allowed)}
            if all(holds(line, full) for line in rest):
                verdicts.add(holds(conclusion, named))
        else:
            for avoid in (False, True):  # without the beings that decide the conclusion, and with them
                extra = [b for b in allowed if not avoid or plain(conclusion, b)]
                model = named | {str(i): being for i, being in enumerate(extra)}
                if model and all(holds(line, model) for line in rest):
                    verdicts.add(holds(conclusion, model))
        if len(verdicts) == 2:
            return "Unknown"
    assert verdicts
    return str(verdicts.pop())


def plain(conclusion: str, being: Kinds) -> bool:
    """Whether a being is no example for "Some", or no exception from "Every" and "No"."""
    return not holds(conclusion, {"": being}) if conclusion.startswith("Some") else holds(conclusion, {"": being})


def right(question: Question, answer: str) -> bool:
    return says(answer, solved(question["text"]))
