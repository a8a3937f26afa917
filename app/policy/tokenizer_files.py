"""Loads the tokenizers of checkpoints as their files define them.

transformers 5 builds a tokenizer from the class named by the model type or the folder, and takes only the vocabulary
from `tokenizer.json`. For some folders this gives other tokens than in the model's training: those of R1-Distill name
LLaMA's class and contain another tokenizer. For these the file is used.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.models.auto.tokenization_auto import get_tokenizer_config
from transformers.utils.hub import cached_file

from app.distributed.processes import rank

log = logging.getLogger(__name__)

FILES = ("tokenizer.json", "*.model", "vocab*", "*.tiktoken", "tekken.json")
"""Files with a tokenizer's vocabulary; a folder has at least one of them."""

PROBES = (
    "Hello  world,   it's what I'd\tsay: don't stop.",
    "12345 + 678.90 = 1,024?\n\n  x = \\frac{1}{2}\\boxed{42}\r\n",
    "def f(a_b): return {'k': [1, 2]}  # <b>",
    "数学题\uff0c答案是\uff13。Привет, мир! שלום العالم",
    "é\u0301 e\u0301 ﬁ ½ 👩‍🚀 🇩🇪 \U0001d538",
)
"""Texts that give different tokens if two tokenizers differ in splitting or normalisation."""


def load_tokenizer(path: str, **source: Any) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder or an id of the hub.

    Args:
        path: the folder or id.
        source: arguments of transformers' `from_pretrained`, such as `revision`.

    Raises:
        OSError, ValueError: those of transformers, and for a folder without a tokenizer, for which
            transformers makes an empty one with some models.
    """
    if "gguf_file" not in source and Path(path).is_dir() and not any(any(Path(path).glob(name)) for name in FILES):
        raise ValueError(f"it has no tokenizer: none of {', '.join(FILES)} is there")
    tokenizer: Any = AutoTokenizer.from_pretrained(path, **source)
    if "gguf_file" in source:  # it contains the whole tokenizer
        return tokenizer
    file = _file_of(path, source)
    if file is not None and tokenizer.is_fast and not _agrees(tokenizer, Tokenizer.from_file(file)):
        if rank() == 0:
            log.info(
                "the tokenizer is read as its file has it: as a %s it gives other tokens", type(tokenizer).__name__
            )
        tokenizer = PreTrainedTokenizerFast.from_pretrained(path, **source)
    _begin_texts(tokenizer, get_tokenizer_config(path, **source))
    return tokenizer


def _file_of(path: str, source: dict[str, Any]) -> str | None:
    """The path of `tokenizer.json`; None if there is none."""
    revision = source.get("revision")
    return cached_file(
        path,
        "tokenizer.json",
        revision=revision,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )


def _agrees(tokenizer: Any, file: Tokenizer) -> bool:
    """Whether both give the same tokens for the probe texts, and the same text for these tokens."""
    own: Tokenizer = tokenizer.backend_tokenizer
    for probe in PROBES:
        ids, written = (each.encode(probe, add_special_tokens=False).ids for each in (own, file))
        if ids != written or own.decode(ids) != file.decode(ids):
            return False
    return True


def _begin_texts(tokenizer: Any, config: dict[str, Any]) -> None:
    """Make a tokenizer add its beginning-of-sequence token to plain text if its configuration says so.

    transformers 5 reads only `tokenizer.json`. DeepSeek and R1-Distill set it by `add_bos_token` in
    `tokenizer_config.json` instead, which transformers 4 read.
    """
    begin = tokenizer.bos_token_id
    if config.get("add_bos_token") is True and begin is not None and tokenizer("a")["input_ids"][:1] != [begin]:
        tokenizer.add_bos_token = True
