"""A hint to install something can be followed, and fetches nothing of the same name by others."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from app import extras
from tests.conftest import ROOT

DECLARED = [
    "torch<2.14,>=2.11",
    'peft>=0.21; extra == "lora"',
    'passk-rlvr[lora]; extra == "qlora"',
    'bitsandbytes>=0.50; extra == "qlora"',
]


def test_in_a_clone_an_extra_is_installed_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    assert extras.install("lora") == "pip install -e '.[lora]'"
    monkeypatch.chdir(tmp_path)
    assert extras.install("lora") == f"pip install -e '{ROOT}[lora]'"


def test_beside_a_wheel_the_hint_names_what_the_extra_stands_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(extras, "ROOT", tmp_path)
    monkeypatch.setattr(extras, "requires", {extras.DISTRIBUTION: DECLARED}.get)
    assert extras.install("qlora") == "pip install 'peft>=0.21' 'bitsandbytes>=0.50'"


def test_a_missing_module_is_named_with_the_command() -> None:
    with pytest.raises(ImportError, match=r"mathematics needs no_such_module: pip install -e '.*\[math\]'"):
        extras.needed("no_such_module", "math", "mathematics")


def test_the_distribution_is_not_the_one_of_pypi() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["name"] == extras.DISTRIBUTION != "passk"


@pytest.mark.parametrize("folder", ["app", "callbacks", "configs", "datamodules", "docs", "benchmarks"])
def test_nowhere_is_it_said_to_install_passk_from_an_index(folder: str) -> None:
    files = [path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".md", ".yaml")]
    assert files
    assert [path for path in files if re.search(r"pip install .*passk\b", path.read_text())] == []
