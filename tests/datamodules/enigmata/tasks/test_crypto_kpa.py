"""Known plaintexts: an attack that reads the prompt alone and tries every cipher."""

from __future__ import annotations

from random import Random

from datamodules.enigmata.tasks.crypto_kpa import TASK, rank
from datamodules.enigmata.tasks.task import DIFFICULTIES
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.crypto_kpa import attacked


def test_the_prompt_is_enough() -> None:
    """Each cipher of each difficulty has one answer, whatever cipher the solver believes in."""
    for difficulty in DIFFICULTIES:
        for settings in TASK.levels[difficulty]:
            drawn = next(pair for seed in range(99) if (pair := TASK.draw(Random(seed), **settings)) is not None)
            assert attacked(TASK.ask(drawn[0])) == {drawn[1]}, drawn[0]


def test_the_text_is_not_in_the_pair() -> None:
    for problem in draws(TASK, 20):
        assert problem.answer not in problem.question["hint"][0]
        assert 78 <= len(problem.question["hint"][0]) <= 150


def test_rank() -> None:
    assert rank([[1, 0], [0, 0], [1, 1]], 2) == 2
    assert rank([[2, 4], [1, 2], [3, 6]], 13) == 1
    assert rank([[13, 26]], 13) == rank([], 2) == 0


def test_hostile() -> None:
    for problem in draws(TASK, 6):
        for answer in (problem.answer * 500, problem.answer + "?", "\u0130" + problem.answer, "J" * 10_000, "X"):
            assert not TASK.judge(problem.question, answer)
        assert TASK.judge(problem.question, " ".join(problem.answer.lower()))


def test_records() -> None:
    for problem in draws(TASK, 12):
        record = {"meta": TASK.meta(problem.question), "answer": TASK.upstream_answer(problem.question, problem.answer)}
        assert TASK.question_of(record) == problem.question
        affine = {**record["meta"], "rationale": "Encryption method: Affine cipher\na: 3, b: 25"}
        question = TASK.question_of({**record, "meta": affine})
        assert question is not None
        assert question["key"] == {"method": "Affine Cipher", "a": 3, "b": 25}
        for broken in ({"question": "ABC"}, {"question": 3}, {"rationale": None}, {"rationale": {"method": []}}):
            assert TASK.question_of({**record, "meta": {**record["meta"], **broken}}) is None
