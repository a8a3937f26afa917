"""Problems around other problems."""

from __future__ import annotations

from datamodules.base.wrapped import NamedProblem, RepeatedProblem
from tests.conftest import EchoProblem


class Loud(EchoProblem):
    """Reads capital letters alone."""

    reference = "the answer"

    def extract_answer(self, response: str) -> str | None:
        return response.upper()


def test_the_extracted_answer_is_that_of_the_problem_inside() -> None:
    problem = RepeatedProblem(NamedProblem(Loud("x"), ("set",)), 2)
    assert problem.extract_answer("so") == "SO"
    assert problem.reference == "the answer"
