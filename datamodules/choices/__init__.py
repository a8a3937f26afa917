"""Multiple choice and short open answers: which option a response takes, and what a short text says."""

from datamodules.choices.reading import (
    Choice,
    ChoiceScorer,
    OpenScorer,
    chosen,
    lettered,
    read_choice,
    read_list,
    read_options,
)

__all__ = [
    "Choice",
    "ChoiceScorer",
    "OpenScorer",
    "chosen",
    "lettered",
    "read_choice",
    "read_list",
    "read_options",
]
