"""An error from the user's code names its line; one of passk's or a library's own does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from app.cli import main
from app.raised import raised_at
from datamodules.scorers import Exact


class OddError(Exception):
    @property
    def __cause__(self) -> BaseException:  # type: ignore[override]
        raise RuntimeError


def line_of(text: str) -> int:
    return Path(__file__).read_text().splitlines().index(text) + 1


def divides() -> None:
    1 / 0  # noqa: B018


def reads() -> None:
    json.loads("{")


def is_handled() -> None:
    """As if by a library."""
    try:
        divides()
    except ZeroDivisionError as error:
        exec(compile("raise ValueError from error", json.__file__, "exec"), {"error": error})


def asks() -> None:
    Exact().check([1])


def is_odd() -> None:
    raise OddError


@pytest.mark.parametrize(
    ("call", "kind", "line"),
    [
        (divides, "ZeroDivisionError", "    1 / 0  # noqa: B018"),
        (reads, "JSONDecodeError", '    json.loads("{")'),
        (
            is_handled,
            "ValueError",
            '        exec(compile("raise ValueError from error", json.__file__, "exec"), {"error": error})',
        ),
        (is_odd, "OddError", "    raise OddError"),
    ],
)
def test_the_last_line_of_the_users_code_is_named(call: Callable[[], None], kind: str, line: str) -> None:
    with pytest.raises(Exception) as raised:
        call()
    found = raised_at(raised.value)
    assert found is not None
    assert type(found[0]).__name__ == kind
    assert found[1].endswith(f"{Path(__file__).name}, line {line_of(line)}")


def test_what_passk_refuses_has_no_place() -> None:
    with pytest.raises(ValueError, match="neither text nor a number") as raised:
        asks()
    assert raised_at(raised.value) is None
    assert raised_at(ValueError("never raised")) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import json\nNAMES = {}['task']\n", "data: 'task' (KeyError in my_{}.py, line 2)"),
        (
            "import json\n\nclass Mine:\n    x = json.loads('')\n",
            "(JSONDecodeError in my_{}.py, line 4: Expecting value: line 1 column 1 (char 0))",
        ),
        (
            "from datamodules.scorers import Exact\nclass Mine(Exact):\n    def __init__(self):\n        [][3]\n",
            "list index out of range (IndexError in my_{}.py, line 4)",
        ),
    ],
    ids=["import", "library", "arguments"],
)
def test_the_command_line_names_it(
    text: str,
    message: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = request.node.callspec.id
    (tmp_path / f"my_{name}.py").write_text(text)
    (tmp_path / "rows.jsonl").write_text('{"prompt": "UD>", "answer": "UD"}\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    rows = ["--data.train=rows.jsonl", "--data.validation=rows.jsonl"]
    with pytest.raises(SystemExit):
        main(["fit", "--data=TaskDataModule", *rows, f"--data.scorer=my_{name}.Mine"])
    assert capsys.readouterr().err.endswith(f"{message.format(name)}\n")
