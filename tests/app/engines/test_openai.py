"""The engine for OpenAI-compatible endpoints, against a real server in a thread that fails as it is told to."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
import time
from base64 import b64decode
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

import app.engines.openai
from app.engines.openai import OpenAIEngine
from app.types import Completion, Request, Sampling
from app.types.pictures import EncodedPicture
from tests.app.engines.endpoint import Call, Endpoint, Script, choices, serving, status
from tests.app.types.test_pictures import BLUE
from tests.conftest import ROOT, CommandLine, EchoProblem, callback, stage

KEY = "sk-secret-0123456789"


def asked(*prompts: Any) -> list[Request]:
    """A request for each prompt, seeded by its place."""
    nothing = torch.empty(0, dtype=torch.long)
    return [Request(EchoProblem(prompt), nothing, f"0/{place}") for place, prompt in enumerate(prompts)]


def generous(call: Call) -> dict[str, Any]:
    """Gives what is asked for: sample i of the c-th call says "<c>.<i>"."""
    texts = [f"{call.number}.{index}" for index in range(call.body.get("n", 1))]
    return choices(*texts, chat="messages" in call.body)


def texts(groups: list[list[Completion]]) -> list[list[str]]:
    return [[row.text for row in group] for group in groups]


def sample(script: Script, prompt: Any = "one", n: int = 1, **arguments: Any) -> tuple[list[Completion], Endpoint]:
    """n answers to a prompt."""
    with serving(script) as endpoint:
        engine = OpenAIEngine(endpoint.url, "m", **{"retries": 1, **arguments})
        (group,) = engine.generate(asked(prompt), n, Sampling())
    return group, endpoint


# -- what is asked ------------------------------------------------------------------------------------


def test_text_goes_to_completions_and_messages_to_chat_completions() -> None:
    messages = ({"role": "user", "content": "one"},)
    _, plain = sample(generous, "one", n=2)
    _, chat = sample(generous, messages, n=2)
    assert [(call.path, call.body["prompt"]) for call in plain.calls] == [("/v1/completions", "one")]
    assert [(call.path, call.body["messages"]) for call in chat.calls] == [("/v1/chat/completions", list(messages))]
    assert "messages" not in plain.calls[0].body
    assert "prompt" not in chat.calls[0].body


def test_pictures_go_with_their_message() -> None:
    _, endpoint = sample(generous, ({"role": "user", "content": ("is ", BLUE, " blue?")},))
    (message,) = endpoint.calls[0].body["messages"]
    before, picture, after = message["content"]
    assert [before, after] == [{"type": "text", "text": "is "}, {"type": "text", "text": " blue?"}]
    head, _, data = picture["image_url"]["url"].partition(",")
    assert (picture["type"], head) == ("image_url", "data:image/png;base64")
    sent = EncodedPicture(b64decode(data)).open()
    assert (sent.size, sent.getpixel((0, 0))) == ((6, 4), (0, 0, 255))


@pytest.mark.parametrize(
    ("sampling", "wanted"),
    [
        (Sampling(0.5, 0.9, 7, 11, ("<end>",)), {"temperature": 0.5, "top_p": 0.9, "top_k": 7, "stop": ["<end>"]}),
        (Sampling(0.0, max_new_tokens=11), {"temperature": 0.0, "top_p": 1.0}),
    ],
)
def test_sampling_is_passed_on(sampling: Sampling, wanted: dict[str, Any]) -> None:
    body = OpenAIEngine("http://a/v1", "m").body(asked("one")[0], 1, 0, sampling)
    seed = body.pop("seed")
    assert body == {"prompt": "one", "model": "m", "max_tokens": 11, **wanted}
    assert 0 <= seed < 2**31


def test_fields_come_beside_and_in_place_of_the_usual_ones() -> None:
    fields = {"max_tokens": None, "max_completion_tokens": 9, "temperature": 0.25, "top_k": 0}
    body = OpenAIEngine("http://a/v1", "m", fields=fields).body(asked("one")[0], 3, 0, Sampling())
    assert "max_tokens" not in body
    assert [body[name] for name in ("max_completion_tokens", "temperature", "top_k", "n")] == [9, 0.25, 0, 3]


def test_seeds_are_those_of_the_rollouts_and_come_again() -> None:
    def seeds() -> list[int]:
        _, endpoint = sample(generous, n=5, samples_per_call=2)
        return [call.body["seed"] for call in endpoint.calls]

    assert len(set(seeds())) == 3
    assert seeds() == seeds()


@pytest.mark.parametrize(("per_call", "sizes"), [(8, [5]), (2, [2, 2, 1]), (1, [1] * 5)])
def test_a_call_asks_for_no_more_samples_than_allowed(per_call: int, sizes: list[int]) -> None:
    group, endpoint = sample(generous, n=5, samples_per_call=per_call)
    assert [call.body.get("n", 1) for call in endpoint.calls] == sizes
    assert [row.text for row in group] == [f"{call}.{i}" for call, size in enumerate(sizes) for i in range(size)]


def test_a_server_that_gives_fewer_is_asked_again_and_one_that_gives_more_is_cut() -> None:
    fewer, endpoint = sample(lambda call: choices(f"{call.number}.0"), n=3)
    assert [row.text for row in fewer] == ["0.0", "1.0", "2.0"]
    assert [call.body.get("n", 1) for call in endpoint.calls] == [3, 2, 1]
    more, _ = sample(lambda call: choices(*"abcde"), n=3)
    assert [row.text for row in more] == ["a", "b", "c"]


def test_answers_come_in_the_order_of_the_requests_and_no_more_calls_than_allowed_are_under_way() -> None:
    def late(call: Call) -> dict[str, Any]:
        time.sleep(0.02 * (12 - call.number))
        return choices(call.body["prompt"])

    with serving(late) as endpoint:
        engine = OpenAIEngine(endpoint.url, "m", concurrency=3)
        groups = engine.generate(asked(*"abcdefghijkl"), 1, Sampling())
    assert texts(groups) == [[letter] for letter in "abcdefghijkl"]
    assert endpoint.most_under_way == 3


# -- what comes back ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("reason", "finish"), [("stop", "stop"), ("length", "length"), ("content_filter", "length")])
def test_an_answer_has_text_and_a_number_of_tokens(reason: str, finish: str) -> None:
    group, _ = sample(lambda call: choices("a", "bc", finish=reason, usage=(3, 7)), n=2)
    assert [(row.text, len(row.tokens), row.finish) for row in group] == [("a", 4, finish), ("bc", 3, finish)]
    assert all(row.sampler_logprobs is None and row.entropies is None for row in group)


def test_an_answer_that_is_null_is_empty_and_usage_may_be_missing() -> None:
    reply = {"choices": [{"message": {"content": None}, "finish_reason": "stop"}]}
    (row,), _ = sample(lambda call: reply)
    assert (row.text, len(row.tokens)) == ("", 0)


def test_tokens_are_summed_until_asked_for_and_cost_what_they_cost() -> None:
    with serving(lambda call: choices("a", "b", usage=(100, 30))) as endpoint:
        engine = OpenAIEngine(endpoint.url, "m", prices=(2.0, 10.0))
        for _ in range(2):
            engine.generate(asked("one", "two", "three"), 2, Sampling())
        assert engine.pop_usage() == {"prompt_tokens": 600, "completion_tokens": 180, "cost": pytest.approx(0.003)}
        assert engine.pop_usage() == {"prompt_tokens": 0, "completion_tokens": 0, "cost": 0}
        engine = OpenAIEngine(endpoint.url, "m")
        assert set(engine.pop_usage()) == {"prompt_tokens", "completion_tokens"}


def test_what_is_odd_is_told_once_of_each_kind(caplog: pytest.LogCaptureFixture) -> None:
    def odd(call: Call) -> dict[str, Any]:
        reply = choices("a", "b", "c", finish="finished_ok")
        return {"choices": [{**choice, "index": 0} for choice in reply["choices"]]}

    with serving(odd) as endpoint, caplog.at_level("WARNING"):
        engine = OpenAIEngine(endpoint.url, "m")
        groups = engine.generate(asked("one", "two"), 2, Sampling())
    assert texts(groups) == [["a", "b"]] * 2
    assert [row.finish for group in groups for row in group] == ["stop"] * 4
    told = [record.getMessage().removeprefix(f"{endpoint.url}: ") for record in caplog.records]
    assert sorted(told) == [
        "finish_reason='finished_ok' is not known: such answers count as whole",
        "it does not tell the tokens used, which are counted as 0",
        "it gives more answers than asked for",
        "several of its answers have one index, and are taken as different answers",
    ]


# -- faults -------------------------------------------------------------------------------------------


def slow(call: Call) -> dict[str, Any]:
    time.sleep(0.6)
    return choices("too late")


FAULTS: dict[str, Script] = {
    "408": lambda call: status(408),
    "429": lambda call: status(429),
    "500": lambda call: status(500, "oops"),
    "503": lambda call: status(503),
    "hangs up": lambda call: None,
    "silent": slow,
    "malformed": lambda call: status(200, '{"choices": [{"text": "a'),
    "a page": lambda call: status(200, "<html>busy</html>", Content_Type="text/html"),
    "an error of status 200": lambda call: {"error": {"message": "overloaded"}},
    "no choice": lambda call: choices(),
    "no text": lambda call: {"choices": [{"finish_reason": "stop"}]},
    "a number": lambda call: {"choices": [{"text": 1, "finish_reason": "stop"}]},
    "a list": lambda call: status(200, "[]"),
}


def failing_first(fault: Script, times: int = 1) -> Script:
    return lambda call: fault(call) if call.number < times else generous(call)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_call_that_fails_is_made_again(fault: str) -> None:
    group, endpoint = sample(failing_first(FAULTS[fault]), n=2, timeout=0.3)
    assert [row.text for row in group] == ["1.0", "1.1"]
    first, second = endpoint.calls
    assert first.body == second.body


def test_waits_grow_and_retry_after_is_kept() -> None:
    def gaps(fault: Script, times: int) -> list[float]:
        _, endpoint = sample(failing_first(fault, times), retries=times)
        times_of = [call.at for call in endpoint.calls]
        return [later - earlier for earlier, later in pairwise(times_of)]

    short, long = gaps(FAULTS["500"], 2)  # 0.5 s and 1 s, less a quarter at most by chance
    assert 0.35 < short < 0.75 <= long + 0.05
    (told,) = gaps(lambda call: status(429, Retry_After="1"), 1)
    assert told >= 1


@pytest.mark.parametrize("fault", ["429", "500", "hangs up", "silent", "malformed"])
def test_a_call_that_goes_on_failing_ends_the_run_with_its_cause(fault: str) -> None:
    with pytest.raises(ConnectionError, match=r"^http://127.0.0.1:\d+/v1: .+"):
        sample(FAULTS[fault], timeout=0.3)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]


def test_a_failure_keeps_what_has_not_begun_from_being_asked() -> None:
    with serving(lambda call: status(400, '{"error": {"message": "n is too large"}}')) as endpoint:
        engine = OpenAIEngine(endpoint.url, "m", concurrency=2)
        with pytest.raises(ConnectionError, match=r"400.*n is too large"):
            engine.generate(asked(*"abcdefghijklmnop"), 1, Sampling())
    assert len(endpoint.calls) < 8


def test_nobody_listens() -> None:
    with serving(generous) as endpoint:
        pass
    with pytest.raises(ConnectionError, match="refused"):
        OpenAIEngine(endpoint.url, "m", retries=0).generate(asked("one"), 1, Sampling())


# -- the key ------------------------------------------------------------------------------------------


def test_the_key_goes_into_the_header_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", f" {KEY}\n")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    _, with_key = sample(generous, key_variable="MY_KEY")
    _, without = sample(generous)
    headers = {name.lower(): value for name, value in with_key.calls[0].headers.items()}
    assert headers.pop("authorization") == f"Bearer {KEY}"
    assert KEY not in str((headers, with_key.calls[0].body))
    assert "sk-" not in str(without.calls[0])


@pytest.mark.parametrize("code", [200, 401, 500])
def test_a_server_that_repeats_the_key_does_not_get_it_into_the_message(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with pytest.raises(ConnectionError, match=r"wrong key \*\*\*") as raised:
        sample(lambda call: status(code, f"wrong key {KEY}"), key_variable="MY_KEY")
    assert KEY not in repr(raised.value) + repr(raised.value.__cause__)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"key_variable": KEY}, "^key_variable must be the name of an environment variable, in capitals, not a key$"),
        ({"key_variable": "NO_SUCH"}, "the environment variable NO_SUCH, named by key_variable, holds no key"),
        ({"key_variable": "BROKEN"}, "the environment variable BROKEN, named by key_variable, holds no key"),
        ({"base_url": "http://me:secret@a/v1"}, "^base_url must hold neither a user's name, nor a password"),
        ({"base_url": "localhost:8000"}, "base_url='localhost:8000' must begin with http:// or https://"),
        ({"samples_per_call": 0}, "samples_per_call=0 must be at least 1"),
        ({"concurrency": 0}, "concurrency=0 must be at least 1"),
        ({"retries": -1}, "retries=-1 must be at least 0"),
        ({"timeout": 0.0}, "timeout=0.0 must be above 0"),
        ({"prices": (1.0, -1.0)}, r"prices=\(1.0, -1.0\) must be at least 0"),
    ],
)
def test_a_bad_argument_is_refused(arguments: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKEN", "sk-two\nlines")
    with pytest.raises(ValueError, match=message):
        OpenAIEngine(**{"base_url": "http://a/v1", "model": "m", **arguments})


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    spec = importlib.util.spec_from_file_location("alone", app.engines.openai.__file__)
    assert spec is not None and spec.loader is not None
    with pytest.raises(ImportError, match=r"needs the extra \[openai\]"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


# -- the command line ---------------------------------------------------------------------------------

CONFIG = ROOT / "configs" / "engines" / "openai.yaml"


def solving_half(passk: CommandLine) -> Script:
    """Every second sample of a maze is right, the first among them."""
    splits = passk("validate", rollout={"engine": "app.engines.transformers.TransformersEngine"}).datamodule.splits
    solutions = {problem.prompt: problem.solution for split in splits.values() for problem in split}

    def answer(call: Call) -> dict[str, Any]:
        right = solutions[call.body["prompt"]]
        return choices(*[right if index % 2 == 0 else "U" for index in range(call.body.get("n", 1))], usage=(30, 8))

    return answer


def command(passk: CommandLine, name: str, endpoint: Endpoint, *options: str, **init_args: Any) -> Any:
    """A command with configs/engines/openai.yaml in the miniature, whose policy is not built."""
    engine = {"init_args": {"base_url": endpoint.url, "retries": 0, **init_args}}
    overlay = {"model": {"policy": "app.remote.RemotePolicy"}, "rollout": {"engine": engine}}
    return passk(name, *options, base=CONFIG, **overlay)


def test_an_endpoint_is_evaluated_like_a_policy(
    passk: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with serving(solving_half(passk)) as endpoint:
        cli = command(passk, "validate", endpoint, key_variable="MY_KEY", prices=[1.0, 2.0])
    found = callback(cli, "PassKEvaluation").history[-1]
    wanted = {"pass@1": 0.5, "pass@2": 5 / 6, "pass@4": 1.0, "greedy": 1.0, "truncated": 0.0, "length": 2.0}
    spent = {"prompt_tokens": 16 * 30, "completion_tokens": 16 * 8, "cost": (480 + 2 * 128) / 1e6}
    assert {name: found[f"eval/{name}"] for name in wanted | spent} == pytest.approx(wanted | spent, abs=1e-6)
    assert "eval/entropy" not in found
    printed = capsys.readouterr().out
    assert "Spent: 480 prompt tokens, 128 completion tokens, cost 0.0007" in printed
    assert not list(cli.model.parameters())
    files = [path for path in Path(cli.trainer.log_dir).rglob("*") if path.is_file()]
    assert {"config.yaml", "results.jsonl"} <= {path.name for path in files}
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    assert KEY not in printed


def test_predictions_of_an_endpoint(passk: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(solving_half(passk)) as endpoint:
        cli = command(passk, "predict", endpoint)
    lines = (Path(cli.trainer.log_dir) / "predictions.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["score"] for row in rows] == [1, 0, 1, 0] * 8
    assert {row["tokens"] for row in rows} == {2}
    assert "Spent: 240 prompt tokens, 64 completion tokens" in capsys.readouterr().out


def test_a_fault_is_one_line(passk: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(FAULTS["500"]) as endpoint, pytest.raises(SystemExit) as ended:
        command(passk, "test", endpoint)
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"passk: error: {endpoint.url}: status 500: oops")


REMOTE = {"class_path": "app.engines.openai.OpenAIEngine", "init_args": {"base_url": "http://a/v1", "model": "m"}}
REFUSED = "OpenAIEngine gives text without tokens, which can't be trained on: use validate, test or predict"


@pytest.mark.parametrize(
    ("command", "overlay", "message"),
    [
        ("fit", {"rollout": {"engine": REMOTE}}, REFUSED),
        ("fit", {"schedule": {"stages": [stage("explore", engine=REMOTE)]}}, f"stage 'explore': {REFUSED}"),
        (
            "validate",
            {"model": {"policy": "app.remote.RemotePolicy"}},
            "TransformersEngine has no policy to sample: RemotePolicy is for engines such as OpenAIEngine",
        ),
        (
            "validate",
            {"rollout": {"engine": {**REMOTE, "init_args": {**REMOTE["init_args"], "key_variable": KEY}}}},
            "key_variable must be the name of an environment variable, in capitals, not a key",
        ),
    ],
    ids=["fit", "stage", "no policy", "key"],
)
def test_what_can_not_be_is_refused_at_the_door(
    passk: CommandLine, command: str, overlay: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        passk(command, **overlay)
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.err.splitlines()[-1].endswith(message)
    assert KEY not in printed.err + printed.out
