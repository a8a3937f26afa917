"""Reference solutions as completions, with and without typos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import pytest

from app.engines.demonstrations import DemonstrationEngine
from app.policy import TinyPolicy
from app.types import Request, Sampling
from tests.conftest import EchoProblem

LONG = Sampling(max_new_tokens=1000)


def engine(policy: TinyPolicy, *arguments: object) -> DemonstrationEngine:
    made = DemonstrationEngine(*arguments)
    made.sync(policy)
    return made


def request(policy: TinyPolicy, text: str, seed: str = "seed") -> Request:
    return Request(EchoProblem(text), policy.encode(text), seed)


def test_a_demonstration_is_the_solution_and_an_end(tiny_policy: Callable[..., TinyPolicy]) -> None:
    policy = tiny_policy()
    groups = engine(policy).generate([request(policy, "to the left"), request(policy, "up\n")], 2, LONG)
    assert [[row.text for row in group] for group in groups] == [["to the left"] * 2, ["up\n"] * 2]
    for row in groups[0]:
        assert row.tokens.tolist() == [*policy.encode("to the left").tolist(), 1]
        assert (row.finish, row.sampler_logprobs, row.entropies) == ("stop", None, None)


@pytest.mark.parametrize(("room", "finish"), [(1, "length"), (3, "length"), (4, "length"), (5, "stop"), (6, "stop")])
def test_truncation(tiny_policy: Callable[..., TinyPolicy], room: int, finish: str) -> None:
    """Four letters and the end are five tokens."""
    policy = tiny_policy()
    ((row,),) = engine(policy).generate([request(policy, "LRUD")], 1, Sampling(max_new_tokens=room))
    assert row.finish == finish
    assert row.tokens.tolist() == [*policy.encode("LRUD").tolist(), 1][:room]
    assert row.text == "LRUD"[:room]


@pytest.mark.parametrize(("rate", "letters"), [(0.2, "LRUD"), (1.0, "LR"), (0.5, "x")])
def test_typos_come_at_their_rate_and_on_their_letters_alone(
    tiny_policy: Callable[..., TinyPolicy], rate: float, letters: str
) -> None:
    """A slip draws one of the letters, so one time in so many it draws the letter it replaces."""
    policy, text = tiny_policy(), "LxR " * 1000
    ((row,),) = engine(policy, rate, letters).generate([request(policy, text)], 1, Sampling(max_new_tokens=5000))
    places = [place for place, letter in enumerate(text) if letter in letters]
    changed = [place for place in range(len(text)) if row.text[place] != text[place]]
    expected = rate * (1 - 1 / len(letters))
    assert set(changed) <= set(places)
    assert {row.text[place] for place in places} <= set(letters)
    assert len(changed) / len(places) == pytest.approx(expected, abs=4 * (0.25 / len(places)) ** 0.5)
    assert row.tokens.tolist() == [*policy.encode(row.text).tolist(), 1]


def test_typos_are_seeded_by_the_rollout_alone(tiny_policy: Callable[..., TinyPolicy]) -> None:
    policy, text = tiny_policy(), "LRUD" * 20
    typist = engine(policy, 0.3, "LRUD")
    asked = [request(policy, text, seed) for seed in ("a", "b")]
    texts = [[row.text for row in group] for group in typist.generate(asked, 4, LONG)]
    assert len({text for group in texts for text in group}) == 8
    assert [row.text for row in typist.generate(asked[1:], 2, LONG)[0]] == texts[1][:2]


@dataclass(frozen=True)
class TwoWays(EchoProblem):
    """Has two solutions that are equally good."""

    def demonstrate(self, random: Random) -> str:
        return random.choice(["left", "right"])


def test_demonstrations_are_drawn_where_there_are_several(tiny_policy: Callable[..., TinyPolicy]) -> None:
    policy = tiny_policy()
    asked = [Request(TwoWays("x"), policy.encode("x"), "seed")]
    drawn = [row.text for row in engine(policy).generate(asked, 40, LONG)[0]]
    assert min(drawn.count("left"), drawn.count("right")) > 5
    assert set(drawn) == {"left", "right"}
    assert [row.text for row in engine(policy).generate(asked, 40, LONG)[0]] == drawn


def test_a_solution_the_policy_can_not_say_raises(tiny_policy: Callable[..., TinyPolicy]) -> None:
    policy = tiny_policy(alphabet="abc")
    asked = [Request(EchoProblem("abcdef"), policy.encode("abc"), "seed")]
    with pytest.raises(ValueError, match="alphabet lacks"):
        engine(policy).generate(asked, 1, LONG)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((-0.1, "a"), "typo_rate=-0.1"), ((1.5, "a"), "typo_rate=1.5"), ((0.1,), "typo_letters")],
)
def test_bad_arguments_raise(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DemonstrationEngine(*arguments)


def test_demonstrating_before_sync_raises(tiny_policy: Callable[..., TinyPolicy]) -> None:
    with pytest.raises(RuntimeError, match="sync the engine"):
        DemonstrationEngine().generate([request(tiny_policy(), "x")], 1, LONG)
