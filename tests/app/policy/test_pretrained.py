"""Folders that hold a policy, folders that do not, and how the weights are kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers.utils.quantization_config import QuantizationMethod

from app.engines.demonstrations import DemonstrationEngine
from app.policy import LoRA, PretrainedPolicy, TinyPolicy
from app.types import Sampling
from callbacks.checks import check_ends, check_export
from tests.app.architectures import draw_rows
from tests.app.policy.test_base import RAGGED
from tests.app.storage.test_fetched import POINTER


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


def edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a layer that is not there": (
        lambda folder: edit(folder / "config.json", num_hidden_layers=3, layer_types=["full_attention"] * 3),
        r"12 of its weights are not there, such as model.layers.2.*: it is cut short, or no whole Qwen2ForCausalLM",
    ),
    "another vocabulary": (
        lambda folder: edit(folder / "config.json", vocab_size=100),
        r"lm_head.weight has the shape \[99, .*\], and by config.json \[100, .*\]",
    ),
    "weights that git did not fetch": (
        lambda folder: (folder / "model.safetensors").write_text(POINTER),
        "model.safetensors is Git LFS's pointer, not the file itself",
    ),
    "a tokenizer that git did not fetch": (
        lambda folder: (folder / "tokenizer.json").write_text(POINTER),
        "tokenizer.json is Git LFS's pointer, not the file itself",
    ),
    "weights cut short": (lambda folder: cut(folder / "model.safetensors"), "SafetensorError: .*not fully covered"),
    "a tokenizer that is none": (lambda folder: (folder / "tokenizer.json").write_text("{}"), "KeyError: "),
    "an adapter beside the model": (
        lambda folder: (folder / "adapter_config.json").write_text("{}"),
        r"it holds an adapter of peft \(adapter_config.json\): merge it into its model",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_checkpoint_that_is_not_whole_is_one_clear_error(
    name: str, tiny_policy: Callable[..., TinyPolicy], tmp_path: Path
) -> None:
    """transformers would train random numbers, freeze all weights or raise what it will."""
    breaking, reason = BROKEN[name]
    tiny_policy().save(tmp_path)
    breaking(tmp_path)
    with pytest.raises(ValueError, match="no policy could be loaded from .*" + reason) as error:
        PretrainedPolicy(str(tmp_path)).build()
    assert "\n" not in str(error.value)


def test_a_model_without_its_head_is_refused(tiny_policy: Callable[..., TinyPolicy], tmp_path: Path) -> None:
    """As AutoModel saves one, or a model with a head of its own, such as a reward model."""
    policy = tiny_policy()
    policy.save(tmp_path)
    policy.model.base_model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"1 of its weights are not there, such as lm_head\.weight"):
        PretrainedPolicy(str(tmp_path)).build()


def test_an_adapter_by_itself_is_told_from_a_model(tiny_policy: Callable[..., TinyPolicy], tmp_path: Path) -> None:
    pytest.importorskip("peft")
    tiny_policy().save(tmp_path / "base")
    policy = PretrainedPolicy(str(tmp_path / "base"), adapter=LoRA(2))
    policy.build()
    policy.save(tmp_path / "trained")
    with pytest.raises(ValueError, match="it holds an adapter of peft"):
        PretrainedPolicy(str(tmp_path / "trained" / "adapter")).build()


def test_a_checkpoint_in_four_bits_is_refused_before_it_trains(tiny_policy: Callable[..., TinyPolicy]) -> None:
    policy = tiny_policy()
    policy.model.hf_quantizer = SimpleNamespace(
        pre_quantized=True, quantization_config=SimpleNamespace(quant_method=QuantizationMethod.BITS_AND_BYTES)
    )
    with pytest.raises(ValueError, match=r"checkpoint is quantised \(bitsandbytes\), and can be neither trained nor"):
        check_export(policy)


def test_weights_that_are_not_finite_are_refused(tiny_policy: Callable[..., TinyPolicy]) -> None:
    policy = tiny_policy()
    torch.nn.init.constant_(policy.model.get_output_embeddings().weight, torch.nan)  # type: ignore[union-attr,arg-type]
    with pytest.raises(ValueError, match="gives logits that are not finite: its weights are damaged"):
        assert policy.shares_prompts


def test_a_token_without_an_embedding_is_refused(tiny_policy: Callable[..., TinyPolicy]) -> None:
    policy = tiny_policy()
    policy.tokenizer.add_tokens(["<think>"])
    policy._check = lambda what, text: None  # type: ignore[method-assign]
    with pytest.raises(ValueError, match=r"the prompt has the token '<think>', number 99, and .* embeddings for 99"):
        policy.encode("S<think>")


def test_a_policy_that_can_never_end_is_refused(tiny_policy: Callable[..., TinyPolicy]) -> None:
    policy = tiny_policy()
    policy.tokenizer.eos_token = policy.model.generation_config.eos_token_id = None  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="nothing ends an answer"):
        check_ends(policy, Sampling())
    named = Sampling(stop_tokens=("E",))
    engine = DemonstrationEngine()
    engine.sync(policy)
    assert engine.completion("UD", named).tokens.tolist() == [*policy.spell("UD"), *policy.stop_ids(named)]


TEMPLATE = (
    "{% for message in messages %}S{{ message.content }}{% if not loop.last %}E{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}E>{% endif %}"
)


@pytest.mark.parametrize(
    ("template", "asked", "begun"), [(TEMPLATE, "SUES.E>", "SUES.DR"), (None, "U\n\n.\n\n", "U\n\n.DR")]
)
def test_a_message_of_the_assistants_at_the_end_is_gone_on_with(
    template: str | None, asked: str, begun: str, tiny_policy: Callable[..., TinyPolicy]
) -> None:
    """As TRL does: "Let me think.\n<think>" in the last message begins the answer."""
    policy = tiny_policy()
    policy.tokenizer.chat_template = template
    chat = ({"role": "user", "content": "U"}, {"role": "user", "content": "."})
    prefilled = ({"role": "user", "content": "U"}, {"role": "assistant", "content": ".DR"})
    assert policy.decode([policy.encode(chat).tolist(), policy.encode(prefilled).tolist()]) == [asked, begun]


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
