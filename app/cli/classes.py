"""Finds the classes that a configuration can name, by parsing the source without importing it."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KINDS: dict[str, tuple[str, ...]] = {
    "advantages": ("app/advantages", "AdvantageEstimator"),
    "losses": ("app/losses", "PolicyLoss"),
    "engines": ("app/engines", "RolloutEngine"),
    "triggers": ("callbacks/triggers", "Trigger"),
    "data": ("datamodules", "LightningDataModule"),
    "policies": ("app/policy", "Policy"),
    "rates": ("app/learning_rate.py", "LearningRate"),
    "scorers": ("datamodules", "Scorer"),
    "knobs": ("app/knobs.py", "Knob"),
    "samplers": ("app/draw", "ProblemSampler"),
    "corrections": ("app/losses", "Correction"),
    "filters": ("app/losses", "TokenFilter"),
    "penalties": ("app/losses", "KLPenalty"),
    "reductions": ("app/losses", "Reduction"),
    "references": ("app/losses", "Reference"),
    "scoring": ("app/scoring", "BatchScorer"),
    "styles": ("datamodules", "PromptStyle"),
    "callbacks": (
        "callbacks", "Callback", "ModelCheckpoint", "BasePredictionWriter", "ProgressBar",
        "Evaluation", "Replaying", "Saving", "Schedule",
    ),
}  # fmt: skip
"""By the name of a kind: the folder of its classes, and their base classes, which are not listed themselves."""


@dataclass(frozen=True)
class Known:
    """A class found in the source.

    Args:
        path: its import path in configurations.
        bases: names of its base classes.
        summary: the first sentence of its docstring.
        abstract: its abstract methods.
        defined: its other attributes and methods.
    """

    path: str
    bases: tuple[str, ...]
    summary: str
    abstract: frozenset[str]
    defined: frozenset[str]

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]


@cache
def classes(kind: str) -> dict[str, Known]:
    """The classes of a kind by their short names, in alphabetical order, without abstract ones."""
    return derived(*KINDS[kind])


def derived(folder: str, *bases: str) -> dict[str, Known]:
    """The classes of a folder that are derived from one of `bases`; keys and order as in `classes`."""
    there = {each.name: each for each in _read(folder)}
    found = {*bases}
    while more := {name for name, each in there.items() if name not in found and found.intersection(each.bases)}:
        found |= more
    named = [name for name in sorted(found & there.keys() - {*bases}) if not name.startswith("_")]
    return {name: there[name] for name in named if not _left(there[name], there)}


def _left(known: Known, there: dict[str, Known]) -> frozenset[str]:
    """The abstract methods of a class and its bases that are not implemented."""
    inherited = [_left(there[base], there) for base in known.bases if base in there]
    return known.abstract | (frozenset().union(*inherited) - known.defined)


def import_named(text: str) -> None:
    """Import every class whose short name is a word of the text, so that jsonargparse accepts the short name.

    text: of arguments and YAML files; comments (from # on) are ignored.
    """
    words = set(re.findall(r"(?<![\w.])[A-Z]\w+", re.sub(r"(^|\s)#.*", "", text, flags=re.MULTILINE)))
    for kind in KINDS:
        for name in sorted(words & classes(kind).keys()):
            getattr(import_module(classes(kind)[name].path.rpartition(".")[0]), name)  # some are imported lazily


def alike(name: str) -> str | None:
    """The known class with the most similar short name; None if none is similar."""
    known = [each for kind in KINDS for each in classes(kind)]
    return next(iter(get_close_matches(name, known, n=1)), None)


def listed(arguments: Sequence[str]) -> int:
    """Print the classes of one kind, or of all.  -> the exit status"""
    if arguments and arguments[0] not in KINDS:
        given = arguments[0]
        if given in ("-h", "--help"):
            print(f"usage: passk list [{' | '.join(KINDS)}]")
            return 0
        print(f"passk: error: no kind {given!r} to list: there are {', '.join(KINDS)}", file=sys.stderr)
        return 2
    for kind in arguments[:1] or KINDS:
        if not arguments:
            print(f"{kind}:")
        width = max(map(len, classes(kind)))
        for name, each in classes(kind).items():
            print(f"{'' if arguments else '  '}{name:<{width}}  {each.summary}")
    return 0


def _read(folder: str) -> Iterator[Known]:
    place = ROOT / folder
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    trees = {file: ast.parse(file.read_text(encoding="utf-8")) for file in files}
    shown = {file.parent: _exported(tree) for file, tree in trees.items() if file.name == "__init__.py"}
    for file, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                yield Known(f"{_module(file, node.name, shown)}.{node.name}", *_facts(node))


def _module(file: Path, name: str, shown: dict[Path, set[str]]) -> str:
    """The package that exports a class, or else its module."""
    place = next((folder for folder in file.parents if name in shown.get(folder, ())), file.with_suffix(""))
    return ".".join(place.relative_to(ROOT).parts).removesuffix(".__init__")


def _exported(tree: ast.Module) -> set[str]:
    """The names in a package's `__all__`."""
    values = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == "__all__" for to in node.targets)
    ]
    return {
        node.value
        for value in values
        for node in ast.walk(value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def _facts(node: ast.ClassDef) -> tuple[tuple[str, ...], str, frozenset[str], frozenset[str]]:
    bases = tuple(ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases)
    doc = " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split())
    found = re.match(r"(.+?(?<!\bDr)[.:])(?= [A-Z(]|$)", doc)
    methods = [part for part in node.body if isinstance(part, ast.FunctionDef)]
    abstract = {
        each.name for each in methods if any("abstractmethod" in ast.unparse(mark) for mark in each.decorator_list)
    }
    fields = {
        part.target.id for part in node.body if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
    }
    defined = {each.name for each in methods} - abstract | fields
    return bases, (found[1] if found else doc).rstrip(".:"), frozenset(abstract), frozenset(defined)
