"""Slant against all drawings of small grids, and against SAT and networkx on its own."""

from __future__ import annotations

from itertools import combinations, product

import networkx as nx
import pytest
from pysat.solvers import Minisat22

from datamodules.enigmata.tasks.slant import TASK, UNKNOWN, numbers_of
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.slant import ends, follows_the_rules

LOOP = "1 -1\n-1 1"


def number_of_solutions(corners: list[list[int]], most: int = 2) -> int:
    """By SAT: models of the numbers, each with a loop or another solution ruled out before the next."""
    size, found = len(corners) - 1, 0
    cells = list(product(range(size), repeat=2))
    with Minisat22() as solver:
        for r, c in product(range(size + 1), repeat=2):
            near = [(size * y + x + 1) * way for y, x in cells for way in (1, -1) if (r, c) in ends(y, x, way)]
            for count in range(len(near) + 1) if corners[r][c] != UNKNOWN else ():
                for chosen in combinations(near, count) if count != corners[r][c] else ():
                    solver.add_clause([-v if v in chosen else v for v in near])
        while found < most and solver.solve(assumptions=[]):
            model = [v if v in set(solver.get_model() or ()) else -v for v in range(1, size * size + 1)]
            graph = nx.Graph()
            for (r, c), v in zip(cells, model, strict=True):
                graph.add_edge(*ends(r, c, 1 if v > 0 else -1), v=v)
            loops = nx.cycle_basis(graph)
            found += not loops
            around = zip(loops[0], [*loops[0][1:], loops[0][0]], strict=True) if loops else ()
            wrong = [graph.edges[a, b]["v"] for a, b in around] or model
            solver.add_clause([-v for v in wrong])
    return found


def test_one_solution_is_left() -> None:
    for problem in draws(TASK, 4):
        assert number_of_solutions(problem.question["corners"]) == 1


def test_judge_against_all_drawings() -> None:
    drawings = [[list(bits[:3]), list(bits[3:6]), list(bits[6:])] for bits in product((1, -1), repeat=9)]
    blank = {"corners": [[UNKNOWN] * 4 for _ in range(4)]}
    some = {"corners": [[1, UNKNOWN, UNKNOWN, 0], [UNKNOWN, 2, UNKNOWN, UNKNOWN], *[[UNKNOWN] * 4] * 2]}
    for question in (blank, some):
        verdicts = [TASK.judge(question, "\n".join(" ".join(map(str, row)) for row in d)) for d in drawings]
        assert verdicts == [follows_the_rules(question["corners"], drawing) for drawing in drawings]
        assert 0 < sum(verdicts) < len(verdicts)
        assert number_of_solutions(question["corners"], 999) == sum(verdicts)


def test_loop_and_direction() -> None:
    blank = {"corners": [[UNKNOWN] * 3 for _ in range(3)]}
    assert not TASK.judge(blank, LOOP)
    assert TASK.judge(blank, "-1 1\n1 -1")
    assert TASK.judge({"corners": [[0, 1], [1, 0]]}, "1")
    assert not TASK.judge({"corners": [[0, 1], [1, 0]]}, "-1")
    assert numbers_of([[1]]) == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    "way", ["1 0", "1 2", "1", "1 1 1", "1 -1\n1 -1", "\u0661 1", "1 -", "/ 1", "-1 -1 " * 1500, "[" * 9000]
)
def test_what_is_no_drawing(way: str) -> None:
    assert not TASK.judge({"corners": [[UNKNOWN] * 3 for _ in range(3)]}, f"{way}\n1 1")


def test_common_ways_to_write_a_drawing() -> None:
    for problem in draws(TASK, 2):
        rows = [line.split() for line in problem.answer.splitlines()]
        slashes = [["/" if word == "1" else "\\" for word in row] for row in rows]
        ways = [", ".join(row) for row in rows], ["".join(row) for row in slashes], [" ".join(row) for row in slashes]
        for lines in (*ways, [f"[{', '.join(row)}]," for row in rows]):
            assert TASK.judge(problem.question, "\n".join(lines))


def test_records() -> None:
    for problem in draws(TASK, 3):
        answer = TASK.upstream_answer(problem.question, problem.answer)
        assert answer == [[float(word) for word in line.split()] for line in problem.answer.splitlines()]
        assert TASK.question_of({"meta": TASK.meta(problem.question), "answer": answer}) == problem.question
    for junk in (None, "", "1", "1 2", "1 2\n3", ". 5\n. .", ". .\n\u0661 .", [[1, 1], [1, 1]], "1 1\n" * 99):
        assert TASK.question_of({"meta": {"question": junk}, "answer": None}) is None


def test_records_whose_own_answer_closes_a_loop() -> None:
    record = {"meta": {"question": "0 2 0\n. . .\n. . ."}, "answer": [[1.0, -1.0], [-1.0, 1.0]]}
    question = TASK.question_of(record)
    assert question is not None
    assert TASK.judge(question, LOOP)
    assert not TASK.judge(question, "-1 1\n-1 1")
    assert TASK.canonical(question) == [[0, 2, 0], [-1, -1, -1], [-1, -1, -1]]
    for answer in (None, [[1.0]], [[1.0, -1.0], [1.0, 1.0]], "1 -1", [["1", "-1"]] * 2, [[None, 1]] * 2):
        assert "loops" not in (TASK.question_of({**record, "answer": answer}) or ())


def test_harder_shows_fewer_numbers() -> None:
    shown = {"easy": {44, 39}, "medium": {34, 29}, "hard": {24}}
    for problem in draws(TASK, 4):
        numbers = [number for row in problem.question["corners"] for number in row if number != UNKNOWN]
        assert len(numbers) in shown[problem.difficulty]
