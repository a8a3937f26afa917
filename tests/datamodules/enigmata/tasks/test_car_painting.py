"""Car painting against all orders of short lines."""

from __future__ import annotations

from itertools import permutations
from random import Random

import pytest

from datamodules.enigmata.tasks.car_painting import TASK, changes, fewest_switches
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.car_painting import fewest, switches

LINE = {"colors": list("ABAB"), "reach": 1, "switches": 1}


def best(colors: list[str], reach: int) -> int:
    """Of all orders that are allowed."""
    cars = range(len(colors))
    allowed = (order for order in permutations(cars) if all(abs(order[place] - place) <= reach for place in cars))
    return min(switches(colors, order) for order in allowed)


def test_fewest_of_all_orders() -> None:
    random = Random(0)
    for _ in range(60):
        colors = random.choices("ABCD", k=random.randint(1, 7))
        reach = random.randint(0, 4)
        order = fewest_switches(colors, reach)
        assert sorted(order) == list(range(len(colors)))
        assert all(abs(car - place) <= reach for place, car in enumerate(order))
        assert changes(colors, order) == switches(colors, tuple(order)) == best(colors, reach)
        assert fewest("".join(colors), reach) == best(colors, reach)


def test_every_best_order_is_right() -> None:
    colors = list("ABCABCA")
    least, verdicts = best(colors, 2), []
    question = {"colors": colors, "reach": 2, "switches": least}
    for order in permutations(range(7)):
        expected = all(abs(order[place] - place) <= 2 for place in range(7)) and switches(colors, order) == least
        answer = " ".join(str(car + 1) for car in order)
        assert TASK.judge(question, answer) == expected
        verdicts.append(expected)
    assert 2 <= sum(verdicts) < len(verdicts)


def test_no_random_exchange_is_better() -> None:
    random = Random(1)
    for problem in draws(TASK, 3):
        colors, reach = problem.question["colors"], problem.question["reach"]
        order = list(range(len(colors)))
        for _ in range(3000):
            a, b = random.sample(range(len(order)), 2)
            order[a], order[b] = order[b], order[a]
            if abs(order[a] - a) > reach or abs(order[b] - b) > reach:
                order[a], order[b] = order[b], order[a]
            assert changes(colors, order) >= problem.question["switches"]


@pytest.mark.parametrize("answer", ["[1, 3, 2, 4]", "1 3 2 4", "1,3,2,4", "[1; 3; 2; 4]", "1\n3\n2\n4"])
def test_ways_to_write_an_order(answer: str) -> None:
    assert TASK.judge({"colors": list("AABB"), "reach": 1, "switches": 3}, answer)
    assert not TASK.judge({"colors": list("ABAB"), "reach": 1, "switches": 2}, answer)
    assert not TASK.judge({"colors": list("AABB"), "reach": 0, "switches": 3}, answer)


@pytest.mark.parametrize(
    "answer",
    [
        "[1, 2, 3, 4]",
        "[3, 1, 2, 4]",
        "[1, 3, 2]",
        "[1, 3, 3, 4]",
        "[1, 3, 2, 4, 5]",
        "[0, 2, 1, 3]",
        "1 3 2 \u0664",
        "A A B B",
        "[[1], [3], [2], [4]] or so",
        "9" * 9999,
        "1 3 2 4 " * 1200,
    ],
)
def test_anything_else_is_wrong(answer: str) -> None:
    assert not TASK.judge(LINE, answer)


def test_names_of_colors_do_not_matter() -> None:
    assert TASK.canonical({**LINE, "colors": list("BABA")}) == TASK.canonical(LINE)
    assert TASK.canonical({**LINE, "colors": list("BBAA")}) != TASK.canonical(LINE)
    assert TASK.canonical({**LINE, "reach": 2}) != TASK.canonical(LINE)


def test_record_and_difficulty() -> None:
    cars = {"easy": range(8, 16), "medium": range(15, 26), "hard": range(25, 41)}
    for problem in draws(TASK, 4):
        colors = problem.question["colors"]
        assert len(colors) in cars[problem.difficulty]
        record = {"meta": TASK.meta(problem.question), "answer": TASK.upstream_answer(problem.question, problem.answer)}
        assert sorted(record["answer"]) == record["meta"]["car_ids"]
        assert TASK.question_of(record) == problem.question
        record["meta"]["min_switches"] += 1  # as upstream's search may have it
        assert TASK.question_of(record) == problem.question
        for broken in ({"K": 10**9}, {"K": None}, {"colors": "AB"}, {"colors": [1] * len(colors)}, {"car_ids": [2, 1]}):
            assert TASK.question_of({"meta": {**record["meta"], **broken}}) is None
    assert TASK.question_of({"meta": []}) is None
