"""What SECURITY.md promises."""

from __future__ import annotations

import ast
import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import datasets
import pyarrow
import pytest
import torch
from pyarrow import parquet

from app.policy import PretrainedPolicy
from datamodules.sources import read_dataset, read_rows
from tests.app.types.test_pictures import RED
from tests.conftest import ROOT, CommandLine, scripted, stage

FORBIDDEN = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load"),
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.loads", "shelve.open", "numpy.load", "np.load"),
    *("subprocess.run", "subprocess.call", "subprocess.Popen", "subprocess.check_output"),
}
ALLOWED = {
    ("app/scoring/process.py", "pickle.loads"),
    ("app/scoring/scorers.py", "subprocess.Popen"),
    ("app/engines/vllm/process.py", "subprocess.Popen"),
}
"""The trainer's own worker, what the trainer sends it, and the server that it starts."""


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """All that a file calls by a plain name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def sources() -> list[Path]:
    return [path for package in ("app", "callbacks", "datamodules") for path in (ROOT / package).rglob("*.py")]


def test_nothing_in_the_program_evaluates_text_or_unpickles() -> None:
    found = {(str(path.relative_to(ROOT)), name) for path in sources() for name, _ in calls(path) if name in FORBIDDEN}
    assert found == ALLOWED


def test_whatever_torch_loads_is_weights_only() -> None:
    loads = [call for path in sources() for name, call in calls(path) if name == "torch.load"]
    assert loads
    for call in loads:
        (value,) = [keyword.value for keyword in call.keywords if keyword.arg == "weights_only"]
        assert ast.unparse(value) == "True"


def test_the_search_sees_what_it_looks_for(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import pickle\ndef f(x):\n    return [eval(x), pickle.loads(x)]\n")
    assert {name for name, _ in calls(tmp_path / "bad.py")} == {"eval", "pickle.loads"}


# -- what a stranger's file might try -----------------------------------------------------------------


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("command", ["fit", "validate", "diagnose"])
def test_a_checkpoint_that_would_run_something_is_refused(
    passk: CommandLine, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from app.cli import main

    path, trace = tmp_path / "bomb.ckpt", tmp_path / "trace"
    torch.save({"state_dict": {}, "bomb": Bomb(trace)}, path)
    options = passk.options("--ckpt_path", str(path), schedule={"stages": [stage("explore")]})
    with pytest.raises(SystemExit) as ended:
        main([command, str(path)] if command == "diagnose" else [command, *options])
    assert ended.value.code == 2
    assert f"{path} holds more than plain data and is not read" in capsys.readouterr().err
    assert not trace.exists()


def test_code_of_a_repository_is_run_only_if_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    trace, repository = tmp_path / "trace", tmp_path / "repository"
    repository.mkdir()
    config = {"model_type": "stranger", "auto_map": {"AutoConfig": "code.StrangerConfig"}}
    (repository / "config.json").write_text(json.dumps(config))
    (repository / "code.py").write_text(
        f"import os\nos.mkdir({str(trace)!r})\nfrom transformers import PretrainedConfig\n"
        "class StrangerConfig(PretrainedConfig):\n    model_type = 'stranger'\n"
    )
    with pytest.raises(ValueError, match="no policy could be loaded"):
        PretrainedPolicy(str(repository)).load()
    assert not trace.exists()
    with pytest.raises(ValueError, match="no policy could be loaded"):  # there are no weights
        PretrainedPolicy(str(repository), trust_remote_code=True).load()
    assert trace.exists()


class Listening(BaseHTTPRequestHandler):
    """A server that takes down what it is asked for."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(f"{self.command} {self.path}")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(RED.data)

    do_HEAD = do_GET  # noqa: N815 - the library's name

    def log_message(self, *arguments: Any) -> None: ...


@pytest.fixture
def address() -> Iterator[str]:
    """Of a server on this machine that would be glad to be asked for a picture."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Listening)
    Listening.asked.clear()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/picture.png"
    server.shutdown()
    server.server_close()


COLUMNS: dict[str, Callable[[Any, Any], tuple[Any, Any]]] = {
    "a picture": lambda kind, value: (kind, value),
    "a list": lambda kind, value: (datasets.List(kind), [value]),
    "a list of lists": lambda kind, value: (datasets.List(datasets.List(kind)), [[value]]),
    "an object": lambda kind, value: ({"inner": kind}, {"inner": value}),
    "a list of objects": lambda kind, value: (datasets.List({"inner": kind}), [{"inner": value}]),
}


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("kind", ["Image", "Audio", "Video"])
def test_nothing_that_data_name_is_fetched_or_opened(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch, column: str, kind: str
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "secret.png").write_bytes(RED.data)
    named = [{"bytes": None, "path": name} for name in (address, str(tmp_path / "secret.png"))]
    types, values = zip(*(COLUMNS[column](getattr(datasets, kind)(), value) for value in named), strict=True)
    features = datasets.Features({"picture": types[0]})
    path = str(tmp_path / "rows.parquet")
    table = pyarrow.table({"picture": pyarrow.array(values, features.arrow_schema.field(0).type)})
    parquet.write_table(table.cast(features.arrow_schema), path)
    stored = [{"picture": value} for value in values]
    assert list(read_rows(path, "train")) == stored
    assert list(read_dataset("owner/name", "parquet", data_files=path, split="train")) == stored  # as of the hub
    assert Listening.asked == []


def test_names_from_data_and_configurations_stay_in_the_run_folder(passk: CommandLine) -> None:
    """Files outside: none but those the test has put there."""
    before = {path for path in passk.folder.iterdir()}
    name = "../../../escaped <b>/.."
    passk.fit([stage(name)], rollout={"engine": scripted("../../escaped", "/etc/escaped")})
    made = {path for path in passk.folder.iterdir()} - before
    assert {path.name for path in made} == {"overlay-0.yaml", "runs"}
    assert not list(passk.folder.parent.rglob("*escaped"))
    (folder,) = (passk.folder / "runs" / "maze" / "version_0" / "stages").iterdir()
    assert folder.name == "1-..-..-..-escaped-b-.."
