"""What is read out of the replies of endpoints, the sloppy ones among them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.engines.replies import Choice, parse_reply

USAGE = {"prompt_tokens": 3, "completion_tokens": 8}


def reply(*choices: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {"choices": list(choices), "usage": USAGE, **others}


def chat(content: Any, finish: Any = "stop", **others: Any) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": content}, "finish_reason": finish, **others}


@pytest.mark.parametrize(
    "reason", ["stop", "eos", "eos_token", "end", "end_turn", "stop_sequence", "STOP", " stop ", {"type": "stop"}]
)
def test_an_answer_that_ended_by_itself(reason: Any) -> None:
    found = parse_reply(reply(chat("4", reason)))
    assert (found.choices, found.anomalies, found.limited(8)) == ([Choice("4", "stop")], [], [Choice("4", "stop")])


@pytest.mark.parametrize(
    "reason", ["length", "max_tokens", "MAX_TOKENS", "model_length", {"type": "length", "length": 8}]
)
def test_an_answer_that_was_cut_off(reason: Any) -> None:
    found = parse_reply(reply(chat("4", reason)))
    assert (found.choices, found.anomalies) == ([Choice("4", "length")], [])


@pytest.mark.parametrize("reason", ["content_filter", "SAFETY", "tool_calls", "function_call"])
def test_an_answer_that_is_not_whole_is_told(reason: str) -> None:
    found = parse_reply(reply(chat("4", reason)))
    assert found.choices == [Choice("4", "length")]
    assert found.anomalies == [f"finish_reason={reason!r}: such answers are not whole and count as truncated"]


@pytest.mark.parametrize("reason", [None, "", "finished_ok", 7, True, ["stop"], {"kind": "stop"}])
def test_a_reason_that_is_not_known_is_told_and_the_answer_whole_unless_it_is_as_long_as_can_be(reason: Any) -> None:
    found = parse_reply(reply(chat("4", reason), chat("5", "stop"), chat("6", "length")))
    assert [each.finish for each in found.choices] == ["stop", "stop", "length"]
    (told,) = found.anomalies
    assert "is not known: such answers count as whole" in told
    assert [each.finish for each in found.limited(3)] == ["stop", "stop", "length"]  # 8 tokens of 9
    assert [each.finish for each in found.limited(2)] == ["length", "stop", "length"]
    assert [each.finish for each in found.limited(None)] == ["stop", "stop", "length"]


def test_a_reason_that_is_missing_is_not_known() -> None:
    assert parse_reply(reply({"text": "4"})).unknown_finish == {0}


@pytest.mark.parametrize("reason", ["error", "network_error", "abort"])
def test_an_answer_that_the_endpoint_broke_off_is_none(reason: str) -> None:
    with pytest.raises(ValueError, match=f"ended by '{reason}'"):
        parse_reply(reply(chat("4", reason)))


def test_answers_come_in_the_order_of_their_indices() -> None:
    found = parse_reply(reply(chat("c", index=2), chat("a", index=0), chat("b", index=1)))
    assert ([each.text for each in found.choices], found.anomalies) == (["a", "b", "c"], [])
    assert [each.text for each in parse_reply(reply(chat("c", index=2), chat("a"))).choices] == ["c", "a"]


def test_answers_of_one_index_are_all_kept_and_it_is_told() -> None:
    found = parse_reply(reply(chat("a", index=0), chat("b", index=0), chat("a", index=0)))
    assert [each.text for each in found.choices] == ["a", "b", "a"]
    assert found.anomalies == ["several of its answers have one index, and are taken as different answers"]


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ({"message": None, "finish_reason": "stop"}, "no text, and"),
        ({"message": {}, "finish_reason": "stop"}, "no text, and"),
        ({"message": None, "tool_calls": [{}], "finish_reason": "stop"}, "no text, only calls for a tool, and"),
        ({"message": {"content": None, "tool_calls": [{}]}, "finish_reason": "stop"}, "no text, only calls for a tool"),
        ({"message": {"content": None, "refusal": "No."}, "finish_reason": "stop"}, "no text, only a refusal"),
        ({"message": {"content": "", "reasoning_content": "4"}, "finish_reason": "stop"}, "no text, only reasoning"),
        (chat([{"type": "thinking", "thinking": "4"}]), "no text, and"),
        ({"text": None, "finish_reason": "stop"}, "no text, and"),
    ],
)
def test_an_answer_without_text_is_empty_and_told(choice: dict[str, Any], told: str) -> None:
    found = parse_reply(reply(choice))
    assert found.choices == [Choice("", "stop")]
    assert len(found.anomalies) == 1 and told in found.anomalies[0]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "It is "}, {"type": "text", "text": "4."}], "It is 4."),
        ([{"type": "thinking", "thinking": "2+2"}, {"type": "text", "text": "4"}], "4"),
        (["4", {"type": "image_url", "image_url": {}}], "4"),
        ("4\ud83d", "4?"),
    ],
)
def test_text_in_parts_and_half_characters(content: Any, text: str) -> None:
    assert parse_reply(reply(chat(content))).choices == [Choice(text, "stop")]


@pytest.mark.parametrize(
    "usage",
    [None, [], "8", {}, {"completion_tokens": "8"}, {"prompt_tokens": -1}, {"completion_tokens": 1e30}, {"x": {}}],
)
def test_tokens_that_are_not_told_are_none_and_it_is_told(usage: Any) -> None:
    found = parse_reply(reply(chat("4"), usage=usage))
    assert found.tokens.total() == 0
    assert found.anomalies == ["it does not tell the tokens used, which are counted as 0"]


@pytest.mark.parametrize(
    "nothing",
    [
        *(None, [], "", 3, {}, {"choices": None}, {"choices": {}}, {"choices": []}, {"choices": [None]}),
        *({"choices": [{"finish_reason": "stop"}]}, {"choices": [{"text": 4}]}, {"choices": [chat({"a": 1})]}),
        {"choices": [{"message": "4"}]},
    ],
)
def test_what_is_no_reply_is_refused(nothing: Any) -> None:
    with pytest.raises(ValueError, match="no completion"):
        parse_reply(nothing)


def test_whatever_json_says_is_read_or_refused() -> None:
    """Every part of a good reply in turn replaced by every kind of value."""
    good = reply(chat("4", index=0, tool_calls=[]), chat([{"type": "text", "text": "5"}], index=1))
    values = [None, True, -1, 0, 2.5, 1e308, "", "x", [], [[]], {}, {"type": {}}]

    def replaced(value: Any) -> Any:
        yield from values
        for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
            for other in replaced(value[key]):
                copy = json.loads(json.dumps(value))
                copy[key] = other
                yield copy

    for bad in replaced(good):
        try:
            found = parse_reply(bad)
        except ValueError:
            continue
        assert found.choices and all(isinstance(each.text, str) for each in found.choices)
        assert all(count >= 0 for count in found.tokens.values())
