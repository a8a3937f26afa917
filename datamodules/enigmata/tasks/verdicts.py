"""Base class of tasks in sentences with one of three verdicts: knights_and_knaves and FOLIO."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from datamodules.enigmata.tasks.answers import said
from datamodules.enigmata.tasks.task import Question, Task

NAMES = (
    "Abel", "Bela", "Cora", "Dorin", "Edda", "Falk", "Gitta", "Hanno", "Ines", "Jaron", "Kasia", "Lumo", "Mirth",
    "Nadir", "Orla", "Piet", "Quill", "Runa", "Senna", "Timo", "Ulla", "Vigo", "Wanda", "Xenia", "Yara", "Zeno",
)  # fmt: skip
NOUNS = (
    "blick", "dorp", "fendle", "gorp", "hibble", "jent", "klup", "lorrim", "moop", "nurb", "pindle", "quorl", "rafter",
    "sprock", "tove", "vorn", "wug", "yimp", "zark", "brillig",
)  # fmt: skip

_INVENTED = re.compile(rf"\b(?:{'|'.join(NAMES + NOUNS)})(?=s?\b)")


class VerdictTask(Task):
    """A question is `{"text": premises and conclusion, "verdict": str}`, the data of upstream's records.

    Attributes:
        verdicts: the three verdicts.
    """

    verdicts: ClassVar[tuple[str, str, str]]

    def judge(self, question: Question, answer: str) -> bool:
        return said(answer, question["verdict"])

    def canonical(self, question: Question) -> Any:
        """The text with its invented words numbered by first appearance."""
        numbers: dict[str, str] = {}
        return _INVENTED.sub(lambda match: numbers.setdefault(match[0], f"#{len(numbers)}"), question["text"])

    def meta(self, question: Question) -> dict[str, Any]:
        return {"question": question["text"]}

    def upstream_answer(self, question: Question, answer: str) -> str:
        return question["verdict"]

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        meta, verdict = record.get("meta"), record.get("answer")
        text = meta.get("question") if isinstance(meta, Mapping) else None
        if not isinstance(text, str) or verdict not in self.verdicts:
            return None
        return {"text": text, "verdict": verdict}
