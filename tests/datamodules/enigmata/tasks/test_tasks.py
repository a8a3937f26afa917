"""All tasks of Enigmata alike: the contract, corrupted and hostile answers, records, that none is missing."""

from __future__ import annotations

from random import Random
from time import thread_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.hostile import fenced, hostile
from datamodules.enigmata.tasks.records import TASKS, problem_of, record_of
from datamodules.enigmata.tasks.task import CATEGORIES, DIFFICULTIES, Difficulty, Task, TaskPuzzle, task_named
from tests.datamodules.enigmata.tasks.contract import check_contract, check_corrupted, draws, number_of_distinct
from tests.oracles import oracle_named
from tests.oracles.reading import block

FEWER = {("twiddle", "easy"): 84, ("stack_permutation", "easy"): 130}
"""Where there are fewer than 200: 84, and 144, of which 2,000 draws do not find all."""
MATES = {50: 10, 200: 40}
"""Of mates in one fewer, which are slow to find."""


def test_there_are_thirty_six() -> None:
    assert len(TASKS) == len(set(TASKS)) == 36
    assert [len(names) for names in CATEGORIES.values()] == [2, 2, 3, 10, 4, 7, 8]


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_what_its_name_says(name: str) -> None:
    task = task_named(name)
    assert isinstance(task, Task)
    assert task.name == name
    assert name in CATEGORIES[task.category]
    assert set(task.levels) == {"easy", "medium", "hard"}
    assert all(task.levels.values())


@pytest.mark.parametrize("name", TASKS)
def test_contract(name: str) -> None:
    check_contract(task_named(name))


@pytest.mark.parametrize("name", TASKS)
def test_corrupted_answers(name: str) -> None:
    check_corrupted(task_named(name), oracle_named(name))


@pytest.mark.slow
@pytest.mark.parametrize("number", [50, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("difficulty", DIFFICULTIES)
@pytest.mark.parametrize("name", TASKS)
def test_so_many_are_distinct(name: str, difficulty: Difficulty, number: int) -> None:
    """The benchmark counts them, too."""
    wanted = min(number, FEWER.get((name, difficulty), MATES[number] if name == "checkmate_in_one" else number))
    assert number_of_distinct(TaskPuzzle(task_named(name), difficulty), wanted) == wanted


@pytest.mark.parametrize("name", TASKS)
def test_hostile_answers_neither_disturb_nor_deceive(name: str) -> None:
    """No exception, no pause, the same verdict twice, and nothing passes that the oracle calls wrong."""
    random, problems = Random(0), draws(task_named(name), 2)
    others = ["24", "No", "1 2\n3 4", "UUDD", "A B C", "(1, 2)"]
    for _ in range(150):
        problem = random.choice(problems)
        response = hostile(random, problem.answer, others)
        start = thread_time()
        verdict = problem.score(response)
        assert thread_time() - start < 0.5  # about 0.05: see benchmarks/enigmata.py
        assert verdict in (0.0, 1.0)
        assert verdict == problem.score(response)
        assert not verdict or oracle_named(name)(problem.question, block(response)), response[:300]


@pytest.mark.parametrize("name", TASKS)
def test_any_text_has_a_verdict(name: str) -> None:
    (problem, *_) = draws(task_named(name), 1)
    marks = st.sampled_from(sorted({*problem.answer, *"0123456789()[]{},;|-+*/ \n\"'`"}))

    @settings(max_examples=25, derandomize=True, deadline=None, database=None)
    @given(st.text(max_size=200) | st.text(marks, max_size=60))
    def judged(text: str) -> None:
        verdict = problem.score(fenced(text))
        assert verdict in (0.0, 1.0)
        assert not verdict or oracle_named(name)(problem.question, block(fenced(text)))

    judged()


@pytest.mark.parametrize("form", ['"{}"', "{}.", '"{}".', '"{}."'])
@pytest.mark.parametrize("name", [name for name in TASKS if name != "tic_tac_toe"])  # there they stand for empty cells
def test_quotes_and_a_final_stop_do_not_matter(name: str, form: str) -> None:
    for problem in draws(task_named(name), 1, seed=3):
        answer = form.format(problem.answer)
        assert problem.score(fenced(answer)) == 1.0, answer
        assert oracle_named(name)(problem.question, answer), answer


@pytest.mark.parametrize("name", TASKS)
def test_records_go_both_ways(name: str) -> None:
    for problem in draws(task_named(name), 2):
        record = record_of(problem)
        assert set(record) == {"prompt", "answer", "task_name", "ability", "language", "meta"}
        again = problem_of(record)
        assert again.key == problem.key
        assert again.difficulty == problem.difficulty
        assert again.prompt == ({"role": "user", "content": problem.prompt},)
        assert again.score(problem.solution) == 1.0


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (None, "no object"),
        ({"task_name": "chess"}, "task_name='chess' is none of"),
        ({"task_name": "binario", "meta": "x", "answer": ""}, "meta is no object"),
        ({"task_name": "binario", "meta": {}, "answer": "", "prompt": "x"}, "binario can't read its meta"),
    ],
)
def test_a_bad_record_is_named(record: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        problem_of(record)


@pytest.mark.parametrize("name", TASKS)
def test_no_meta_raises_anything_but_a_line(name: str) -> None:
    """Records come from files: whatever stands in them, they are read or refused."""
    (problem, *_) = draws(task_named(name), 1)
    record = record_of(problem)
    random = Random(0)
    junk = [None, 3, "x", [], {}, [[1]], "1 2\n3", {"question": 5}, [["a", None]], -1, 1e308, True]
    for _ in range(60):
        meta = {key: random.choice(junk) if random.random() < 0.5 else value for key, value in record["meta"].items()}
        try:
            problem_of({**record, "meta": meta, "answer": random.choice([record["answer"], *junk])}).score(
                "```\n1\n```"
            )
        except ValueError:
            continue


def test_an_unknown_task() -> None:
    with pytest.raises(ValueError, match="no task of Enigmata is called 'chess'"):
        task_named("chess")


def test_the_extracted_answer_is_that_of_the_last_block() -> None:
    problem = TaskPuzzle(task_named("game24"), "easy").generate(Random(0))
    assert problem is not None
    assert problem.extract_answer(f"so\n{problem.solution}") == problem.answer
    assert problem.extract_answer("```\n1\n``` or ```text\n 2 + 3\n```") == "2 + 3"
    assert problem.extract_answer("2 + 3") is None
