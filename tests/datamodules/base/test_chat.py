"""What stands before the questions of a run, set in YAML."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.types.pictures import pictures_of
from datamodules.base.chat import Chat
from datamodules.task import TaskDataModule
from tests.conftest import ROOT, CommandLine, EchoProblem, stage

SYSTEM = {"role": "system", "content": "Be brief."}
SHOTS = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}]
QUESTION = {"role": "user", "content": "2+2?"}


def test_messages_stand_before_the_question_in_order() -> None:
    chat = Chat("Be brief.", SHOTS)
    assert chat.ask((QUESTION,)) == (SYSTEM, *SHOTS, QUESTION)
    assert Chat(few_shot=SHOTS).ask((SYSTEM, QUESTION)) == (SYSTEM, *SHOTS, QUESTION)
    assert Chat("Be brief.", wrap_text=True).ask("2+2?") == (SYSTEM, QUESTION)
    assert Chat(wrap_text=True).ask((QUESTION,)) == (QUESTION,)


def test_pictures_of_a_question_stay(tmp_path: Path) -> None:
    from tests.app.types.test_pictures import RED

    asked = Chat("Be brief.").ask(({"role": "user", "content": (RED, "Which?")},))
    assert pictures_of(asked) == [RED]
    assert asked[0] == SYSTEM


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_examples_may_be_a_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"shots{suffix}"
    lines = (
        [json.dumps({**message, "name": None}) for message in SHOTS]
        if suffix == ".jsonl"
        else ["role,content", *(f"{message['role']},{message['content']}" for message in SHOTS)]
    )
    path.write_text("\n".join(lines) + "\n")
    assert Chat(few_shot=str(path)).ask((QUESTION,)) == (*SHOTS, QUESTION)


def test_nothing_set_changes_nothing() -> None:
    problems = [EchoProblem("a")]
    assert Chat().ask_all("train", problems)[0] is problems[0]


def test_the_page_says_it_as_it_is() -> None:
    page = (ROOT / "docs" / "your_own_task.md").read_text()
    (block,) = re.findall(r"```yaml\n(chat:.*?)```", page, re.DOTALL)
    asked = Chat(**yaml.safe_load(block)["chat"]).ask("2+2?")
    assert [message["role"] for message in asked] == ["system", "user", "assistant", "user"]


def test_a_problem_is_the_same_but_for_its_prompt() -> None:
    (asked,) = Chat("Be brief.", wrap_text=True).ask_all("train", [EchoProblem("2+2?")])
    assert (asked.key, asked.label, asked.solution, asked.score("2+2?")) == ("2+2?", "echo", "2+2?", 1.0)
    (other,) = Chat("Be long.", wrap_text=True).ask_all("train", [EchoProblem("2+2?")])
    assert asked.identity != other.identity


def test_what_cannot_be_asked_so_is_named() -> None:
    with pytest.raises(ValueError, match=r"^problem 1 of train: the prompt is plain text, .* chat\.wrap_text=true"):
        Chat("Be brief.").ask_all("train", [EchoProblem("2+2?")])
    with pytest.raises(ValueError, match=r"a system message of its own: leave out chat\.system_prompt"):
        Chat("Be brief.").ask((SYSTEM, QUESTION))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"system_prompt": " \n"}, "chat.system_prompt is empty"),
        ({"few_shot": [{"role": "user"}]}, r"chat.few_shot: \{'role': 'user'\} is no message"),
        ({"few_shot": "nowhere.jsonl"}, "nowhere.jsonl is not a file"),
    ],
)
def test_values_that_are_none(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Chat(**arguments)


def test_a_file_of_something_else_is_named_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "shots.jsonl"
    path.write_text('{"role": "user", "content": "1"}\n{"role": "assistant"}\n')
    with pytest.raises(ValueError, match=r"shots.jsonl, row 2: chat.few_shot: .* is no message"):
        Chat(few_shot=str(path))


def written(folder: Path, *prompts: str) -> str:
    path = folder / f"{prompts[0][:2]}.jsonl"
    path.write_text("".join(json.dumps({"prompt": prompt, "answer": "4"}) + "\n" for prompt in prompts))
    return str(path)


def test_a_data_module_asks_so(tmp_path: Path) -> None:
    from datamodules.scorers import Exact

    train, held_out = written(tmp_path, "2+2", "3+1"), written(tmp_path, "1+3")
    data, plain = (TaskDataModule(train, held_out, Exact(), batch_size=2) for _ in range(2))
    data.chat = Chat("Be brief.", wrap_text=True)
    data.setup("fit")
    plain.setup("fit")
    assert [problem.prompt[1]["content"] for problem in data.splits["train"]] == ["2+2", "3+1"]  # type: ignore[index]
    assert data.splits["train"][1].origin == f"{train}, row 2"
    assert data.fingerprints["train"] != plain.fingerprints["train"]


def test_the_command_line_puts_it_before_every_prompt(passk: CommandLine) -> None:
    """Whatever the data module: mazes are plain text, and the tiny policy joins messages by blank lines."""
    shots = passk.folder / "shots.jsonl"
    shots.write_text("".join(json.dumps(message) + "\n" for message in SHOTS))
    chat = {"system_prompt": "Be brief.", "few_shot": str(shots), "wrap_text": True}
    cli = passk.fit([stage("explore")], chat=chat)
    problem = cli.datamodule.splits["train"][0]
    expected = "\n\n".join(["Be brief.", "1+1?", "2", problem.problem.prompt]) + "\n\n"
    assert cli.model.policy.tokenizer.decode(cli.model.policy.encode(problem.prompt)) == expected
    printed = (Path(cli.trainer.log_dir) / "config.yaml").read_text()
    assert "system_prompt: Be brief." in printed
