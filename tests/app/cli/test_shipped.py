"""A configuration that comes with passk is found from any folder; a user's own comes before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli.shipped import with_shipped
from tests.conftest import ROOT

NAME = "configs/pass_at_1.yaml"
SHIPPED = str(ROOT / NAME)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["-c", NAME, "--config", NAME], ["-c", SHIPPED, "--config", SHIPPED]),
        ([f"--config={NAME}", f"-c{NAME}"], [f"--config={SHIPPED}", f"-c{SHIPPED}"]),
    ],
)
def test_a_shipped_file_is_read_where_there_is_none(
    given: list[str],
    read: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert with_shipped(["fit", *given, "--x=1"]) == ["fit", *read, "--x=1"]
    assert capsys.readouterr().err == f"{NAME}: {SHIPPED}\n" * 2


@pytest.mark.parametrize("given", [NAME, "configs/no_such.yaml", "my.yaml", "lightning.yaml", "configs"])
def test_all_else_is_as_it_was_given(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / NAME).touch()
    arguments = ["fit", "-c", given, "--config={a: 1}", "--data.x", NAME]
    assert with_shipped(arguments) == arguments
    assert capsys.readouterr().err == ""
