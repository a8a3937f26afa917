"""An OpenAI-compatible server in a thread, which does to each call what its script says."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

Script = Callable[["Call"], Any]
"""What to answer a call with: a dictionary, a (status, headers, text), or None to hang up without a word."""


@dataclass
class Call:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    number: int
    at: float


@dataclass
class Endpoint:
    """Where it listens, what it was asked, and how many calls were under way at once at most."""

    url: str
    calls: list[Call] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    lock: Lock = field(default_factory=Lock)


def choices(*texts: str, finish: str = "stop", usage: tuple[int, int] = (7, 5), chat: bool = False) -> dict[str, Any]:
    """A reply that gives these texts, for this many prompt and completion tokens."""
    own = [{"message": {"content": text}} if chat else {"text": text} for text in texts]
    return {
        "choices": [{"index": index, **choice, "finish_reason": finish} for index, choice in enumerate(own)],
        "usage": dict(zip(("prompt_tokens", "completion_tokens"), usage, strict=True)),
    }


def status(code: int, text: str = "{}", **headers: str) -> tuple[int, dict[str, str], str]:
    return code, {name.replace("_", "-"): value for name, value in headers.items()}, text


@contextmanager
def serving(script: Script) -> Iterator[Endpoint]:
    """The server, for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with endpoint.lock:
                call = Call(self.path, dict(self.headers), body, len(endpoint.calls), time.perf_counter())
                endpoint.calls.append(call)
                endpoint.under_way += 1
                endpoint.most_under_way = max(endpoint.most_under_way, endpoint.under_way)
            try:
                self.reply(script(call))
            finally:
                with endpoint.lock:
                    endpoint.under_way -= 1

        def reply(self, reply: Any) -> None:
            if reply is None:
                self.close_connection = True
                return
            code, headers, text = reply if isinstance(reply, tuple) else (200, {}, json.dumps(reply))
            self.send_response(code)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            with suppress(BrokenPipeError):  # the caller may have lost patience
                self.wfile.write(text.encode())

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    endpoint = Endpoint(f"http://127.0.0.1:{server.server_port}/v1")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
