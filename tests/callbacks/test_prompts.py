"""What one row breaks, breaks before the first iteration, by file and row; and is left out where that is asked for."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from app.engines.demonstrations import DemonstrationEngine
from app.policy import TinyPolicy
from app.remote import RemotePolicy
from callbacks.prompts import PromptCheck
from tests.conftest import CommandLine, EchoProblem, demonstrated, steps

REFUSING = """
{%- for message in messages -%}
{%- if message.role == 'system' -%}{{ raise_exception('no system messages') }}{%- endif -%}
{{ message.content }}{{ ender }}
{%- endfor -%}
"""


def chat(content: str, role: str = "user") -> tuple[dict[str, Any], ...]:
    return ({"role": role, "content": content},)


def problems(*prompts: Any) -> list[EchoProblem]:
    return [EchoProblem(prompt) for prompt in prompts]


def test_every_prompt_is_read(tiny_policy: Callable[..., TinyPolicy]) -> None:
    policy = tiny_policy(alphabet="abc", context_length=8)
    policy.tokenizer.chat_template = REFUSING
    asked = problems("abc", "abd", chat("ab"), chat("ab", "system"), "abcabc", "", chat("a" * 7))
    found = PromptCheck(policy).faults(asked, lambda problem: 3 if problem.prompt == "abcabc" else 1)
    assert {place: reason.split(", which")[0] for place, reason in found.items()} == {
        1: "the policy's alphabet lacks 'd'",
        3: "the policy's chat template refuses the prompt: no system messages",
        4: "a prompt of 6 tokens and max_new_tokens=3 exceed the policy's context of 8",
        5: "a prompt without a single token gives the policy nothing to answer",
    }


def test_what_raises_something_else_is_told_with_its_kind(tiny_policy: Callable[..., TinyPolicy]) -> None:
    policy = tiny_policy(alphabet="abc")
    policy.tokenizer.chat_template = "{{ messages[0].content + 1 }}"
    (reason,) = PromptCheck(policy).faults(problems(chat("ab")), lambda problem: 1).values()
    assert reason.startswith("TypeError: can only concatenate str")


def test_pictures_are_encoded_as_for_sampling(
    tiny_policy: Callable[..., TinyPolicy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only `encode_with_vision` opens them."""
    policy = tiny_policy(alphabet="abc")

    def refuse(prompt: Any) -> Any:
        if prompt == "ab":
            raise OSError("cannot identify image file")
        return policy.encode(prompt), {}

    monkeypatch.setattr(policy, "encode_with_vision", refuse)
    found = PromptCheck(policy).faults(problems("a", "ab"), lambda problem: 1)
    assert found == {1: "OSError: cannot identify image file"}


def test_demonstrations_that_cannot_be_spelled(tiny_policy: Callable[..., TinyPolicy]) -> None:
    class Other(EchoProblem):
        def demonstrate(self, random: Random) -> str:
            return "d"

    policy, asked = tiny_policy(alphabet="abc"), [EchoProblem("a"), Other("b")]
    assert PromptCheck(policy).faults(asked, lambda problem: 1) == {}
    assert [*PromptCheck(policy, [DemonstrationEngine()]).faults(asked, lambda problem: 1)] == [1]
    typos = DemonstrationEngine(0.5, "ad")
    assert [*PromptCheck(policy, [typos]).faults(asked, lambda problem: 1)] == [0, 1]


def test_prompts_that_end_the_answer_are_told(
    tiny_policy: Callable[..., TinyPolicy], caplog: pytest.LogCaptureFixture
) -> None:
    policy = tiny_policy(alphabet="abc")
    policy.chat_template_kwargs = {"ender": "<eos>"}
    policy.tokenizer.chat_template, policy.tokenizer.split_special_tokens = REFUSING, False
    with caplog.at_level(logging.WARNING, "callbacks"):
        assert PromptCheck(policy).faults(problems(chat("ab"), "ab"), lambda problem: 1) == {}
    assert [record.message for record in caplog.records if record.name == "callbacks.prompts"] == [
        "1 of 2 prompts end with <eos>, after which the policy says nothing: does its chat template add a generation "
        "prompt?"
    ]


def test_an_endpoint_reads_for_itself() -> None:
    assert PromptCheck(RemotePolicy()).faults(problems("a", ""), lambda problem: 1) == {}


# -- through the command line ---------------------------------------------------------------------------


def write(folder: Path, name: str, *prompts: str, answer: str = "U") -> str:
    path = folder / name
    path.write_text("".join(json.dumps({"prompt": prompt, "answer": answer}) + "\n" for prompt in prompts))
    return str(path)


def task(train: str, validation: str, test: str | None = None) -> dict[str, Any]:
    arguments = {"train": train, "validation": validation, "test": test, "scorer": "datamodules.scorers.Exact"}
    return {"data": {"class_path": "datamodules.task.TaskDataModule", "init_args": {**arguments, "batch_size": 2}}}


GOOD = ("S", "E", "SE", "ES")


def run(passk: CommandLine, *options: str, number: int = 2, **overlay: Any) -> Any:
    from app.cli import main

    schedule = {"stages": [demonstrated(until=steps(number))]}
    policy = {"policy": {"init_args": {"alphabet": "SEUDLR"}}}
    return main(["fit", *passk.options(*options, cached=False, schedule=schedule, model=policy, **overlay)])


def test_a_row_that_cannot_be_read_is_named_before_the_first_iteration(
    passk: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write(passk.folder, "good.jsonl", *GOOD)
    other = write(passk.folder, "other.jsonl", "SS", "EE", "S?", "?")
    with pytest.raises(SystemExit) as ended:
        run(passk, **task(good, other))
    assert ended.value.code == 2
    printed = capsys.readouterr()
    reason = "the policy's alphabet lacks '?', which stand in the prompt 'S?' (and 1 more of 4)"
    assert printed.err.splitlines()[-1] == f"passk: error: {other}, row 3: {reason}"
    assert "[cold start]" not in printed.out


def test_rows_that_cannot_be_read_are_left_out_where_they_may_be(
    passk: CommandLine, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    train, held_out = write(passk.folder, "t.jsonl", "SS", "S?", "EE", "?"), write(passk.folder, "v.jsonl", *GOOD)
    cli = run(passk, "--rollout.max_skipped_prompts=0.5", **task(train, held_out))
    assert [problem.prompt for problem in cli.datamodule.splits["train"]] == ["SS", "EE"]
    assert cli.model.iteration == 2
    assert any(line.startswith(f"2 of 4 problems are not trained on: {train}, row 2:") for line in caplog.messages)
    with pytest.raises(SystemExit):
        run(passk, "--rollout.max_skipped_prompts=0.25", **task(train, held_out))
    assert "(and 1 more of 4, above rollout.max_skipped_prompts=0.25)" in capsys.readouterr().err


def test_a_run_goes_on_with_the_same_data_elsewhere_and_with_no_other(
    passk: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    train = {}
    for name, answer in {"one": "U", "two": "U", "three": "D"}.items():
        (passk.folder / name).mkdir()
        train[name] = write(passk.folder, f"{name}/train.jsonl", "SS", "EE", "SSE", answer=answer)
    held_out = write(passk.folder, "held_out.jsonl", *GOOD)
    run(passk, **task(train["one"], held_out))
    cli = run(passk, "--ckpt_path=last", number=3, **task(train["two"], held_out))
    assert cli.model.iteration == 3
    with pytest.raises(SystemExit) as ended:
        run(passk, "--ckpt_path=last", number=4, **task(train["three"], held_out))
    assert ended.value.code == 2
    assert "the train split holds other problems or answers" in capsys.readouterr().err.splitlines()[-1]


def test_test_rows_are_read_by_the_commands_that_ask_them(
    passk: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    from app.cli import main

    good, bad = write(passk.folder, "good.jsonl", *GOOD), write(passk.folder, "bad.jsonl", "SEE", "é")
    policy = {"policy": {"init_args": {"alphabet": "SEUDLR"}}}
    for command in ("test", "predict"):
        with pytest.raises(SystemExit):
            main([command, *passk.options(cached=False, **task(good, good, bad), model=policy)])
        assert f"passk: error: {bad}, row 2: the policy's alphabet lacks" in capsys.readouterr().err
