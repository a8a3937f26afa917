"""KOR-Bench's records and the rules by which its answers are judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.scoring import judge as verdict_of
from benchmarks.hostile import hostile
from datamodules.korbench import CATEGORIES, KORBenchDataModule, KORProblem, folder_rows, problem_of
from datamodules.korbench_rules import Question, judge
from tests.datamodules.hostility import assert_extracts, assert_total

pytest.importorskip("math_verify")
SAMPLES = Path(__file__).parent / "samples" / "korbench"


def problems(source: Path = SAMPLES) -> list[Any]:
    return KORBenchDataModule(str(source)).load_splits()[0]["validation"]


def test_every_category_is_read_and_its_answers_pass() -> None:
    found = problems()
    assert {problem.label for problem in found} == set(CATEGORIES)
    for problem in found:
        assert problem.score(f"By the rule:\n{problem.solution}") == 1
        assert problem.score("[[]]") == problem.score("[[nothing]]") == problem.score("") == 0
    assert "2a + b" in found[0].prompt[0]["content"]
    assert "Compute 3&4." in found[0].prompt[0]["content"]


def test_rows_of_one_table_hold_the_same(tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in folder_rows(SAMPLES)))
    assert problems(path) == problems()


@pytest.mark.parametrize(
    ("category", "rule", "index", "answer", "right", "wrong"),
    [
        ("operation", "1", "1", "[[24]]", ["[[24]]", "[[ 24 ]]", "[24]", r"$\boxed{24}$"], ["24", "[[25]]",
         "[[2]] [[24]]"]),
        ("operation", "1", "6", "[[650or5or125]]", ["[[5or125or650]]", r"[[5 \text{or} 125 or 650]]"], ["[[5or125]]",
         "[[5]]"]),
        ("operation", "2", "18", r"[[-6+\sqrt{22}or-6-\sqrt{22}]]", [r"[[X=-\sqrt{22}-6 or \sqrt{22}-6]]"],
         [r"[[-6+\sqrt{22}]]"]),
        ("operation", "9", "94", r"[[\frac{1}{2}]]", ["[[1/2]]", "[[0.5]]"], ["[[2]]"]),
        ("operation", "17", "178", "[[≥2 or ≤-1]]", ["[[≤-1 or ≥2]]"], ["[[≥2]]", "[[]]"]),
        ("operation", "18", "173", "[[{1,2,5}]]", ["[[{5,1,2}]]"], ["[[{1,2}]]"]),
        ("operation", "23", "221", "[[((1,2),(3,4))]]", ["[[[1,2],[3,4]]]", "[[1 2 3 4]]"], ["[[2 1 3 4]]",
         "[[" + "9" * 5000 + "]]"]),
        ("logic", "1", "1", "[[p1&p2];[p3||p4]]", ["[[p1 & p2]; [p3 || p4]]", '[["p1&p2"];[p3||p4]]'], ["[[p1&p2]]"]),
        ("logic", "5", "41", "[[a;b]]", ["[[b; a.]]"], ["[[a]]", "[[a;b;c]]"]),
        ("cipher", "1", "1", "[[NQ]]", ["[[NQ]]", '[["N Q"]]'], ["[[nq]]", "[[NR]]"]),
        ("counterfactual", "1", "1", "[[C]]", ["[[C]]"], ["[[A]]", "C"]),
        ("puzzle", "1", "1", "[[nine ten]]", ["[[Nine, ten]]"], ["[nine ten]", "[[ten nine]]"]),
        ("puzzle", "2", "11", "[[t,tal]]", ["[[t]]", "[[-tal]]"], ["[[ta]]", "[[]]", "[[t,tal]]"]),
        ("puzzle", "3", "21", "[[pea ape]]", ["[[ape, pea]]"], ["[[pea]]"]),
        ("puzzle", "4", "33", "[[scape capes]]", ["[[Capes]]"], ["[[cape]]", "[[a]]", "[[ ]]", "[[1]]"]),
        ("puzzle", "5", "42", "[[O=1,T=2]]", ["[[T=2, O=1]]"], ["[[O=1]]"]),
        ("puzzle", "9", "81", "[[6+2*3-2=10]]", ["[[1+2*5-1=10]]", "[[6+2\u00d73-2]]"], 
         ["[[10+2*1-2=10]]", "[[5+5=10]]",
         "[[1/0*0-0]]"]),
        ("puzzle", "10", "91", "[[(1+2+3)*4=24]]", ["[[4*(3+2+1)]]", "[[4*3*2*1 = 24]]"], ["[[24]]", "[[4*3*2]]",
         "[[9**9**9]]"]),
        ("puzzle", "18", "175", "[[1,2\n3,4]]", ["[[1 2 3 4]]"], ["[[1 2 3]]"]),
        ("puzzle", "8", "71", "[[A (1,2)(3,4)\nB (1,1)(2,2)]]", ["[[A(1, 2)(3, 4) B (1,1)(2,2)]]"],
         ["[[A (1,2)(3,4)]]"]),
    ],
)  # fmt: skip
def test_rules(category: str, rule: str, index: str, answer: str, right: list[str], wrong: list[str]) -> None:
    question = Question(category, rule, index, answer)
    assert [text for text in right if not judge(question, text)] == []
    assert [text for text in wrong if judge(question, text)] == []


OPERATIONS = {
    "4or-7": (17, "2", ["4 or -7", r"4 \text{ or } -7", r"-7\text{or}4", r"4 \text{or} -7"], ["4"]),
    "{x∣x≤-3 or x≥3}": (178, "18", ["{x∣x≤ - 3 or x≥ 3}", "{x | x≥3 or x≤-3}"], ["{x∣x≤ 3 or x≥ 3}"]),
    r"3\sqrt{7}": (73, "8", [r"\left[3\sqrt{7}\right]", r"3 \sqrt{7}\right", r"\displaystyle 3\sqrt{7}", r"3\sqrt{7}}",
                             r"X = 3\sqrt{7}."], [r"3\sqrt{17}", r"\left[2\sqrt{7}\right]"]),
    "e+4": (152, "16", [r"\left[e+4\right]", "4 + 1e"], ["e+14"]),
    "7-i": (122, "13", ["7 - 1i", "7-1i", "(8+2i) - (1+3i)"], ["7-11i", "7+1i", "7-2i"]),
    r"x\cdot\cos(x)": (147, "15", [r"x \* \cos(x)", r"\cos(x) \* x"], [r"x + \cos(x)"]),
}  # fmt: skip


@pytest.mark.parametrize("answer", OPERATIONS)
def test_white_space_sizes_stars_and_a_factor_of_one(answer: str) -> None:
    index, rule, right, wrong = OPERATIONS[answer]
    question = Question("operation", rule, str(index), f"[[{answer}]]")
    assert [text for text in right if not judge(question, f"So [[{text}]].")] == []
    assert [text for text in wrong if judge(question, f"So [[{text}]].")] == []


@pytest.mark.parametrize(
    ("answer", "said", "score"),
    [
        ("5", "9^{9^{9}}", None), ("5", "6", 0), ("5", "5 or 9^{9^{9}}", 0), ("5 or 6", "9^{9^{9}} or 5", None),
        ("9^{9^{9}} or 5", "5 or 9^{9^9}", 1), ("9^{9^{9}} or 5", "5 or 7", None),
    ],
)  # fmt: skip
def test_an_expression_that_may_not_be_compared_has_no_score(answer: str, said: str, score: float | None) -> None:
    problem = KORProblem("A rule.", "A question.", Question("operation", "1", "18", f"[[{answer}]]"))
    verdict = verdict_of(problem, f"[[{said}]]")
    assert verdict.scored == (score is not None)
    assert score is None or verdict.score == score


@pytest.mark.parametrize(
    "text", [r"\left[\left[WORD\right]\right]", r"\[\[WORD\]\]", r"\[ [[WORD]] \]", "**[[WORD]]**"]
)
def test_double_brackets_as_they_are_written(text: str) -> None:
    question = Question("cipher", "1", "1", "[[WORD]]")
    assert judge(question, f"Thus {text}.")
    assert not judge(question, f"Thus {text.replace('WORD', 'LORD')}.")


def test_a_question_that_occurs_twice_is_asked_twice(tmp_path: Path) -> None:
    rows = [*folder_rows(SAMPLES)]
    path = tmp_path / "all.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, rows[0]]))
    splits, dropped = KORBenchDataModule(str(path)).load_splits()
    assert len(splits["validation"]) == len(rows) + 1
    assert dropped["validation"] == 0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([], "no value in the column 'category'"),
        (
            {"category": "maths", "rule_id": "1", "idx": "1", "rule_content": "r", "question": "q", "answer": "a"},
            "the category 'maths' must be one of operation, logic",
        ),
    ],
)
def test_rows_that_are_none(row: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        problem_of(row)


def test_a_folder_without_categories(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no <category>/sample.jsonl"):
        problems(tmp_path)


def test_hostile_answers() -> None:
    for problem in problems():

        def in_brackets(random: Any, right: str, others: Any) -> str:
            return hostile(random, right, others).replace("```", "[[", 1).replace("```", "]]")

        assert_total(problem.score, in_brackets, problem.solution.strip("[]"))
    for text in ("[" * 1_000_000, "[[" * 500_000, "$\\boxed{" * 100_000):
        assert [problem.score(text) for problem in problems()] == [0] * len(problems())


ROW = {"category": "logic", "rule_id": "1", "idx": "1", "rule_content": "Be brief.", "question": "What?"}


@pytest.mark.parametrize("answer", ["[[]]", "[[ ]]", " ", None, float("nan")])
def test_an_answer_that_says_nothing_is_refused(answer: object) -> None:
    with pytest.raises(ValueError, match=r"says nothing|no value in the column 'answer'"):
        problem_of({**ROW, "answer": answer})


def test_numbers_of_rules_are_those_of_their_text() -> None:
    """As pandas gives a column of numbers with a gap."""
    numbered = problem_of({**ROW, "rule_id": 5.0, "idx": 41.0, "answer": "[[a;b]]"})
    assert numbered == problem_of({**ROW, "rule_id": "5", "idx": "41", "answer": "[[a;b]]"})
    assert numbered.score("[[b; a]]") == 1


def test_official_answers_that_fail_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    wrong = {**ROW, "category": "puzzle", "rule_id": "9", "question": "Of 2, 3 and 4?", "answer": "[[2+3*4=15]]"}
    rows = [{**ROW, "question": f"What is {number}?", "answer": f"[[{number}]]"} for number in range(19)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, wrong]))
    assert len(problems(path)) == 20
    assert f"1 of 20 official answers do not pass; the first: {path}, row 20" in caplog.text
    path.write_text(json.dumps(wrong))
    with pytest.raises(
        ValueError, match=r"rows.jsonl, row 1: its own solution '\[\[2\+3\*4=15\]\]' has the score 0, not 1"
    ):
        problems(path)


def test_the_extracted_answer_is_that_in_the_brackets() -> None:
    for problem in problems():
        assert problem.score(f"[[{problem.extract_answer(problem.solution)}]]") == 1
        assert problem.extract_answer("so it is") is problem.extract_answer("[[ ]]") is None
    said = {problems()[0].extract_answer(text) for text in ('By it [["a  b"]]', "[[a b]]", "[[ a\nb ]] or [[c]]")}
    assert said == {"a b"}
    assert_extracts(problems()[0].extract_answer, hostile, "[[1]]")
