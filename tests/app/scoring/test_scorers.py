"""Scorers that raise, hang, crash or talk nonsense cost their answers a score, and nothing else."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from math import isnan
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from app.scoring.scorers import Answer, BatchScorer, InProcess, SubprocessScorer, Worker
from app.scoring.verdicts import Verdict
from benchmarks.kill_and_resume import SERVER
from tests.app import misbehaving
from tests.app.misbehaving import SLEEP, Misbehaving, Plain
from tests.forked import started

SECONDS = 0.5
"""For an answer; a tenth of it would do but for busy machines."""


def answers(*said: str) -> list[Answer]:
    return [(Misbehaving(), text) for text in said]


def verdicts(scorer: BatchScorer, *said: str) -> list[Verdict]:
    return list(scorer(answers(*said)))


@pytest.fixture(params=[InProcess(), SubprocessScorer(SECONDS)], ids=["in process", "contained"])
def scorer(request: pytest.FixtureRequest) -> BatchScorer:
    return request.param


CONTAINED = SubprocessScorer(SECONDS)
YES, NO = Verdict(1.0, answer="yes"), Verdict(0.0, answer="no")


def test_ordinary_scores_are_those_of_the_problems(scorer: BatchScorer) -> None:
    batch: list[Answer] = [(Plain(f"p{index}"), f"p{index % 7}") for index in range(500)]
    assert list(scorer(batch)) == [Verdict(problem.score(text), answer=text) for problem, text in batch]
    assert list(scorer([])) == []
    assert [verdict.score for verdict in verdicts(scorer, "half", "one", "of_numpy", "true", "yes", "é\n\ud800")] == [
        0.5,
        1,
        1,
        1,
        1,
        0,
    ]


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("raises", "ZeroDivisionError: by zero"),
        ("exits", "SystemExit: 3"),
        ("recurses", "RecursionError: maximum recursion depth exceeded"),
        ("word", "a score of 'great' is no number in [0, 1]"),
        ("nothing", "a score of None is no number in [0, 1]"),
        ("list", "a score of [1.0] is no number in [0, 1]"),
        ("batch", "ValueError: can only convert an array of size 1"),
        ("nan", "a score of nan is no number in [0, 1]"),
        ("inf", "a score of inf is no number in [0, 1]"),
        ("two", "a score of 2 is no number in [0, 1]"),
        ("minus", "a score of -0.5 is no number in [0, 1]"),
        ("odd", "ArithmeticError: no"),
        ("cancels", "CancelledError: by itself"),
        ("mumbles", "SpeechlessError"),
        ("paints", "ValueError: �[2J��long long"),
    ],
)
def test_what_raises_or_is_no_score_is_unscored(scorer: BatchScorer, said: str, cause: str) -> None:
    passed, unscored, failed = verdicts(scorer, "yes", said, "no")
    assert (passed, failed) == (YES, NO)
    assert isnan(unscored.score)
    assert unscored.cause.startswith(cause)
    assert unscored.cause.isprintable() and len(unscored.cause) <= 200
    assert not unscored.scored


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("  no\n", "no"),
        (" \n", None),
        ("extracts nothing", None),
        ("extracts text", "5"),
        ("extracts the longest", "\N{GRINNING FACE}" * 200),
        ("extracts half a pair", "\ud800"),
    ],
)
def test_the_extracted_answer_comes_with_the_score(scorer: BatchScorer, said: str, answer: str | None) -> None:
    assert verdicts(scorer, said, "yes") == [Verdict(0.0, answer=answer), YES]


def test_a_long_answer_is_cut_and_told_from_others(scorer: BatchScorer) -> None:
    (one, again, other) = (verdict.answer for verdict in verdicts(scorer, "a" * 500 + "b", "a" * 500 + "b", "a" * 500))
    assert one is not None and one == again != other
    assert len(one) == 200 and one.startswith("a" * 160)


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("extracts a number", "an extracted answer of 5 is neither text nor None"),
        ("extracts by raising", "ZeroDivisionError: by zero"),
    ],
)
def test_what_fails_to_extract_is_unscored(scorer: BatchScorer, said: str, cause: str) -> None:
    unscored, after = verdicts(scorer, said, "yes")
    assert isnan(unscored.score) and unscored.cause.startswith(cause) and unscored.answer is None
    assert after == YES


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("hangs", "the scorer did not end in time"),
        ("extracts for ever", "the scorer did not end in time"),
        ("backtracks", "the scorer did not end in time"),
        ("crashes", "the scorer ended its process (status -11)"),
        ("leaves", "the scorer ended its process (status 7)"),
        ("meddles", "the scorer did not end in time"),
        ("murders", "the scorer ended its process (status -9)"),
        ("hoards", "MemoryError"),
        ("closes", "the scorer ended its process (status 1)"),
        ("scribbles", "the scorer wrote into the channel of its verdicts"),
        ("floods", "the scorer wrote into the channel of its verdicts"),
        ("daemonizes", "the scorer ended its process (status 0)"),
    ],
)
def test_what_would_take_the_trainer_with_it_is_unscored(said: str, cause: str) -> None:
    *before, unscored, after = verdicts(CONTAINED, "yes", "no", said, "yes")
    assert before == [YES, NO]
    assert isnan(unscored.score) and unscored.cause.partition(" (tests")[0] == cause
    assert after == YES


@pytest.mark.parametrize("said", ["raises", "extracts by raising", "cancels"])
def test_the_line_that_raised_is_named(scorer: BatchScorer, said: str) -> None:
    (unscored,) = verdicts(scorer, said)
    place = re.search(r" \(\S*misbehaving.py, line (\d+)\)$", unscored.cause)
    assert place is not None
    assert "raise " in Path(misbehaving.__file__).read_text().splitlines()[int(place[1]) - 1]


def test_a_long_message_does_not_hide_it(scorer: BatchScorer) -> None:
    (unscored,) = verdicts(scorer, "paints")
    assert len(unscored.cause) == 200 and re.search(r" \(\S*misbehaving.py, line \d+\)$", unscored.cause)


def test_a_scorer_that_ends_the_process_that_watches_is_unscored() -> None:
    unscored, after = verdicts(CONTAINED, "orphans", "yes")
    assert (unscored.cause, after) == ("the scorer's process had to be ended: it is gone", YES)


def test_one_breakdown_after_another() -> None:
    found = verdicts(CONTAINED, "leaves", "yes", "crashes", "raises", "hangs", "yes")
    assert [verdict.scored for verdict in found] == [False, True, False, False, False, True]


def wait_until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert holds()


def sleepers() -> set[str]:
    """The processes that scorers have left behind."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found |= {path.parent.name} if path.read_bytes().split(b"\0")[:2] == [*map(os.fsencode, SLEEP)] else set()
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has started whom")
@pytest.mark.parametrize("said", ["leaves_sleepers", "sleeps_and_hangs"])
def test_what_a_scorer_leaves_behind_ends_with_the_batch(said: str) -> None:
    found = verdicts(CONTAINED, "yes", said, "no")
    assert [found[0], found[2]] == [YES, NO]
    assert verdicts(CONTAINED, "yes") == [YES]  # it has ended them before it takes the next
    assert not sleepers()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has started whom")
def test_what_a_scorer_leaves_behind_ends_with_the_run() -> None:
    worker = Worker(4.0)
    found = worker.judge(answers("leaves_sleepers", "hangs"), 60.0)
    assert next(found) == Verdict(1.0, answer="leaves_sleepers")
    wait_until(lambda: len(sleepers()) == 3)
    found.close()  # type: ignore[attr-defined]
    assert not sleepers()


def test_a_scorer_that_comes_back_twice_gives_one_verdict() -> None:
    """The verdicts on the other answers are theirs, in this batch and in the next."""
    said = ["no", "forks", *["yes", "no"] * 50]
    for _ in range(2):
        found = [verdict.score for verdict in verdicts(CONTAINED, *said)]
        assert found == [0.0, 0.0, *[1.0, 0.0] * 50]


def test_a_scorer_that_changes_a_module_may_cost_later_answers_their_verdicts_but_none_is_wrong() -> None:
    found = verdicts(CONTAINED, "no", "changes_modules", "no", "yes", "no")
    assert found[0] == NO
    assert all(
        verdict in right for verdict, right in zip(found[2:], ([NO], [YES], [NO]), strict=True) if verdict.scored
    )
    assert verdicts(CONTAINED, "no", "yes") == [NO, YES]


@pytest.mark.parametrize("said", ["moves", "resets"])
def test_what_a_scorer_changes_for_its_process_is_restored(scorer: BatchScorer, said: str) -> None:
    before, passed, after = verdicts(scorer, "where", said, "where")
    assert passed.score == 1.0
    time.sleep(0.3)  # an alarm left behind would ring
    (later,) = verdicts(scorer, "where")
    assert settings(after) == settings(later) == settings(before)
    if isinstance(scorer, InProcess):
        assert after == later == before  # handlers of signals too, which would end a run


def settings(verdict: Verdict) -> str:
    """The working folder and torch's defaults, without whether a signal has its handler."""
    return str(verdict.answer).rpartition(" ")[0]


def test_what_a_scorer_prints_is_no_score() -> None:
    assert verdicts(CONTAINED, "prints", "no") == [Verdict(1.0, answer="prints"), NO]


def test_a_batch_read_to_its_last_verdict_leaves_the_worker_running() -> None:
    verdicts_of = iter(CONTAINED(answers("yes", "no")))
    assert [next(verdicts_of), next(verdicts_of)] == [YES, NO]
    process = CONTAINED.worker.process
    del verdicts_of
    assert CONTAINED.worker.process is process is not None and process.poll() is None


def test_a_batch_left_halfway_spoils_nothing() -> None:
    verdicts_of: Iterator[Verdict] = CONTAINED(answers("yes", "no", "yes"))
    assert next(verdicts_of) == YES
    del verdicts_of
    assert verdicts(CONTAINED, "no", "yes") == [NO, YES]


def test_one_worker_serves_all_and_a_killed_one_is_replaced() -> None:
    verdicts(CONTAINED, "yes")
    worker = CONTAINED.worker
    assert SubprocessScorer(3.0).worker is worker and SubprocessScorer(memory_gb=1.0).worker is not worker
    assert worker.process is not None
    first = worker.process.pid
    verdicts(SubprocessScorer(2.0), "yes")
    assert worker.process.pid == first
    os.kill(first, signal.SIGKILL)
    worker.process.wait()
    assert verdicts(CONTAINED, "yes") == [YES]
    assert worker.process.pid != first


def test_modules_that_can_be_imported_later_are_found(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts(CONTAINED, "yes")
    (tmp_path / "late_problem.py").write_text("from tests.app.misbehaving import Plain\nclass Late(Plain): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    from late_problem import Late  # type: ignore[import-not-found]

    assert list(CONTAINED([(Late("a"), "a")])) == [Verdict(1.0, answer="a")]


def test_files_in_the_working_folder_hide_no_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("json", "random", "socket", "app", "numpy", "usercustomize"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('a file of the user is imported')\n")
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise RuntimeError('a file of the user is imported')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])  # as app/cli/command.py has it
    assert verdicts(CONTAINED, "yes", "no") == [YES, NO]


def test_a_problem_that_cannot_be_sent_is_refused() -> None:
    @dataclass(frozen=True)
    class Local(Plain):
        """Known in this function alone."""

    problem = Local("a")
    with pytest.raises(
        ValueError, match=r"Local can't be scored in a process of its own \(.*\): define it in a module"
    ):
        list(CONTAINED([(problem, "a")]))
    assert list(InProcess()([(problem, "a")])) == [Verdict(1.0, answer="a")]


def test_a_problem_that_only_this_process_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Misbehaving, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "Misbehaving", Misbehaving, raising=False)
    with pytest.raises(ValueError, match=r"Misbehaving can't be scored in a process of its own .*InProcess"):
        verdicts(CONTAINED, "yes")
    monkeypatch.undo()
    assert verdicts(CONTAINED, "yes") == [YES]


def test_a_worker_that_does_not_start_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ChildProcessError, match="the process that scores did not start"):
        list(Worker(1.0).judge(answers("yes"), 1.0))


@pytest.mark.slow
def test_the_worker_ends_with_its_trainer() -> None:
    """Even where the trainer is killed while an answer hangs."""
    ours, theirs = SERVER.Pipe(duplex=False)
    trainer = started(hang, theirs)
    worker = ours.recv()
    time.sleep(0.2)
    trainer.kill()
    trainer.join()
    wait_until(lambda: not os.path.exists(f"/proc/{worker}"))


def hang(theirs: Connection) -> None:
    """Be a trainer with a worker, whose number it tells, that is given an answer without end."""
    scorer = SubprocessScorer(1.0)
    scorer.begin()
    assert scorer.worker.process is not None
    theirs.send(scorer.worker.process.pid)
    list(scorer(answers("yes", "hangs")))


@pytest.mark.parametrize(
    "changes", [{"timeout_s": 0.0}, {"memory_gb": -1.0}, {"timeout_s": float("nan")}, {"timeout_s": float("inf")}]
)
def test_limits_are_above_nothing(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be above 0 and finite"):
        SubprocessScorer(**changes)
