"""Generates hostile answers, which a scorer must score without an exception, a delay or a mistake.

Half of them are right answers with a small change or none, on which mistakes are most likely.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Sequence
from random import Random

from datamodules.enigmata.tasks.answers import FENCE

_PART = re.compile(r"\s+|\w+|[^\w\s]")
_NUMBER = re.compile(r"[0-9]{1,9}")

Maker = Callable[[Random, str, Sequence[str]], str]
"""(random stream, right answer to the question, answers to other puzzles) -> hostile answer."""


def fenced(text: str) -> str:
    """The text in a fenced block."""
    return f"{FENCE}\n{text}\n{FENCE}"


def random_bytes(random: Random, right: str, others: Sequence[str]) -> str:
    """Random characters of all kinds, except surrogates."""
    length = random.choice((1, 10, 100, 1000))
    text = "".join(chr(random.choice((random.randrange(1, 128), random.randrange(128, 0xD800)))) for _ in range(length))
    return fenced(text)


def numbers(random: Random, right: str, others: Sequence[str]) -> str:
    """Numbers: huge, negative, fractional, in other scripts."""
    kinds = (
        "9" * random.choice((20, 400, 5000)),
        "-1",
        "1e309",
        "0x1F",
        "\u0663",
        "\u00b2",
        "1_000",
        "NaN",
        "--3",
        "007",
    )
    return fenced(random.choice((" ", "\n", ", ")).join(random.choice(kinds) for _ in range(random.randint(1, 30))))


def brackets(random: Random, right: str, others: Sequence[str]) -> str:
    """Brackets: deeply nested, unbalanced, or around the right answer."""
    depth = random.choice((1, 10, 1000, 4000))
    opening, closing = random.choice(("()", "[]", "{}"))
    inside = random.choice((right, "1", ""))
    return fenced(opening * depth + inside + closing * random.choice((depth, depth - 1, 0)))


CODE = (
    "9**9**9**9", "__import__('os').system('true')", "(lambda: 24)()", "24 # 8*3", "8*3 # 2 1", "exec('1')",
    "1 if 1 else 0", "[x for x in range(10**9)]", "{}.__class__", "True", "None",
    "0/0", "1//0", "%s" * 100, "\\x00", "${1}", "'; DROP",
    "import sys; sys.exit()", "f'{1}'", "()*10**9", "\"a\"*10**9",
)  # fmt: skip


def code(random: Random, right: str, others: Sequence[str]) -> str:
    """Code that an `eval` would run."""
    return fenced(
        random.choice((random.choice(CODE), f"{right} {random.choice(CODE)}", f"{random.choice(CODE)}\n{right}"))
    )


def fences(random: Random, right: str, others: Sequence[str]) -> str:
    """Fences: incomplete, nested, many, empty."""
    return random.choice(
        (
            f"{FENCE}\n{right}", f"{right}\n{FENCE}", FENCE * random.randint(1, 2000),
            f"{FENCE}{FENCE}\n{right}\n{FENCE}",
            f"{fenced(right)}\n{FENCE}\nunfinished", f"{FENCE}python\n{FENCE}\n{right}", f"``\n{right}\n``", right,
        )
    )  # fmt: skip


def long(random: Random, right: str, others: Sequence[str]) -> str:
    """Up to a million characters, in a block or around it."""
    size = random.choice((10_001, 100_000, 1_000_000)) if random.random() < 0.02 else 10_000
    letter = random.choice("0 (\n[,LA*+" + right[:1])
    return random.choice((fenced(letter * size), letter * size + fenced(right + " "), fenced((right + "\n") * 50)))


def others_answers(random: Random, right: str, others: Sequence[str]) -> str:
    """The right answer to another puzzle."""
    return fenced(random.choice(others))


def mutations(random: Random, right: str, others: Sequence[str]) -> str:
    """The right answer with a few characters changed."""
    letters = list(right)
    for _ in range(random.randint(1, 3)):
        place = random.randrange(len(letters) + 1)
        kind = random.randrange(3)
        if kind == 0:
            letters.insert(place, random.choice(string.printable + right))
        elif letters:
            place = min(place, len(letters) - 1)
            letters[place] = random.choice(right or "0") if kind == 1 else ""
    return fenced("".join(letters))


def near_misses(random: Random, right: str, others: Sequence[str]) -> str:
    """The right answer with one or two of its parts (words, numbers, marks) changed, doubled, dropped or exchanged."""
    parts = _PART.findall(right)
    for _ in range(random.randint(1, 2)):
        place, other = random.randrange(len(parts)), random.randrange(len(parts))
        kind = random.randrange(6)
        if kind == 0:
            parts[place], parts[other] = parts[other], parts[place]
        elif kind == 1:
            parts[place] = parts[other]
        elif kind == 2:
            parts[place] *= 2
        elif kind == 3:
            parts[place] = parts[place].swapcase()
        elif _NUMBER.fullmatch(parts[place]):
            parts[place] = str(int(parts[place]) + random.choice((-1, 1)))
        else:
            parts[place] = ""
    return fenced("".join(parts))


def in_lines(random: Random, right: str, others: Sequence[str]) -> str:
    """The right answer with lines, or parts between commas, reordered, doubled or dropped."""
    between = random.choice(("\n", ", ", "," if "," in right else " "))
    parts = right.split(between)
    kind = random.randrange(4)
    if kind == 0:
        random.shuffle(parts)
    elif kind == 1:
        parts.reverse()
    elif kind == 2:
        parts.insert(random.randrange(len(parts)), random.choice(parts))
    else:
        del parts[random.randrange(len(parts))]
    return fenced(between.join(parts))


def spelled(random: Random, right: str, others: Sequence[str]) -> str:
    """The right answer in other usual formats, with text around it."""
    text = random.choice((right, right.lower(), right.upper(), f'"{right}"', f" {right} ", f"[{right}]", f"{right}."))
    text = random.choice((text, text.replace(" ", ""), text.replace(" ", ", "), text.replace("\n", "\n\n")))
    return f"{random.choice(('', 'So it is this:', fenced('no')))}\n{fenced(text)}\nDone."


NEAR: tuple[Maker, ...] = (mutations, mutations, mutations, near_misses, near_misses, in_lines, spelled)
FAR: tuple[Maker, ...] = (random_bytes, numbers, brackets, code, fences, long, others_answers)


def hostile(random: Random, right: str, others: Sequence[str]) -> str:
    """One hostile response; with probability 1/2 derived from the right answer."""
    return random.choice(random.choice((NEAR, FAR)))(random, right, others)
