"""Questions of mathematics from files, and their scores."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.scoring import judge
from benchmarks.hostile_maths import REFERENCES, hostile_maths
from datamodules.math import PUBLIC, MathDataModule, MathScorer
from datamodules.scored import ScoredProblem
from datamodules.scorers import Exact, Weighted
from datamodules.task import Table
from tests.conftest import PICTURES, CommandLine, callback, scripted
from tests.datamodules.hostility import assert_extracts, assert_total

pytest.importorskip("math_verify")
SAMPLES = Path(__file__).parents[1] / "samples"
LESSONS = {"source": str(SAMPLES / "lessons.jsonl"), "prompt": "question"}
SETS = {
    "Exam": {"source": str(SAMPLES / "maths.jsonl"), "prompt": "problem"},
    "Olympiad": {"source": str(SAMPLES / "olympiad.csv"), "prompt": "question", "answer": "result"},
}


def build(**changes: object) -> MathDataModule:
    sets = {name: Table(**columns) for name, columns in SETS.items()}
    return MathDataModule(**{"train": Table(**LESSONS), "validation": sets, "batch_size": 2, **changes})


def test_every_set_has_its_name_and_its_solutions_pass() -> None:
    splits, dropped = build().load_splits()
    assert [problem.label for problem in splits["validation"]] == ["Exam"] * 4 + ["Olympiad"] * 2
    assert len(splits["train"]) == 4
    assert dropped == {"train": 1, "validation": 0, "test": 0}  # the hens are asked in the exam
    for problem in splits["train"] + splits["validation"]:
        assert problem.score(f"I think so: {problem.solution}") == 1
        assert problem.score("I don't know") == 0


def test_a_question_becomes_a_message_with_the_instruction_below() -> None:
    splits, _ = build(instruction="Box it.").load_splits()
    assert splits["train"][0].prompt == ({"role": "user", "content": "What is 7 + 8?\n\nBox it."},)
    assert splits["validation"][5].prompt[0]["content"].startswith("Find the remainder of $2^{10}$\ndivided")


def test_parquet_holds_the_same(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (SAMPLES / "maths.jsonl").read_text().splitlines()]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "maths.parquet")
    both = [build(validation={"Exam": Table(str(path), "problem")}).load_splits()[0] for path in
            (SAMPLES / "maths.jsonl", tmp_path / "maths.parquet")]  # fmt: skip
    assert both[0]["validation"] == both[1]["validation"]


def test_the_public_sets_are_those_of_the_paper() -> None:
    assert list(PUBLIC) == ["AIME24", "AIME25", "Olym-Easy", "Olym-Hard"]
    assert MathDataModule().sets["validation"] == PUBLIC


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": "What?", "result": 1}, "row 1: no value in the column 'answer'; there are question, result"),
        ({"question": "What?", "answer": None}, "row 1: no value in the column 'answer'"),
        ({"question": "What?", "answer": "$$"}, "row 1: the answer '\\$\\$' says nothing"),
        (
            {"question": ["What?"], "answer": 1},
            r"row 1: the question is a chat, \['What\?'\], to which no",
        ),
        ([], "row 1: not an object with named columns"),
    ],
)
def test_a_row_that_is_none_is_named(tmp_path: Path, row: object, message: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row))
    with pytest.raises(ValueError, match=message):
        build(train=Table(str(path), "question")).load_splits()


def test_pass_at_k_of_each_set_through_the_command_line(passk: CommandLine) -> None:
    """Half of the answers say 18, which is right for one question of the six."""
    data = {"class_path": "datamodules.math.MathDataModule", "init_args": {"validation": SETS}}
    engine = scripted(r"That is \boxed{18}.", "No idea.")
    overlay = {"rollout": {"engine": engine}, "evaluation": {"sampling": {"max_new_tokens": 32}}}
    options = passk.options(*PICTURES, cached=False, **overlay)
    settings = passk.folder / "maths.yaml"
    settings.write_text(json.dumps({"data": data}))
    from app.cli import main

    figures = callback(main(["validate", *options, f"--config={settings}"]), "PassKEvaluation").history[-1]
    assert figures["eval/Exam/pass@1"] == pytest.approx(1 / 8)
    assert figures["eval/Exam/pass@4"] == pytest.approx(1 / 4)
    assert figures["eval/Olympiad/pass@4"] == 0
    assert figures["eval/pass@4"] == pytest.approx(1 / 6, abs=1e-6)


def test_what_is_not_asked_has_no_score_and_a_cause() -> None:
    problem = ScoredProblem("How many?", "5", MathScorer(), "own")
    verdict = judge(problem, r"\boxed{9^{9^{9}}}")
    assert not verdict.scored
    assert verdict.cause == "too large or too deep for math-verify: '9^{9^9}'"
    assert judge(problem, r"\boxed{6}").score == 0
    assert judge(problem, r"\boxed{\text{5 apples}}").score == 1
    assert Weighted([MathScorer(), Exact()], [1, 1]).score(r"\boxed{9^{9^{9}}}", "5") != 0


@pytest.mark.parametrize(
    ("response", "reference", "score"),
    [
        (r"$\boxed{3}$ and $\boxed{4}$", r"\{3, 4\}", 0), (r"\boxed{3}, \boxed{4}", "3", 0),
        (r"\boxed{3}, \boxed{4}", "4", 1), ("The smallest n is 34.", "34", 0), (r"\\boxed{4}", "4", 0),
        (r"\boxed{20,75}", "20.75", 0), (r"\boxed{0.67}", r"\frac{2}{3}", 0),
        (r"\boxed{-1 \le x \le 4}", r"x \in [-1,4]", 0), ("\\boxed{g(y)}", "g(x)", 0), ("\\boxed{$\n 8 \n$}", "8", 1),
        (r"\boxed{2 + \frac{1}{\mathrm{e}}}", r"2 - \frac{1}{\mathrm{e}}", 0),
    ],
)  # fmt: skip
def test_where_it_differs_from_the_tests_of_math_verify(response: str, reference: str, score: float) -> None:
    assert MathScorer().score(response, reference) == score


def test_a_sum_is_not_computed() -> None:
    problem = ScoredProblem("Name it.", r"a_n = \sum_{k=0}^{n} a_k b_k", MathScorer(), "own")
    assert not judge(problem, r"\boxed{a_n = \sum_{k=0}^{n} b_k a_k}").scored
    assert judge(problem, problem.solution).score == 1


@pytest.mark.parametrize("number", [50, pytest.param(150, marks=pytest.mark.slow)])
def test_hostile_answers(number: int) -> None:
    scorer = MathScorer()
    for reference in REFERENCES:
        assert_total(lambda text, wanted=reference: scorer.score(text, wanted), hostile_maths, reference, number)


PUBLISHED: dict[str, tuple[list[object], list[str]]] = {
    "GSM8K": (["5 * 8 = <<5*8=40>>40 eggs.\n#### 40", "Half of it.\n#### 1,250"], ["40", "1250"]),
    "MATH": (["Add: $3 + 4 = \\boxed{7}$.", "So $x = \\boxed{\\frac{1}{2}}$."], ["7", "0.5"]),
    "OlympiadBench": ([["$2^{10}$"], ["3"]], ["1024", "3"]),
    "AMC": ([27.0, 36.0], ["27", "36"]),
    "small": ([4e-7, 0.0], ["4 \\times 10^{-7}", "0"]),
    "large": ([3e18, 2.0], ["3000000000000000000", "2"]),
}
"""Answers as a set has them, and what a policy would say."""


@pytest.mark.parametrize(("answers", "said"), PUBLISHED.values(), ids=PUBLISHED)
@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_answers_as_they_are_published(tmp_path: Path, suffix: str, answers: list[object], said: list[str]) -> None:
    rows = [{"prompt": f"Question {number}?", "answer": answer} for number, answer in enumerate(answers)]
    path = tmp_path / f"rows{suffix}"
    if suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    problems = build(validation={"Exam": Table(str(path))}).load_splits()[0]["validation"]
    for problem, right in zip(problems, said, strict=True):
        assert problem.score(f"It is \\boxed{{{right}}}.") == problem.score(problem.solution) == 1
        assert problem.score(r"It is \boxed{e-7}.") == problem.score(r"It is \boxed{5}.") == 0


def test_a_reference_that_nothing_matches_is_one_line(passk: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    path = passk.folder / "rows.jsonl"
    path.write_text('{"prompt": "1 + 1?", "answer": 2}\n{"prompt": "1 / 2?", "answer": "\\\\frac{1}{2"}\n')
    data = {
        "class_path": "datamodules.math.MathDataModule",
        "init_args": {"validation": {"Own": {"source": str(path)}}},
    }
    from app.cli import main

    with pytest.raises(SystemExit) as ended:
        main(["validate", *passk.options(cached=False, data=data)])
    assert ended.value.code == 2
    said = f"passk: error: {path}, row 2: the answer '\\\\frac{{1}}{{2' can't stand in a box: its braces don't match"
    assert capsys.readouterr().err.strip().splitlines()[-1] == said


@pytest.mark.parametrize(
    ("responses", "answer"),
    [
        ([r"So \boxed{1,000}.", "thus $1000$\nAnswer: **1000.00**", r"\boxed{1{,}000}", r"\boxed{1e3}"], "1000"),
        ([r"\boxed{\dfrac{1}{2}}", r"\boxed{\tfrac12}", r"\boxed{ \frac 1 2 }"], r"\frac{1}{2}"),
        ([r"\boxed{\text{Blue}}", "The answer is blue."], "blue"),
        ([r"\boxed{5\%}", r"\boxed{5.0 \%}"], "5%"),
        (["It is 7.", "", r"\boxed{}", r"\boxed{7"], None),
    ],
)
def test_equal_answers_are_extracted_as_one(responses: list[str], answer: str | None) -> None:
    problem = ScoredProblem("?", "7", MathScorer(), "Exam")
    assert {problem.extract_answer(response) for response in responses} == {answer}


def test_what_is_extracted_passes_where_the_response_does() -> None:
    """A canonical form may stand in place of the answer it was made from."""
    for problem in build().load_splits()[0]["validation"]:
        assert problem.score(f"\\boxed{{{problem.extract_answer(problem.solution)}}}") == 1
    for reference in REFERENCES:
        assert_extracts(lambda response: MathScorer().extract_answer(response, "7"), hostile_maths, reference, 20)
