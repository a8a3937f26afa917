"""What is made of servers' answers and silence, with a server in a thread that answers as a script says."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from app.engines.base import EngineError
from app.engines.vllm.client import ServerLostError, Servers
from app.engines.vllm.server import check_servers, parse_reply

Script = Callable[[str, Any], tuple[int, Any]]


@contextmanager
def serving(script: Script) -> Iterator[str]:
    """The address of a server that answers a path and a body with a status and an object."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
            code, answer = script(self.path, body)
            self.send_response(code)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        do_GET = do_POST  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_answers_come_in_order_from_servers_asked_in_turn() -> None:
    def slower(name: str) -> Script:
        def answer(path: str, body: Any) -> tuple[int, Any]:
            time.sleep(0.05 * (5 - body["place"]))
            return 200, [name, body["place"]]

        return answer

    with serving(slower("a")) as one, serving(slower("b")) as other:
        answers = Servers([one, f"{other}/"], 60).generate([{"place": place} for place in range(5)])
    assert answers == [["a", 0], ["b", 1], ["a", 2], ["b", 3], ["a", 4]]


def test_a_server_that_lives_and_never_answers_is_lost() -> None:
    def answer(path: str, body: Any) -> tuple[int, Any]:
        time.sleep(0 if path == "/health" else 20)
        return 200, {}

    with serving(answer) as url, pytest.raises(ServerLostError, match=r"no answer of http.* in timeout=0.5 s"):
        Servers([url], 0.5).generate([{}])


def test_a_server_whose_engine_is_dead_is_lost_and_one_that_refuses_is_not() -> None:
    replies = {"/v1/models": (500, "worker died"), "/health": (503, None)}
    with serving(lambda path, body: replies[path]) as url:
        with pytest.raises(ServerLostError, match=r"the vLLM server at .* has lost its engine, or is gone"):
            Servers([url], 60).everywhere("GET", "v1/models")
        replies["/health"] = 200, None
        with pytest.raises(EngineError, match=r"the vLLM server refuses: .*status 500: .*worker died") as caught:
            Servers([url], 60).everywhere("GET", "v1/models")
        assert not isinstance(caught.value, ServerLostError)
    with pytest.raises(ServerLostError, match="the vLLM server does not answer: "):
        Servers([url], 60).everywhere("GET", "v1/models")


def test_workers_of_several_servers_are_numbered_one_after_another() -> None:
    """As one NCCL group wants it; the trainer is its rank 0."""
    heard: list[tuple[str, Any]] = []

    def server(size: int) -> Script:
        def answer(path: str, body: Any) -> tuple[int, Any]:
            if path == "/init_weight_transfer_engine":
                heard.append((str(size), body["init_info"]))
            return 200, {"world_size": size}

        return answer

    with serving(server(4)) as one, serving(server(2)) as two, serving(server(8)) as three:
        Servers([one, two, three], 60).init_weight_transfer_engine({"rank_offset": 1, "world_size": 15})
    assert {size: info["rank_offset"] for size, info in heard} == {"4": 1, "2": 5, "8": 7}
    assert all(info["world_size"] == 15 for _, info in heard)


def choice(index: int = 0, version: str = "a/1", finish: str = "stop") -> dict[str, Any]:
    return {
        "index": index,
        "finish_reason": finish,
        "token_ids": [5, index],
        "logprobs": {"content": [{"token_id": 5, "logprob": -0.5}, {"token_id": index, "logprob": -index}]},
        "weight_versions": [{"version": version, "start": 0, "end": 2}],
    }


def test_an_answer_has_its_tokens_in_the_order_of_its_samples() -> None:
    assert parse_reply({"choices": [choice(1), choice(0)]}, 2, "a/1") == [([5, 0], [-0.5, 0]), ([5, 1], [-0.5, -1])]


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ([choice()], "1 answers in place of 2"),
        ([choice(), choice(1, finish="abort")], "ended by 'abort'"),
        ([choice(), choice(1, version="a/0")], "with weights a/0 in place of a/1"),
    ],
)
def test_a_wrong_answer_is_refused(choices: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        parse_reply({"choices": choices}, 2, "a/1")


@pytest.mark.parametrize(
    ("section", "name", "has", "message"),
    [
        ("model_config", "logprobs_mode", "raw_logprobs", "--logprobs-mode raw_logprobs and needs processed_logprobs"),
        ("model_config", "dtype", "torch.bfloat16", "--dtype bfloat16 and needs float32"),
        ("weight_transfer_config", "backend", "nccl", "--weight-transfer-config nccl and needs file"),
        (None, None, None, None),
    ],
)
def test_a_server_that_was_started_otherwise_is_refused(
    section: str | None, name: str, has: str, message: str | None
) -> None:
    config = {
        "model_config": {"logprobs_mode": "processed_logprobs", "dtype": "torch.float32"},
        "weight_transfer_config": {"backend": "file"},
    }
    if section:
        config[section][name] = has
    with serving(lambda path, body: (200, {"vllm_config": config})) as url:
        if message is None:
            check_servers(Servers([url], 60), "file", "torch.float32")
        else:
            with pytest.raises(EngineError, match=f"the vLLM server at {url} has {message}: see docs/scaling.md"):
                check_servers(Servers([url], 60), "file", "torch.float32")
