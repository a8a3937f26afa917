"""Checkpoints as the hub has them: prompts, ends of sequence, and the whole way through the real command line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from app.policy import PretrainedPolicy
from app.types import Prompt, Sampling
from tests.app.checkpoints import CHECKPOINTS, write
from tests.conftest import CommandLine, constant, gap, stage

CHAT: Prompt = ({"role": "user", "content": "2 + 2?"},)


def policy_of(name: str, folder: Path) -> PretrainedPolicy:
    policy = PretrainedPolicy(str(write(name, folder)))
    policy.build()
    return policy


def spelt(policy: PretrainedPolicy, prompt: Prompt) -> str:
    return policy.tokenizer.decode(policy.encode(prompt))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "qwen2.5 instruct",
            "<|im_start|>system\nBe of help.<|im_end|>\n<|im_start|>user\n2 + 2?<|im_end|>\n<|im_start|>assistant\n",
        ),
        (
            "llama 3 instruct",
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n2 + 2?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        ("r1 distill qwen", "<｜begin▁of▁sentence｜><｜User｜>2 + 2?<｜Assistant｜><think>\n"),
        ("llama base", "<|begin_of_text|>2 + 2?\n\n"),
        ("qwen2.5 base", "2 + 2?\n\n"),
    ],
)
def test_a_chat_is_spelt_as_the_model_knows_it(name: str, expected: str, tmp_path: Path) -> None:
    policy = policy_of(name, tmp_path)
    assert spelt(policy, CHAT) == expected
    special = [token for token in CHECKPOINTS[name].special if token in expected]
    ids = policy.encode(CHAT).tolist()
    assert all(ids.count(policy.tokenizer.convert_tokens_to_ids(token)) == expected.count(token) for token in special)


def test_an_earlier_thought_of_r1_is_left_out(tmp_path: Path) -> None:
    thought = {"role": "assistant", "content": "<think>\nhm\n</think>4"}
    chat = (*CHAT, thought, {"role": "user", "content": "sure?"})
    assert "hm" not in spelt(policy_of("r1 distill qwen", tmp_path), chat)


@pytest.mark.parametrize("name", ["llama 3 instruct", "llama base", "r1 distill qwen"])
def test_text_begins_once(name: str, tmp_path: Path) -> None:
    """Also where the text already begins with the token, as a prompt that was rendered before does."""
    policy = policy_of(name, tmp_path)
    begin = CHECKPOINTS[name].begin
    assert spelt(policy, "2 + 2?") == f"{begin}2 + 2?"
    assert spelt(policy, f"{begin}2 + 2?") == f"{begin}2 + 2?"


def test_a_template_that_begins_again_is_cut(tmp_path: Path) -> None:
    policy = policy_of("llama 3 instruct", tmp_path)
    policy.tokenizer.chat_template = "{{ bos_token }}" + str(policy.tokenizer.chat_template)
    assert policy.encode(CHAT).tolist().count(policy.tokenizer.bos_token_id) == 1


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_every_end_of_sequence_stops(name: str, tmp_path: Path) -> None:
    policy = policy_of(name, tmp_path)
    checkpoint = CHECKPOINTS[name]
    ends = {*checkpoint.ends, checkpoint.end}
    assert policy.stop_ids(Sampling()) == sorted(policy.tokenizer.convert_tokens_to_ids(list(ends)))


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_text_survives(name: str, tmp_path: Path) -> None:
    """Whatever class the folder says that its tokenizer is."""
    policy = policy_of(name, tmp_path)
    for text in ["a b", "two\nlines\n", "  ", " lead and trail ", "é ∑"]:
        assert policy.decode([policy.spell(text)]) == [text]


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_checkpoint_is_trained_validated_exported_and_read_again(
    name: str, passk: CommandLine, tmp_path: Path
) -> None:
    path = write(name, tmp_path / "checkpoint")
    options = ["--model.policy=app.policy.PretrainedPolicy", f"--model.policy.path={path}"]
    style = "--data.style=datamodules.maze.InstructivePrompt"
    cli = passk.fit([stage("explore", "benchmarks.step.NeverZero", learning_rate=constant(1e-3))], *options, style)
    export = Path(cli.trainer.log_dir) / "stages/1-explore"
    assert gap(path, export) > 0

    policy, model = cli.model.policy, AutoModelForCausalLM.from_pretrained(export).eval()
    prompt = policy.encode(CHAT)
    with torch.no_grad():
        assert torch.equal(model(prompt[None]).logits, policy.model.eval()(prompt[None]).logits)
    assert model.generation_config.eos_token_id == policy.model.generation_config.eos_token_id
    assert AutoTokenizer.from_pretrained(export).chat_template == CHECKPOINTS[name].template

    options[1] = f"--model.policy.path={export}"
    again = passk("validate", *options, style)
    assert again.trainer.callback_metrics["eval/length"] == cli.trainer.callback_metrics["eval/length"]
    assert torch.equal(again.model.policy.encode(CHAT), prompt)
