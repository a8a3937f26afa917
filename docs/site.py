"""Adds pages outside docs/ to the mkdocs site: top-level pages, linked files, and the reference of every class.

A hook of mkdocs (mkdocs.yml). The reference is parsed from signatures and docstrings without importing anything. It
has the classes that a configuration can name, found like those of `passk list`.
"""

from __future__ import annotations

import ast
import html
import posixpath
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from docstring_parser import DocstringStyle, parse
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # mkdocs may run without passk installed

from app.cli.classes import KINDS, Known, derived  # noqa: E402

TOP = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "configs/README.md": "configs.md",
}
"""Pages of the repository outside docs/, and their paths on the site."""

CALLBACKS = ("callbacks", "Callback", "ProgressBar", "ModelCheckpoint", "BasePredictionWriter")
ROLES = ("Evaluation", "Replaying", "Saving", "Schedule")
"""Interfaces between callbacks, which a configuration cannot name."""

REFERENCE: dict[str, tuple[str, dict[str, tuple[str, ...]]]] = {
    "advantages": ("Advantages", {"": KINDS["advantages"]}),
    "losses": (
        "Losses",
        {
            "": KINDS["losses"],
            "Reductions": ("app/losses", "Reduction"),
            "Token filters": ("app/losses", "TokenFilter"),
            "KL penalties": ("app/losses", "KLPenalty"),
            "References of a penalty": ("app/losses", "Reference"),
            "Corrections": ("app/losses", "Correction"),
        },
    ),
    "engines": ("Engines", {"": KINDS["engines"]}),
    "callbacks": ("Callbacks", {"": CALLBACKS}),
    "triggers": ("Triggers", {"": KINDS["triggers"]}),
    "policies": ("Policies", {"": KINDS["policies"]}),
    "data": (
        "Data modules",
        {
            "": KINDS["data"],
            "How a maze is asked": ("datamodules/maze", "PromptStyle"),
            "Which problems are drawn": KINDS["samplers"],
        },
    ),
    "scorers": (
        "Scorers",
        {"": KINDS["scorers"], "Where scorers run": ("app/scoring", "BatchScorer")},
    ),
    "run": (
        "The module, learning rates, stages",
        {"": (), "Learning rates": KINDS["rates"], "k, N and temperature over a stage": KINDS["knobs"]},
    ),
}
"""The reference's pages: a title, and for each heading the folder and base classes of its classes."""

SINGLE = {
    "run": ["app.module.RLVRModule", "callbacks.schedule.stages.Stage", "callbacks.schedule.stages.Rounds",
            "app.types.sampling.Sampling", "app.knobs.Knobs",
            "app.replay.groups.GroupReplay", "app.replay.prefixes.PrefixReplay",
            "callbacks.evaluation.sets.Settings", "datamodules.base.chat.Chat"],
    "policies": ["app.policy.LoRA", "app.policy.QLoRA", "app.remote.RemotePolicy"],
    "engines": ["app.engines.vllm.transfer.FileTransfer", "app.engines.vllm.transfer.NCCLTransfer"],
    "data": ["datamodules.task.Table"],
}  # fmt: skip
"""Classes without a kind."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a class's signature, as in the source."""

    name: str
    kind: str
    default: str


def on_files(files: Files, config: Any) -> Files:
    """Add the pages and files outside docs/."""
    pages = {site: (ROOT / place).read_text() for place, site in TOP.items()}
    pages |= {f"reference/{name}.md": reference(name) for name in REFERENCE}
    linked = {target for place in [*TOP, *_own()] for _, target in links((ROOT / place).read_text(), place)}
    for target in sorted(linked):
        if target not in TOP and not target.startswith("docs/"):
            pages[f"files/{target}.md"] = _file_page(target)
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Replace links by those of the site."""
    place = place_of(page.file.src_uri)
    for link, target in links(markdown, place):
        mine = posixpath.relpath(site_of(target), posixpath.dirname(page.file.src_uri) or ".")
        markdown = markdown.replace(f"]({link}", f"]({mine}")
    return markdown


def _own() -> list[str]:
    return [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))]


def place_of(site: str) -> str:
    """The path in the repository of a page of the site."""
    return next((place for place, name in TOP.items() if name == site), f"docs/{site}")


def site_of(place: str) -> str:
    """The path on the site of a file of the repository."""
    if place in TOP:
        return TOP[place]
    return place.removeprefix("docs/") if place.startswith("docs/") else f"files/{place}.md"


def links(markdown: str, place: str) -> Iterator[tuple[str, str]]:
    """The links of a page to files: as written, without an anchor, and relative to the repository's root."""
    text = re.sub(r"^```.*?^```", "", markdown, flags=re.DOTALL | re.MULTILINE)
    for link in dict.fromkeys(re.findall(r"\]\(([^)#\s]+)", text)):
        if "://" not in link and not link.startswith("mailto:"):
            yield link, posixpath.normpath(posixpath.join(posixpath.dirname(place), link))


def _file_page(place: str) -> str:
    """A page that shows a file."""
    path = ROOT / place
    if not path.is_file():
        raise ValueError(f"a page links to {place}, which is no file")
    return f"# {place}\n\n````{path.suffix.removeprefix('.')}\n{path.read_text().rstrip()}\n````\n"


# -- the reference ------------------------------------------------------------------------------------


def reference(name: str) -> str:
    """A page of the reference: its groups of classes, each with a heading if there are several."""
    title, parts = REFERENCE[name]
    groups = {heading or title: [*(derived(*where).values() if where else ())] for heading, where in parts.items()}
    groups[next(iter(groups))] += [_known(path) for path in SINGLE.get(name, [])]
    text = [f"# {title}", f"A configuration names a class by its path{', or by its name alone' * (name in KINDS)}."]
    for heading, found in groups.items():
        text += [f"## {heading}"] * (len(groups) > 1)
        text += [of_class(each, "##" + "#" * (len(groups) > 1)) for each in found if each.name not in ROLES]
    return "\n\n".join(text) + "\n"


def _known(path: str) -> Known:
    return Known(path, (), "", frozenset(), frozenset())


def of_class(known: Known, level: str) -> str:
    """A class under a heading of this level: its path, description, arguments and errors."""
    node = _nodes()[known.name]
    doc = parse(ast.get_docstring(node) or "", style=DocstringStyle.GOOGLE)
    words = [part for part in (doc.short_description, doc.long_description) if part]
    text = [f"{level} {known.name}", f"`{known.path}`", *words]
    told = {name: what for of in _line_of(node) for name, what in _told(of).items()}
    rows = [(each, told.get(each.name, "")) for each in signature(node)]
    if rows:
        cells = [
            [f"`{each.name}`", _code(each.kind), _code(each.default) or "required", what.replace("|", "&#124;")]
            for each, what in rows
        ]
        lines = [f"| {' | '.join(of_row)} |" for of_row in cells]
        text.append("\n".join(["| argument | type | default | |", "| --- | --- | --- | --- |", *lines]))
    raised = [f"`{each.type_name}` {' '.join((each.description or '').split())}" for each in doc.raises]
    return "\n\n".join([*text, *([f"Raises {'; '.join(raised)}"] if raised else [])])


def _told(node: ast.ClassDef) -> dict[str, str]:
    """The description of each argument in a class's docstring."""
    doc = parse(ast.get_docstring(node) or "", style=DocstringStyle.GOOGLE)
    return {
        name.strip(): " ".join((each.description or "").split())
        for each in doc.params
        if each.args[0] == "param"
        for name in each.arg_name.split(",")
    }


def signature(node: ast.ClassDef) -> list[Parameter]:
    """The arguments of a class: those of its `__init__`, its fields, or those of its base class."""
    for each in reversed(_line_of(node)):
        init = next((part for part in each.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"), None)
        if init is not None:
            known = _constants(each)
            return [replace(part, default=known.get(part.default, part.default)) for part in _parameters(init.args)]
        if any("dataclass" in ast.unparse(mark) for mark in each.decorator_list):
            lines = [part for of in _line_of(each) for part in of.body if isinstance(part, ast.AnnAssign)]
            return [_field(part) for part in lines if "ClassVar" not in ast.unparse(part.annotation)]
    return []


def _parameters(arguments: ast.arguments) -> list[Parameter]:
    given = [*arguments.args[1:], *arguments.kwonlyargs]
    positional = [None] * (len(arguments.args) - len(arguments.defaults)) + [*arguments.defaults]
    defaults = [*positional[1:], *arguments.kw_defaults]
    return [
        Parameter(each.arg, _source(each.annotation), _source(default))
        for each, default in zip(given, defaults, strict=True)
    ]


def _field(part: ast.AnnAssign) -> Parameter:
    return Parameter(_source(part.target), _source(part.annotation), _source(part.value))


def _source(node: ast.AST | None) -> str:
    return "" if node is None else ast.unparse(node)


def _line_of(node: ast.ClassDef) -> list[ast.ClassDef]:
    """A class and its base classes in the source, the first ancestor first."""
    bases = [ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases]
    return [*(above for base in bases if base in _nodes() for above in _line_of(_nodes()[base])), node]


@cache
def _trees() -> list[ast.Module]:
    files = [path for folder in ("app", "callbacks", "datamodules") for path in sorted((ROOT / folder).rglob("*.py"))]
    return [ast.parse(path.read_text()) for path in files]


@cache
def _nodes() -> dict[str, ast.ClassDef]:
    """Every class of the source by its name, including private ones, which may be base classes."""
    return {node.name: node for tree in _trees() for node in tree.body if isinstance(node, ast.ClassDef)}


def _constants(of: ast.ClassDef) -> dict[str, str]:
    """The values of the constants in a class's module, which may be defaults of its arguments."""
    found: dict[str, str] = {}
    (tree,) = (tree for tree in _trees() if of in tree.body)
    for node in (node for node in tree.body if isinstance(node, ast.Assign)):
        target, value = node.targets[0], node.value
        pair = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
        names, values = (target.elts, value.elts) if pair else ([target], [value])  # type: ignore[attr-defined]
        found |= {_source(name): _source(each) for name, each in zip(names, values, strict=False)}
    return found


def _code(text: str) -> str:
    """Code in a table cell as HTML, since Markdown's would end at a bar."""
    return f"<code>{html.escape(text).replace('|', '&#124;')}</code>" if text else ""
