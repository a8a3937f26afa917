"""Tokenizers whose folders name another class than their files hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from app.policy import PretrainedPolicy, TinyPolicy
from app.policy.tokenizer_files import PROBES, load_tokenizer
from tests.app.checkpoints import CHECKPOINTS, write


@pytest.mark.parametrize("name", CHECKPOINTS)
@pytest.mark.parametrize("tokenizer_class", ["LlamaTokenizerFast", "Qwen2Tokenizer", "PreTrainedTokenizerFast"])
def test_the_file_decides(name: str, tokenizer_class: str, tmp_path: Path) -> None:
    """Whatever class the folder names; LLaMA's rebuilds the tokenizer in SentencePiece's way, Qwen's in its own."""
    folder = write(name, tmp_path)
    place = folder / "tokenizer_config.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), "tokenizer_class": tokenizer_class}))
    tokenizer: Any = load_tokenizer(str(folder))
    file = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text in PROBES:
        tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokens == file.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(tokens, clean_up_tokenization_spaces=False) == file.decode(tokens)
    assert tokenizer.eos_token == CHECKPOINTS[name].end
    assert tokenizer.chat_template == CHECKPOINTS[name].template


def test_such_a_folder_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write("llama 3 instruct", tmp_path)
    place = folder / "tokenizer_config.json"
    with caplog.at_level("INFO", "app"):
        load_tokenizer(str(folder))
        assert not caplog.messages
        place.write_text(json.dumps({**json.loads(place.read_text()), "tokenizer_class": "LlamaTokenizerFast"}))
        plain: Any = AutoTokenizer.from_pretrained(folder)
        assert plain.decode(plain("a b", add_special_tokens=False)["input_ids"]) != "a b"
        load_tokenizer(str(folder))
    (said,) = caplog.messages
    assert said == "the tokenizer is read as its file has it: as a LlamaTokenizer it gives other tokens"


@pytest.mark.parametrize("asked", [True, False, None])
def test_texts_begin_as_the_folder_says(tiny_policy: Callable[..., TinyPolicy], tmp_path: Path, asked: bool) -> None:
    """As DeepSeek's do: the beginning stands in the tokenizer's configuration and not in its file."""
    policy = tiny_policy(alphabet="ab")
    policy.tokenizer.bos_token = "<unk>"
    policy.save(tmp_path)
    place = tmp_path / "tokenizer_config.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), "add_bos_token": asked}))
    loaded = PretrainedPolicy(str(tmp_path))
    loaded.build()
    assert loaded.tokenizer("ab")["input_ids"] == [2] * (asked is True) + [3, 4]
    assert loaded.spell("ab") == [3, 4]
    loaded.save(tmp_path / "export")
    again = PretrainedPolicy(str(tmp_path / "export"))
    again.build()
    assert again.tokenizer("ab")["input_ids"] == loaded.tokenizer("ab")["input_ids"]
