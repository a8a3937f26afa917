"""Campsites against all choices of cells, with trees given to tents in every order."""

from __future__ import annotations

from itertools import combinations, product

import pytest

from datamodules.enigmata.tasks.answers import FENCE
from datamodules.enigmata.tasks.campsite import TASK, paired, solutions
from datamodules.enigmata.tasks.task import DIFFICULTIES
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.campsite import fits, places
from tests.oracles.reading import Cell, tagged


def with_tents(board: list[str], tents: list[Cell]) -> str:
    return "\n".join(
        "".join("*" if (r, c) in tents else cell for c, cell in enumerate(line)) for r, line in enumerate(board)
    )


def test_the_only_solution_is_the_reference() -> None:
    for problem in [p for p in draws(TASK, 6, seed=1) if p.difficulty != "hard"]:
        question = problem.question
        ground = places(question["board"], ".")
        (tents,) = [t for t in combinations(ground, sum(question["rows"])) if fits(question, list(t))]
        assert places(tagged(problem.answer), "*") == list(tents)


def test_all_solutions_of_any_clues() -> None:
    boards = (["X.X.", "....", ".X.X", "...."], ["..X.", ".X..", "..X.", "...."], ["....", "X..X", "....", "...."])
    across, down = ([1, 1, 1, 1], [1, 0, 1, 0], [0, 2, 0, 1]), ([1, 0, 2, 0], [1, 0, 1, 0], [1, 0, 0, 1])
    numbers: set[int] = set()
    for board, rows, columns in product(boards, across, down):
        question = {"board": board, "rows": rows, "columns": columns}
        expected = [list(t) for t in combinations(places(board, "."), sum(rows)) if fits(question, list(t))]
        found = list(solutions(question))
        assert sorted(map(sorted, found)) == sorted(expected)
        assert all(TASK.judge(question, with_tents(board, tents)) for tents in found)
        numbers.add(len(found))
    assert numbers == {0, 1, 2}


def test_pairs_need_a_tree_each() -> None:
    assert paired([(0, 0), (0, 2)], [(0, 1), (1, 2)])
    assert not paired([(0, 0), (0, 2)], [(0, 1), (5, 5)])
    assert not paired([(0, 0)], [(0, 1), (1, 0)])
    assert paired([(0, 1), (2, 1), (1, 0)], [(1, 1), (3, 1), (0, 0)])  # the first tree must be given up again


def test_tents_that_touch_or_have_no_tree() -> None:
    question = {"board": [".X..", "....", "..XX", "..X."], "rows": [1, 1, 0, 2], "columns": [1, 1, 1, 1]}
    assert not TASK.judge(question, ".X*.\n*...\n..XX\n.*X*")  # upstream's verifier lets it pass: no tree by (1, 0)
    (tents,) = solutions(question)
    assert TASK.judge(question, with_tents(question["board"], tents))
    corner = {"board": ["X..X", "....", "....", "...."], "rows": [1, 1, 0, 0], "columns": [0, 1, 1, 0]}
    assert not TASK.judge(corner, "X*.X\n..*.\n....\n....")


def test_sizes() -> None:
    sizes = {d: {len(p.question["rows"]) for p in draws(TASK, 3) if p.difficulty == d} for d in DIFFICULTIES}
    assert sizes == {"easy": {4}, "medium": {5}, "hard": {6}}


@pytest.mark.parametrize(
    ("wrap", "verdict"),
    [
        (lambda text: text.replace("<begin_board>\n", "").replace("\n<end_board>", ""), 1.0),
        (lambda text: text.replace(" ", ""), 1.0),
        (lambda text: "total number of tents: 4\n" + text, 1.0),
        (lambda text: text.replace("X", "."), 0.0),
        (lambda text: text.replace("*", "."), 0.0),
        (lambda text: text.replace(".", "*"), 0.0),
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
        text = record["meta"]["question"]
        for broken in (None, 7, "", text[1:], text.replace(":", ""), text.replace("X", "*"), text[:-1], text + "\n. ."):
            assert TASK.question_of({"meta": {"question": broken}}) is None


def test_contradictory_records_are_not_read() -> None:
    head = "total number of tents: {}\ntents in each row: 0 2 0 2\ntents in each column: 0 2 0 2\n"
    board = ". . . .\n. . X .\n. . . X\n. . X ."
    assert TASK.question_of({"meta": {"question": head.format(3) + board}}) is None
    assert TASK.question_of({"meta": {"question": head.format(4) + board}}) is not None
