"""`push_to_hub` against a hub of the test's own: what is uploaded, and what is said where it can't be."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import CommitInfo, HfApi, ModelCard, RepoUrl

from app.cli import main
from app.upload import ADAPTER, LEFT_OUT, upload
from callbacks.saving.card import _shortened
from tests.conftest import BY_LENGTH, CommandLine, Run, stage, steps

PUSH = "--trainer.callbacks+=callbacks.saving.hub.PushToHub"
STAGES = [stage("only", BY_LENGTH, until=steps(1))]


class Hub:
    """Takes folders, or breaks with an error."""

    def __init__(self) -> None:
        self.made: list[tuple[str, bool | None]] = []
        self.files: dict[str, bytes] = {}
        self.error: dict[str, Exception] = {}

    def create_repo(self, repo_id: str, private: bool | None = None, exist_ok: bool = False) -> Any:
        if "create" in self.error:
            raise self.error["create"]
        assert exist_ok
        self.made.append((repo_id, private))
        return RepoUrl(f"https://hub/{repo_id if '/' in repo_id else f'me/{repo_id}'}", endpoint="https://hub")

    def upload_folder(self, repo_id: str, folder_path: Path, ignore_patterns: list[str], commit_message: str) -> Any:
        if "upload" in self.error:
            raise self.error["upload"]
        names = [str(path.relative_to(folder_path)) for path in folder_path.rglob("*") if path.is_file()]
        kept = [name for name in names if not any(fnmatch.fnmatch(name, pattern) for pattern in ignore_patterns)]
        self.files |= {f"{repo_id}/{name}": (folder_path / name).read_bytes() for name in kept}
        url = f"https://huggingface.co/{repo_id}/commit/1"
        return CommitInfo(commit_url=url, commit_message=commit_message, commit_description="", oid="1")

    def upload_file(self, repo_id: str, path_or_fileobj: bytes, path_in_repo: str, commit_message: str) -> Any:
        self.files[f"{repo_id}/{path_in_repo}"] = path_or_fileobj
        return commit_message


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    hub = Hub()
    for name in (
        "create_repo",
        "upload_folder",
        "upload_file",
    ):  # takes what the library takes, and gives what it gives
        assert set(signature(getattr(Hub, name)).parameters) <= set(signature(getattr(HfApi, name)).parameters)
    monkeypatch.setattr(HfApi, "create_repo", lambda self, *args, **kwargs: hub.create_repo(*args, **kwargs))
    monkeypatch.setattr(HfApi, "upload_folder", lambda self, **kwargs: hub.upload_folder(**kwargs))
    monkeypatch.setattr(HfApi, "upload_file", lambda self, **kwargs: hub.upload_file(**kwargs))
    return hub


def test_the_last_stage_is_uploaded_with_its_card(passk: CommandLine, hub: Hub) -> None:
    options = ("--trainer.callbacks.hub_model_id=mazes", "--trainer.callbacks.hub_private_repo=true")
    passk.fit([*STAGES, stage("last", BY_LENGTH, until=steps(1))], PUSH, *options)
    assert hub.made == [("mazes", True)]
    names = {name.removeprefix("me/mazes/") for name in hub.files}
    assert {"README.md", "config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not any("ckpt" in name for name in names)
    assert b"last" in hub.files["me/mazes/README.md"].partition(b"\n# ")[2].splitlines()[0]


def test_a_hub_out_of_reach_is_an_error_before_training(
    passk: CommandLine, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.error["create"] = ConnectionError("Cannot reach https://huggingface.co\n\noffline mode is enabled")
    with pytest.raises(SystemExit) as ended:
        passk.fit(STAGES, PUSH, "--trainer.callbacks.hub_model_id=me/mazes")
    assert ended.value.code == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    reason = "ConnectionError: Cannot reach https://huggingface.co"
    assert last == f"passk: error: hub_model_id='me/mazes' can't be made or found: {reason}"


def test_an_upload_that_fails_loses_nothing(
    passk: CommandLine, hub: Hub, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.error["upload"] = OSError("disk of the hub is full")
    cli = passk.fit(STAGES, PUSH, "--trainer.callbacks.hub_model_id=me/mazes")
    folder = Path(cli.trainer.log_dir) / "stages" / "1-only"
    assert (folder / "model.safetensors").exists()
    (said,) = [record.getMessage() for record in caplog.records if "was not pushed" in record.getMessage()]
    command = said.partition("to try again: passk ")[2].split()
    assert command == ["push", str(folder), "me/mazes"]
    del hub.error["upload"]
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 0
    assert "me/mazes/model.safetensors" in hub.files
    assert "https://huggingface.co/me/mazes" in capsys.readouterr().out


def test_a_schedule_that_saves_no_stage_is_refused(
    passk: CommandLine, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        passk.fit(STAGES, PUSH, "--trainer.callbacks.hub_model_id=me/mazes", "--schedule.save_stages=false")
    assert "PushToHub needs a schedule with save_stages=true" in capsys.readouterr().err


def test_a_run_that_ends_early_says_so(passk: CommandLine, hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    long = [stage("only", BY_LENGTH, until=steps(5))]
    passk.fit(long, PUSH, "--trainer.callbacks.hub_model_id=me/mazes", "--trainer.max_steps=1")
    assert hub.files == {}
    assert any("nothing was pushed to me/mazes" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("make", [Path.mkdir, lambda folder: None])
def test_what_is_no_export_is_not_pushed(
    make: Callable[[Path], None], hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "other")
    with pytest.raises(SystemExit) as ended:
        main(["push", str(tmp_path / "other"), "me/mazes"])
    assert ended.value.code == 2
    assert "is no exported policy" in capsys.readouterr().err
    assert hub.made == []


def test_the_card_says_how_it_was_trained(finished: Run) -> None:
    card = ModelCard.load(finished.stage("2-explore") / "README.md")
    assert card.data.library_name == "transformers"
    assert card.data.pipeline_tag == "text-generation"
    assert {"passk", "rlvr", "reinforcement-learning"} <= set(card.data.tags or [])
    assert card.data.base_model is None
    text = card.text
    assert re.search(r"\| cold start \| Imitate\(\).*\n\| explore \| ByLength", text)
    assert "exploit |" not in text  # which came later
    assert "**explore**, iteration" in text and "[" in text.partition("**explore**")[2]
    assert re.search(r"```\npassk fit ", text)
    assert re.search(r"passk-rlvr \d", text) and "transformers 5" in text
    assert "datamodules.maze.MazeDataModule" in text
    assert str(finished.folder.parents[2]) not in text
    best = ModelCard.load(finished.folder / "checkpoints" / "best" / "README.md").text
    measured = re.search(r"\*\*(.+)\*\*, iteration", best)
    assert measured and f", {measured[1]}\n" in best


@pytest.mark.parametrize(
    ("text", "shortened"),
    [
        ("-c /home/me/my.yaml --out ~/runs/a b/c", "-c my.yaml --out a b/c"),
        ("--data.train=/data/x/train.jsonl", "--data.train=train.jsonl"),
        ("https://a.b/c/d and Qwen/Qwen2.5-7B", "https://a.b/c/d and Qwen/Qwen2.5-7B"),
        ("'/a b'/c", "'/a b'/c"),
        ("{a: /x/y, b: 1/2/3}", "{a: y, b: 1/2/3}"),
    ],
)
def test_paths_of_this_machine_are_shortened(text: str, shortened: str) -> None:
    assert _shortened(text) == shortened


def test_a_checkpoint_of_the_run_is_left_out() -> None:
    assert [fnmatch.fnmatch(name, LEFT_OUT[0]) for name in ("stage.ckpt", "model.safetensors")] == [True, False]


@pytest.mark.parametrize(
    ("base", "told"),
    [("/home/me/models/qwen", "qwen"), ("Qwen/Qwen2.5-0.5B", "Qwen/Qwen2.5-0.5B"), (None, None), ("", "")],
)
def test_the_local_path_of_an_adapters_base_model_is_not_uploaded(
    tmp_path: Path, hub: Hub, base: str | None, told: str | None
) -> None:
    (tmp_path / "adapter").mkdir()
    file = tmp_path / ADAPTER
    file.write_text(json.dumps({"r": 8, "base_model_name_or_path": base}))
    upload(tmp_path, "me/mazes")
    assert json.loads(hub.files[f"me/mazes/{ADAPTER}"]) == {"r": 8, "base_model_name_or_path": told}
    assert json.loads(file.read_text())["base_model_name_or_path"] == base
