"""Tokenizers of checkpoints, read as their files have them.

transformers 5 builds a tokenizer from the class that the model's type or the folder names and takes from
`tokenizer.json` the vocabulary alone, which for some folders gives other tokens than the model was trained on:
R1-Distill's name LLaMA's class and hold another tokenizer. There the file decides.
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
"""What holds a tokenizer's vocabulary, one or the other."""

PROBES = (
    "Hello  world,   it's what I'd\tsay: don't stop.",
    "12345 + 678.90 = 1,024?\n\n  x = \\frac{1}{2}\\boxed{42}\r\n",
    "def f(a_b): return {'k': [1, 2]}  # <b>",
    "数学题\uff0c答案是\uff13。Привет, мир! שלום العالم",
    "é\u0301 e\u0301 ﬁ ½ 👩‍🚀 🇩🇪 \U0001d538",
)
"""Texts on which two tokenizers that differ in how they cut or normalise a text give different tokens."""


def load_tokenizer(path: str, **source: Any) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder or an id of the hub.

    Args:
        path: the folder or id.
        source: of transformers' `from_pretrained`, such as `revision`.

    Raises:
        OSError, ValueError: as transformers has them, and for a folder without a tokenizer, in place of which
            transformers makes an empty one for some models.
    """
    if "gguf_file" not in source and Path(path).is_dir() and not any(any(Path(path).glob(name)) for name in FILES):
        raise ValueError(f"it has no tokenizer: none of {', '.join(FILES)} is there")
    tokenizer: Any = AutoTokenizer.from_pretrained(path, **source)
    if "gguf_file" in source:  # which holds the tokenizer, and all that is said of it
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
    """Where `tokenizer.json` lies; None where there is none."""
    revision = source.get("revision")
    return cached_file(
        path,
        "tokenizer.json",
        revision=revision,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )


def _agrees(tokenizer: Any, file: Tokenizer) -> bool:
    """Whether both give the same tokens for the probes, and the same text for these."""
    own: Tokenizer = tokenizer.backend_tokenizer
    for probe in PROBES:
        ids, written = (each.encode(probe, add_special_tokens=False).ids for each in (own, file))
        if ids != written or own.decode(ids) != file.decode(ids):
            return False
    return True


def _begin_texts(tokenizer: Any, config: dict[str, Any]) -> None:
    """Have a tokenizer put its beginning before plain text where its configuration says so.

    transformers 5 goes by `tokenizer.json` alone; that of DeepSeek and of R1-Distill leaves it to `add_bos_token` of
    `tokenizer_config.json`, which transformers 4 went by.
    """
    begin = tokenizer.bos_token_id
    if config.get("add_bos_token") is True and begin is not None and tokenizer("a")["input_ids"][:1] != [begin]:
        tokenizer.add_bos_token = True
