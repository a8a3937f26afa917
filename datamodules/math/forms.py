r"""Normalises the spelling of answers: removes formatting, and unifies different ways to write the same.

Everything here takes time linear in the text.
"""

from __future__ import annotations

import re
from unicodedata import numeric

from datamodules.values import readable

FONTS = (
    "text", "textbf", "textit", "textrm", "textsf", "texttt", "textnormal", "emph", "mathrm", "mathbf", "mathit",
    "mathsf", "mathtt", "mathnormal", "mbox", "hbox", "boldsymbol", "bm", "operatorname", "underline", "boxed", "fbox",
)  # fmt: skip
"""Commands that only format the content of their braces."""

_BRACES = re.compile(
    r"\\(?:" + "|".join(FONTS) + r"|textcolor\s*\{[^{}]*\})\s*\*?\s*\{|\{\s*\\(?:rm|bf|it|sf|tt)(?![a-zA-Z])|\\.|[{}]",
    re.DOTALL,
)
_THOUSANDS = re.compile(r",\\!\s*")
"""A thousands separator as in MATH, with or without a space after it."""
_LAYOUT = re.compile(
    r"\\(?:left|right|[bB]igg?[lr]?|displaystyle|textstyle|limits|[lL]arge|color\s*\{[^{}]*\}|[bB]old"
    r"|rm|bf|it|sf|tt|bfseries|itshape)(?![a-zA-Z])"
    r"|(?<!\\)\\[!()\[\]]|(?<!\\)\$"
)
_SPACE = re.compile(r"(?:(?<!\\)\\(?:[,;: >~]|q?quad(?![a-zA-Z]))|[\s~\u00a0\u2009\u202f])+")
_TRIPLES = re.compile(r"(?<=[0-9])[ ~](?=[0-9]{3}(?![0-9]))(?![0-9]{3}[.0-9]*[/^])")
_SPACES = re.compile(r"(?<![0-9])[ ~]+|[ ~]+(?![0-9])")
_LISTED = re.compile(r"(?<=[0-9]),[ ~]+(?=[0-9]{3}(?![0-9]))")
"""A comma of a list: no thousands separator, since a space follows."""
_SCRIPT = re.compile(r"([\^_])\s*\{\s*([0-9a-zA-Z])\s*\}")
_VULGAR = {2: "½", 3: "⅓⅔", 4: "¼¾", 5: "⅕⅖⅗⅘", 6: "⅙⅚", 8: "⅛⅜⅝⅞"}
"""The characters of fractions, by denominator."""
_SIGNS = str.maketrans({
    "\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "\N{MULTIPLICATION SIGN}": r"\times ", "·": r"\cdot ", "÷": "/",
    "∞": r"\infty ", "π": r"\pi ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "\N{UNION}": r"\cup ",
    "∩": r"\cap ", "∈": r"\in ", "∅": r"\emptyset ",
    **{sign: rf"\frac{{{int(numeric(sign) * of + 0.5)}}}{{{of}}}" for of, signs in _VULGAR.items() for sign in signs},
    **{chr(code + 0xFEE0): chr(code) for code in map(ord, "0123456789.,:%+-=/<>()")},  # full-width forms
})  # fmt: skip
_SCRIPTS = {"^": "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "_": "₀₁₂₃₄₅₆₇₈₉₊₋ₙ"}
_ON_THE_LINE = str.maketrans("".join(_SCRIPTS.values()), "0123456789+-n" * 2)
_RAISED = re.compile("|".join(f"(?P<{name}>[{_SCRIPTS[sign]}]+)" for name, sign in (("up", "^"), ("down", "_"))))
_ROOTS = {"√": r"\sqrt", "∛": r"\sqrt[3]", "∜": r"\sqrt[4]"}
_ROOT = re.compile(
    r"(?P<sign>[√∛∜])\s*(?P<of>[0-9]+(?:\.[0-9]+)?|[a-zA-Z]|\\[a-zA-Z]+)"
    r"|(?P<opening>[√∛∜]|(?<![a-zA-Z\\])\\?sqrt(?=\s*\())\s*\(|[()]"
)
_COMMANDS = (
    (re.compile(r"\\[dtc]frac(?![a-zA-Z])"), r"\\frac"),
    (re.compile(r"\\frac\s*([0-9])\s*([0-9])"), r"\\frac{\1}{\2}"),
    (re.compile(r"\\varnothing(?![a-zA-Z])"), r"\\emptyset"),
    (re.compile(r"\\mathbb\s*([A-Z])(?![a-zA-Z])"), r"\\mathbb{\1}"),
    (re.compile(r"\^\s*(-[0-9]+)"), r"^{\1}"),
    (re.compile(r"(?<![a-zA-Z\\])pi(?![a-zA-Z])"), r"\\pi "),
    (re.compile(r"\\([lg])e(?:q|qslant)(?![a-zA-Z])"), r"\\\1e"),
    (re.compile(r"\\neq(?![a-zA-Z])"), r"\\ne"),
    (re.compile(r"\\mid(?![a-zA-Z])[ ~]*"), "|"),
    (re.compile(r"\{,\}"), ","),
)
_ABOUT = re.compile(r"\s*(?:\\(?:approx|simeq|sim)(?![a-zA-Z])|=)\s*")
_MIXED = re.compile(r"(?<![_^.0-9])([0-9]+)[ ~]+([0-9]+)/([0-9]+)(?![0-9.])")
_EXPONENT = re.compile(r"\^\{([0-9]+)/([0-9]+)\}")
_SLASHED = re.compile(
    r"(?<![\w.)}\]^/])([0-9]+)/([0-9]+)"
    r"(?:[ ~]*(?=\\(?:pi|sqrt|sin|cos|tan|ln|log)(?![a-zA-Z]))|[ ~]+(?=[a-zA-Z](?![a-zA-Z])|\())"
)
_SCIENTIFIC = re.compile(r"(?<=[0-9.])[eE]([+-]?[0-9]+)(?![0-9.])")
_PERCENT = re.compile(r"^([^=,;<>%]*[^=,;<>%\s\\])\s*\\?%$")
_TWO_NUMBERS = re.compile(r"(?<![_^.0-9])[0-9]+(?:\.[0-9]+)?[ ~]+[0-9]")


def spelled(text: str) -> str:
    r"""The text in one spelling: without fonts, boxes, layout, math delimiters and a leading approximation sign.

    A LaTeX space becomes `~`, and so do the borders of words from a text command.
    """
    text = _rooted(_RAISED.sub(_script, readable(text).translate(_SIGNS)))
    text = _LAYOUT.sub("", _THOUSANDS.sub(",", _unwrapped(text)))
    for command, one in _COMMANDS:
        text = command.sub(one, text)
    text = _SPACE.sub(lambda space: " " if space[0].isspace() else "~", text)
    text = _SCRIPT.sub(r"\1\2", _TRIPLES.sub("", text)).strip(" ~")
    about = _ABOUT.match(text)
    return text[about.end() :] if about and about.end() < len(text) else text


def tight(text: str) -> str:
    """A spelled text for comparison: without spaces except between digits, and words in lower case."""
    text = _SPACES.sub("", _LISTED.sub(";", text))
    bare = text[1:-1] if len(text) > 2 and text[0] == "(" and text[-1] == ")" else ""
    text = _EXPONENT.sub(r"^{\\frac{\1}{\2}}", bare if bare.isalnum() else text)
    return text if "\\" in text else text.casefold()


def parsable(text: str) -> str:
    """A spelled text for math-verify: mixed numbers, percent and powers of ten in LaTeX, plain spaces."""
    text = _PERCENT.sub(r"\\frac{\1}{100}", text)
    text = _SCIENTIFIC.sub(r"\\times 10^{\1}", _MIXED.sub(r"\1\\frac{\2}{\3}", text))
    return text.replace("~", " ")


def readings(text: str) -> tuple[str, ...]:
    r"""What a spelled text may mean: 4/3\pi, which is 4 over 3\pi for math-verify, may also be \frac{4}{3}\pi."""
    other = _SLASHED.sub(r"\\frac{\1}{\2}", text)
    return (text,) if other == text else (text, other)


def is_two_numbers(text: str) -> bool:
    """Whether a spelled text has two numbers side by side, which math-verify would multiply."""
    return _TWO_NUMBERS.search(_MIXED.sub("", text)) is not None


def _script(found: re.Match[str]) -> str:
    """Superscript or subscript characters in LaTeX."""
    return f"{'^' if found['up'] else '_'}{{{found[0].translate(_ON_THE_LINE)}}}"


def _rooted(text: str) -> str:
    r"""Roots in LaTeX: √3, √(1 + x) and sqrt(3) become \sqrt{...}; unchanged if a root's parentheses do not close."""
    parts, closings, place = list[str](), list[str](), 0
    for match in _ROOT.finditer(text):
        parts.append(text[place : match.start()])
        place = match.end()
        if match["of"]:
            parts.append(f"{_ROOTS[match['sign']]}{{{match['of']}}}")
        elif match["opening"]:
            parts.append(_ROOTS.get(match["opening"], r"\sqrt") + "{")
            closings.append("}")
        elif match[0] == "(":
            parts.append("(")
            closings.append(")")
        else:  # perhaps of a half-open interval
            parts.append(closings.pop() if closings else ")")
    return text if "}" in closings else "".join((*parts, text[place:]))


def _unwrapped(text: str) -> str:
    """The text without the commands of `FONTS`; unchanged if its braces do not match."""
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
    """The replacement of a font's braces: braces around an argument, spaces around words, or nothing."""
    if re.search(r"(?:[\^_]|\\(?:[dtc]?frac|sqrt|[dt]?binom|overline|vec|hat))\s*$", before):
        return "{", "}"
    return ("~", "~") if first.isalpha() or first in " ~" else ("", "")
