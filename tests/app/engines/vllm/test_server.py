"""`vllm serve` over HTTP, the real one, where it is installed (`.ci/vllm` has an environment with it)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.engines.base import EngineError
from app.engines.external import check_agreement
from app.engines.vllm.server import VLLMServerEngine
from app.policy import TinyPolicy
from app.types import Sampling
from tests.app.engines.vllm.test_inprocess import BOUND, PROMPTS, build, flat, move, requests
from tests.conftest import BY_LENGTH, ROOT, CommandLine, stage, steps
from tests.forked import ended, launched

pytestmark = pytest.mark.timeout(300)

Pair = tuple[VLLMServerEngine, TinyPolicy]


@pytest.fixture(scope="module", params=[False, True], ids=["untied", "tied"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """An engine with a server of its own, which every test leaves running."""
    pytest.importorskip("vllm")
    engine, policy = VLLMServerEngine(max_logprob_difference=BOUND), build(request.param)
    engine.setup(policy)
    yield engine, policy
    engine.close()


@pytest.fixture(scope="module")
def tied(pair: Pair) -> Pair:
    """The tied one alone, for what does not depend on it."""
    if not pair[1].model.config.tie_word_embeddings:
        pytest.skip("done with tied embeddings")
    return pair


def test_it_samples_with_the_weights_of_twenty_updates(pair: Pair) -> None:
    engine, policy = pair
    for update in range(20):
        move(policy, update)
        engine.sync(policy)
        assert check_agreement(engine, policy, BOUND) <= BOUND


def test_a_completion_has_its_stop_token_and_all_log_probabilities(pair: Pair) -> None:
    engine, policy = pair
    engine.sync(policy)
    sampling = Sampling(max_new_tokens=40, temperature=0.7)
    groups = engine.generate(requests(policy, *PROMPTS), 16, sampling)
    assert [len(group) for group in groups] == [16] * 4
    assert {row.finish for row in flat(groups)} == {"stop", "length"}
    for row in flat(groups):
        assert row.sampler_logprobs is not None and len(row.sampler_logprobs) == len(row.tokens) <= 40
        assert (row.tokens[-1] == policy.tokenizer.eos_token_id) == (row.finish == "stop")
    alone = engine.generate(requests(policy, PROMPTS[2]), 4, sampling)[0]
    assert [row.tokens.tolist() for row in alone] == [row.tokens.tolist() for row in groups[2][:4]]


def test_a_stale_weight_and_a_stale_cache_are_caught(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, policy = pair
    engine.sync(policy)
    for method in ("update", "forget"):
        move(policy, 100)
        with monkeypatch.context() as patch, pytest.raises(EngineError, match=r"does not sample with the policy's"):
            patch.setattr(engine, method, lambda *_: None)
            engine.sync(policy)
    engine.sync(policy)


def test_weights_that_another_trainer_has_pushed_are_caught(tied: Pair) -> None:
    engine, policy = tied
    engine.sync(policy)
    assert engine.servers is not None
    engine.transfer.repeat(engine.servers)
    engine.servers.version, own = "theirs", engine.servers.version
    engine.transfer.repeat(engine.servers)
    engine.servers.version = own
    with pytest.raises(EngineError, match=f"vLLM sampled with weights theirs in place of {own}"):
        engine.generate(requests(policy, "abcd"), 2, Sampling())


def test_a_prompt_too_long_is_refused_here_and_there(tied: Pair) -> None:
    engine, policy = tied
    engine.sync(policy)
    with pytest.raises(ValueError, match=r"a prompt of 250 tokens and max_new_tokens=64 exceed .* of 256"):
        engine.generate(requests(policy, "a" * 250), 1, Sampling())
    with pytest.raises(EngineError, match=r"the vLLM server refuses: .* status 400: .*256"):
        engine.sample(requests(policy, "a" * 300), 1, Sampling(), [1])
    engine.sync(policy)


def test_a_server_that_runs_already_takes_weights_of_its_own_shape_alone(tied: Pair) -> None:
    """Given by its address: another policy's weights don't fit, and the server lives on."""
    engine, policy = tied
    assert engine.servers is not None
    given = VLLMServerEngine(engine.servers.urls, max_logprob_difference=BOUND)
    given.sync(policy)
    assert given.process is None
    given.close()
    stranger, wider = VLLMServerEngine(engine.servers.urls), TinyPolicy(hidden_size=128, num_heads=2, num_layers=2)
    wider.build()
    with pytest.raises(EngineError, match="weights sent do not fit this server's model"):
        stranger.sync(wider)
    stranger.close()
    engine.sync(policy)


def test_a_run_with_overlap_through_the_command_line(passk: CommandLine) -> None:
    """Iterations, each sampled while the one before trains."""
    pytest.importorskip("vllm")
    cli = passk(
        "fit",
        "--rollout.overlap=true",
        "--model.policy.hidden_size=64",
        "--model.policy.num_heads=2",
        base=ROOT / "configs" / "engines" / "vllm_server.yaml",
        schedule={"stages": [stage("explore", BY_LENGTH, until=steps(3))]},
    )
    figures = {name: float(value) for name, value in cli.trainer.callback_metrics.items()}
    assert figures["rollout/mismatch"] > 0 and figures["train/updates"] > 0
    assert (Path(cli.trainer.log_dir) / "stages" / "1-explore" / "model.safetensors").exists()


def test_two_processes_in_shards_with_a_server_as_on_eight_gpus(passk: CommandLine) -> None:
    """What configs/eight_gpus.yaml lays out, on a CPU: shards, a server of the first process's, overlap."""
    pytest.importorskip("vllm")
    engine = "--rollout.engine.init_args"
    options = [
        *("--trainer.accelerator=cpu", "--trainer.precision=32-true", "--trainer.devices=2"),
        *("--trainer.strategy.init_args.data_parallel_size=2", f"{engine}.environment=null"),
        *(f"{engine}.transfer=app.engines.vllm.transfer.FileTransfer", f"{engine}.arguments=null"),
        *("--model.policy.hidden_size=64", "--model.policy.num_heads=2"),
    ]
    process, log = launched(
        passk,
        "fit",
        *options,
        base=ROOT / "configs" / "eight_gpus.yaml",
        schedule={"stages": [stage("explore", BY_LENGTH, until=steps(3))]},
    )
    assert ended(process) == [0], log.read_text()
    assert next((passk.folder / "runs").rglob("1-explore/model.safetensors")).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"urls": []}, r"urls=\[\] must name servers"),
        ({"urls": ["http://a:1"], "arguments": {"port": 1}}, "urls=.* must name servers, which have their own"),
        ({"arguments": {"host": "0.0.0.0"}}, "host: ..} follows from the policy"),
        ({"restarts": -1}, "restarts=-1 must be at least 0"),
        ({"timeout": 0.0}, r"timeout=0.0 must be above 0"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VLLMServerEngine(**arguments)  # type: ignore[arg-type]
