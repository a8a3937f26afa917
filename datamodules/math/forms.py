r"""One answer in one spelling: what may be taken off around it, and what is written in two ways and means one.

Everything here takes time linear in the text.
"""

from __future__ import annotations

import re

FONTS = (
    "text", "textbf", "textit", "textrm", "textsf", "texttt", "textnormal", "emph", "mathrm", "mathbf", "mathit",
    "mathsf", "mathtt", "mathnormal", "mbox", "hbox", "boldsymbol", "bm", "operatorname", "underline", "boxed", "fbox",
)  # fmt: skip
"""Commands that set what is in their braces, and mean nothing."""

_BRACES = re.compile(
    r"\\(?:" + "|".join(FONTS) + r"|textcolor\s*\{[^{}]*\})\s*\*?\s*\{|\{\s*\\(?:rm|bf|it|sf|tt)(?![a-zA-Z])|\\.|[{}]",
    re.DOTALL,
)
_THOUSANDS = re.compile(r",\\!\s*")
"""A comma of thousands as MATH sets it, with or without a space behind it."""
_LAYOUT = re.compile(
    r"\\(?:left|right|[bB]igg?[lr]?|displaystyle|textstyle|limits|[lL]arge|color\s*\{[^{}]*\}|[bB]old"
    r"|rm|bf|it|sf|tt|bfseries|itshape)(?![a-zA-Z])"
    r"|(?<!\\)\\[!()\[\]]|(?<!\\)\$"
)
_SPACE = re.compile(r"(?:(?<!\\)\\(?:[,;: >~]|q?quad(?![a-zA-Z]))|[\s~\u00a0\u2009\u202f])+")
_TRIPLES = re.compile(r"(?<=[0-9])[ ~](?=[0-9]{3}(?![0-9]))(?![0-9]{3}[.0-9]*[/^])")
_SPACES = re.compile(r"(?<![0-9])[ ~]+|[ ~]+(?![0-9])")
_LISTED = re.compile(r"(?<=[0-9]),[ ~]+(?=[0-9]{3}(?![0-9]))")
"""A comma of a list, which is none of thousands since a space is behind it."""
_SCRIPT = re.compile(r"([\^_])\s*\{\s*([0-9a-zA-Z])\s*\}")
_SIGNS = str.maketrans({
    "\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "\N{MULTIPLICATION SIGN}": r"\times ", "·": r"\cdot ", "÷": "/",
    "∞": r"\infty ", "π": r"\pi ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "\N{UNION}": r"\cup ",
    "∩": r"\cap ", "∈": r"\in ", "∅": r"\emptyset ", "²": "^2", "³": "^3", "½": r"\frac{1}{2}",
    "\N{FULLWIDTH COMMA}": ",", "\N{FULLWIDTH LEFT PARENTHESIS}": "(", "\N{FULLWIDTH RIGHT PARENTHESIS}": ")",
})  # fmt: skip
_COMMANDS = (
    (re.compile(r"\\[dtc]frac(?![a-zA-Z])"), r"\\frac"),
    (re.compile(r"\\frac\s*([0-9])\s*([0-9])"), r"\\frac{\1}{\2}"),
    (re.compile(r"\\varnothing(?![a-zA-Z])"), r"\\emptyset"),
    (re.compile(r"\{,\}"), ","),
)
_ABOUT = re.compile(r"\s*(?:\\(?:approx|simeq|sim)(?![a-zA-Z])|=)\s*")
_MIXED = re.compile(r"(?<![_^.0-9])([0-9]+)[ ~]+([0-9]+)/([0-9]+)(?![0-9.])")
_SCIENTIFIC = re.compile(r"(?<=[0-9.])[eE]([+-]?[0-9]+)(?![0-9.])")
_PERCENT = re.compile(r"^([^=,;<>%]*[^=,;<>%\s\\])\s*\\?%$")
_TWO_NUMBERS = re.compile(r"(?<![_^.0-9])[0-9]+(?:\.[0-9]+)?[ ~]+[0-9]")


def spelled(text: str) -> str:
    r"""In one spelling: without fonts, boxes, layout, signs of mathematics mode, and a sign of approximation in front.

    A space of LaTeX is a `~`, and so is the border of words that stood in a text command.
    """
    text = _LAYOUT.sub("", _THOUSANDS.sub(",", _unwrapped(text.translate(_SIGNS))))
    for command, one in _COMMANDS:
        text = command.sub(one, text)
    text = _SPACE.sub(lambda space: " " if space[0].isspace() else "~", text)
    text = _SCRIPT.sub(r"\1\2", _TRIPLES.sub("", text)).strip(" ~")
    about = _ABOUT.match(text)
    return text[about.end() :] if about and about.end() < len(text) else text


def tight(text: str) -> str:
    """A spelled text as it is compared: without spaces, but for those between digits, and words in small letters."""
    text = _SPACES.sub("", _LISTED.sub(";", text))
    bare = text[1:-1] if len(text) > 2 and text[0] == "(" and text[-1] == ")" else ""
    text = bare if bare.isalnum() else text
    return text if "\\" in text else text.casefold()


def parsable(text: str) -> str:
    """A spelled text as math-verify reads it: mixed numbers, percent and powers of ten in LaTeX, plain spaces."""
    text = _PERCENT.sub(r"\\frac{\1}{100}", text)
    text = _SCIENTIFIC.sub(r"\\times 10^{\1}", _MIXED.sub(r"\1\\frac{\2}{\3}", text))
    return text.replace("~", " ")


def is_two_numbers(text: str) -> bool:
    """Whether two numbers stand side by side in a spelled text, which math-verify would multiply."""
    return _TWO_NUMBERS.search(_MIXED.sub("", text)) is not None


def _unwrapped(text: str) -> str:
    """Without the commands of `FONTS`; a text whose braces don't match stays as it is."""
    parts, closings, place = list[str](), list[str](), 0
    for match in _BRACES.finditer(text):
        parts.append(text[place : match.start()])
        token, place = match[0], match.end()
        if token in ("{", "}"):
            if token == "{":
                closings.append("}")
            elif not closings:
                return text
            parts.append(closings.pop() if token == "}" else token)
        elif len(token) > 2:
            opening, closing = _borders(text[max(0, match.start() - 20) : match.start()], text[place : place + 1])
            parts.append(opening)
            closings.append(closing)
        else:
            parts.append(token)
    return text if closings else "".join((*parts, text[place:]))


def _borders(before: str, first: str) -> tuple[str, str]:
    """What stands for the braces of a font: braces where they hold an argument, a space around words, or nothing."""
    if re.search(r"(?:[\^_]|\\(?:[dtc]?frac|sqrt|[dt]?binom|overline|vec|hat))\s*$", before):
        return "{", "}"
    return ("~", "~") if first.isalpha() or first in " ~" else ("", "")
