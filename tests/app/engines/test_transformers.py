"""Sampled rollouts against the trainer's scores, transformers' own generation and every split of the batch."""

from __future__ import annotations

from collections.abc import Callable
from unittest import mock

import pytest
import torch
from torch import Tensor

from app.engines.decoders import COMPACT_BELOW
from app.engines.transformers import TransformersEngine, decoder_for
from app.policy import Policy, TinyPolicy
from app.types import Completion, Request, Rollouts, Sampling
from tests.app.architectures import ARCHITECTURES, build, draw_prompts
from tests.conftest import EchoProblem

LENGTHS = [9, 1, 4]


def requests(lengths: list[int] = LENGTHS) -> list[Request]:
    return [
        Request(EchoProblem(f"p{index}"), tokens, f"seed/{index}") for index, tokens in enumerate(draw_prompts(lengths))
    ]


def sample(
    policy: Policy, asked: list[Request], n: int, sampling: Sampling, compact_below: float = COMPACT_BELOW
) -> list[list[Completion]]:
    engine = TransformersEngine()
    engine.sync(policy)
    with mock.patch("app.engines.decoders.COMPACT_BELOW", compact_below):
        return engine.generate(asked, n, sampling)


def said(groups: list[list[Completion]]) -> list[list[list[int]]]:
    return [[row.tokens.tolist() for row in group] for group in groups]


def eager_to_stop(policy: Policy) -> Policy:
    """Make a third of all tokens ends of sequence, so that completions differ in length."""
    policy.model.generation_config.eos_token_id = list(range(1, 37, 3))
    return policy


def assert_same(left: list[list[Completion]], right: list[list[Completion]]) -> None:
    assert said(left) == said(right)
    for mine, other in zip([row for group in left for row in group], [r for g in right for r in g], strict=True):
        assert (mine.text, mine.finish) == (other.text, other.finish)
        torch.testing.assert_close(mine.sampler_logprobs, other.sampler_logprobs, rtol=0, atol=1e-5)
        torch.testing.assert_close(mine.entropies, other.entropies, rtol=0, atol=1e-5)


# -- every architecture -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_sampled_scores_are_those_the_trainer_computes(name: str) -> None:
    policy = eager_to_stop(build(name))
    assert decoder_for(policy).__name__ == ARCHITECTURES[name].decoder
    asked = requests()
    for temperature in (1.0, 0.6):
        groups = sample(policy, asked, 4, Sampling(temperature, max_new_tokens=12))
        assert len({len(row) for group in said(groups) for row in group}) > 2, "lengths should differ"
        batch = Rollouts(
            [request.problem for request in asked],
            prompts=[request.tokens for request in asked],
            completions=groups,
            rewards=torch.zeros(3, 4),
            temperature=temperature,
        )
        rows = batch.experience(torch.zeros(3, 4))
        with torch.no_grad():
            logprobs, entropies = policy.score(rows, with_entropy=True)
        recorded = torch.nn.utils.rnn.pad_sequence([row.entropies for row in batch.rows], batch_first=True)
        torch.testing.assert_close(rows.sampler_logprobs, logprobs, rtol=0, atol=1e-5)
        torch.testing.assert_close(recorded, entropies, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_rollouts_do_not_depend_on_what_is_sampled_beside_them(name: str) -> None:
    policy, sampling = eager_to_stop(build(name)), Sampling(max_new_tokens=12)
    asked = requests()
    together = sample(policy, asked, 6, sampling)
    assert_same(sample(policy, asked, 6, sampling, compact_below=0), together)
    assert_same(sample(policy, asked, 6, sampling, compact_below=1), together)
    assert_same([sample(policy, [request], 6, sampling)[0] for request in asked], together)
    assert_same(sample(policy, asked[::-1], 6, sampling)[::-1], together)
    assert_same(sample(policy, asked, 3, sampling), [group[:3] for group in together])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_temperature_zero_is_greedy_generation(name: str) -> None:
    policy, asked = (
        build(name),
        requests([9, 2, 4]),
    )  # on one token Recurrent Gemma's own generation goes on from the last
    policy.model.eval()
    groups = said(sample(policy, asked, 2, Sampling(temperature=0, max_new_tokens=10)))
    for request, (first, second) in zip(asked, groups, strict=True):
        expected = policy.model.generate(
            request.tokens[None], attention_mask=torch.ones(1, len(request.tokens)), max_new_tokens=10, do_sample=False
        )
        assert first == second == expected[0, len(request.tokens) :].tolist()


# -- one architecture of each decoder ---------------------------------------------------------------

DECODERS = ["qwen2", "mistral", "mamba"]


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("lengths", [[1, 1], [1], [6, 6, 6], [30, 2]])
def test_prompts_of_any_length(name: str, lengths: list[int]) -> None:
    policy, sampling = build(name), Sampling(max_new_tokens=5)
    asked = requests(lengths)
    assert_same([sample(policy, [request], 3, sampling)[0] for request in asked], sample(policy, asked, 3, sampling))


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize(("top_k", "top_p"), [(2, 1.0), (0, 0.4)])
def test_truncated_sampling_takes_probable_tokens_only(name: str, top_k: int, top_p: float) -> None:
    policy, asked = build(name), requests()
    policy.model.eval()
    for request, group in zip(asked, sample(policy, asked, 5, Sampling(1.0, top_p, top_k, 6)), strict=True):
        for row in group:
            ids = torch.cat([request.tokens, row.tokens])
            with torch.no_grad():
                probabilities = policy.model(ids[None]).logits[0, len(request.tokens) - 1 : -1].softmax(-1)
            for distribution, token in zip(probabilities, row.tokens, strict=True):
                above = distribution[distribution > distribution[token]]
                assert above.sum() < top_p if top_p < 1 else len(above) < top_k


def test_first_tokens_are_drawn_from_the_policys_distribution(tiny_policy: Callable[..., TinyPolicy]) -> None:
    """Chi-square over 4,000 rollouts; tokens expected less than 10 times are counted together."""
    policy, n = tiny_policy(), 4_000
    prompt = policy.encode("Who is there?")
    with torch.no_grad():
        expected = n * policy.model.eval()(prompt[None]).logits[0, -1].softmax(-1)
    (group,) = sample(policy, [Request(EchoProblem("x"), prompt, "dice")], n, Sampling(max_new_tokens=1))
    counts = torch.bincount(torch.cat([row.tokens for row in group]), minlength=len(expected))
    rare = expected < 10
    pairs = [(counts[rare].sum(), expected[rare].sum()), *zip(counts[~rare], expected[~rare], strict=True)]
    statistic = sum(float((count - mean) ** 2 / mean) for count, mean in pairs if mean > 0)
    freedom = len(pairs) - 1
    assert freedom > 10
    assert abs(statistic - freedom) < 4 * (2 * freedom) ** 0.5


# -- ends -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compact_below", [0.0, 0.75, 1.0])
@pytest.mark.parametrize("name", DECODERS)
def test_a_stop_token_ends_a_completion(name: str, compact_below: float) -> None:
    policy = build(name)
    stops = [1, *policy.tokenizer.convert_tokens_to_ids(["a", "b", "c", "d", "e"])]
    sampling = Sampling(max_new_tokens=15, stop_tokens=("a", "b", "c", "d", "e"))
    rows = [row for group in sample(policy, requests(), 8, sampling, compact_below) for row in group]
    for row in rows:
        *body, last = row.tokens.tolist()
        assert not set(body) & set(stops)
        assert len(row.tokens) == len(row.sampler_logprobs) == len(row.entropies) <= 15
        if last in stops:
            assert row.finish == "stop"
            assert row.text == policy.decode([body])[0]
            assert not set(row.text) & set("abcde")
        else:
            assert row.finish == "length"
            assert len(row.tokens) == 15
            assert row.text == policy.decode([[*body, last]])[0]
    assert {row.finish for row in rows} == {"stop", "length"}


def test_a_stop_token_at_the_very_limit_is_a_stop() -> None:
    policy = build("qwen2")
    policy.model.generation_config.eos_token_id = list(range(37))
    for row in sample(policy, requests(), 2, Sampling(max_new_tokens=1))[0]:
        assert (row.finish, len(row.tokens), row.text) == ("stop", 1, "")


# -- cost -------------------------------------------------------------------------------------------


def tokens_entering(policy: Policy) -> list[int]:
    """A list to which every forward pass adds the number of its tokens."""
    entered: list[int] = []

    def count(module: torch.nn.Module, inputs: tuple[Tensor, ...]) -> None:
        entered.append(inputs[0].numel())

    policy.model.get_input_embeddings().register_forward_pre_hook(count)
    return entered


@pytest.mark.parametrize("name", ["qwen2", "gpt2", "mistral", "bloom"])
def test_a_prompt_is_read_once_for_all_its_samples(name: str) -> None:
    policy = build(name)
    policy.model.generation_config.eos_token_id = None
    policy.tokenizer.eos_token = None
    decoder_for(policy)  # found out before counting
    entered = tokens_entering(policy)
    sample(policy, requests([8, 8, 8]), 5, Sampling(max_new_tokens=4))
    assert entered == [3 * 7, *[3 * 5] * 4]  # the last token of a prompt is the first that a sample feeds


@pytest.mark.parametrize("compact_below", [0.0, 1.0])
@pytest.mark.parametrize("name", DECODERS)
def test_finished_rollouts_leave_the_batch(name: str, compact_below: float) -> None:
    """A transformers cache keeps a row for them until it is compacted; the others never do."""
    policy = eager_to_stop(build(name))
    decoder_for(policy)
    entered = tokens_entering(policy)
    groups = sample(policy, requests(), 8, Sampling(max_new_tokens=20), compact_below)
    lengths = [len(row) for group in said(groups) for row in group]
    alive = [sum(length > time for length in lengths) for time in range(max(lengths))]
    assert alive[-1] < 6 < alive[0] == 24
    prefill = 3 * (max(LENGTHS) - 1)
    if name == "mamba":
        rows = [count // alive[time] for time, count in enumerate(entered)]
        assert entered == [count * width for count, width in zip(alive, rows, strict=True)]
        assert max(LENGTHS) <= min(rows) <= max(rows) < max(LENGTHS) + 20
    elif name == "mistral" and not compact_below:
        assert entered == [prefill, *[24] * len(alive)]
    else:
        assert entered == [prefill, *alive]


# -- conduct ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_sampling_leaves_no_trace(training: bool) -> None:
    policy = build("qwen2")
    policy.train(training)
    state, before = torch.get_rng_state(), {name: value.clone() for name, value in policy.named_parameters()}
    groups = sample(policy, requests(), 2, Sampling(max_new_tokens=3))
    assert policy.training == policy.model.training == training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in policy.named_parameters())
    assert not any(row.sampler_logprobs.requires_grad for group in groups for row in group)


def test_the_seed_makes_the_rollouts() -> None:
    policy, sampling = build("qwen2"), Sampling(max_new_tokens=8)
    tokens = draw_prompts([5])[0]
    ask = lambda seed: said(sample(policy, [Request(EchoProblem("x"), tokens, seed)], 4, sampling))[0]  # noqa: E731
    assert ask("0/fit/1") == ask("0/fit/1") != ask("0/fit/2")
    assert len({tuple(row) for row in ask("0/fit/1")}) > 1


def test_the_present_weights_are_sampled() -> None:
    policy, engine, sampling = build("qwen2"), TransformersEngine(), Sampling(max_new_tokens=8)
    engine.sync(policy)
    before = said(engine.generate(requests(), 2, sampling))
    with torch.no_grad():
        policy.model.get_output_embeddings().weight.neg_()
    engine.sync(policy)
    assert said(engine.generate(requests(), 2, sampling)) != before
    assert engine.samples_the_policy


def test_no_request_gives_no_completion() -> None:
    assert sample(build("qwen2"), [], 4, Sampling()) == []


def test_sampling_before_sync_raises() -> None:
    with pytest.raises(RuntimeError, match="sync the engine"):
        TransformersEngine().generate(requests(), 1, Sampling())


# -- memory ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_problems_are_sampled_in_turns_that_change_nothing(at_once: int) -> None:
    policy, asked, sampling = eager_to_stop(build("qwen2")), requests(), Sampling(max_new_tokens=12)
    whole = sample(policy, asked, 4, sampling)
    engine = TransformersEngine()
    engine.sync(policy)
    engine.memory_gb = 1000.0
    of_one = engine.memory_gb / engine.problems_at_once(policy, max(LENGTHS), 4, sampling)
    engine.memory_gb = 1.01 * at_once * of_one
    assert engine.problems_at_once(policy, max(LENGTHS), 4, sampling) == at_once
    with mock.patch.object(engine, "_generate", wraps=engine._generate) as turn:
        assert_same(engine.generate(asked, 4, sampling), whole)
    assert [len(call.args[1]) for call in turn.call_args_list] == [[1, 1, 1], [2, 1], [3]][at_once - 1]


def test_a_problem_is_sampled_however_little_there_is() -> None:
    engine = TransformersEngine(memory_gb=1e-9)
    engine.sync(build("qwen2"))
    assert [len(group) for group in engine.generate(requests(), 2, Sampling(max_new_tokens=2))] == [2, 2, 2]
    with pytest.raises(ValueError, match="memory_gb=0 must be above 0"):
        TransformersEngine(memory_gb=0)
