"""What is shown of a validation, and TensorBoard's curves of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import torch
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugin_util import markdown_to_safe_html

from app.types import Completion, Problem, Rollouts
from callbacks.display.answers import answer_rows, prompt_text
from callbacks.display.media import html_table, image_of
from callbacks.display.samples import (
    Samples,
    caption,
    drawn_answers,
    families,
    pass_at_k_figure,
)
from tests.conftest import Run, callback

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


@pytest.mark.parametrize("name", ["eval/pass_at_k", "eval/drawn"])
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


def page_of(rollouts: Rollouts, problems: int = 4, answers: int = 4) -> str:
    return html_table([*answer_rows(rollouts, problems, answers)])


def test_what_the_policy_wrote_is_escaped(echo: Callable[[str], Problem]) -> None:
    evil = "<script>alert('maze')</script>"
    text = page_of(answered(echo(evil), evil, "</pre></td><img src=x>"))
    assert "<script>" not in text
    assert "<img" not in text
    assert text.count("&lt;script&gt;") == 2 * 2 + 1  # prompt and reference of two rows, one answer
    assert text.count("<pre>") == text.count("</pre>") == 2 * 7


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
    page = markdown_to_safe_html(page_of(answered(echo(said), said, "next")))
    cells = [text.rstrip("\n") for tag, text in Shown(page).elements if tag == "pre"]
    row = ["echo", said, said]
    assert cells == [*row, said, "1", "1", "stop", *row, "next", "0", "1", "stop"]
    head = [text for tag, text in Shown(page).elements if tag == "th"]
    assert head == ["set", "prompt", "reference", "answer", "reward", "length", "finish"]


def test_half_a_character_can_be_written(echo: Callable[[str], Problem]) -> None:
    page_of(answered(echo("up"), "\ud83d")).encode()


def test_as_many_are_shown_as_asked_for(echo: Callable[[str], Problem]) -> None:
    batch = answered(echo("up"), "up", "down", "left")
    assert [len([*answer_rows(batch, *numbers)]) for numbers in ((1, 2), (0, 2), (1, 0))] == [2, 0, 0]


def test_a_chat_is_shown_as_its_messages() -> None:
    chat = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"})
    assert prompt_text(chat) == "system: Be brief.\n\nuser: 2 + 2?"
    assert prompt_text("2 + 2?") == "2 + 2?"


def test_an_answer_without_a_score_has_no_reward(echo: Callable[[str], Problem]) -> None:
    batch = replace(answered(echo("up"), "up"), rewards=torch.tensor([[float("nan")]]))
    assert [row["reward"] for row in answer_rows(batch, 1, 1)] == [None]


def test_problems_that_cannot_be_drawn_are_not(echo: Callable[[str], Problem]) -> None:
    assert drawn_answers(answered(echo("up"), "up"), 4) is None


def test_a_line_for_each_validation_and_the_legend_beside_them() -> None:
    """At most eight, among them the first and the last."""
    curves = [
        {"iteration": number, "stage": "explore", "problems": 128, "pass@k": [0.25, 0.5, number / 20]}
        for number in range(20)
    ]
    figure = pass_at_k_figure(curves)
    (axes,), (legend,) = figure.axes, figure.legends
    assert axes.get_title() == "all 128 held-out problems"
    assert len(axes.lines) == 8
    assert [axes.lines[place].get_ydata()[-1] for place in (0, -1)] == [0, 0.95]
    assert axes.lines[0].get_xdata() == pytest.approx([1, 2, 3])
    figure.draw_without_rendering()
    assert legend.get_window_extent().x0 >= axes.get_window_extent().x1
    assert len(pass_at_k_figure(curves[:1]).axes[0].lines) == 1


def test_a_caption_is_short_lines_of_what_was_said() -> None:
    assert caption("UURR\n$x_1$ " + "D" * 200).count("\n") <= 2
    assert caption("a $x$ b") == "a $x$ b"
    assert caption(" \n") == "(empty)"


@pytest.mark.filterwarnings("error")
def test_characters_that_no_font_has_are_drawn_without_a_warning() -> None:
    figure = Figure(figsize=(2, 2))
    figure.subplots().set_xlabel(caption("走 😀 \ue000"), family="DejaVu Sans Mono")
    assert image_of(figure).size == (200, 200)


def test_fonts_for_chinese_are_those_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = ["DejaVu Sans", "SimHei", "Noto Sans CJK SC"]
    monkeypatch.setattr("callbacks.display.samples.get_font_names", lambda: installed)
    assert families.__wrapped__() == ["monospace", "Noto Sans CJK SC", "SimHei"]


def test_the_picture_is_of_all_held_out_problems(finished: Run) -> None:
    """Of every validation as results.json has the last, whichever batches the problems came in."""
    evaluation = callback(finished.cli, "PassKEvaluation")
    assert [curve["problems"] for curve in evaluation.curves] == [8] * 5
    for curve, row in zip(evaluation.curves, finished.results, strict=True):
        assert [curve["pass@k"][k - 1] for k in (1, 2, 4)] == pytest.approx(
            [row[f"eval/pass@{k}"] for k in (1, 2, 4)], abs=1e-6
        )


def test_numbers_below_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="problems=-1 and answers=4 must be at least 0"):
        Samples(problems=-1)
