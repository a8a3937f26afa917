"""Sum skyscrapers against all Latin squares; what else there is to say is said of the skyscrapers."""

from __future__ import annotations

from datamodules.enigmata.tasks.skyscraper import SIDES
from datamodules.enigmata.tasks.skyscraper import TASK as SKYSCRAPER
from datamodules.enigmata.tasks.sum_skyscraper import TASK
from datamodules.enigmata.tasks.task import DIFFICULTIES
from tests.datamodules.enigmata.tasks.contract import draws
from tests.datamodules.enigmata.tasks.test_skyscraper import squares
from tests.oracles.skyscraper import views


def test_a_clue_adds_up_what_is_seen() -> None:
    assert TASK.clue([2, 1, 4, 3]) == 6
    assert TASK.clue([1, 2, 3, 4]) == 10
    assert TASK.clue([4, 1, 2, 3]) == 4


def test_all_easy_puzzles() -> None:
    assert [len({str(TASK.clues(square)) for square in squares(size)}) for size in (3, 4)] == [12, 550]


def test_exactly_the_squares_that_look_like_it_pass() -> None:
    for problem in [p for p in draws(TASK, 12) if p.difficulty == "easy"]:
        size = len(problem.question["top"])
        for square in squares(size):
            same = all([sum(s) for s in views(square)[side]] == problem.question[side] for side in SIDES)
            assert TASK.judge(problem.question, str(square)) == same


def test_no_latin_square_no_pass() -> None:
    question = {"top": [6, 3, 5], "left": [4, 5, 3], "right": [5, 3, 6], "bottom": [3, 5, 4]}
    wrong = [[1, 3, 2], [2, 2, 3], [3, 2, 1]]
    assert TASK.clues(wrong) == question  # what upstream's verifier looks at
    assert not TASK.judge(question, str(wrong))
    assert TASK.judge(question, "1 3 2\n2 1 3\n3 2 1")


def test_the_prompt_asks_for_sums() -> None:
    for problem in draws(TASK, 1):
        assert "sum of the heights" in str(problem.prompt)
        assert "sum of the heights" not in SKYSCRAPER.ask(problem.question)


def test_sizes() -> None:
    sizes = {d: {len(p.question["top"]) for p in draws(TASK, 20) if p.difficulty == d} for d in DIFFICULTIES}
    assert sizes == {"easy": {3, 4}, "medium": {5, 6}, "hard": {7, 8}}


def test_records() -> None:
    for problem in draws(TASK, 3):
        record = {"meta": TASK.meta(problem.question), "answer": TASK.upstream_answer(problem.question, problem.answer)}
        assert TASK.question_of(record) == problem.question
        assert TASK.judge(problem.question, str(record["answer"]))
