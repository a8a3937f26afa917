"""The engine that samples a copy."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread

import torch

from app.engines.snapshot import SnapshotEngine
from app.engines.transformers import TransformersEngine
from app.policy import TinyPolicy
from app.types import Completion, Request, Sampling
from tests.conftest import EchoProblem


def answers(engine: TransformersEngine, policy: TinyPolicy) -> list[Completion]:
    requests = [Request(EchoProblem(text), policy.encode(text), text) for text in ("abcabc", "b")]
    return [row for rows in engine.generate(requests, 4, Sampling(max_new_tokens=8)) for row in rows]


def assert_equal(left: list[Completion], right: list[Completion]) -> None:
    for mine, other in zip(left, right, strict=True):
        assert (mine.text, mine.finish) == (other.text, other.finish)
        for name in ("tokens", "sampler_logprobs", "entropies"):
            assert torch.equal(getattr(mine, name), getattr(other, name))


def test_answers_are_those_of_the_policy_when_it_was_last_synced(tiny_policy: Callable[..., TinyPolicy]) -> None:
    policy, plain, engine = tiny_policy(), TransformersEngine(), SnapshotEngine()
    for _ in range(2):
        plain.sync(policy)
        engine.sync(policy)
        before = answers(plain, policy)
        assert_equal(answers(engine, policy), before)
        with torch.no_grad():
            for parameter in policy.parameters():
                parameter.mul_(1.1)
        assert_equal(answers(engine, policy), before)
        assert answers(plain, policy)[0].sampler_logprobs[0] != before[0].sampler_logprobs[0]  # type: ignore[index]


def test_sampling_in_a_thread_and_training_beside_it_do_not_meet(tiny_policy: Callable[..., TinyPolicy]) -> None:
    """A policy that goes on taking gradient steps has the weights of one that was left alone, and so has the copy."""

    def train(policy: TinyPolicy) -> None:
        optimizer = torch.optim.SGD(policy.parameters(), 0.01)
        for _ in range(20):
            policy.model(input_ids=torch.arange(3, 40)[None]).logits.logsumexp(-1).sum().backward()
            optimizer.step()
            optimizer.zero_grad()

    alone, beside, engine = tiny_policy(), tiny_policy(), SnapshotEngine()
    engine.sync(beside)
    wanted, found = answers(engine, beside), []
    thread = Thread(target=lambda: found.extend([answers(engine, beside) for _ in range(4)]))
    thread.start()
    train(beside)
    thread.join()
    train(alone)
    assert len(found) == 4
    for each in found:
        assert_equal(each, wanted)
    for mine, other in zip(alone.parameters(), beside.parameters(), strict=True):
        assert torch.equal(mine, other)
