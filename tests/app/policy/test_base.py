"""Scores against the plain forward pass of transformers, for many architectures; stop tokens."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from app.policy import Policy, TinyPolicy
from app.types import Experience, Sampling
from tests.app.architectures import ARCHITECTURES, Architecture, TablePolicy, build, draw_rows, gradients, plain_scores

RAGGED = ([9, 1, 4], [0, 0, 1, 1, 2], [6, 2, 1, 6, 3])
ONE_TOKEN = ([1, 1], [0, 0, 1], [3, 1, 5])


def assert_scored_as_plainly(policy: Policy, rows: Experience, atol: float = 1e-5) -> None:
    with torch.no_grad():
        logprobs, entropies = policy.score(rows, with_entropy=True)
        expected, expected_entropies = plain_scores(policy.model, rows)
    torch.testing.assert_close(logprobs, expected, rtol=0, atol=atol)
    torch.testing.assert_close(entropies, expected_entropies, rtol=0, atol=atol)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_scores_are_those_of_the_plain_forward_pass(name: str) -> None:
    policy = build(name)
    assert ARCHITECTURES[name].shares in (policy.shares_prompts, None)
    for layout in (RAGGED, ONE_TOKEN):
        assert_scored_as_plainly(policy, draw_rows(*layout))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_tables_weights_are_large_enough_to_tell_right_from_wrong(name: str) -> None:
    """Another first token of the prompt changes every score by much more than the tolerance."""
    policy, rows = build(name), draw_rows([4], [0], [3])
    other = replace(rows, prompts=[torch.cat([rows.prompts[0][:1] % 34 + 3, rows.prompts[0][1:]])])
    with torch.no_grad():
        gap = plain_scores(policy.model, rows)[0] - plain_scores(policy.model, other)[0]
    assert gap.abs().max() > 1e-3


@pytest.mark.parametrize("name", ["qwen2", "mistral"])
@pytest.mark.parametrize("temperature", [0.5, 1.7])
def test_scores_at_a_temperature(name: str, temperature: float) -> None:
    assert_scored_as_plainly(build(name), draw_rows(*RAGGED, temperature=temperature))


def test_logprobs_and_entropy_are_the_two_scores() -> None:
    policy, rows = build("qwen2"), draw_rows(*RAGGED)
    logprobs, entropies = policy.score(rows, with_entropy=True)
    assert torch.equal(policy.logprobs(rows), logprobs)
    assert torch.equal(policy.entropy(rows), entropies)
    assert logprobs.shape == rows.mask.shape
    assert logprobs[~rows.mask].eq(0).all()
    assert entropies[~rows.mask].eq(0).all()


@pytest.mark.parametrize(
    "architecture",
    [
        Architecture("gpt2", {**ARCHITECTURES["gpt2"].shape, "resid_pdrop": 0.5, "embd_pdrop": 0.5}, True, ""),
        Architecture("opt", {**ARCHITECTURES["opt"].shape, "dropout": 0.5, "attention_dropout": 0.5}, True, ""),
        Architecture("mistral", {**ARCHITECTURES["mistral"].shape, "attention_dropout": 0.5}, False, ""),
        Architecture(
            "mixtral",
            {**ARCHITECTURES["qwen2"].shape, "num_local_experts": 4, "router_jitter_noise": 0.5},
            True,
            "",
        ),
    ],
    ids=lambda architecture: architecture.model_type,
)
def test_training_mode_scores_as_evaluation_mode_does(architecture: Architecture) -> None:
    """Sampling runs in evaluation mode: what only trains with noise would learn from another distribution."""
    policy, rows = TablePolicy(architecture), draw_rows(*RAGGED)
    policy.build()
    policy.eval()
    expected = policy.logprobs(rows)
    policy.train()
    torch.testing.assert_close(policy.logprobs(rows), expected, rtol=0, atol=1e-6)


# -- an architecture that shares no prompts ---------------------------------------------------------


def test_falling_back_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    policy, rows = build("mistral"), draw_rows(*RAGGED)
    with caplog.at_level(logging.WARNING, "app.policy"):
        policy.logprobs(rows)
        policy.logprobs(rows)
    (record,) = caplog.records
    assert "sliding_window" in record.getMessage()


@pytest.mark.parametrize("training", [True, False])
def test_the_proof_leaves_the_mode_and_the_generator_alone(training: bool) -> None:
    policy = build("qwen2")
    policy.train(training)
    state = torch.get_rng_state()
    assert policy.shares_prompts
    assert policy.model.training == training
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", ["bloom", "mamba", "gpt_neo", "mistral", "qwen2"])
def test_the_proof_does_not_hang_on_the_size_of_the_weights(name: str) -> None:
    """Small weights hide a wrong attention at first; training then makes them large."""
    assert build(name, scale=0.05).shares_prompts == ARCHITECTURES[name].shares


def test_a_window_longer_than_the_proof_is_seen() -> None:
    """Attention in chunks of 16, of which no argument of the attention function tells."""
    shape = {**ARCHITECTURES["qwen2"].shape, "head_dim": 4, "intermediate_size_mlp": 24, "num_local_experts": 2}
    policy = TablePolicy(Architecture("llama4_text", {**shape, "attention_chunk_size": 16}, False, ""))
    policy.build()
    assert_scored_as_plainly(policy, draw_rows([30, 3], [0, 0, 1], [6, 2, 4]))


# -- logits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "architecture",
    [
        *ARCHITECTURES.values(),
        Architecture(
            "falcon_h1",
            {**ARCHITECTURES["qwen2"].shape, "mamba_d_state": 4, "mamba_d_ssm": 32, "mamba_n_heads": 8}
            | {"mamba_d_head": 4, "lm_head_multiplier": 3.0},
            False,
            "",
        ),
        Architecture("mpt", {"d_model": 16, "n_heads": 4, "n_layers": 2, "max_seq_len": 64}, False, ""),
        Architecture(
            "llama4_text",
            {**ARCHITECTURES["qwen2"].shape, "head_dim": 4, "intermediate_size_mlp": 24, "num_local_experts": 2},
            True,
            "",
        ),
    ],
    ids=lambda architecture: architecture.model_type,
)
def test_states_and_head_make_the_models_logits(architecture: Architecture) -> None:
    policy = TablePolicy(architecture)
    policy.build()
    ids = torch.randint(3, 37, (2, 6), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = policy.model.eval()(input_ids=ids).logits
        actual = policy.logits(policy.hidden(ids))
    torch.testing.assert_close(actual.float(), expected.float(), rtol=0, atol=1e-5)


def test_a_head_of_more_than_a_matrix_is_scored_rightly_or_refused() -> None:
    architecture = Architecture("modernbert-decoder", {**ARCHITECTURES["llama"].shape, "bos_token_id": 2}, False, "")
    policy, rows = TablePolicy(architecture), draw_rows(*RAGGED)
    policy.build()
    try:
        policy.logprobs(rows)
    except ValueError as error:
        assert "ModernBertDecoder" in str(error)
    else:
        assert_scored_as_plainly(policy, rows)


@pytest.mark.parametrize("name", ["qwen2", "mistral", "gemma2"])
@pytest.mark.parametrize("head_tokens", [1, 3, 17, 18])
def test_a_head_in_chunks_is_the_whole_head(name: str, head_tokens: int) -> None:
    rows = draw_rows(*RAGGED)  # 18 response tokens
    results = []
    for size in (4096, head_tokens):
        policy = build(name, head_tokens=size)
        logprobs, entropies = policy.score(rows, with_entropy=True)
        (logprobs * rows.advantages + entropies).sum().backward()
        results.append((logprobs.detach(), entropies.detach(), gradients(policy)))
    (whole, whole_entropies, expected), (chunked, chunked_entropies, actual) = results
    torch.testing.assert_close(chunked, whole, rtol=0, atol=5e-6)
    torch.testing.assert_close(chunked_entropies, whole_entropies, rtol=0, atol=5e-6)
    assert actual.keys() == expected.keys()
    for parameter, value in expected.items():
        torch.testing.assert_close(actual[parameter], value, rtol=1e-4, atol=1e-5, msg=parameter)


@pytest.mark.parametrize("name", ["qwen2", "mistral", "mamba"])
@pytest.mark.parametrize("head_tokens", [3, 4096])
def test_the_head_meets_response_tokens_only_and_few_at_a_time(name: str, head_tokens: int) -> None:
    policy, rows = build(name, head_tokens=head_tokens), draw_rows(*RAGGED)
    assert policy.shares_prompts == ARCHITECTURES[name].shares  # tried before counting
    seen: list[int] = []

    def count(head: torch.nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append(inputs[0].numel() // inputs[0].shape[-1])

    policy.model.get_output_embeddings().register_forward_pre_hook(count)
    logprobs = policy.logprobs(rows)
    assert max(seen) <= head_tokens
    assert sum(seen) == rows.num_tokens
    logprobs.sum().backward()  # computes chunks again
    assert max(seen) <= head_tokens


def test_a_head_takes_as_many_tokens_as_the_vocabulary_leaves_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = build("qwen2")
    vocabulary = policy.model.config.vocab_size
    assert policy.head_tokens == 4096
    monkeypatch.setattr("app.policy.base.HEAD_BYTES", 8 * vocabulary * 10 + 1)
    assert policy.head_tokens == 10
    monkeypatch.setattr("app.policy.base.HEAD_BYTES", 1)
    assert policy.head_tokens == 1


def test_a_head_of_no_token_raises() -> None:
    with pytest.raises(ValueError, match="head_tokens=0 must be at least 1"):
        TinyPolicy(head_tokens=0)


# -- gradient checkpointing -------------------------------------------------------------------------


@pytest.mark.parametrize("head_tokens", [3, 4096])
@pytest.mark.parametrize("name", ["qwen2", "gpt2", "opt", "mistral", "gemma2"])
def test_gradient_checkpointing_gives_the_same_gradients(name: str, head_tokens: int) -> None:
    rows, found = draw_rows(*RAGGED), []
    for checkpointing in (False, True):
        policy = build(name, gradient_checkpointing=checkpointing, head_tokens=head_tokens)
        policy.train()
        assert policy.model.is_gradient_checkpointing == checkpointing
        (policy.logprobs(rows) * rows.advantages).sum().backward()
        found.append(gradients(policy))
    expected, actual = found
    assert actual.keys() == expected.keys()
    for parameter, value in expected.items():
        torch.testing.assert_close(actual[parameter], value, rtol=1e-5, atol=1e-6, msg=parameter)


# -- stop tokens ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("names", "tokens"), [((), ""), (("a",), "a"), (("a", "b", "a"), "ab"), (("\n", " "), "\n ")])
def test_stop_tokens_go_by_name(tiny_policy: Callable[..., TinyPolicy], names: tuple[str, ...], tokens: str) -> None:
    policy = tiny_policy(alphabet="abc \n")
    expected = {1, *(policy.encode(tokens).tolist() if tokens else [])}
    assert policy.stop_ids(Sampling(stop_tokens=names)) == sorted(expected)


def test_an_unknown_stop_token_raises(tiny_policy: Callable[..., TinyPolicy]) -> None:
    with pytest.raises(ValueError, match="stop token 'abc' is not in the policy's vocabulary"):
        tiny_policy().stop_ids(Sampling(stop_tokens=("abc",)))


def test_the_models_own_ends_of_sequence_stop(tiny_policy: Callable[..., TinyPolicy]) -> None:
    policy = tiny_policy()
    policy.model.generation_config.eos_token_id = [7, 5]
    assert policy.stop_ids(Sampling()) == [1, 5, 7]
    policy.model.generation_config.eos_token_id = None
    assert policy.stop_ids(Sampling()) == [1]


class OneTokenForAll(Policy):
    """A tokenizer such as OPT's and GPT-2's, whose unknown token is also its beginning and end of sequence."""

    def load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
        words = Tokenizer(models.WordLevel({"</s>": 0, "up": 1, "down": 2}, unk_token="</s>"))
        words.pre_tokenizer = pre_tokenizers.Whitespace()
        words.post_processor = processors.TemplateProcessing(single="</s> $A", special_tokens=[("</s>", 0)])
        special = dict.fromkeys(("bos_token", "eos_token", "unk_token"), "</s>")
        return build("llama").model, PreTrainedTokenizerFast(tokenizer_object=words, **special)


def test_an_unknown_token_that_also_begins_every_text_is_no_error() -> None:
    policy = OneTokenForAll()
    policy.build()
    assert policy.encode("up down").tolist() == [0, 1, 2]
    assert policy.stop_ids(Sampling(stop_tokens=("</s>",))) == [0, 1]  # the model's own is 1


# -- what a tokenizer or a template adds to a prompt --------------------------------------------------


def added(single: str) -> TinyPolicy:
    """A tiny policy whose tokenizer puts special tokens around a text."""
    policy = TinyPolicy("ab\n", hidden_size=16, num_layers=1, num_heads=2, intermediate_size=24)
    policy.build()
    policy.tokenizer.split_special_tokens = False
    inner = policy.tokenizer.backend_tokenizer
    special = [(token, inner.token_to_id(token)) for token in ("<pad>", "<eos>")]
    inner.post_processor = processors.TemplateProcessing(single=single, special_tokens=special)
    return policy


@pytest.mark.parametrize(
    ("single", "text", "tokens"),
    [
        ("$A <eos>", "ab", [3, 4]),
        ("<pad> $A <eos>", "ab", [0, 3, 4]),
        ("<pad> $A <eos> <pad>", "ab", [0, 3, 4]),
        ("$A <eos>", "aba", [3, 4, 3]),
        ("<pad> $A", "ab", [0, 3, 4]),
        ("$A", "ab", [3, 4]),
    ],
)
def test_nothing_stands_between_a_text_and_its_answer(single: str, text: str, tokens: list[int]) -> None:
    assert added(single).encode(text).tolist() == tokens


def test_messages_without_a_template_are_a_text_too() -> None:
    assert added("$A <eos>").encode(({"role": "user", "content": "ab"},)).tolist() == [3, 4, 5, 5]


def test_a_template_is_told_the_same_day_whenever_it_asks() -> None:
    policy = added("$A")
    policy.tokenizer.chat_template = "{{ 'a' if strftime_now('%d %b %Y') == '26 Jul 2024' else 'b' }}"
    assert policy.asks_for_the_day
    assert policy.encode(({"role": "user", "content": "ab"},)).tolist() == [3]


def test_a_template_is_told_what_the_configuration_says() -> None:
    policy = added("$A")
    policy.tokenizer.chat_template = "{{ messages[0].content if thinking is defined and not thinking else 'b' }}"
    assert policy.encode(({"role": "user", "content": "a"},)).tolist() == [4]
    policy.chat_template_kwargs = {"thinking": False}
    assert policy.encode(({"role": "user", "content": "a"},)).tolist() == [3]


@pytest.mark.parametrize(
    ("template", "reason"),
    [("{{ thinking_of }}", "the chat template has no such variable"), (None, "there is no chat template")],
)
def test_an_argument_that_the_template_does_not_read_is_refused(template: str | None, reason: str) -> None:
    policy = added("$A")
    policy.tokenizer.chat_template, policy.chat_template_kwargs = template, {"thinking": False}
    with pytest.raises(ValueError, match=f"chat_template_kwargs: 'thinking' has no effect: {reason}"):
        policy.check_template_kwargs()
    policy.tokenizer.chat_template = "{% if thinking %}a{% endif %}"
    policy.check_template_kwargs()


def test_plain_text_for_a_model_of_chats_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    policy = added("$A")
    policy.encode("ab")
    assert not caplog.messages
    policy.tokenizer.chat_template = "{{ messages[0].content }}"
    policy.encode(({"role": "user", "content": "a"},))
    assert not caplog.messages
    policy.encode("ab")
    policy.encode("ba")
    (said,) = caplog.messages
    assert "chat.wrap_text=true makes each prompt the user's message" in said


def test_a_template_that_refuses_a_prompt() -> None:
    policy = added("$A")
    policy.tokenizer.chat_template = "{{ raise_exception('never') }}"
    with pytest.raises(ValueError, match="the policy's chat template refuses the prompt: never"):
        policy.encode(({"role": "user", "content": "a"},))
