"""The tiny policy as an ordinary transformers folder; its tokenizer, templates and errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from app.policy import PretrainedPolicy, TinyPolicy, character_tokenizer
from app.types import Sampling

TEXTS = ["a b", "two\nlines\n", "  ", "\n\n", "S.E\n***\n", " lead and trail ", "x" * 50, "~!@#$%^&*()", "I'm don't"]


def test_a_tiny_policy_is_an_ordinary_folder(tiny_policy: Callable[..., TinyPolicy], tmp_path: Path) -> None:
    policy = tiny_policy()
    policy.save(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    loaded = PretrainedPolicy(str(tmp_path))
    loaded.build()
    for text in TEXTS:
        tokens = policy.encode(text)
        assert len(tokens) == len(text)
        assert tokenizer(text)["input_ids"] == tokens.tolist() == loaded.encode(text).tolist()
        assert tokenizer.decode(tokens) == text
        assert policy.decode([tokens.tolist()]) == loaded.decode([tokens.tolist()]) == [text]
        with torch.no_grad():
            expected = policy.model.eval()(tokens[None]).logits
            assert torch.equal(model(tokens[None]).logits, expected)
            assert torch.equal(loaded.model.eval()(tokens[None]).logits, expected)
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id) == (0, 1)
    assert loaded.stop_ids(Sampling()) == policy.stop_ids(Sampling()) == [1]


def test_every_character_is_one_token_in_the_order_given() -> None:
    tokenizer = character_tokenizer("b\na ")
    assert tokenizer("a b\n")["input_ids"] == [5, 6, 3, 4]
    assert len(tokenizer) == 7


def test_decoding_leaves_special_tokens_out(tiny_policy: Callable[..., TinyPolicy]) -> None:
    policy = tiny_policy(alphabet="ab")
    assert policy.decode([[0, 3, 4, 1], [1], [], [2, 4]]) == ["ab", "", "", "b"]


@pytest.mark.parametrize("prompt", ["abc", "a b", "é", ({"role": "user", "content": "ab?"},)])
def test_a_character_outside_the_alphabet_raises(tiny_policy: Callable[..., TinyPolicy], prompt: str) -> None:
    with pytest.raises(ValueError, match="alphabet lacks"):
        tiny_policy(alphabet="ab\n").encode(prompt)


def test_what_joins_messages_must_be_in_the_alphabet_too(tiny_policy: Callable[..., TinyPolicy]) -> None:
    with pytest.raises(ValueError, match="alphabet lacks"):
        tiny_policy(alphabet="ab").encode(({"role": "user", "content": "ab"},))


def test_a_special_token_spelt_out_is_text(tiny_policy: Callable[..., TinyPolicy]) -> None:
    """One token for each character: an answer can't end itself by spelling `<eos>`."""
    policy = tiny_policy()
    assert len(policy.encode("a<eos>b")) == len("a<eos>b")


def test_an_empty_prompt_raises(tiny_policy: Callable[..., TinyPolicy]) -> None:
    with pytest.raises(ValueError, match="without a single token"):
        tiny_policy().encode("")


def test_messages_without_a_template_are_joined_by_blank_lines(tiny_policy: Callable[..., TinyPolicy]) -> None:
    policy = tiny_policy()
    chat = ({"role": "system", "content": "Be short."}, {"role": "user", "content": "2 + 2?"})
    assert policy.encode(chat).tolist() == policy.encode("Be short.\n\n2 + 2?\n\n").tolist()


def test_messages_go_through_the_template(tiny_policy: Callable[..., TinyPolicy]) -> None:
    policy = tiny_policy()
    policy.tokenizer.chat_template = (
        "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}"
        "{% if add_generation_prompt %}:{% endif %}"
    )
    assert policy.encode(({"role": "user", "content": "2 + 2?"},)).tolist() == policy.encode("[user]2 + 2?:").tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alphabet": ""}, "alphabet=''"),
        ({"alphabet": "aba"}, "alphabet='aba'"),
        ({"alphabet": "aé"}, "alphabet='aé'"),
        ({"hidden_size": 20, "num_heads": 4}, "hidden_size=20 must be a multiple of 2 x num_heads=4"),
        ({"num_heads": 0}, "num_heads=0"),
        ({"num_layers": 0}, "num_layers=0"),
        ({"context_length": 0}, "context_length=0"),
    ],
)
def test_a_bad_shape_raises(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TinyPolicy(**arguments)


def test_a_policy_is_built_once(tiny_policy: Callable[..., TinyPolicy]) -> None:
    policy = tiny_policy(context_length=77)
    model = policy.model
    policy.build()
    assert policy.model is model
    assert policy.context_length == 77
