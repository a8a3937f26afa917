"""The scripted engine."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.engines.scripted import ScriptedEngine
from app.policy import TinyPolicy
from app.types import Request, Sampling
from tests.conftest import EchoProblem


def test_rollouts_read_the_script_round_and_round(tiny_policy: Callable[..., TinyPolicy]) -> None:
    policy, engine = tiny_policy(), ScriptedEngine(["{solution}", "no", "<{solution}|{solution}>"])
    engine.sync(policy)
    asked = [Request(EchoProblem(text), policy.encode(text), "") for text in ("up", "down")]
    groups = engine.generate(asked, 5, Sampling(max_new_tokens=12))
    assert [[row.text for row in group] for group in groups] == [
        ["up", "no", "<up|up>", "up", "no"],
        ["down", "no", "<down|down>", "down", "no"],
    ]
    for row, text in zip(groups[0], ("up", "no"), strict=False):
        assert row.tokens.tolist() == [*policy.encode(text).tolist(), 1]
    assert [row.finish for row in groups[1]] == ["stop"] * 5


def test_a_line_too_long_is_truncated(tiny_policy: Callable[..., TinyPolicy]) -> None:
    policy, engine = tiny_policy(), ScriptedEngine(["12345"])
    engine.sync(policy)
    ((row,),) = engine.generate([Request(EchoProblem("x"), policy.encode("x"), "")], 1, Sampling(max_new_tokens=4))
    assert row.finish == "length"
    assert row.tokens.tolist() == policy.encode("1234").tolist()


def test_an_empty_script_raises() -> None:
    with pytest.raises(ValueError, match="at least one line"):
        ScriptedEngine([])
