"""What may befall a `vllm serve` process of our own; docs/vllm.md tells what happened.

Every death costs a start, so that `.ci/vllm` leaves it out: `.ci/vllm tests/app/engines/vllm/test_faults.py`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer
from time import monotonic, sleep

import pytest

from app.engines.base import EngineError
from app.engines.external import check_agreement
from app.engines.vllm.server import VLLMServerEngine
from app.policy import TinyPolicy
from app.types import Sampling
from tests.app.engines.vllm.test_inprocess import BOUND, PROMPTS, build, flat, move, requests
from tests.conftest import ROOT, build_tiny_policy

pytestmark = pytest.mark.timeout(300)

Pair = tuple[VLLMServerEngine, TinyPolicy]
LONG = Sampling(max_new_tokens=200)  # some seconds for 64 answers to each prompt


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """An engine that may start its server again and again."""
    pytest.importorskip("vllm")
    engine, policy = VLLMServerEngine(max_logprob_difference=BOUND, restarts=10), build(True)
    engine.setup(policy)
    yield engine, policy
    engine.close()


def members(group: int) -> dict[str, int]:
    """The processes of a group that live, by what they call themselves."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, pgid = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            name = (folder / "cmdline").read_text().replace("\0", " ").strip()
        except OSError:
            continue
        if int(pgid) == group and state != "Z":
            found[name] = int(folder.name)
    return found


def hit(engine: VLLMServerEngine, name: str, number: int = signal.SIGKILL) -> None:
    """Send a signal to that process of the engine's server whose name ends so."""
    assert engine.process is not None and engine.process.process is not None
    found = members(engine.process.process.pid)
    os.kill(next(pid for each, pid in found.items() if name in each), number)


@pytest.mark.parametrize("name", ["app.engines.vllm.serve", "VLLM::EngineCore", "VLLM::Worker"])
def test_killed_while_idle_it_is_started_again(pair: Pair, name: str) -> None:
    engine, policy = pair
    engine.sync(policy)
    left = engine.restarts
    hit(engine, name)
    move(policy, 7)
    engine.sync(policy)
    assert engine.restarts == left - 1
    assert check_agreement(engine, policy, BOUND) <= BOUND


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_killed_or_hung_while_it_samples_it_is_started_again_and_asked_again(
    pair: Pair, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rollouts are those of an unharmed run: nothing is lost and nothing is made up."""
    engine, policy = pair
    engine.sync(policy)
    left, asked = engine.restarts, requests(policy, *PROMPTS)
    unharmed = engine.generate(asked, 64, LONG)
    assert engine.servers is not None
    monkeypatch.setattr(engine.servers, "timeout", 20)
    Timer(0.3, hit, (engine, "VLLM::EngineCore", number)).start()
    harmed = engine.generate(asked, 64, LONG)
    assert engine.restarts == left - 1
    assert [row.tokens.tolist() for row in flat(harmed)] == [row.tokens.tolist() for row in flat(unharmed)]


def test_without_restarts_a_dead_server_is_one_line(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, policy = pair
    engine.sync(policy)
    with monkeypatch.context() as patch, pytest.raises(EngineError, match="vLLM server") as caught:
        patch.setattr(engine, "restarts", 0)
        Timer(0.3, hit, (engine, "VLLM::EngineCore")).start()
        engine.generate(requests(policy, *PROMPTS), 64, LONG)
    assert "\n" not in str(caught.value)


def test_a_killed_trainer_leaves_no_server() -> None:
    pytest.importorskip("vllm")
    script = (
        "from app.engines.vllm.server import VLLMServerEngine; "
        "from tests.app.engines.vllm.test_inprocess import build; import time; "
        "engine = VLLMServerEngine(); engine.sync(build(True)); "
        "print(engine.process.process.pid, engine.process.folder, engine.transfer.path, flush=True); time.sleep(300)"
    )
    trainer = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert trainer.stdout is not None
    group, folder, weights = trainer.stdout.readline().split()
    assert len(members(int(group))) >= 3
    trainer.kill()
    trainer.wait()
    eventually(lambda: not members(int(group)))
    assert not Path(folder).exists()
    assert Path(weights).exists()  # until the next trainer of this machine starts
    engine = VLLMServerEngine()
    engine.transfer.connect(build(True), None)  # type: ignore[arg-type]
    engine.close()
    assert not Path(weights).exists()


def eventually(holds: Callable[[], bool], seconds: float = 10) -> None:
    began = monotonic()
    while not holds():
        assert monotonic() - began < seconds
        sleep(0.1)


@pytest.mark.parametrize(
    ("arguments", "num_heads", "message"),
    [
        ({}, 8, "would not start: ValueError: vLLM on a CPU takes heads of 32, .* the policy's have 8"),
        ({"kv_cache_memory_bytes": 1000}, 2, "would not start: ValueError: No available memory for the cache blocks"),
        ({"max_model_len": 512}, 2, r"would not start: Value error, User-specified max_model_len \(512\) is greater"),
    ],
)
def test_one_that_would_not_start_says_why(arguments: dict[str, int], num_heads: int, message: str) -> None:
    pytest.importorskip("vllm")
    engine = VLLMServerEngine(arguments=arguments)
    with pytest.raises(EngineError, match=message) as caught:
        engine.setup(build_tiny_policy(hidden_size=64, num_heads=num_heads))
    assert "\n" not in str(caught.value)
    log = Path(str(caught.value).partition("all it said: ")[2].rstrip(")"))
    assert log.exists()
    shutil.rmtree(log.parent)


def test_a_port_that_is_taken_is_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        engine = VLLMServerEngine(arguments={"port": port})
        with pytest.raises(EngineError, match=f"can't have port={port}: Address already in use"):
            engine.setup(build(True))
