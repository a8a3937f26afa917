"""vLLM in this process, the real one, where it is installed (`.ci/vllm` has an environment with it)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from copy import deepcopy
from importlib.util import find_spec
from math import sqrt
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from app.distributed.processes import ranks_in_environment
from app.engines.base import EngineError
from app.engines.external import check_agreement
from app.engines.transformers import TransformersEngine
from app.engines.vllm.arguments import check_arguments
from app.engines.vllm.inprocess import VLLMEngine
from app.engines.vllm.pictures import prompt_for
from app.policy import TinyPolicy, VisionPolicy
from app.types import Completion, Request, Rollouts, Sampling
from benchmarks.make_vision_policy import PIXELS
from tests.app.policy.test_vision import PROMPTS as PICTURED
from tests.app.seeing import write_vision
from tests.conftest import BY_LENGTH, ROOT, CommandLine, EchoProblem, build_tiny_policy, stage, steps

BOUND = 1e-4
PROMPTS = ("abcdefgh" * 5, "abcd", "abcdefgh" * 5 + "x", "zz")


def build(tied: bool) -> TinyPolicy:
    policy = TinyPolicy(hidden_size=64, num_heads=2, num_layers=2, context_length=256)
    policy.shape["tie_word_embeddings"] = tied
    torch.manual_seed(0)
    policy.build()
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.mul_(3 if parameter.ndim > 1 else 1)
    return policy


@pytest.fixture(scope="module", params=[False, True], ids=["untied", "tied"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[VLLMEngine, TinyPolicy]]:
    pytest.importorskip("vllm")
    engine, policy = VLLMEngine(max_logprob_difference=BOUND), build(request.param)
    engine.setup(policy)
    yield engine, policy
    engine.close()


def requests(policy: TinyPolicy, *prompts: str, step: int = 0) -> list[Request]:
    return [Request(EchoProblem(prompt), policy.encode(prompt), f"0/fit/{step}/{prompt}") for prompt in prompts]


def move(policy: torch.nn.Module, seed: int) -> None:
    """An update of every weight."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))


def flat(completions: list[list[Completion]]) -> list[Completion]:
    return [row for group in completions for row in group]


Pair = tuple[VLLMEngine, TinyPolicy]


def test_it_samples_with_the_weights_of_twenty_updates(pair: Pair) -> None:
    engine, policy = pair
    for update in range(20):
        move(policy, update)
        engine.sync(policy)
        assert check_agreement(engine, policy, BOUND) <= BOUND


def test_rollouts_depend_on_their_seed_alone(pair: Pair) -> None:
    engine, policy = pair
    engine.sync(policy)
    sampling = Sampling(max_new_tokens=12)
    together = engine.generate(requests(policy, *PROMPTS), 4, sampling)
    apart = [engine.generate([each], 4, sampling)[0] for each in reversed(requests(policy, *PROMPTS))][::-1]
    fewer = engine.generate(requests(policy, *PROMPTS), 2, sampling)
    for mine, alone, first in zip(together, apart, fewer, strict=True):
        assert [row.tokens.tolist() for row in mine] == [row.tokens.tolist() for row in alone]
        assert [row.tokens.tolist() for row in mine[:2]] == [row.tokens.tolist() for row in first]
        assert len({row.text for row in mine}) > 1
    other = engine.generate(requests(policy, *PROMPTS, step=1), 4, sampling)
    assert [row.text for row in flat(other)] != [row.text for row in flat(together)]


def test_a_completion_has_its_stop_token_and_all_log_probabilities(pair: Pair) -> None:
    engine, policy = pair
    engine.sync(policy)
    rows = flat(engine.generate(requests(policy, *PROMPTS), 16, Sampling(max_new_tokens=40, temperature=0.7)))
    assert {row.finish for row in rows} == {"stop", "length"}
    for row in rows:
        assert row.sampler_logprobs is not None and len(row.sampler_logprobs) == len(row.tokens) <= 40
        assert (row.tokens[-1] == policy.tokenizer.eos_token_id) == (row.finish == "stop")
        assert policy.tokenizer.eos_token_id not in row.tokens[:-1]
        assert len(row.text) == int((row.tokens >= 3).sum())  # all but <pad>, <eos> and <unk>
    cut = flat(engine.generate(requests(policy, "abcd"), 2, Sampling(top_p=0.9)))
    assert all(row.sampler_logprobs is None for row in cut)  # they would be of the cut distribution


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[VLLMEngine, VisionPolicy]]:
    """A policy that sees; without torchvision vLLM has no such models."""
    pytest.importorskip("vllm")
    pytest.importorskip("torchvision")
    wide = {"hidden_size": 64, "num_attention_heads": 2, "num_key_value_heads": 2}
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 6, 6]}
    policy = VisionPolicy(str(write_vision(tmp_path_factory.mktemp("seeing"), **wide, rope_parameters=rope)))
    policy.build()
    engine = VLLMEngine(max_logprob_difference=BOUND)
    engine.setup(policy)
    yield engine, policy
    engine.close()


def test_pictures_are_sampled_with_the_weights_of_five_updates(seeing: tuple[VLLMEngine, VisionPolicy]) -> None:
    """Of the tower too; several pictures in a prompt, one and none."""
    engine, policy = seeing
    read = [policy.encode_with_vision(prompt) for prompt in PICTURED]
    asked = [Request(EchoProblem(str(n)), tokens, f"{n}", vision) for n, (tokens, vision) in enumerate(read)]
    for update in range(5):
        move(policy, update)
        engine.sync(policy)
        groups = engine.generate(asked, 4, Sampling(max_new_tokens=8))
        tokens, vision = (list(each) for each in zip(*read, strict=True))
        problems = [request.problem for request in asked]
        rows = Rollouts(problems, tokens, groups, torch.zeros(len(read), 4), vision=vision).experience(
            torch.zeros(len(read), 4)
        )
        assert rows.sampler_logprobs is not None
        with torch.no_grad():
            torch.testing.assert_close(rows.sampler_logprobs, policy.logprobs(rows), rtol=0, atol=BOUND)


def test_a_stale_tower_is_caught(seeing: tuple[VLLMEngine, VisionPolicy], monkeypatch: pytest.MonkeyPatch) -> None:
    """As where vLLM were given the states of a moment ago."""
    engine, policy = seeing
    engine.sync(policy)
    before = deepcopy(policy)
    monkeypatch.setattr("app.engines.vllm.inprocess.prompt_for", lambda _, request: prompt_for(before, request))
    engine.sync(policy)  # nothing has moved: nothing is stale
    move(policy.tower, 3)
    with pytest.raises(EngineError, match="does not sample with the policy's weights"):
        engine.sync(policy)


def test_a_stale_weight_is_caught(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, policy = pair
    engine.sync(policy)
    monkeypatch.setattr(engine, "update", lambda policy: None)
    engine.sync(policy)  # nothing has moved: nothing is stale
    move(policy, 100)
    with pytest.raises(
        EngineError, match=r"VLLMEngine does not sample with the policy's weights: .* apart on average, .*; max_logprob"
    ):
        engine.sync(policy)


def test_one_stale_matrix_is_caught(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, policy = pair
    engine.sync(policy)
    monkeypatch.setattr(engine, "update", lambda policy: engine.forget())
    with torch.no_grad():
        policy.model.model.layers[1].mlp.down_proj.weight.add_(0.05)  # type: ignore[operator, union-attr]
    with pytest.raises(EngineError, match="does not sample with the policy's weights"):
        engine.sync(policy)


def test_a_stale_cache_is_caught(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, policy = pair
    engine.sync(policy)
    move(policy, 101)
    monkeypatch.setattr(engine, "forget", lambda: None)
    with pytest.raises(EngineError, match="does not sample with the policy's weights"):
        engine.sync(policy)


def test_the_same_mean_reward_as_the_transformers_engine(pair: Pair) -> None:
    """Of 4,096 samples each: how many end within 12 tokens; apart by at most 4 standard errors."""
    engine, policy = pair
    engine.sync(policy)
    own = TransformersEngine()
    own.sync(policy)
    asked = requests(policy, *(f"{letter}{other}" for letter in "abcdefgh" for other in "stuvwxyz"))
    shares = [
        sum(row.finish == "stop" for row in flat(each.generate(asked, 64, Sampling(max_new_tokens=12)))) / 4096
        for each in (engine, own)
    ]
    mean = sum(shares) / 2
    assert 0.02 < mean < 0.98
    assert abs(shares[0] - shares[1]) < 4 * sqrt(2 * mean * (1 - mean) / 4096)


def test_a_prompt_too_long_is_refused(pair: Pair) -> None:
    engine, policy = pair
    engine.sync(policy)
    with pytest.raises(
        ValueError, match=r"a prompt of 250 tokens and max_new_tokens=64 exceed .* max_model_len of 256"
    ):
        engine.generate(requests(policy, "a" * 250), 1, Sampling())


def test_heads_that_vllm_has_no_kernel_for_are_refused() -> None:
    pytest.importorskip("vllm")
    with pytest.raises(ValueError, match=r"vLLM on a CPU takes heads of 32, 64, .* numbers, the policy's have 8"):
        VLLMEngine().setup(build_tiny_policy())


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_run_through_the_command_line(passk: CommandLine, precision: str) -> None:
    """Iterations, validations and the figures of what engine and trainer differ by."""
    pytest.importorskip("vllm")
    cli = passk(
        "fit",
        *(
            "--model.policy.hidden_size=64",
            f"--trainer.precision={precision}",
            "--model.correction=app.losses.TokenTIS",
        ),
        "--rollout.engine=app.engines.vllm.inprocess.VLLMEngine",
        schedule={"stages": [stage("explore", "tests.callbacks.extras.ByLength", until=steps(3))]},
    )
    figures = {name: float(value) for name, value in cli.trainer.callback_metrics.items()}
    bound = {"32-true": 1e-4, "bf16-mixed": 0.1}[precision]
    assert 0 < figures["rollout/mismatch"] <= figures["rollout/mismatch_max"] <= bound
    assert 0 <= figures["rollout/mismatch_kl"] <= bound and 1 - bound < figures["rollout/mismatch_ess"] <= 1
    assert figures["entropy/mean"] > 0 and figures["eval/entropy"] > 0 and figures["train/updates"] > 0
    assert (Path(cli.trainer.log_dir) / "stages" / "1-explore" / "model.safetensors").exists()


def test_a_run_on_visual_mazes(seeing: tuple[VLLMEngine, VisionPolicy], passk: CommandLine) -> None:
    """Sampled with vLLM, trained, validated, with the tower frozen: the same states come again after an update."""
    wanted = {"path": seeing[1].path, "freeze_vision": True}
    overlay = {
        "model": {"policy": {"class_path": "app.policy.VisionPolicy", "init_args": wanted}},
        "rollout": {
            "engine": {
                "class_path": "app.engines.vllm.inprocess.VLLMEngine",
                "init_args": {"max_logprob_difference": BOUND},
            }
        },
    }
    style = "--data.style=datamodules.maze.BarePicturePrompt"
    cli = passk.fit([stage("explore", BY_LENGTH, until=steps(3))], style, f"--data.style.pixels={PIXELS}", **overlay)
    assert cli.trainer.callback_metrics["rollout/mismatch_max"] < BOUND


def test_without_vllm_one_line_says_so(passk: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    if find_spec("vllm") is not None:
        pytest.skip("it is installed")
    with pytest.raises(SystemExit):
        passk("fit", base=ROOT / "configs" / "engines" / "vllm.yaml")
    assert "passk: error: VLLMEngine needs vLLM, see docs/vllm.md" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["model", "dtype", "logprobs_mode"])
def test_what_follows_from_the_policy_is_not_the_users_to_set(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: ..}} follows from the policy"):
        VLLMEngine(arguments={name: "x"})
    check_arguments({"max_model_len": 64}, ())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"sleep_level": 3}, "sleep_level=3"), ({"max_logprob_difference": 0.0}, "max_logprob_difference=0")],
)
def test_bad_arguments(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VLLMEngine(**arguments)  # type: ignore[arg-type]


def test_vllm_finds_its_rank_which_lightning_does_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """`external_launcher` reads RANK and LOCAL_RANK; afterwards they are what they were."""
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setenv("LOCAL_RANK", "7")
    told: list[Any] = []

    class Launched:
        llm_engine = SimpleNamespace(model_config=SimpleNamespace(max_model_len=256))

        def __init__(self, **arguments: Any) -> None:
            backend = arguments["distributed_executor_backend"]
            told.append((backend, os.environ["RANK"], os.environ["LOCAL_RANK"]))

    monkeypatch.setattr("app.engines.vllm.inprocess.import_vllm", lambda: SimpleNamespace(LLM=Launched))
    monkeypatch.setattr("app.engines.vllm.inprocess.check_head_size", lambda size: None)
    monkeypatch.setattr("app.engines.vllm.inprocess.world_size", lambda: 2)
    monkeypatch.setattr("app.distributed.processes.rank", lambda: 1)
    VLLMEngine().setup(build(False))
    assert told == [("external_launcher", "1", "0")]
    assert "RANK" not in os.environ and os.environ["LOCAL_RANK"] == "7"


def test_vllm_reads_these_variables() -> None:
    pytest.importorskip("vllm")
    from vllm.v1.executor.uniproc_executor import ExecutorWithExternalLauncher

    with ranks_in_environment(torch.device("cuda", 5)):
        found = ExecutorWithExternalLauncher._distributed_args(object())  # type: ignore[arg-type]
    assert found == ("env://", 0, 5)


@pytest.mark.parametrize("name", ["tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size"])
def test_an_engine_over_several_gpus_is_refused(name: str) -> None:
    VLLMEngine(arguments={name: 1})
    with pytest.raises(ValueError, match=rf"arguments={{{name}: 4}} must be 1: VLLMEngine has the whole policy"):
        VLLMEngine(arguments={name: 4})
