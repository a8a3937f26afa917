"""What TensorBoard reads of a run."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugin_util import markdown_to_safe_html

from app.types import Completion, Problem, Rollouts
from callbacks.display.tensorboard import TensorBoardPictures, answers_text, drawn_answers, pass_at_k_figure
from tests.conftest import Run

SCALARS = {
    "train/loss": [1, 2, 3, 4, 5, 6],
    "rollout/reward": [1, 2, 3, 4, 5, 6],
    "entropy/mean": [4, 5, 6],  # demonstrations have none
    "eval/pass@1": [2, 3, 4, 5, 6],
    "eval/greedy": [2, 3, 4, 5, 6],
    "stage/index": [1, 2, 3, 4, 5, 6],
    "time/iteration": [1, 2, 3, 4, 5, 6],
    "time/sampling": [1, 2, 3, 4, 5, 6],
}
"""Curves and their iterations; the last stage solves nothing and makes no update."""


@pytest.fixture(scope="module")
def board(finished: Run) -> EventAccumulator:
    accumulator = EventAccumulator(str(finished.folder), size_guidance={"images": 0, "tensors": 0, "scalars": 0})
    return accumulator.Reload()


@pytest.mark.parametrize("name", SCALARS)
def test_curves_run_over_iterations(board: EventAccumulator, name: str) -> None:
    assert [event.step for event in board.Scalars(name)] == SCALARS[name]


def test_the_stage_is_a_curve(board: EventAccumulator) -> None:
    assert [event.value for event in board.Scalars("stage/index")] == [0, 0, 0, 1, 1, 2]


def test_curves_have_the_figures_of_the_results(board: EventAccumulator, finished: Run) -> None:
    curve = [event.value for event in board.Scalars("eval/entropy")]
    assert curve == pytest.approx([row["eval/entropy"] for row in finished.results], abs=1e-6)


@pytest.mark.parametrize("name", ["eval/pass@k against k", "eval/drawn"])
def test_a_figure_for_every_validation(board: EventAccumulator, name: str) -> None:
    assert [event.step for event in board.Images(name)] == [2, 3, 4, 5, 6]


def test_sampled_answers_as_text(board: EventAccumulator) -> None:
    events = board.Tensors("eval/answers/text_summary")
    assert [event.step for event in events] == [2, 3, 4, 5, 6]
    assert b"<pre>" in events[0].tensor_proto.string_val[0]


def answered(problem: Problem, *texts: str) -> Rollouts:
    rows = [Completion(text, torch.tensor([1]), "stop") for text in texts]
    rewards = torch.tensor([[problem.score(text) for text in texts]])
    return Rollouts([problem], completions=[rows], rewards=rewards)


def test_what_the_policy_wrote_is_escaped(echo: Callable[[str], Problem]) -> None:
    evil = "<script>alert('maze')</script>"
    text = answers_text(answered(echo(evil), evil, "</pre><img src=x>"), 4, 4)
    assert "<script>" not in text
    assert "<img" not in text
    assert text.count("&lt;script&gt;") == 2
    assert text.count("<pre>") == text.count("</pre>") == 3


class Shown(HTMLParser):
    """The elements of a page and what stands in each."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[list[str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.elements.append([tag, ""])

    def handle_data(self, data: str) -> None:
        if self.elements:
            self.elements[-1][1] += data


CODE = "It is\n\n```python\nif a < b & c:\n    print('`x`')\n```\n\nDone."


@pytest.mark.parametrize(
    "said",
    [
        CODE,
        "```\nopen",
        "~~~\nother\n~~~",
        "`a` and ``b``",
        "</pre><b>bold</b><pre>",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "# Head\n\n* one\n* two\n\n1. three\n\n> four\n\n---",
        "[1]: http://a.b\n\n![x](http://a.b/c.png) [y][1] <http://a.b>",
        "&lt;b&gt; &amp; &#96;",
        "<!-- open\n\n<?php\n\n<![CDATA[",
        "\\boxed{1} $x_1^2$ **a** __b__ \\*",
        "    indented\n\n    code",
        "<script>alert(1)</script><img src=x onerror=alert(1)>",
    ],
)
def test_tensorboard_shows_an_answer_letter_by_letter(echo: Callable[[str], Problem], said: str) -> None:
    page = markdown_to_safe_html(answers_text(answered(echo(said), said, "next"), 4, 4))
    elements = [(tag, text.rstrip("\n")) for tag, text in Shown(page).elements]
    assert elements == [("pre", said), ("pre", f"1.00 stop   {said}"), ("pre", "0.00 stop   next")]


def test_half_a_character_can_be_written(echo: Callable[[str], Problem]) -> None:
    answers_text(answered(echo("up"), "\ud83d"), 4, 4).encode()


def test_as_many_are_shown_as_asked_for(echo: Callable[[str], Problem]) -> None:
    batch = answered(echo("up"), "up", "down", "left")
    assert answers_text(batch, 1, 2).count("<pre>") == 3
    assert answers_text(batch, 0, 2) == ""
    assert answers_text(batch, 1, 0).count("<pre>") == 1


def test_problems_that_cannot_be_drawn_are_not(echo: Callable[[str], Problem]) -> None:
    assert drawn_answers(answered(echo("up"), "up"), 4) is None


def test_the_curve_of_pass_at_k(echo: Callable[[str], Problem]) -> None:
    (axes,) = pass_at_k_figure(answered(echo("up"), "up", "down", "left", "right")).axes
    assert axes.lines[0].get_ydata() == pytest.approx([0.25, 0.5, 0.75, 1.0])


def test_numbers_below_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="problems=-1 and answers=4 must be at least 0"):
        TensorBoardPictures(problems=-1)
