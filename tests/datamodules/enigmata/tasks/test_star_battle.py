"""Star battle against a SAT solver and, on the small board, all ways to choose cells."""

from __future__ import annotations

from itertools import combinations, product

import pytest

from datamodules.enigmata.tasks.answers import FENCE
from datamodules.enigmata.tasks.star_battle import TASK, arrangements
from datamodules.enigmata.tasks.task import DIFFICULTIES
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.reading import Cell, tagged
from tests.oracles.sat import exactly_one, models
from tests.oracles.star_battle import near


def solutions(board: list[str], most: int = 2) -> list[set[Cell]]:
    """By SAT: a variable to a cell."""
    size = len(board)
    cells = list(product(range(size), range(size)))
    number = {cell: index + 1 for index, cell in enumerate(cells)}
    clauses = [clause for r in range(size) for clause in exactly_one([number[r, c] for c in range(size)])]
    clauses += [clause for c in range(size) for clause in exactly_one([number[r, c] for r in range(size)])]
    clauses += [[-number[a], -number[b]] for a, b in combinations(cells, 2) if near(a, b)]
    clauses += [[-number[r, c]] for r, c in cells if board[r][c] == "X"]
    return [{cell for cell in cells if number[cell] in model} for model in models(clauses, most)]


def test_all_arrangements() -> None:
    assert [len(arrangements(size)) for size in (4, 5, 6, 7)] == [2, 14, 90, 646]
    assert len(solutions(["." * 6] * 6, 100)) == 90


def test_the_only_solution_is_the_reference() -> None:
    for problem in draws(TASK, 8, seed=1):
        (stars,) = solutions(problem.question["board"])
        lines = tagged(problem.answer)
        assert stars == {(r, c) for r, line in enumerate(lines) for c, cell in enumerate(line) if cell == "*"}


def test_no_star_is_told_by_its_line_alone() -> None:
    for problem in draws(TASK, 8, seed=3):
        board = problem.question["board"]
        lines = [*board, *("".join(row[c] for row in board) for c in range(len(board)))]
        assert min(line.count(".") for line in lines) >= 2


def test_every_arrangement_of_an_open_board_passes() -> None:
    question = {"board": [".....", "..X..", ".....", ".....", "....X"]}
    passed = 0
    for columns in product(range(5), repeat=5):
        lines = [list(line) for line in question["board"]]
        for line, column in zip(lines, columns, strict=True):
            line[column] = "*"
        passed += TASK.judge(question, "\n".join(map("".join, lines)))
    assert passed == len(solutions(question["board"], 20)) > 1


def test_sizes() -> None:
    sizes = {d: {len(p.question["board"]) for p in draws(TASK, 3) if p.difficulty == d} for d in DIFFICULTIES}
    assert sizes == {"easy": {5}, "medium": {6}, "hard": {7}}


@pytest.mark.parametrize(
    ("wrap", "verdict"),
    [
        (lambda text: text.replace("<begin_board>\n", "").replace("\n<end_board>", ""), 1.0),
        (lambda text: text.replace(" ", ""), 1.0),
        (lambda text: "Final board:\n" + text.replace("X", "x"), 1.0),
        (lambda text: text.replace("X", "."), 0.0),
        (lambda text: text.replace(".", "*"), 0.0),
        (lambda text: text.replace("*", "."), 0.0),
        (lambda text: text + "<begin_board>" * 500, 0.0),
        (lambda text: text.replace("<begin_board>", "<begin_board>" * 100), 1.0),
    ],
)
def test_ways_to_write_a_board(wrap, verdict: float) -> None:  # type: ignore[no-untyped-def]
    (problem, *_) = draws(TASK, 1)
    assert problem.score(f"{FENCE}\n{wrap(problem.answer)}\n{FENCE}") == verdict


def test_records() -> None:
    for problem in draws(TASK, 3):
        record = {"meta": TASK.meta(problem.question), "answer": TASK.upstream_answer(problem.question, problem.answer)}
        assert TASK.question_of(record) == problem.question
        assert TASK.judge(problem.question, record["answer"])
        assert TASK.question_of({"meta": {"question": record["answer"]}}) is None  # the stars stand in it
    for broken in (None, "", 3, ". .", ". a\n. .", ["."]):
        assert TASK.question_of({"meta": {"question": broken}}) is None
