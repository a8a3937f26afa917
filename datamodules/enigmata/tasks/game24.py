"""Game24: combine all given numbers to 24, or answer that it is impossible."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar

from datamodules.enigmata.tasks.answers import said
from datamodules.enigmata.tasks.expressions import ANSWER_IS, forms, makes
from datamodules.enigmata.tasks.task import Levels, Question, Task

TARGET = 24
IMPOSSIBLE = "cannot form 24"


class Game24(Task):
    """A question is `{"numbers": [...], "solvable": bool}`."""

    name = "game24"
    levels: ClassVar[Levels] = {"easy": ({"count": 4},), "medium": ({"count": 5},), "hard": ({"count": 6},)}

    def draw(self, random: Random, count: int) -> tuple[Question, str]:
        """This many numbers from 1 to 13; a fifth of all draws of four numbers cannot form 24, hardly any of more."""
        numbers = [random.randint(1, 13) for _ in range(count)]
        expression = forms(numbers, TARGET)
        return {"numbers": numbers, "solvable": expression is not None}, expression or IMPOSSIBLE

    def ask(self, question: Question) -> str:
        return (
            f"The 24 game. Combine the numbers {', '.join(map(str, question['numbers']))} into an expression with the "
            f"value {TARGET}. Use each of them exactly once (one that is listed twice, twice), the operators + - * / "
            "and brackets, and nothing else; fractions and negative numbers may occur on the way.\n\n"
            f"Give the expression in a fenced code block, or, if there is none, the words: {IMPOSSIBLE}"
        )

    def judge(self, question: Question, answer: str) -> bool:
        if said(answer, IMPOSSIBLE):
            return not question["solvable"]
        return makes(answer, question["numbers"], TARGET)

    def canonical(self, question: Question) -> Any:
        return sorted(question["numbers"])

    def meta(self, question: Question) -> dict[str, Any]:
        return {"question": question["numbers"]}

    def upstream_answer(self, question: Question, answer: str) -> str:
        return f"{ANSWER_IS}{answer} = {TARGET}" if question["solvable"] else IMPOSSIBLE

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        """Whether 24 can be formed is computed here: upstream's search misses some expressions."""
        numbers = listed(record.get("meta"), most=6)
        return None if numbers is None else {"numbers": numbers, "solvable": forms(numbers, TARGET) is not None}


def listed(meta: Any, most: int) -> list[int] | None:
    """The numbers of a record; None if they are too many or too large for the search."""
    numbers = meta.get("question") if isinstance(meta, Mapping) else None
    if not isinstance(numbers, list) or not 0 < len(numbers) <= most:
        return None
    return numbers if all(type(number) is int and 0 < number < 100 for number in numbers) else None


TASK = Game24()
