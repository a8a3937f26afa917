"""No file calls what would run a text as code, or read it as an object: what a model wrote is only ever text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

FORBIDDEN = {"eval", "exec", "compile", "__import__", "literal_eval"}
OBJECTS = {"pickle", "cPickle", "cloudpickle", "dill", "marshal", "shelve", "jsonpickle"}
APART = {ROOT / "app" / "scoring" / "scorers.py", ROOT / "app" / "scoring" / "process.py"}
"""The trainer sends problems to a process of its own: tests/test_security.py."""
FOLDERS = ("app", "callbacks", "datamodules", "benchmarks")
FILES = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if path not in APART]


def offences(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN:
            yield f"{node.lineno} calls {node.func.id}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called, of_torch = node.func.attr, ast.unparse(node.func.value) == "torch"
            weights_only = any(ast.unparse(keyword) == "weights_only=True" for keyword in node.keywords)
            unpickles = called == "load" and of_torch and not weights_only
            if called == "literal_eval" or (called == "eval" and node.args) or unpickles:
                yield f"{node.lineno} calls {called}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names}
            modules = {node.module or ""} if isinstance(node, ast.ImportFrom) else names
            if {module.split(".")[0] for module in modules} & OBJECTS and names != {"UnpicklingError"}:
                yield f"{node.lineno} imports {', '.join(modules)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_is_run_or_unpickled(path: Path) -> None:
    assert list(offences(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    ["eval(x)", "exec(x)", "ast.literal_eval(x)", "literal_eval(x)", "df.eval(x)", "import pickle", "torch.load(x)",
     "from pickle import loads", "compile(x, '', 'eval')", "torch.load(x, weights_only=False)"],
)  # fmt: skip
def test_what_it_would_find(source: str) -> None:
    assert list(offences(source))


@pytest.mark.parametrize(
    "source",
    ["policy.eval()", "re.compile(x)", "torch.load(x, weights_only=True)", "from pickle import UnpicklingError"],
)
def test_what_it_lets_pass(source: str) -> None:
    assert not list(offences(source))
