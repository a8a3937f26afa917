"""ARC tasks: read from folders, files and rows, asked, and judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.hostile import hostile
from datamodules.arc import ArcDataModule, problem_of
from datamodules.arc_grids import ArcProblem, last_grids
from tests.datamodules.hostility import assert_extracts, assert_total

SAMPLES = Path(__file__).parent / "samples" / "arc"
TASKS = {path.stem: json.loads(path.read_text()) for path in sorted(SAMPLES.glob("*.json"))}


def problems() -> list[ArcProblem]:
    return ArcDataModule(str(SAMPLES)).load_splits()[0]["validation"]  # type: ignore[return-value]


def test_all_forms_of_files_hold_the_same(tmp_path: Path) -> None:
    together, lines, one = tmp_path / "all.json", tmp_path / "all.jsonl", tmp_path / "one.json"
    together.write_text(json.dumps(TASKS))
    lines.write_text("".join(json.dumps({"id": name, **task}) + "\n" for name, task in TASKS.items()))
    one.write_text(json.dumps(TASKS["mirror"]))
    assert [problem.label for problem in problems()] == ["ARC-AGI 1"] * 2
    for path in (together, lines):
        assert ArcDataModule(str(path)).load_splits()[0]["validation"] == problems()
    assert ArcDataModule(str(one)).load_splits()[0]["validation"] == problems()[:1]


def test_the_prompt_shows_examples_and_tests() -> None:
    mirror, recolour = (problem.prompt[0]["content"] for problem in problems())
    assert "Example 1, input:\n1 0\n2 3\nExample 1, output:\n0 1\n3 2\n" in mirror
    assert "Test 1, input:\n7 0 8\n" in mirror
    assert "8 0 7" not in mirror
    assert "in the order of the tests, each in its own code block" in recolour


def test_all_grids_must_be_right_and_in_order() -> None:
    mirror, recolour = problems()
    for problem in (mirror, recolour):
        assert problem.score(f"```\n9\n```\nNo:\n{problem.solution}") == 1
        assert problem.score(problem.solution.replace("0", "1")) == 0
        assert problem.score("") == 0
    first, second = "```\n0 4\n```", "```\n4\n4\n```"
    assert recolour.score(f"{first}\nand\n{second}") == 1
    assert recolour.score(f"{second}\n{first}") == 0
    assert recolour.score(first) == recolour.score(second) == 0


@pytest.mark.parametrize("block", ["8 0 7", "807", "8,0,7", "[8, 0, 7]", "text\n8 0 7", "\n 8 0 7 \n\n"])
def test_ways_to_write_a_grid(block: str) -> None:
    assert last_grids(f"```{block}\n```" if block.startswith("text") else f"```\n{block}\n```", 1) == [((8, 0, 7),)]


FORMS = (
    "8 0 7\n1 2 3", "8\t0\t7\n1\t2\t3", "8\t0\t7\t\r\n1\t2\t3\t", "8, 0, 7\n1, 2, 3", "807\n123", "8|0|7\n1|2|3",
    "| 8 | 0 | 7 |\n| 1 | 2 | 3 |", "8 0 7\n\n1 2 3", "8 0 7; 1 2 3", "[8 0 7; 1 2 3]", "[[8, 0, 7], [1, 2, 3]]",
    "[[8,0,7],[1,2,3]]", "[[8 0 7]\n [1 2 3]]", "[8, 0, 7]\n[1, 2, 3]", "[8, 0, 7],\n[1, 2, 3],",
    "[\n  [8, 0, 7],\n  [1, 2, 3]\n]", "[\n[8 0 7]\n[1 2 3]\n]", "[\n8 0 7\n1 2 3\n]", "[[8, 0, 7],\n[1, 2, 3]\n]",
    "[[8 0 7\n 1 2 3]]", "((8, 0, 7), (1, 2, 3))", "array([[8, 0, 7],\n       [1, 2, 3]])",
    "np.array([[8, 0, 7], [1, 2, 3]], dtype=int)", json.dumps([[8, 0, 7], [1, 2, 3]], indent=2),
)  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_a_grid_of_two_rows(form: str) -> None:
    assert last_grids(f"```\n{form}\n```", 1) == [((8, 0, 7), (1, 2, 3))]
    assert last_grids(f"```\n{form.replace('2', '4')}\n```", 1) == [((8, 0, 7), (1, 4, 3))]


def test_a_row_of_figures_is_no_column_of_them() -> None:
    row, column = "[[8, 0, 7]]", "[[8], [0], [7]]"
    assert last_grids(f"```\n{row}\n```\n```\n{json.dumps([[8, 0, 7]], indent=1)}\n```", 2) == [((8, 0, 7),)] * 2
    assert last_grids(f"```\n{column}\n```\n```\n8\n0\n7\n```", 2) == [((8,), (0,), (7,))] * 2


@pytest.mark.parametrize(
    "block",
    [
        "",
        "8 0\n7",
        "8 x 7",
        "\u0668 0 7",
        "\u00b2",
        "8 " * 31,
        "8\n" * 31,
        "-8",
        "8.0",
        "8 0 7" + " " * 10_000,
        "80 7",
        "10, 2",
        "[[10, 2]]",
        "8 0 7\n12 3",
        "[[8, 0], [7]]",
        "[[8]] or [[7]]",
        "8 0\n[1 2]",
        "[['8', '0']]",
        "np.array(" + " " * 9_000,
        "[" * 9_000,
    ],
)
def test_what_is_no_grid(block: str) -> None:
    assert last_grids(f"```\n{block}\n```", 1) is None


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ([], "not an object"),
        ({"train": [], "test": []}, "train is no list of pairs"),
        ({"train": [{"input": [[1]]}], "test": []}, "a grid of train is no rectangle"),
        ({"train": [{"input": [[1]], "output": [[1, 2], [3]]}]}, "a grid of train is no rectangle"),
        ({"train": [{"input": [[1]], "output": [[True]]}]}, "a grid of train is no rectangle"),
        ({"train": [{"input": [[1]], "output": [[10]]}]}, "a grid of train is no rectangle"),
        ({"train": [{"input": [[1]], "output": [[1] * 31]}]}, "a grid of train is no rectangle"),
        ({"train": [{"input": [[1]], "output": [[1]]}], "test": [{"input": [[1]]}]}, "a grid of test is no rectangle"),
    ],
)
def test_tasks_that_are_none(task: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        problem_of(task)


def test_an_error_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(ValueError, match=r"bad.json: train is no list of pairs"):
        ArcDataModule(str(tmp_path)).load_splits()
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ValueError, match=r"bad.json can't be read"):
        ArcDataModule(str(tmp_path)).load_splits()


def test_hostile_answers() -> None:
    for problem in problems():
        assert_total(problem.score, hostile, problem.solution.replace("```", "").strip())


def test_the_extracted_answer_is_the_grids_however_they_are_written() -> None:
    mirror, recolour = problems()
    written = ["```\n1 0\n2 3\n```", "first ```\n9\n``` no:\n```json\n[[1, 0], [2, 3]]\n```", "```\n10\n23\n```"]
    assert {mirror.extract_answer(text) for text in written} == {"1 0\n2 3"}
    assert mirror.extract_answer("1 0") is mirror.extract_answer("```\n1 0\n2\n```") is None
    assert recolour.extract_answer(recolour.solution) == "0 4\n\n4\n4"
    assert_extracts(recolour.extract_answer, hostile, "1 0")
