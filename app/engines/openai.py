"""The engine that evaluates a model behind an OpenAI-compatible endpoint: closed models, SGLang, llama.cpp, vLLM.

Its answers are only text: they are scored and reported like a policy's, and never used for training.
The `openai` client retries with back-off: on 408, 409, 429, 5xx, a timeout or a
broken connection, with jitter, and after the time given by a Retry-After of up to two minutes.
"""

from __future__ import annotations

import logging
import os
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import torch

from app.engines.base import RolloutEngine
from app.engines.replies import Choice, parse_reply
from app.extras import install
from app.seeds import number_of
from app.types import Completion, Request, Sampling
from app.types.pictures import Picture, parts_of

try:
    import httpx2
    import openai
except ImportError as error:
    raise ImportError(f"OpenAIEngine needs the extra [openai], {install('openai')}: {error}") from error

if TYPE_CHECKING:
    from app.policy import Policy

log = logging.getLogger(__name__)

NO_KEY = "none"
"""Sent if there is no key: otherwise the client would send the OPENAI_API_KEY of the environment."""

CONNECTING = 10.0
"""Time limit for connecting to an endpoint, in seconds."""

UNKNOWN_TOKEN = -1
"""Replaces every token of an answer: an endpoint returns their number, not the tokens."""


class OpenAIEngine(RolloutEngine):
    """Samples from an OpenAI-compatible endpoint: messages by chat completions, plain text by completions.

    Pictures are sent with their message.

    Args:
        base_url: the endpoint's URL, such as http://127.0.0.1:8000/v1.
        model: the endpoint's name of the model.
        key_variable: the environment variable with the key; None sends none.
        samples_per_call: samples of a problem in one call. If a server returns fewer, it is called
            again; for a server that rejects more than one, set 1.
        concurrency: simultaneous calls of each process.
        retries: retries of a call before the run ends.
        timeout: seconds without data after which a call counts as failed.
        fields: fields of every call's body, added to the usual ones or replacing them; null leaves one out.
        prices: of a million prompt and a million completion tokens, in any currency.

    A rollout's seed is sent; whether the same seed gives the same answer depends on the endpoint. The endpoint
    counts the tokens of all samples of a call together; here they are divided evenly. An answer is truncated
    if its `finish_reason` says that it was cut off or filtered (`replies.py`). Anything unusual in a reply is logged.
    """

    samples_the_policy = False
    is_remote = True

    def __init__(
        self,
        base_url: str,
        model: str,
        key_variable: str | None = None,
        samples_per_call: int = 8,
        concurrency: int = 16,
        retries: int = 8,
        timeout: float = 600.0,
        fields: dict[str, Any] | None = None,
        prices: tuple[float, float] | None = None,
    ) -> None:
        counts = {"samples_per_call": samples_per_call, "concurrency": concurrency}
        for name, value in counts.items():
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        if retries < 0:
            raise ValueError(f"retries={retries} must be at least 0")
        if not timeout > 0:
            raise ValueError(f"timeout={timeout} must be above 0")
        if prices is not None and not min(prices) >= 0:
            raise ValueError(f"prices={prices} must be at least 0")
        check_url(base_url)
        key_of(key_variable)
        self.base_url, self.model, self.key_variable = base_url, model, key_variable
        self.samples_per_call, self.concurrency = samples_per_call, concurrency
        self.retries, self.timeout = retries, timeout
        self.fields, self.prices = fields or {}, prices
        self.tokens = Counter[str]()  # since the last `pop_usage`
        self.warned = set[str]()  # kinds of unusual replies already logged

    @cached_property
    def client(self) -> openai.OpenAI:
        """The client; the key is stored only here."""
        return openai.OpenAI(
            api_key=key_of(self.key_variable),
            base_url=self.base_url,
            max_retries=self.retries,
            timeout=openai.Timeout(self.timeout, connect=min(self.timeout, CONNECTING)),
            http_client=openai.DefaultHttpxClient(event_hooks={"response": [check_reply]}),
        )

    def sync(self, policy: Policy) -> None:
        """Does nothing: the endpoint has its own weights."""

    def generate(self, requests: Sequence[Request], n: int, sampling: Sampling) -> list[list[Completion]]:
        """Sample n answers to each request, in order; ConnectionError if a call fails after all retries."""
        with ThreadPoolExecutor(self.concurrency) as pool:
            futures = [pool.submit(self._answer, request, n, sampling) for request in requests]
            try:
                for future in as_completed(futures):
                    self.tokens += future.result()[1]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return [future.result()[0] for future in futures]

    def pop_usage(self) -> dict[str, float]:
        """Tokens, and their cost if prices are given, since the last call."""
        spent = {name: float(self.tokens[name]) for name in ("prompt_tokens", "completion_tokens")}
        self.tokens.clear()
        if self.prices is not None:
            spent["cost"] = sum(count * price / 1e6 for count, price in zip(spent.values(), self.prices, strict=True))
        return spent

    def _answer(self, request: Request, n: int, sampling: Sampling) -> tuple[list[Completion], Counter[str]]:
        """Call until there are n answers.  -> the answers, and the tokens used"""
        completions: list[Completion] = []
        tokens = Counter[str]()
        while len(completions) < n:
            wanted = min(self.samples_per_call, n - len(completions))
            body = self.body(request, wanted, len(completions), sampling)
            reply = self._call("/completions" if "prompt" in body else "/chat/completions", body)
            found = parse_reply(reply)
            self._warn([*found.anomalies, *["it gives more answers than asked for"] * (len(found.choices) > wanted)])
            tokens += found.tokens
            whole, over = divmod(found.tokens["completion_tokens"], len(found.choices))
            sizes = [whole + (place < over) for place in range(len(found.choices))]
            limited = found.limited(body.get("max_tokens", body.get("max_completion_tokens")))
            completions += [completion(choice, size) for choice, size in zip(limited, sizes, strict=True)]
        return completions[:n], tokens

    def _warn(self, anomalies: Iterable[str]) -> None:
        """Warn of anything unusual in a reply, once for each kind."""
        for kind in anomalies:
            if kind not in self.warned:
                self.warned.add(kind)
                log.warning("%s: %s", self.base_url, kind)

    def body(self, request: Request, count: int, first: int, sampling: Sampling) -> dict[str, Any]:
        """The body of a call for this many samples, the first of which is rollout `first`."""
        prompt = request.problem.prompt
        asked = {"prompt": prompt} if isinstance(prompt, str) else {"messages": list(map(as_parts, prompt))}
        usual = {
            "model": self.model,
            "n": count if count > 1 else None,
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k or None,  # OpenAI's own models reject it
            "stop": list(sampling.stop_tokens) or None,
            "seed": number_of(f"{request.seed}/{first}"),
        }
        return {name: value for name, value in (asked | usual | self.fields).items() if value is not None}

    def _call(self, path: str, body: dict[str, Any]) -> Any:
        try:
            return self.client.post(path, cast_to=object, body=body)
        except openai.APIError as error:
            reason = reason_of(error)
            if self.key_variable is not None:  # an error may quote the key
                reason = reason.replace(key_of(self.key_variable), "***")
            raise ConnectionError(f"{self.base_url}: {' '.join(reason.split()):.300}") from None


def reason_of(error: openai.APIError) -> str:
    """The endpoint's error message, or the cause of a connection error."""
    if isinstance(error, openai.APIStatusError):
        return f"status {error.status_code}: {error.response.text}"
    return str(error.__cause__ or "") or str(error)


def as_parts(message: dict[str, Any]) -> dict[str, Any]:
    """A message in the endpoint's format, with pictures as PNG in data URLs."""
    if isinstance(message["content"], str):
        return message
    return {**message, "content": [part_of(part) for part in parts_of(message["content"])]}


def part_of(part: str | Picture) -> dict[str, Any]:
    """A text or picture part of a message, in the endpoint's format."""
    if isinstance(part, str):
        return {"type": "text", "text": part}
    file = BytesIO()
    part.open().save(file, "PNG")
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"}}


def key_of(variable: str | None) -> str:
    """The key in the environment variable of this name; ValueError if it is not set.

    A string that cannot be a variable's name may be the key itself, and is not quoted in the error.
    """
    if variable is None:
        return NO_KEY
    if not re.fullmatch("[A-Z][A-Z0-9_]*", variable):
        raise ValueError("key_variable must be the name of an environment variable, in capitals, not a key")
    key = os.environ.get(variable, "").strip()
    if not re.fullmatch("[!-~]+", key):
        raise ValueError(f"the environment variable {variable}, named by key_variable, holds no key")
    return key


def check_url(url: str) -> None:
    """Raise ValueError for an invalid URL, or one with a password, which would be logged."""
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query:
        raise ValueError("base_url must hold neither a user's name, nor a password, nor a query: see key_variable")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"base_url={url!r} must begin with http:// or https:// and name a host")


def check_reply(response: httpx2.Response) -> None:
    """Make the client treat a reply that is no completion as a broken connection, so that it retries."""
    response.read()
    if response.is_success:
        try:
            parse_reply(response.json())
        except ValueError:
            raise httpx2.RemoteProtocolError(f"the reply is no completion: {response.text!r}") from None


def completion(choice: Choice, size: int) -> Completion:
    """A completion whose tokens are unknown; only their number is given."""
    return Completion(choice.text, torch.tensor(UNKNOWN_TOKEN).expand(size), choice.finish)
