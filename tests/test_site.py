"""The site that mkdocs builds: every page in its menu, every class that a configuration names in its reference."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.cli.classes import KINDS, classes
from tests.conftest import ROOT

pytest.importorskip("mkdocs")


@pytest.fixture(scope="module")
def site() -> Any:
    """The hook."""
    spec = importlib.util.spec_from_file_location("site_hook", ROOT / "docs" / "site.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["site_hook"] = module  # where its dataclasses look for their names
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(site: Any) -> dict[str, str]:
    return {name: site.reference(name) for name in site.REFERENCE}


def paths_in(pages: dict[str, str]) -> set[str]:
    return {path for text in pages.values() for path in re.findall(r"^`([\w.]+)`$", text, re.MULTILINE)}


def test_every_class_that_is_listed_is_in_the_reference(pages: dict[str, str]) -> None:
    assert {known.path for kind in KINDS for known in classes(kind).values()} <= paths_in(pages)


def test_every_class_of_a_configuration_is_in_the_reference(pages: dict[str, str]) -> None:
    text = "\n".join(path.read_text() for path in [ROOT / "lightning.yaml", *(ROOT / "configs").rglob("*.yaml")])
    text = re.sub(r"#.*", "", text)
    named = set(re.findall(r"\b(?:app|callbacks|datamodules)\.[\w.]+\.([A-Z]\w+)", text))
    assert len(named) > 30
    assert named - {path.rpartition(".")[2] for path in paths_in(pages)} == set()


def of_class(page: str, name: str) -> str:
    """What a page says of a class."""
    return re.split(r"\n#+ ", re.split(rf"\n#+ {name}\n", page)[1])[0]


def test_an_argument_has_its_type_default_and_meaning(pages: dict[str, str]) -> None:
    part = of_class(pages["data"], "MazeDataModule")
    rows = {row.split("`")[1]: row for row in part.splitlines() if row.startswith("| `")}
    assert list(rows) == [
        "train", "validation", "test", "loop_rate", "min_distance", "style", "moves_per_square", "seed", "batch_size",
        "eval_batch_size", "cache_dir",
    ]  # fmt: skip
    assert rows["train"] == (
        "| `train` | <code>dict[int, int]</code> | <code>{7: 8000}</code> | of each size, how many mazes to train on. |"
    )
    assert "`ValueError` naming the value" in part
    assert "| `peak` |" in of_class(pages["run"], "Constant")  # its parent's
    assert "| `k` |" in of_class(pages["advantages"], "PassK")


def test_no_page_of_the_reference_has_an_argument_without_a_meaning(pages: dict[str, str]) -> None:
    """Of all arguments nine in ten are explained; a class may be plain enough."""
    rows = [row for text in pages.values() for row in text.splitlines() if row.startswith("| `")]
    assert len(rows) > 300
    assert sum(row.endswith("|  |") for row in rows) < 0.1 * len(rows)


def test_links_are_those_of_the_site(site: Any) -> None:
    found = dict(
        site.links("[a](../configs/README.md#x) `[b](c)` ![d](advantages/e.svg) [f](https://g.h)", "docs/i.md")
    )
    assert found["../configs/README.md"] == "configs/README.md"
    assert site.site_of("configs/README.md") == "configs.md"
    assert site.site_of("docs/runs.md") == "runs.md"
    assert site.site_of("lightning.yaml") == "files/lightning.yaml.md"
    assert not any("g.h" in link for link in found)


def test_every_page_of_docs_is_in_the_menu() -> None:
    text = (ROOT / "mkdocs.yml").read_text()
    menu = {page for part in yaml.safe_load(text)["nav"] for pages in part.values() for page in pages}
    assert {path.name for path in (ROOT / "docs").glob("*.md")} <= menu


def test_the_hook_imports_nothing_large() -> None:
    names = {
        node.module
        for node in ast.walk(ast.parse((ROOT / "docs" / "site.py").read_text()))
        if isinstance(node, ast.ImportFrom)
    }
    assert not names & {"torch", "lightning", "transformers"}


@pytest.mark.slow
def test_it_builds_strictly(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert built.returncode == 0, built.stderr
    text = (tmp_path / "index.html").read_text()
    assert 'href="real_models.html"' in text and 'src="advantages/pass_at_k.svg"' in text
