r"""Normalises short texts, removing LaTeX and Markdown formatting: `$\textbf{(B) }12$.` becomes (B) 12."""

from __future__ import annotations

import re
from functools import lru_cache

from datamodules.values import readable

_TOKEN = re.compile(r"\\[a-zA-Z]+|\\.?|.", re.DOTALL)
_UNSEEN = frozenset((
    r"\text", r"\textbf", r"\textit", r"\textrm", r"\textsf", r"\texttt", r"\textnormal", r"\mathrm", r"\mathbf",
    r"\mathit", r"\mathsf", r"\mathtt", r"\mathbb", r"\mbox", r"\hbox", r"\bf", r"\rm", r"\it", r"\bold", r"\bm",
    r"\boldsymbol", r"\boxed", r"\fbox", r"\operatorname", r"\displaystyle", r"\textstyle", r"\left", r"\right",
    r"\big", r"\Big", r"\quad", r"\qquad", r"\,", r"\;", r"\:", r"\!", r"\(", r"\)", r"\[", r"\]", r"\$", r"\ ",
    "\\\\", "\\\n", "\\", "$", "~", "`",
))  # fmt: skip
"""Replaced by white space."""
_ALSO: dict[str, str] = {
    r"\dfrac": r"\frac", r"\tfrac": r"\frac", r"\leq": r"\le", r"\geq": r"\ge", r"\%": "%", r"\&": "&", r"\#": "#",
    r"\_": "_", "\u2212": "-", "\u2019": "'",
}  # fmt: skip
"""Replaced by another character."""
_SHORT = re.compile(r"([\^_])\{(\w|\\circ)\}")
_POINT = re.compile(r"(?<![0-9])\.(?=[0-9])")
_UNIT = re.compile(r"\s*(?:\\(?:text|mathrm|mbox)\s*\{[~\sa-zA-Z./]+\}(?:\^\{?[0-9]\}?)?|\^\{?\\circ\}?)\s*\$?\s*\.?$")
_STRONG = re.compile(r"\*\*(\S(?:[^*]*\S)?)\*\*")
_AROUND = re.compile(r"(\*{1,2}|_{1,2})(?=\S)(.*)\1|[\"\u201c](.*)[\"\u201d]", re.DOTALL)


@lru_cache(maxsize=4096)
def bare(text: str) -> str:
    """The text without fonts, boxes, math delimiters, braces that group words, and a full stop at its end."""
    kept: list[str] = []
    opened: list[bool] = []  # whether each open brace is kept
    for found in map(str, _TOKEN.findall(readable(text))):
        token = " " if found in _UNSEEN else _ALSO.get(found, found)
        if token == "{":
            opened.append(bool(kept) and is_followed_by_argument(kept[-1]))
        elif token == "}":
            token = token if not opened or opened.pop() else ""
        if token != "{" or opened[-1]:
            kept.append(token)
    text, before = _STRONG.sub(r"\1", " ".join("".join(kept).split())), None
    while text != before:
        before, text = text, text.strip().removesuffix(".").strip()
        if around := _AROUND.fullmatch(text):
            text = around[2] or around[3] or ""
    return text


def is_followed_by_argument(token: str) -> bool:
    """Whether a brace after the token contains the argument of a command, an exponent or an index."""
    return token in ("^", "_", "}", "]") or (token.startswith("\\") and token[1:].isalpha())


def without_spaces(text: str) -> str:
    """The same without white space, with x^2 for x^{2} and 0.5 for .5."""
    return _SHORT.sub(r"\1\2", _POINT.sub("0.", "".join(bare(text).split())))


def without_unit(text: str) -> str:
    """The same without a unit at its end that LaTeX marks: a number may be given without it."""
    return without_spaces(_UNIT.sub("", text))
