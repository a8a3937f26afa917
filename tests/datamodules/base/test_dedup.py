"""Deduplication against a one-line reference on random splits."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from app.types import Problem
from datamodules.base.dedup import deduplicate


@dataclass(frozen=True)
class Word(Problem):
    """A problem of nothing but a key, and a number that tells copies apart."""

    key: str
    copy: int = 0
    prompt = solution = label = ""

    def score(self, response: str) -> float:
        return float(response == self.key)


def words(text: str) -> list[Word]:
    return [Word(letter, place) for place, letter in enumerate(text)]


def test_test_wins_then_validation() -> None:
    given = {"train": words("abcdd"), "validation": words("bcc"), "test": words("ca")}
    kept, dropped = deduplicate(given, strict=True)
    assert {split: "".join(word.key for word in problems) for split, problems in kept.items()} == {
        "train": "d",
        "validation": "b",
        "test": "ca",
    }
    assert dropped == {"train": 4, "validation": 2, "test": 0}
    assert kept["train"] == [Word("d", 3)]  # the first of its copies


def test_held_out_repeats_stay_unless_it_is_strict() -> None:
    splits = {"train": words("aabb"), "validation": words("bcc"), "test": words("dd")}
    kept, dropped = deduplicate(splits)
    assert [word.key for word in kept["validation"]] == ["b", "c", "c (repeat 2)"]
    assert [word.key for word in kept["test"]] == ["d", "d (repeat 2)"]
    assert dropped == {"train": 3, "validation": 0, "test": 0}
    assert deduplicate(splits, strict=True)[1] == {"train": 3, "validation": 1, "test": 1}


def test_keys_stay_distinct_where_a_repeat_is_repeated() -> None:
    once, _ = deduplicate({"test": words("cc")})
    twice, _ = deduplicate({"test": [*once["test"], *words("cc")]})
    assert [word.key for word in twice["test"]] == ["c", "c (repeat 2)", "c (repeat 3)", "c (repeat 4)"]


@given(st.text("abcdef"), st.text("abcdef"), st.text("abcdef"))
def test_nothing_is_lost_or_twice(train: str, validation: str, test: str) -> None:
    given = {"train": words(train), "validation": words(validation), "test": words(test)}
    kept, dropped = deduplicate(given, strict=True)
    keys = [word.key for problems in kept.values() for word in problems]
    assert len(keys) == len(set(keys))
    assert set(keys) == set(train + validation + test)
    assert {word.key for word in kept["test"]} == set(test)
    assert not {word.key for word in kept["train"]} & set(validation + test)
    assert sum(dropped.values()) + len(keys) == len(train + validation + test)
