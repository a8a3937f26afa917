"""Adapters: what is trained, what a checkpoint holds, what is exported, and how little a reference costs."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from app.distributed.weights import full_weights
from app.losses.reference import InitialPolicy
from app.module import RLVRModule
from app.policy import LoRA, PretrainedPolicy, QLoRA
from app.policy.lora import SAMPLED, frozen_weights_of
from app.storage.checkpoint import CheckpointError
from tests.app.architectures import build, draw_rows, plain_scores
from tests.app.policy.test_base import RAGGED
from tests.conftest import BY_LENGTH, CommandLine, build_tiny_policy, constant, gap, stage, steps

PeftModel = pytest.importorskip("peft").PeftModel
ADAPTED = ["qwen2", "llama", "gpt2", "qwen3_moe", "mistral"]


def adapted(folder: Path, adapter: LoRA | None = None, scale: float = 0.3, **arguments: Any) -> PretrainedPolicy:
    """The checkpoint in this folder with adapters, which are drawn at random so that they do something."""
    policy = PretrainedPolicy(str(folder), adapter=adapter or LoRA(rank=4, alpha=8), **arguments)
    policy.build()
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in policy.parameters():
            if parameter.requires_grad and scale:
                parameter.normal_(0, scale)
    return policy


def saved(name: str, folder: Path) -> Path:
    build(name).save(folder)
    return folder


@torch.no_grad()
def scores(policy: Any) -> Tensor:
    return policy.logprobs(draw_rows(*RAGGED))


@pytest.mark.parametrize("name", ADAPTED)
def test_an_adapter_begins_as_nothing_and_is_scored_as_the_plain_forward_pass_has_it(name: str, tmp_path: Path) -> None:
    base = scores(build(name))
    assert torch.equal(scores(adapted(saved(name, tmp_path), scale=0)), base)
    policy = adapted(tmp_path)
    assert policy.shares_prompts == (name != "mistral")
    assert (scores(policy) - base).abs().max() > 1e-2
    with torch.no_grad():
        expected, _ = plain_scores(policy.model, draw_rows(*RAGGED))
    torch.testing.assert_close(scores(policy), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_adapter_alone_is_trained(checkpointing: bool, tmp_path: Path) -> None:
    policy = adapted(saved("qwen2", tmp_path), gradient_checkpointing=checkpointing)
    policy.logprobs(draw_rows(*RAGGED)).sum().backward()
    for name, parameter in policy.named_parameters():
        assert parameter.requires_grad == (parameter.grad is not None) == (".lora_" in name)


def test_weights_are_merged_in_their_own_precision_where_autocast_would_multiply_in_half(tmp_path: Path) -> None:
    """As an engine gets them: weights are sent in the context in which is sampled."""
    policy = adapted(saved("qwen2", tmp_path))
    expected = dict(full_weights(policy.model))
    with torch.autocast("cpu", torch.bfloat16):
        found = dict(full_weights(policy.model))
    assert expected.keys() == found.keys()
    assert all(torch.equal(weight, expected[name]) for name, weight in found.items())


@pytest.mark.parametrize("name", ADAPTED)
def test_full_weights_are_merged_under_the_checkpoints_names_and_the_model_stays(name: str, tmp_path: Path) -> None:
    policy = adapted(saved(name, tmp_path))
    before = {key: value.clone() for key, value in policy.model.state_dict().items()}
    merged = dict(full_weights(policy.model))
    assert all(torch.equal(before[key], value) for key, value in policy.model.state_dict().items())

    base = PretrainedPolicy(str(tmp_path))
    base.build()
    plain = dict(full_weights(base.model))
    assert merged.keys() == plain.keys()
    changed = {key for key in merged if not torch.equal(merged[key], plain[key])}
    assert changed
    assert not any("embed" in key or "lm_head" in key or "norm" in key for key in changed)


@pytest.mark.parametrize("name", ADAPTED)
def test_an_export_is_an_ordinary_folder_with_the_adapter_beside_it(name: str, tmp_path: Path) -> None:
    policy = adapted(saved(name, tmp_path / "base"))
    policy.save(tmp_path / "export")
    merged = PretrainedPolicy(str(tmp_path / "export"))
    merged.build()
    torch.testing.assert_close(scores(merged), scores(policy), rtol=0, atol=1e-5)
    assert sorted(path.name for path in (tmp_path / "export/adapter").glob("adapter*")) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


def test_peft_finds_the_adapter_again(tmp_path: Path) -> None:
    policy = adapted(saved("qwen2", tmp_path / "base"))
    policy.save(tmp_path / "export")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    model.load_adapter(str(tmp_path / "export/adapter"))
    ids = torch.arange(3, 12)[None]
    with torch.no_grad():
        assert torch.equal(model.eval()(ids).logits, policy.model.eval()(ids).logits)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_merged_weights_are_those_of_peft(dtype: str, tmp_path: Path) -> None:
    policy = adapted(saved("qwen2", tmp_path / "base"), dtype=dtype)
    policy.save(tmp_path / "export")
    base = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=dtype)
    merged = PeftModel.from_pretrained(base, tmp_path / "export/adapter").merge_and_unload().state_dict()
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "export", dtype=dtype).state_dict()
    assert merged.keys() == plain.keys()
    assert all(torch.equal(merged[name], plain[name]) for name in merged)


@pytest.mark.parametrize("tied", [False, True])
def test_tied_embeddings_stay_tied_in_an_export(tied: bool, tmp_path: Path) -> None:
    base = build("qwen2")
    base.model.config.tie_word_embeddings = tied
    base.model.tie_weights()
    base.save(tmp_path / "base")
    policy = adapted(tmp_path / "base")
    policy.save(tmp_path / "export")
    merged = PretrainedPolicy(str(tmp_path / "export"))
    merged.build()
    head, embedding = merged.model.get_output_embeddings(), merged.model.get_input_embeddings()
    assert (head.weight is embedding.weight) == tied
    torch.testing.assert_close(scores(merged), scores(policy), rtol=0, atol=1e-5)


@pytest.mark.parametrize("layers", [["lm_head"], ["embed_tokens", "q_proj"]])
def test_an_adapter_of_one_of_two_tied_weights_unties_the_export(layers: list[str], tmp_path: Path) -> None:
    base = build("qwen2")
    base.model.config.tie_word_embeddings = True
    base.model.tie_weights()
    base.save(tmp_path / "base")
    policy = adapted(tmp_path / "base", LoRA(rank=4, alpha=8, layers=layers))
    policy.save(tmp_path / "export")
    assert json.loads((tmp_path / "export/config.json").read_text())["tie_word_embeddings"] is False
    assert policy.model.config.tie_word_embeddings
    merged = PretrainedPolicy(str(tmp_path / "export"))
    merged.build()
    torch.testing.assert_close(scores(merged), scores(policy), rtol=0, atol=1e-5)


def test_a_state_dict_holds_the_adapter_and_loads_without_the_rest(tmp_path: Path) -> None:
    policy, other = adapted(saved("qwen2", tmp_path)), adapted(tmp_path, scale=0)
    state = policy.state_dict()
    assert state
    assert all(".lora_" in name for name in state)
    other.load_state_dict(state)
    assert torch.equal(scores(other), scores(policy))
    state.popitem()
    with pytest.raises(RuntimeError, match="Missing key"):
        other.load_state_dict(state)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_adapters_are_kept_in_single_precision(dtype: str, tmp_path: Path) -> None:
    policy = adapted(saved("qwen2", tmp_path), dtype=dtype)
    assert {p.dtype for p in policy.parameters() if p.requires_grad} == {torch.float32}
    assert policy.model.dtype == getattr(torch, dtype)
    assert {value.dtype for _, value in full_weights(policy.model)} == {getattr(torch, dtype)}


def test_a_reference_copies_the_adapter_alone(tmp_path: Path) -> None:
    build_tiny_policy(hidden_size=64, intermediate_size=256, num_heads=4, num_layers=4).save(tmp_path)
    policy, reference = adapted(tmp_path, LoRA(rank=1, alpha=1)), InitialPolicy()
    before = scores(policy)
    reference.begin(policy)
    size = lambda weights: sum(weight.numel() for weight in weights)  # noqa: E731
    assert size(reference.weights) == size(p for p in policy.parameters() if p.requires_grad)
    assert size(reference.weights) < 0.03 * size(policy.parameters())

    base = policy.model.get_input_embeddings().weight
    with torch.no_grad():
        for parameter in policy.parameters():
            if parameter.requires_grad:
                parameter += 0.1
    assert not torch.equal(scores(policy), before)
    with reference.loaded_into(policy):
        assert torch.equal(scores(policy), before)
        assert policy.model.get_input_embeddings().weight is base


# -- the command line ---------------------------------------------------------------------------------


def command(passk: CommandLine, folder: Path) -> list[str]:
    """A policy with adapters that reads mazes."""
    if not folder.exists():
        build_tiny_policy(hidden_size=32, num_heads=2, context_length=1024).save(folder)
    path = ["--model.policy=app.policy.PretrainedPolicy", f"--model.policy.path={folder}"]
    return [*path, "--model.policy.adapter=app.policy.LoRA", "--model.policy.adapter.rank=2"]


def test_a_run_saves_the_adapter_and_resumes_exactly(passk: CommandLine, tmp_path: Path) -> None:
    options = command(passk, tmp_path / "base")
    rates = {"learning_rate": constant(1e-2)}
    model = {"kl": {"class_path": "app.losses.K3", "init_args": {"coefficient": 0.1}}}
    whole = [stage("one", BY_LENGTH, **rates), stage("two", BY_LENGTH, until=steps(2), **rates)]
    cli = passk.fit(whole, *options, model=model)
    stages = Path(cli.trainer.log_dir) / "stages"
    checkpoint = torch.load(stages / "1-one/stage.ckpt", weights_only=False)
    adapter = sum(p.numel() for p in cli.model.policy.parameters() if p.requires_grad)
    assert sum(value.numel() for value in checkpoint["state_dict"].values()) == adapter
    moments = checkpoint["optimizer_states"][0]["state"].values()
    assert sum(moment["exp_avg"].numel() for moment in moments) == adapter
    assert sum(weight.numel() for weight in checkpoint["reference"]["weights"]) == adapter

    again = passk.fit(whole, *options, f"--ckpt_path={stages / '1-one/stage.ckpt'}", model=model)
    assert gap(stages / "2-two", Path(again.trainer.log_dir) / "stages/2-two") == 0
    assert gap(stages / "1-one", stages / "2-two") > 0


def test_a_checkpoint_that_lacks_weights_of_the_adapter_is_refused(tmp_path: Path) -> None:
    """In shards too, where Lightning would leave them as they are."""
    module, checkpoint = RLVRModule(adapted(saved("qwen2", tmp_path))), {}
    module.on_save_checkpoint(checkpoint)
    module.on_load_checkpoint(checkpoint)
    checkpoint["trained"] = checkpoint["trained"][1:]
    with pytest.raises(CheckpointError, match="other weights of it are trained"):
        module.on_load_checkpoint(checkpoint)


def other_base(folder: Path) -> Path:
    """A checkpoint of the same shape, of which one weight differs a little."""
    base = build("qwen2")
    with torch.no_grad():
        base.model.get_submodule("model.layers.0.mlp.up_proj").weight.mul_(1.01)
    base.save(folder)
    return folder


@pytest.mark.parametrize("kind", ["the same", "a copy", "another type", "another model", "another alpha"])
def test_a_checkpoint_is_valid_for_the_weights_under_its_adapter(kind: str, tmp_path: Path) -> None:
    base, checkpoint = saved("qwen2", tmp_path / "base"), dict[str, Any]()
    RLVRModule(adapted(base)).on_save_checkpoint(checkpoint)
    places = {"a copy": lambda: saved("qwen2", tmp_path / "copy"), "another model": lambda: other_base(tmp_path / "o")}
    adapter = LoRA(rank=4, alpha=16 if kind == "another alpha" else 8)
    dtype = "bfloat16" if kind == "another type" else "auto"
    module = RLVRModule(adapted(places.get(kind, lambda: base)(), adapter, dtype=dtype))
    refused = {
        "another model": "adapter is of another model than that of model.policy.path",
        "another alpha": "adapter has alpha=8, not alpha=16",
    }
    with pytest.raises(CheckpointError, match=refused[kind]) if kind in refused else nullcontext():
        module.on_load_checkpoint(checkpoint)


def test_weights_are_told_apart_without_reading_all_of_them(tmp_path: Path) -> None:
    model = nn.ParameterDict({name: nn.Parameter(torch.randn(size), False) for name, size in SIZES.items()})
    model["trained"] = nn.Parameter(torch.zeros(3))
    before = frozen_weights_of(model)
    assert before.keys() == {"torch.float32"}
    model["trained"].data += 1
    assert frozen_weights_of(model) == before
    for name in SIZES:
        changed = deepcopy(model)
        changed[name].data += 1
        assert frozen_weights_of(changed) != before
    model["one"].data = model["one"].data.bfloat16()
    after = frozen_weights_of(model)
    assert after.keys() == {"torch.bfloat16", "torch.float32"} and after["torch.float32"] != before["torch.float32"]


SIZES = {"one": 1, "few": 1023, "many": 10 * SAMPLED + 7, "more": (3, SAMPLED, 2)}


# -- quantised ------------------------------------------------------------------------------------------


def test_four_bits_are_trained_over_and_exported_dense(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = pytest.importorskip("bitsandbytes.nn.modules")
    monkeypatch.setattr(layers, "has_avx512bf16", lambda: False)  # its packed kernel on a CPU can't add a bias
    build_tiny_policy(hidden_size=64, intermediate_size=128, num_heads=4).save(tmp_path / "base")
    policy = adapted(tmp_path / "base", QLoRA(rank=4, alpha=8, dtype="float32"), scale=0.1)
    assert policy.shares_prompts
    policy.save(tmp_path / "export")
    merged = PretrainedPolicy(str(tmp_path / "export"))
    merged.build()
    torch.testing.assert_close(scores(merged), scores(policy), rtol=0, atol=1e-5)
    assert all(".lora_" in name for name in policy.state_dict())
    policy.logprobs(draw_rows(*RAGGED)).sum().backward()
    assert all(p.grad is not None for p in policy.parameters() if p.requires_grad)


# -- errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [{"rank": 0}, {"alpha": 0}])
def test_a_bad_shape_raises(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="=0 must be at least 1"):
        LoRA(**arguments)


@pytest.mark.parametrize(("kind", "package"), [(LoRA, "peft"), (QLoRA, "bitsandbytes")])
def test_a_missing_package_is_named(kind: type[LoRA], package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"peft", "bitsandbytes"} - {package}
    monkeypatch.setattr("app.policy.lora.find_spec", lambda name: name if name in there else None)
    with pytest.raises(ImportError, match=f"needs {package}: pip install"):
        kind()


@pytest.mark.parametrize("layers", [["no_such_layer"], [], "q_proj", ["norm"]])
def test_layers_that_are_not_there_raise(layers: list[str] | str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"adapter\.layers={re.escape(repr(layers))}: "):
        adapted(saved("qwen2", tmp_path), LoRA(layers=layers))
