"""Scoring of multiple-choice and short open answers: the option that a response selects, and text normalisation."""

from datamodules.choices.reading import (
    Choice,
    ChoiceScorer,
    OpenScorer,
    chosen,
    option_lines,
    read_choice,
    read_list,
    read_options,
)

__all__ = [
    "Choice",
    "ChoiceScorer",
    "OpenScorer",
    "chosen",
    "option_lines",
    "read_choice",
    "read_list",
    "read_options",
]
