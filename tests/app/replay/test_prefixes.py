"""The share of an answer that the next ones begin with, against the rule written out, and where it goes."""

from __future__ import annotations

from random import Random

import pytest
import torch

from app.replay import Answered, PrefixReplay
from app.storage.checkpoint import check_plain

ANSWER = torch.arange(20, dtype=torch.int)


def answered(passes: int, answers: int = 8, problem: str = "a", passing: torch.Tensor | None = None) -> Answered:
    return Answered(problem, answers, passes, (ANSWER if passing is None else passing) if passes else None)


def shares(replay: PrefixReplay, *passes: int) -> list[float]:
    """After a group with each of these numbers of passes, of eight."""
    found = []
    for iteration, number in enumerate(passes):
        replay.keep([answered(number)], iteration)
        found.append(replay.steered["a"].share if "a" in replay.steered else 0.0)
    return found


def test_the_share_moves_by_how_far_the_pass_rate_is_off() -> None:
    assert shares(PrefixReplay(gain=0.4), 2, 0, 0, 4, 8, 6) == pytest.approx([0.1, 0.3, 0.5, 0.5, 0.3, 0.2])
    assert shares(PrefixReplay(gain=0.4, longest=0.25), 2, 0, 0, 8) == pytest.approx([0.1, 0.25, 0.25, 0.05])
    assert shares(PrefixReplay(target=0.25), 4, 2, 1) == pytest.approx([0, 0, 0.03125])


def test_there_is_none_before_an_answer_has_passed_and_after_it_was_not_needed() -> None:
    replay = PrefixReplay(gain=1.0)
    assert shares(replay, 0, 0, 2, 8, 0) == pytest.approx([0, 0, 0.25, 0, 0])
    assert replay.steered == {}
    assert len(replay.prefix("a")) == 0
    replay.keep([answered(0, answers=0), answered(1, answers=0, problem="b")], 9)  # unscored
    assert replay.steered == {}


def test_a_prefix_is_the_beginning_of_the_latest_passing_answer_and_never_all_of_it() -> None:
    replay = PrefixReplay(gain=1.0, longest=0.99)
    replay.keep([answered(1)], 0)
    assert replay.prefix("a").tolist() == [*range(7)]  # 3 / 8 of 20
    replay.keep([answered(0)], 1)
    assert replay.prefix("a").tolist() == [*range(17)]  # 7 / 8
    replay.keep([answered(1, passing=ANSWER[:5] + 100)], 2)
    assert replay.prefix("a").tolist() == [100, 101, 102, 103]
    replay.keep([answered(1, passing=ANSWER[:0])], 3)
    assert len(replay.prefix("a")) == 0


def test_half_of_the_rollouts_come_to_pass() -> None:
    """Of a problem that is passed from the place `beyond` of its answer on with certainty, and hardly ever before."""
    for beyond in (0.2, 0.6, 0.85):
        replay, random, rates = PrefixReplay(), Random(0), []
        replay.keep([answered(1, 32)], 0)
        for iteration in range(1, 80):
            chance = min(1.0, max(0.03, 0.5 + 3 * (replay.steered["a"].share - beyond))) if replay.steered else 0.03
            passes = sum(random.random() < chance for _ in range(32))
            replay.keep([answered(max(passes, 1), 32)], iteration)
            rates.append(passes / 32)
        assert sum(rates[30:]) / len(rates[30:]) == pytest.approx(0.5, abs=0.05)


def test_the_problems_that_were_answered_last_are_kept_and_restored() -> None:
    replay = PrefixReplay(size=3)
    for iteration, problems in enumerate(["abc", "d", "b"]):
        replay.keep([answered(1, problem=problem) for problem in problems], iteration)
    assert [*replay.steered] == ["b", "d", "a"]
    check_plain(replay.state_dict())
    other = PrefixReplay(size=3)
    other.load_state_dict(replay.state_dict())
    assert [*other.steered] == ["b", "d", "a"]
    assert [vars(each) | {"answer": 0} for each in other.steered.values()] == [
        vars(each) | {"answer": 0} for each in replay.steered.values()
    ]


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("target", 1.0, "target=1.0 must lie between 0 and 1"),
        ("longest", 0.0, "longest=0.0 must lie between 0 and 1"),
        ("gain", 0.0, "gain=0.0 must be above 0"),
        ("size", 0, "size=0 must be at least 1"),
    ],
)
def test_what_has_no_meaning_is_refused(argument: str, value: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PrefixReplay(**{argument: value})  # type: ignore[arg-type]
