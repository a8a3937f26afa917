"""The record against plain counting, its file, and its part of a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from app.draw import PassRecord
from app.draw.record import FIELDS
from app.storage.checkpoint import CheckpointError
from tests.conftest import EchoProblem

PROBLEMS = [EchoProblem(str(number), "ab"[number % 2]) for number in range(6)]


def filled() -> PassRecord:
    record = PassRecord(PROBLEMS)
    record.update(0, {0: (4, 4), 1: (4, 0), 2: (4, 2), 3: (0, 0)}, 1.0, 0.0)
    record.update(1, {0: (4, 4), 1: (4, 1)}, 1.0, 0.0)
    record.update(4, {0: (2, 1)}, 1.0, 0.0)
    return record


def test_counts() -> None:
    record = filled()
    assert record.drawn.tolist() == [3, 2, 1, 1, 0, 0]
    assert record.last.tolist() == [4, 1, 0, 0, -1, -1]
    assert record.answers.tolist() == [5, 6, 4, 0, 0, 0]  # 2 + (4 + 4 / 2) / 2
    assert record.passes.tolist() == [4, 1, 2, 0, 0, 0]
    assert record.solved.tolist() == [0, 0, 0, 0, 0, 0]
    assert record.failed.tolist() == [0, 0, 0, 0, 0, 0]


def test_draws_that_tell_no_pass_rate_are_draws_alone() -> None:
    record, without = filled(), filled()
    record.update(5, {}, 1.0, 0.0, aside=[5, 1])
    assert (record.drawn - without.drawn).tolist() == [0, 1, 0, 0, 0, 1]
    assert record.last.tolist() == [4, 5, 0, 0, -1, 5]
    for name in ("answers", "passes", "solved", "failed"):
        assert torch.equal(getattr(record, name), getattr(without, name))


def test_rows_of_solved_and_failed_draws() -> None:
    """A draw without a score breaks no row; the bounds are the sampler's."""
    record = PassRecord(PROBLEMS)
    for batch, outcomes in enumerate([{0: (4, 4), 1: (4, 0)}, {0: (0, 0), 1: (0, 0)}, {0: (4, 3), 1: (4, 1)}]):
        record.update(batch, outcomes, 0.75, 0.25)
    assert (record.solved[:2].tolist(), record.failed[:2].tolist()) == ([2, 0], [0, 2])
    record.update(3, {0: (4, 2), 1: (4, 2)}, 0.75, 0.25)
    assert (record.solved[:2].tolist(), record.failed[:2].tolist()) == ([0, 0], [0, 0])


@pytest.mark.parametrize("number", [5, 10, 20, 32, 100])
def test_a_draw_exactly_at_a_bound_counts(number: int) -> None:
    """As 55 of 100 does at 0.55."""
    for passes in range(1, number):
        record = PassRecord(PROBLEMS)
        record.update(0, {0: (number, passes), 1: (number, passes - 1)}, float(f"{passes / number:.5f}"), 0.0)
        assert record.solved[:2].tolist() == [1, 0]
        record.update(1, {2: (number, passes), 3: (number, passes + 1)}, 1.1, float(f"{passes / number:.5f}"))
        assert record.failed[2:4].tolist() == [1, 0]


def test_rates_begin_at_the_mean_of_their_set() -> None:
    record = filled()
    a, b = (4 + 2 + 0.5) / (5 + 4 + 1), (1 + 0.5) / (6 + 1)
    wanted = [(4 + a) / 6, (1 + b) / 7, (2 + a) / 5, b, a, b]
    assert record.rates.tolist() == pytest.approx(wanted)
    assert PassRecord(PROBLEMS).rates.tolist() == [0.5] * 6


def test_nothing_is_forgotten_where_all_is_kept() -> None:
    record = PassRecord(PROBLEMS)
    record.decay = 1.0
    for batch in range(3):
        record.update(batch, {5: (4, 1)}, 1.0, 0.0)
    assert (record.answers[5], record.passes[5]) == (12, 3)


def test_a_file_is_read_and_begun_with(tmp_path: Path) -> None:
    path = tmp_path / "problems.jsonl"
    filled().write(path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["problem"] for line in lines] == ["0", "1", "2", "3"]
    assert lines[0] | {"id": ""} == {
        "id": "", "set": "a", "problem": "0", "rate": 0.775, "drawn": 3, "last": 4, "solved": 0, "failed": 0,
        "answers": 5.0, "passes": 4.0,
    }  # fmt: skip
    record = PassRecord([PROBLEMS[1], EchoProblem("other"), PROBLEMS[0]])
    assert record.read(path) == 2
    assert record.passes.tolist() == [1, 0, 4]
    assert record.drawn.tolist() == [2, 0, 3]
    assert record.last.tolist() == [-1, -1, -1]


def test_of_several_lines_for_a_problem_the_last_one_counts(tmp_path: Path) -> None:
    path = tmp_path / "problems.jsonl"
    filled().write(path)
    later = filled()
    later.update(5, {0: (4, 0)}, 1.0, 0.0)
    later.write(tmp_path / "later.jsonl")
    path.write_text(path.read_text() + (tmp_path / "later.jsonl").read_text())
    record = PassRecord(PROBLEMS)
    assert record.read(path) == 4
    assert torch.equal(record.passes, later.passes)


def line_of(**changes: float) -> str:
    return json.dumps({"id": "x", **dict.fromkeys(FIELDS, 1), **changes})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("{", "problems.jsonl, line 5 is no JSON"),
        ("[]", "line 5 has no id"),
        ("[" * 10000, "line 5 is no JSON"),
        (f'{{"id": {"9" * 5000}}}', "line 5 is no JSON"),
        ("\x00\ud800", "line 5 is no JSON"),
        ('{"id": "x"}', "line 5: drawn=None must be a whole number"),
        ('{"id": "x", "drawn": -1}', r"line 5: drawn=-1 must be a whole number in \[0, 2\^53\)"),
        ('{"id": "x", "drawn": 1.5}', "line 5: drawn=1.5 must be a whole number"),
        ('{"id": "x", "drawn": 1e30}', r"line 5: drawn=1e\+30 must be a whole number"),
        (line_of(last=-2), r"line 5: last=-2 must be a whole number in \[-1, 2\^53\)"),
        (line_of(answers=float("nan")), r"line 5: answers=nan must be a number in \[0, 2\^53\)"),
        (line_of(answers=float("inf")), "line 5: answers=inf must be a number"),
        (line_of(passes=2), "line 5: passes=2 must be at most answers=1"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, change: str, message: str) -> None:
    path = tmp_path / "problems.jsonl"
    filled().write(path)
    path.write_text(f"{path.read_text()}{change}\n", errors="surrogatepass")
    with pytest.raises(ValueError, match=message):
        PassRecord(PROBLEMS).read(path)


def test_a_file_of_other_problems_is_refused(tmp_path: Path) -> None:
    filled().write(tmp_path / "problems.jsonl")
    with pytest.raises(ValueError, match=r"none of its 4 problems is among the 1 of the train split"):
        PassRecord([EchoProblem("other")]).read(tmp_path / "problems.jsonl")


def test_a_checkpoint_gives_it_back() -> None:
    state, record = filled().state_dict(), PassRecord(PROBLEMS)
    record.load_state_dict(state)
    record.update(9, {5: (1, 1)}, 1.0, 0.0)
    assert torch.equal(filled().passes, state["passes"])
    assert record.drawn.tolist() == [3, 2, 1, 1, 0, 1]
    for broken in (
        {**state, "passes": [1.0]}, {**state, "drawn": state["answers"]}, {**state, "last": state["last"][:5]}, {}
    ):  # fmt: skip
        with pytest.raises(CheckpointError, match="the checkpoint is damaged: the record's"):
            record.load_state_dict(broken)


def test_problems_that_are_left_out_take_their_rows_with_them() -> None:
    """Those of a checkpoint go to their problems, whatever was left out then and is left out now."""
    kept = torch.tensor([0, 2, 5])
    record = filled()
    record.keep_only([PROBLEMS[place] for place in kept], kept)
    assert record.passes.tolist() == [4, 2, 0]
    assert record.place(PROBLEMS[5]) == 2
    for now in ([0, 2, 5], [0, 1, 2, 3, 4, 5], [0, 1, 2], [2]):
        expected = [{0: 4, 2: 2}.get(place, 0) for place in now]
        for before_loading in (False, True):
            later, problems = PassRecord(PROBLEMS), [PROBLEMS[place] for place in now]
            if before_loading:
                later.keep_only(problems, torch.tensor(now))
            later.load_state_dict(record.state_dict())
            if not before_loading:
                later.keep_only(problems, torch.tensor(now))
            assert later.passes.tolist() == expected
            assert later.last.tolist() == [{0: 4, 2: 0}.get(place, -1) for place in now]
