"""Folders that hold a policy, folders that do not, and how the weights are kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from app.policy import LoRA, PretrainedPolicy, TinyPolicy
from callbacks.checks import check_export
from tests.app.architectures import draw_rows
from tests.app.policy.test_base import RAGGED


def test_gradient_checkpointing_is_at_work_in_a_loaded_checkpoint(
    tiny_policy: Callable[..., TinyPolicy], tmp_path: Path
) -> None:
    """transformers loads in evaluation mode, in which it checkpoints nothing, and Lightning leaves modes alone."""
    tiny_policy().save(tmp_path)
    policy = PretrainedPolicy(str(tmp_path), gradient_checkpointing=True)
    policy.build()
    assert policy.model.training


def test_a_missing_folder_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no policy could be loaded from") as error:
        PretrainedPolicy(str(tmp_path / "nowhere")).build()
    assert "nowhere" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_without_a_model_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="no policy could be loaded from") as error:
        PretrainedPolicy(str(tmp_path)).build()
    assert "\n" not in str(error.value)


def test_a_folder_without_a_tokenizer_is_one_clear_error(
    tiny_policy: Callable[..., TinyPolicy], tmp_path: Path
) -> None:
    tiny_policy().save(tmp_path)
    for path in tmp_path.glob("*token*"):
        path.unlink()
    with pytest.raises(ValueError, match=r"loaded from .*: it has no tokenizer: none of tokenizer"):
        PretrainedPolicy(str(tmp_path)).build()


def test_chats_for_a_model_without_a_template_are_told_of_once(
    tiny_policy: Callable[..., TinyPolicy], caplog: pytest.LogCaptureFixture
) -> None:
    policy, chat = tiny_policy(), ({"role": "user", "content": "S.E"},)
    assert policy.encode(chat).tolist() == policy.encode("S.E\n\n").tolist() == policy.encode(chat).tolist()
    (said,) = caplog.messages
    assert said.endswith("has no chat template, as a base model's has none: their messages are joined by blank lines")


@pytest.mark.parametrize("name", ["add_generation_prompt", "tokenize", "return_dict", "max_length"])
def test_arguments_that_are_not_for_the_template(name: str) -> None:
    with pytest.raises(ValueError, match=f"chat_template_kwargs: '{name}' is not for the chat template"):
        PretrainedPolicy("folder", chat_template_kwargs={name: 1})


def test_weights_take_the_type_asked_for(tiny_policy: Callable[..., TinyPolicy], tmp_path: Path) -> None:
    tiny_policy().save(tmp_path)
    policy = PretrainedPolicy(str(tmp_path), dtype="bfloat16")
    policy.build()
    assert policy.model.dtype == torch.bfloat16
    assert policy.shares_prompts
    assert policy.logprobs(draw_rows(*RAGGED)).dtype == torch.float32


CONFIGS = [{"do_sample": False, "temperature": 0.6, "top_p": 0.9}, {"do_sample": True, "temperature": 0.6}, {}]


@pytest.mark.parametrize("given", CONFIGS)
@pytest.mark.parametrize("rank", [None, 2], ids=["whole weights", "adapter"])
def test_a_generation_config_is_exported_as_it_was_read(
    tiny_policy: Callable[..., TinyPolicy], tmp_path: Path, given: dict[str, Any], rank: int | None
) -> None:
    """transformers reads the first of them, and would not save it."""
    if rank is not None:
        pytest.importorskip("peft")
    tiny_policy().save(tmp_path / "base")
    file = tmp_path / "base" / "generation_config.json"
    file.write_text(json.dumps({"eos_token_id": 1, **given}))
    policy = PretrainedPolicy(str(tmp_path / "base"), adapter=LoRA(rank) if rank else None)
    policy.build()
    check_export(policy)
    policy.save(tmp_path / "again")
    kept = json.loads((tmp_path / "again" / "generation_config.json").read_text())
    assert {name: value for name, value in kept.items() if name in CONFIGS[0]} == given
    assert kept["eos_token_id"] == policy.model.generation_config.eos_token_id == 1  # type: ignore[union-attr]
    PretrainedPolicy(str(tmp_path / "again")).build()


def test_what_could_not_be_saved_is_found_out_before(
    tiny_policy: Callable[..., TinyPolicy], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tiny_policy()

    def refuse(folder: str) -> None:
        raise NotImplementedError("there is no slow tokenizer\nto be had")

    monkeypatch.setattr(policy.tokenizer, "save_pretrained", refuse)
    with pytest.raises(ValueError, match="NotImplementedError: there is no slow tokenizer"):
        check_export(policy)
