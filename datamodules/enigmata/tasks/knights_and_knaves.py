"""Knights and knaves: what follows from statements of people who always tell the truth, or always lie."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import ClassVar

from datamodules.enigmata.tasks.task import Levels, Question
from datamodules.enigmata.tasks.verdicts import NAMES, VerdictTask

KINDS = ("knave", "knight")


class KnightsAndKnaves(VerdictTask):
    """The text has a paragraph of statements, and a last line that begins with `Statement:`.

    Upstream's puzzles with several possible worlds are medium; the others depend on the number of people.
    """

    name = "knights_and_knaves"
    verdicts = ("Entailment", "Contradiction", "Unknown")
    levels: ClassVar[Levels] = {
        "easy": tuple({"people": people, "ambiguous": False} for people in (2, 3, 4, 5)),
        "medium": (
            *({"people": people, "ambiguous": False} for people in (6, 7)),
            *({"people": people, "ambiguous": True} for people in (3, 4, 5, 6)),
        ),
        "hard": tuple({"people": people, "ambiguous": False} for people in (8, 9, 10)),
    }

    def draw(self, random: Random, people: int, ambiguous: bool) -> tuple[Question, str] | None:
        """Generate statements consistent with one world; the verdict is drawn first, then a conclusion for it."""
        names, truth = random.sample(NAMES, people), random.randrange(2**people)
        atoms = tables(people)
        worlds, lines = everything(people), []
        for number in range(4 * people):
            speaker = number % people
            if (number >= people and worlds.bit_count() == 1) or (ambiguous and number >= people - 1):
                break
            text, claim = drawn_claim(random, names, atoms, not_about=speaker)
            says = ~(atoms[speaker] ^ claim) & worlds  # a knight's claim is true, a knave's is not
            if says >> truth & 1 and (says != worlds or number >= people):
                worlds = says
                lines.append(f'{names[speaker]} says: "{text}"')
        if ambiguous == (worlds.bit_count() == 1):
            return None
        wanted = random.choice(self.verdicts if ambiguous else self.verdicts[:2])
        for _ in range(30):
            text, claim = drawn_claim(random, names, atoms, not_about=None)
            if verdict(worlds, claim) == wanted and claim not in (0, everything(people)):
                text = f"{listed(names)} live here. {' '.join(lines)}\nStatement: {text}"
                return {"text": text, "verdict": wanted}, wanted
        return None

    def ask(self, question: Question) -> str:
        return (
            "On an island everyone is either a knight, whose every statement is true, or a knave, whose every "
            "statement is false. An `or` holds also where both parts do, and an `if` where its first part is false.\n\n"
            f"{question['text']}\n\nDoes the statement in the last line follow? Give one word in a fenced code block: "
            "Entailment if it is true in every case that what was said allows, Contradiction if in none, Unknown if in "
            "some but not in all."
        )


def everything(people: int) -> int:
    """All worlds, as bits of a number; in world w, person p is a knight if bit p of w is set."""
    return (1 << (1 << people)) - 1


def tables(people: int) -> list[int]:
    """For each person the worlds in which they are a knight."""
    return [sum(1 << world for world in range(1 << people) if world >> person & 1) for person in range(people)]


def verdict(worlds: int, claim: int) -> str:
    """The verdict of the possible worlds on a claim."""
    entailed, contradicted = not worlds & ~claim, not worlds & claim
    return "Entailment" if entailed else "Contradiction" if contradicted else "Unknown"


def drawn_claim(random: Random, names: Sequence[str], atoms: Sequence[int], not_about: int | None) -> tuple[str, int]:
    """A sentence about one to three people, and the worlds in which it is true."""
    others = [person for person in range(len(names)) if person != not_about]
    kind = random.choice(("is", "is", "and", "or", "if", "same", "different", "count")[: 2 if len(others) == 1 else 8])
    a, b, *_ = random.sample(others, min(2, len(others))) * 2
    truly, too = random.random() < 0.5, random.random() < 0.5
    first = atoms[a] if truly else ~atoms[a]
    second = atoms[b] if too else ~atoms[b]
    one, two = f"{names[a]} is a {KINDS[truly]}", f"{names[b]} is a {KINDS[too]}"
    full = everything(len(names))
    if kind == "count":
        chosen = random.sample(others, min(3, len(others)))
        number = random.randrange(len(chosen) + 1)
        claim = exactly([atoms[person] for person in chosen], number, full)
        return f"Of {listed([names[person] for person in chosen])}, exactly {number} are knights.", claim
    sentences = {
        "is": (f"{one}.", first),
        "and": (f"{one}, and {two}.", first & second),
        "or": (f"{one}, or {two}.", first | second),
        "if": (f"If {one}, then {two}.", ~first | second),
        "same": (f"{names[a]} and {names[b]} are of the same kind.", ~(atoms[a] ^ atoms[b])),
        "different": (f"{names[a]} and {names[b]} are of different kinds.", atoms[a] ^ atoms[b]),
    }
    text, claim = sentences[kind]
    return text, claim & full


def exactly(chosen: Sequence[int], number: int, full: int) -> int:
    """The worlds in which exactly `number` of the chosen are knights."""
    counts = [full, *[0] * len(chosen)]
    for atom in chosen:
        counts = [(counts[i] & ~atom) | (counts[i - 1] & atom if i else 0) for i in range(len(counts))]
    return counts[number]


def listed(names: Sequence[str]) -> str:
    """Join names as in "A, B and C"."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


TASK = KnightsAndKnaves()
