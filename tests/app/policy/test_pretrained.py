"""Folders that hold a policy, folders that do not, and how the weights are kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from app.policy import PretrainedPolicy, TinyPolicy
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
