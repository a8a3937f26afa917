"""Parses replies of OpenAI-compatible endpoints: answers, how each ended, and anything unusual.

Endpoints use different values of `finish_reason` for an answer that ended by itself. Only answers that are known to
be cut off or filtered count as truncated. Anything unusual is logged, never dropped silently.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

ENDED = {"stop", "eos", "eos_token", "end", "end_turn", "stop_sequence", "stop_token", "stop_str", "completed", "done"}
"""`finish_reason` of an answer that ended by itself: OpenAI's, TGI's, Together's, Cohere's, Anthropic's and others'."""

LENGTH = {
    *("length", "max_tokens", "max_length", "max_new_tokens", "max_output_tokens", "model_length", "token_limit"),
    *("model_context_window_exceeded", "incomplete"),
}
"""`finish_reason` of an answer that was cut off."""

FILTERED = {
    *("content_filter", "content_filtered", "safety", "sensitive", "recitation", "blocklist", "refusal"),
    *("prohibited_content", "spii", "guardrail_intervened"),
}
"""`finish_reason` of an answer that was filtered in whole or in part."""

TOOLS = {"tool_calls", "tool_call", "tool_use", "function_call"}
"""`finish_reason` of an answer that calls a tool, which is not run here."""

FAILED = {"error", "network_error", "abort", "aborted", "cancelled", "timeout", "insufficient_system_resource"}
"""`finish_reason` of an aborted answer: the endpoint is called again."""

BESIDE = {
    "tool_calls": "calls for a tool",
    "function_call": "a call for a tool",
    "refusal": "a refusal",
    "reasoning_content": "reasoning",
    "reasoning": "reasoning",
}
"""Fields that an answer may have instead of text."""

COUNTS = ("prompt_tokens", "completion_tokens")
MOST_TOKENS = 2**31
"""Token counts from this number on are invalid."""


@dataclass(frozen=True)
class Choice:
    """One answer of a reply: its text, and how it ended, if known."""

    text: str
    finish: Literal["stop", "length"]


@dataclass
class Reply:
    """A reply's answers in order, the tokens used, and anomalies, with a fixed text for each kind.

    `unknown_finish` are the indices of answers whose `finish_reason` is missing or unknown.
    """

    choices: list[Choice] = field(default_factory=list)
    tokens: Counter[str] = field(default_factory=Counter)
    anomalies: list[str] = field(default_factory=list)
    unknown_finish: set[int] = field(default_factory=set)

    def limited(self, max_tokens: int | None) -> list[Choice]:
        """The answers; those of unknown finish count as truncated if all together have as many tokens as they may."""
        full = max_tokens is not None and self.tokens["completion_tokens"] >= max_tokens * len(self.choices)
        cut = self.unknown_finish if full else set[int]()
        return [Choice(each.text, "length") if place in cut else each for place, each in enumerate(self.choices)]


def parse_reply(reply: Any) -> Reply:
    """Parse a reply; ValueError if it has no answer."""
    found = Reply()
    for place, choice in enumerate(_in_order(reply, found)):
        text = _text(choice, found)
        finish = _finish(choice.get("finish_reason"), place, found)
        found.choices.append(Choice(text.encode(errors="replace").decode(), finish))  # lone surrogates can't be encoded
    usage = reply.get("usage")
    counts = {name: usage.get(name) if isinstance(usage, dict) else None for name in COUNTS}
    known = {name: count for name, count in counts.items() if type(count) is int and 0 <= count < MOST_TOKENS}
    if len(known) < len(COUNTS):
        found.anomalies.append("it does not tell the tokens used, which are counted as 0")
    found.tokens.update(known)
    return found


def _in_order(reply: Any, found: Reply) -> list[dict[str, Any]]:
    choices = reply.get("choices") if isinstance(reply, dict) else None
    if not isinstance(choices, list) or not choices or not all(isinstance(choice, dict) for choice in choices):
        raise ValueError("no completion: no choices")
    indices = [choice.get("index") for choice in choices]
    if all(type(index) is int for index in indices):
        if len({*indices}) < len(indices):
            found.anomalies.append("several of its answers have one index, and are taken as different answers")
        return sorted(choices, key=lambda choice: choice["index"])
    return choices


def _text(choice: dict[str, Any], found: Reply) -> str:
    """An answer's text, "" if it has none; ValueError if its field is missing."""
    message = choice.get("message") or {}
    if not {"message", "text"} & choice.keys() or not isinstance(message, dict):
        raise ValueError("no completion: no text in it")
    content = message.get("content") if "message" in choice else choice["text"]
    if isinstance(content, list):
        content = "".join(filter(None, map(_part, content)))
    if content is not None and not isinstance(content, str):
        raise ValueError(f"no completion: {content!r:.80} is no text")
    if not content:
        beside = [word for name, word in BESIDE.items() if message.get(name) or choice.get(name)]
        found.anomalies.append(f"an answer has no text{f', only {beside[0]}' if beside else ''}, and is taken as empty")
    return content or ""


def _part(part: Any) -> str | None:
    """The text of a message part; None for parts of other types, such as reasoning."""
    text = part.get("text") if isinstance(part, dict) and part.get("type") in ("text", "output_text") else part
    return text if isinstance(text, str) else None


def _finish(reason: Any, place: int, found: Reply) -> Literal["stop", "length"]:
    reason = reason.get("type") if isinstance(reason, dict) else reason  # SGLang's native format
    name = reason.strip().lower() if isinstance(reason, str) else ""
    if name in FAILED:
        raise ValueError(f"no completion: it ended by {reason!r}")
    if name in ENDED or name in LENGTH:
        return "stop" if name in ENDED else "length"
    if name in FILTERED or name in TOOLS:
        found.anomalies.append(f"finish_reason={reason!r}: such answers are not whole and count as truncated")
        return "length"
    found.unknown_finish.add(place)
    found.anomalies.append(f"finish_reason={reason!r:.40} is not known: such answers count as whole")
    return "stop"
