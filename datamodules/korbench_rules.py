"""Questions of KOR-Bench and their scoring (arXiv 2410.06526).

Written after the official verifier, with other code. It differs where that could be cheated or
could execute text: arithmetic is parsed and not evaluated by Python, an empty answer never passes, one of several
words must be a complete one, and expressions are compared by `datamodules/math`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from app.types import Problem, Prompt
from datamodules.enigmata.tasks.expressions import evaluate, tokens
from datamodules.math.answers import UndecidedError, decided, equivalent

LONGEST = 4_000
"""The most characters of an answer; a longer one counts as none."""

MATHEMATICAL = frozenset((
    18, 73, 74, 77, 94, 115, 116, 117, 121, 122, 123, 125, 131, 132, 134, 135, 136, 141, 143, 145, 146, 147, 149,
    151, 152, 153, 154, 155, 156, 160, 161, 162, 164, 165, 166, 170, 206, 209, 211, 212, 213, 214, 215, 217, 218,
))  # fmt: skip
"""Questions of the category operation whose answer is an expression."""
INEQUALITIES = frozenset((178, 179))
"""Questions of the category operation whose answer is bounds."""

_BOUND = re.compile(r"([≥≤])\s*(-?[0-9]+\.?[0-9]*)")
_SIGNS = re.compile(r"[-+*/]")
_OR = re.compile(r"\\(?:text|mathrm|mbox)\s*\{\s*or\s*\}")
_SIZES = re.compile(r"\\(?:left|right|displaystyle)(?![a-zA-Z])")
_GLUED = re.compile(r"(?<=[0-9])(?=[a-z](?![a-z]))")
"""Matches between a number and a letter: math-verify parses the i of 2i as another letter than the i of 2 + i."""


@dataclass(frozen=True)
class Question:
    """The facts that decide how an answer is scored.

    Args:
        category: operation, logic, cipher, puzzle or counterfactual.
        rule: the number of the rule in its category.
        index: the number of the question in its category.
        answer: the official answer, in double square brackets.
    """

    category: str
    rule: str
    index: str
    answer: str


def judge(question: Question, response: str) -> bool:
    """Whether the first answer in double square brackets is right."""
    given, wanted = _given(question, response), bracketed(question.answer, True)
    return given is not None and _judge_of(question)(given, question.answer if wanted is None else wanted)


def extracted(question: Question, response: str) -> str | None:
    """The first answer in double square brackets, without quotes, with single spaces; None if there is none."""
    given = _given(question, response)
    return None if given is None else " ".join(given.replace('"', " ").split()) or None


def _given(question: Question, response: str) -> str | None:
    """The answer, unchanged; None if there is none, or it is too long."""
    given = bracketed(response, question.category == "puzzle")
    return given if given is not None and given.strip() and len(given) <= LONGEST else None


def reference(question: Question) -> str:
    """An answer that passes: the official one, or its first word if it lists several of which one is asked."""
    if question.category != "puzzle" or question.rule not in ("2", "4"):
        return question.answer
    words = bracketed(question.answer, True) or question.answer
    return f"[[{words.replace(',', ' ').split()[0]}]]"


def bracketed(text: str, strict: bool) -> str | None:
    r"""The content of the first [[..]]; if not strict, else of the first $\boxed{..}$, else of the first [..].

    Double brackets may be in LaTeX or Markdown: `\left[\left[..\right]\right]`, `\[\[..\]\]`.
    """
    found = _between(text, "[[", "]]")
    if found is not None or strict:
        return found
    found = _between(_SIZES.sub("", text).replace("\\[", "[").replace("\\]", "]"), "[[", "]]")
    found = _between(text, "$\\boxed{", "}$") if found is None else found
    return _between(text, "[", "]") if found is None else found


def _between(text: str, opening: str, closing: str) -> str | None:
    start = text.find(opening) + len(opening)
    end = text.find(closing, start) if start >= len(opening) else -1
    return text[start:end] if end >= 0 else None


def _judge_of(question: Question) -> Callable[[str, str], bool]:
    """The function that compares a given with the wanted answer of a question."""
    if question.category == "puzzle":
        return PUZZLES.get(question.rule, _same_by(_words_alone))
    if question.category == "logic":
        return _same_by(_in_any_order(_tight, ";")) if question.rule == "5" else _same_by(_tight)
    if question.category == "operation":
        return _operation(question)
    return _same_by(_unbracketed)


def _operation(question: Question) -> Callable[[str, str], bool]:
    index = int(question.index) if question.index.isdecimal() else -1
    if index in INEQUALITIES:
        return _same_by(lambda text: sorted(_BOUND.findall(_unbracketed(text))))
    if question.rule == "18":
        return _same_by(lambda text: sorted(_words_alone(text)))
    if question.rule in ("23", "24", "25"):
        return _same_by(lambda text: [number.lstrip("0") for number in re.findall(r"[0-9]+", text)])
    return _expressions if index in MATHEMATICAL else _same_by(_in_any_order(_unbracketed, "or"))


def _expressions(given: str, wanted: str) -> bool:
    """Whether each of the expressions separated by "or" has an equal one on the other side."""
    ours, theirs = ([_right_side(part) for part in text.split("or")] for text in (_or(given), _or(wanted)))
    if len(ours) != len(theirs):
        return False
    return all(_is_among(our, theirs) for our in ours) and all(_is_among(their, ours) for their in theirs)


def _is_among(expression: str, others: list[str]) -> bool:
    """Whether it equals one of the others; UndecidedError if it equals none and one could not be compared."""
    undecided = None
    for other in others:
        try:
            if equivalent(expression, other):
                return True
        except UndecidedError as error:
            undecided = error
    if undecided is not None:
        raise undecided
    return False


def _right_side(text: str) -> str:
    """The text after the last equals sign, without brackets that do not group and unmatched closing braces."""
    text = re.sub(r'["\n$\[\]]|\\[()\[\]]', "", _SIZES.sub("", text)).rpartition("=")[2]
    text = _GLUED.sub(" ", text.replace("\\*", "*")).strip().rstrip(" .\\")
    while text.endswith("}") and text.count("{") < text.count("}"):
        text = text[:-1].rstrip(" .\\")
    return text


def _or(text: str) -> str:
    return _OR.sub("or", text)


def _same_by(form: Callable[[str], object]) -> Callable[[str, str], bool]:
    """A comparison of answers in this form."""
    return lambda given, wanted: form(given) == form(wanted)


def _in_any_order(clean: Callable[[str], str], separator: str) -> Callable[[str], list[str]]:
    return lambda text: sorted(clean(_or(text)).split(separator))


def _tight(text: str) -> str:
    return re.sub(r'["\s.]', "", text)


def _unbracketed(text: str) -> str:
    return re.sub(r'["\s\[\]]', "", text)


def _words_alone(text: str) -> str:
    return re.sub(r"\W+", "", text)


def _letters(text: str) -> str:
    return re.sub(r"[^a-z]", "", text.lower())


def _equation(given: str, wanted: str) -> bool:
    """Whether it has the same signs in the same order, between single digits, and the wanted value."""
    ours, theirs = (tokens(text.partition("=")[0]) or [] for text in (given, wanted))
    value = re.search(r"=\s*(-?[0-9]{1,9})", wanted)
    figures = [token for token in ours if token.isdecimal()]
    return (
        value is not None
        and [token for token in ours if _SIGNS.match(token)] == [token for token in theirs if _SIGNS.match(token)]
        and all(len(figure) == 1 for figure in figures)
        and evaluate(ours) == Fraction(value[1])
    )


def _twenty_four(given: str, wanted: str) -> bool:
    """Whether it has the same digits and the value 24."""
    ours, theirs = (
        tokens(text.strip().split("\n")[0].partition("=")[0].rstrip(" .")) or [] for text in (given, wanted)
    )
    used, there = (sorted(token for token in found if token.isdecimal()) for found in (ours, theirs))
    return bool(ours) and used == there and evaluate(ours) == 24


PUZZLES: dict[str, Callable[[str, str], bool]] = {
    "1": _same_by(_letters),
    "2": lambda given, wanted: _letters(given) in map(_letters, wanted.split(",")),
    "3": _same_by(lambda text: sorted(re.findall(r"\w+", text.lower()))),
    "4": lambda given, wanted: _letters(given) in map(_letters, wanted.split()),
    "5": _same_by(lambda text: sorted("".join(text.split()).split(","))),
    "9": _equation,
    "10": _twenty_four,
    "18": _same_by(lambda text: re.sub(r"[,\s\[\]]+", "", text)),
}
"""Comparisons by the number of the rule; other rules compare only letters and digits."""


@dataclass(frozen=True)
class KORProblem(Problem):
    """A question with a rule above it.

    Args:
        rule: the text of the rule.
        text: the question, which says the format of the answer.
        question: how it is scored.
    """

    rule: str
    text: str
    question: Question

    @property
    def prompt(self) -> Prompt:  # type: ignore[override]
        asked = f"Read this rule:\n\n{self.rule}\n\nAnswer by the rule, not by what is usual:\n\n{self.text}"
        return ({"role": "user", "content": asked},)

    @property
    def key(self) -> str:  # type: ignore[override]
        return f"{self.label} {self.question.rule} {self.text}"

    @property
    def solution(self) -> str:  # type: ignore[override]
        return reference(self.question)

    @property
    def label(self) -> str:  # type: ignore[override]
        return self.question.category

    def score(self, response: str) -> float:
        return decided(lambda: judge(self.question, response))

    def extract_answer(self, response: str) -> str | None:
        return extracted(self.question, response)
