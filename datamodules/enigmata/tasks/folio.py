"""FOLIO: whether a conclusion follows from premises of first-order logic, in sentences about invented kinds.

Why the verdicts are sound: each premise, and the conclusion as well as its denial, is a universal sentence, an
existential one, or one about named individuals, all in clauses without equality and functions (the class of Bernays
and Schoenfinkel). Give each existential sentence an anonymous individual of its own. By Herbrand's theorem the
sentences have a model if and only if they have one whose individuals are just the named and the anonymous ones, so
universal sentences are replaced by their instances, and a SAT solver decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import ClassVar

from pysat.solvers import Minisat22

from datamodules.enigmata.tasks.task import Levels, Question
from datamodules.enigmata.tasks.verdicts import NAMES, NOUNS, VerdictTask

Literal = tuple[str, str, bool]
"""A literal: the individual (a name, or none yet), the noun, and whether it is affirmed."""
SOME = ""


@dataclass(frozen=True)
class Sentence:
    """A sentence as clauses about named individuals, "all" individuals or "some" individual."""

    text: str
    quantifier: str
    clauses: tuple[tuple[Literal, ...], ...]


class Folio(VerdictTask):
    """The text has the premises, one per line, and a last line that begins with `Conclusion:`."""

    name = "FOLIO"
    verdicts = ("True", "False", "Unknown")
    levels: ClassVar[Levels] = {
        "easy": tuple({"premises": premises} for premises in (3, 4, 5)),
        "medium": ({"premises": 6},),
        "hard": tuple({"premises": premises} for premises in (7, 8, 9)),
    }

    def draw(self, random: Random, premises: int) -> tuple[Question, str] | None:
        """Draw the verdict first, so that all three are equally frequent, then texts until one fits."""
        wanted = random.choice(self.verdicts)
        for _ in range(40):
            text = drawn_text(random, premises, wanted)
            if text is not None:
                return {"text": text, "verdict": wanted}, wanted
        return None

    def ask(self, question: Question) -> str:
        return (
            "These premises are true; the strange words in them are kinds of beings, of which nothing else is known. "
            "`Every` and `no` say nothing about whether there is such a being, `some` says that there is at least one, "
            "an `or` holds also where both parts do, and an `if` where its first part is false.\n\n"
            f"{question['text']}\n\nGive one word in a fenced code block: True if the conclusion must be true, False "
            "if it can't be true, Unknown if the premises leave it open."
        )


def drawn_text(random: Random, premises: int, wanted: str) -> str | None:
    """Consistent premises, and a conclusion with this verdict that does not follow from a single premise."""
    names, nouns = random.sample(NAMES, 2), random.sample(NOUNS, min(max(premises - 1, 3), 5))
    given = [stated(random, names, nouns), *(drawn_sentence(random, names, nouns) for _ in range(premises - 1))]
    random.shuffle(given)
    if len({sentence.text for sentence in given}) < premises or not possible(given):
        return None
    for _ in range(8):
        conclusion = drawn_conclusion(random, names, nouns)
        alone = (verdict([one], conclusion) == "Unknown" for one in given)
        if verdict(given, conclusion) == wanted and (wanted == "Unknown" or all(alone)):
            return "\n".join([*(sentence.text for sentence in given), f"Conclusion: {conclusion.text}"])
    return None


def drawn_sentence(random: Random, names: Sequence[str], nouns: Sequence[str]) -> Sentence:
    """A random premise; most are rules."""
    return random.choice((rule, rule, rule, rule, existence, stated, linked))(random, names, nouns)


def drawn_conclusion(random: Random, names: Sequence[str], nouns: Sequence[str]) -> Sentence:
    """A random conclusion; most are about a named individual."""
    return random.choice((stated, stated, stated, rule, existence))(random, names, nouns)


def rule(random: Random, names: Sequence[str], nouns: Sequence[str]) -> Sentence:
    """A sentence about all individuals."""
    a, b, c = random.sample(nouns, 3)
    no_a, is_b, is_c = (SOME, a, False), (SOME, b, True), (SOME, c, True)
    no_b, no_c = (SOME, b, False), (SOME, c, False)
    text, clauses = random.choice(
        (
            (f"Every {a} is a {b}.", ((no_a, is_b),)),
            (f"Every {a} is a {b}.", ((no_a, is_b),)),
            (f"No {a} is a {b}.", ((no_a, no_b),)),
            (f"Every {a} is a {b} or a {c}.", ((no_a, is_b, is_c),)),
            (f"Every {a} that is a {b} is a {c}.", ((no_a, no_b, is_c),)),
            (f"Every {a} that is not a {b} is a {c}.", ((no_a, is_b, is_c),)),
            (f"No {a} that is a {b} is a {c}.", ((no_a, no_b, no_c),)),
            (f"Every {a} is both a {b} and a {c}.", ((no_a, is_b), (no_a, is_c))),
        )
    )
    return Sentence(text, "all", clauses)


def existence(random: Random, names: Sequence[str], nouns: Sequence[str]) -> Sentence:
    """A sentence about some individual."""
    a, b = random.sample(nouns, 2)
    so = random.random() < 0.6
    return Sentence(f"Some {a} is {'' if so else 'not '}a {b}.", "some", (((SOME, a, True),), ((SOME, b, so),)))


def stated(random: Random, names: Sequence[str], nouns: Sequence[str]) -> Sentence:
    """A sentence about a named individual."""
    (a, b), who = random.sample(nouns, 2), random.choice(names)
    text, clauses = random.choice(
        (
            (f"{who} is a {a}.", (((who, a, True),),)),
            (f"{who} is a {a}.", (((who, a, True),),)),
            (f"{who} is not a {a}.", (((who, a, False),),)),
            (f"{who} is a {a} or a {b}.", (((who, a, True), (who, b, True)),)),
            (f"{who} is a {a} and not a {b}.", (((who, a, True),), ((who, b, False),))),
        )
    )
    return Sentence(text, "", clauses)


def linked(random: Random, names: Sequence[str], nouns: Sequence[str]) -> Sentence:
    """A sentence about two named individuals."""
    (a, b), (one, other), so = random.sample(nouns, 2), random.sample(names, 2), random.random() < 0.7
    text = f"If {one} is a {a}, then {other} is {'' if so else 'not '}a {b}."
    return Sentence(text, "", (((one, a, False), (other, b, so)),))


def denied(sentence: Sentence) -> Sentence:
    """The negation in clauses: all literals of some clause are false."""
    picks = product(*sentence.clauses)
    clauses = tuple(tuple((who, noun, not so) for who, noun, so in picked) for picked in picks)
    return Sentence("", {"all": "some", "some": "all", "": ""}[sentence.quantifier], clauses)


def verdict(given: Sequence[Sentence], conclusion: Sentence) -> str:
    """The verdict of consistent premises on a conclusion."""
    if not possible([*given, denied(conclusion)]):
        return "True"
    return "Unknown" if possible([*given, conclusion]) else "False"


def possible(sentences: Sequence[Sentence]) -> bool:
    """Whether all have a common model over the named and one anonymous individual per existential sentence."""
    named = dict.fromkeys(who for s in sentences for clause in s.clauses for who, _, _ in clause if who != SOME)
    anonymous = [f"#{i}" for i, sentence in enumerate(sentences) if sentence.quantifier == "some"]
    everyone = [*named, *anonymous] or ["#"]
    variables: dict[tuple[str, str], int] = {}
    with Minisat22() as solver:
        for i, sentence in enumerate(sentences):
            for someone in {"all": everyone, "some": [f"#{i}"], "": [SOME]}[sentence.quantifier]:
                for clause in sentence.clauses:
                    atoms = [
                        (variables.setdefault((who or someone, noun), len(variables) + 1), so)
                        for who, noun, so in clause
                    ]
                    solver.add_clause([number if so else -number for number, so in atoms])
        return bool(solver.solve())


TASK = Folio()
