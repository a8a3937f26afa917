"""Where answers are found, and what is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.maze.prompts import BarePrompt, GivenPrompt, InstructivePrompt, PromptStyle

GRID = ("*****", "*S..*", "*.*.*", "*..E*", "*****")


def test_bare() -> None:
    assert BarePrompt().render(GRID) == "*****\n*S..*\n*.*.*\n*..E*\n*****\n>"
    assert BarePrompt(border=False).render(GRID) == "S..\n.*.\n..E\n>"
    with pytest.raises(ValueError, match="all wall"):
        BarePrompt(border=False).render(("S.E",))


def test_instructive_shows_the_maze_in_one_user_message() -> None:
    (message,) = InstructivePrompt().render(GRID)
    assert isinstance(message, dict)
    assert message["role"] == "user"
    assert "\n".join(GRID) in message["content"]


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("<answer>UD</answer>", "UD"),
        ("so <answer>U</answer> or <answer> D </answer> done", " D "),
        ("<answer>U</answer> or <answer>D", None),
        ("U", None),
        ("</answer>U<answer>", None),
        ("<answer></answer>", ""),
        ("<answer>\\boxed{U} no, \\boxed{D}</answer>", "D"),
        ("<answer>\\boxed{U</answer>", None),
        ("\\boxed{U}", None),
        ("", None),
    ],
)
def test_the_last_block_is_the_answer(response: str, answer: str | None) -> None:
    assert InstructivePrompt().answer(response) == answer
    assert GivenPrompt("as it came").answer(response) == answer


@pytest.mark.parametrize("style", [BarePrompt(), InstructivePrompt(), GivenPrompt("as it came")])
@given(path=st.text("UDLR"), prose=st.text("abc <>/"))
def test_an_answer_is_found_as_it_was_formatted(style: PromptStyle, path: str, prose: str) -> None:
    shown = prose if isinstance(style, InstructivePrompt) else ""
    assert style.answer(shown + style.format(path)) == path


def test_a_given_prompt_is_kept() -> None:
    assert GivenPrompt("as it came").render(GRID) == "as it came"
