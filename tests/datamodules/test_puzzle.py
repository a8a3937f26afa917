"""Puzzles of one's own: a class that draws and judges, and data made of it as mazes are."""

from __future__ import annotations

import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from datamodules.maze.lattice_maze import Maze
from datamodules.puzzle import PuzzlesDataModule, ScoredPuzzle, Share


@dataclass(frozen=True)
class Sums(ScoredPuzzle):
    """Two numbers to be added; the answer is a tuple, which JSON does not know."""

    largest: int = 30
    chat: bool = False

    def draw(self, random: Random) -> tuple[Any, Any] | None:
        pair = random.randrange(self.largest), random.randrange(self.largest)
        text = f"{pair[0]}+{pair[1]}="
        return (({"role": "user", "content": text},) if self.chat else text), pair

    def score(self, response: str, answer: Any) -> float:
        assert type(answer) is list
        return float(response == str(sum(answer)))

    def solve(self, answer: Any) -> str:
        return str(sum(answer))


class Unsettled(ScoredPuzzle):
    """Has settings without being a dataclass, and no draw comes to anything."""

    patience = 50

    def __init__(self, what: Any = None) -> None:
        self.what = what

    def draw(self, random: Random) -> Any:
        return ("a", {1, 2}) if self.what == "a set" else self.what

    def score(self, response: str, answer: Any) -> float:
        return 1.0


def data(cache: Path, *shares: Share, **changes: Any) -> PuzzlesDataModule:
    return PuzzlesDataModule([*shares], **{"batch_size": 2, "cache_dir": cache, **changes})


def test_a_problem_is_a_prompt_with_an_answer_as_json_has_it() -> None:
    problem = Sums().generate(Random(0))
    assert problem is not None
    assert problem.prompt == "24+24=" or problem.prompt.endswith("=")
    assert problem.answer == [int(part) for part in problem.prompt.removesuffix("=").split("+")]
    assert (problem.score(problem.solution), problem.score("no")) == (1.0, 0.0)
    assert (problem.label, problem.extract_answer(" 7\n")) == ("Sums", "7")
    assert pickle.loads(pickle.dumps(problem)) == problem


def test_labels_tell_settings_apart() -> None:
    labels = [puzzle.label for puzzle in (Sums(), Sums(9), Sums(9, True), Unsettled("x"))]
    assert labels == ["Sums", "Sums(largest=9)", "Sums(largest=9, chat=True)", "Unsettled(what=x)"]


def test_splits_have_the_numbers_asked_for_and_nothing_in_common(tmp_path: Path) -> None:
    shares = Share(Sums(), train=40, validation=10), Share(Sums(9, True), validation=5, test=7), Share(Maze(5), train=3)
    found = data(tmp_path, *shares)
    found.setup("fit")
    labels = {split: [problem.label for problem in problems] for split, problems in found.splits.items()}
    assert labels["train"] == ["Sums"] * 40 + ["5x5"] * 3
    assert labels["validation"] == ["Sums"] * 10 + ["Sums(largest=9, chat=True)"] * 5
    assert labels["test"] == ["Sums(largest=9, chat=True)"] * 7
    keys = [problem.key for problems in found.splits.values() for problem in problems]
    assert len(keys) == len({*keys}) == 65
    again, other = data(tmp_path, *shares), data(tmp_path, *shares, seed=1)
    again.setup("fit")
    other.setup("fit")
    assert again.cache_path == found.cache_path != other.cache_path
    assert again.splits == found.splits != other.splits
    assert again.splits["validation"][-1].score(again.splits["validation"][-1].solution) == 1


def test_a_changed_file_or_setting_is_drawn_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(__file__).read_text()
    (tmp_path / "own_sums.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    import own_sums  # type: ignore[import-not-found]

    first = own_sums.Sums().fingerprint()
    assert own_sums.Sums().fingerprint() == first != own_sums.Sums(9).fingerprint()
    (tmp_path / "own_sums.py").write_text(source + "\n# changed\n")
    assert own_sums.Sums().fingerprint() != first
    del sys.modules["own_sums"]


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ([Share(Sums(), train=4)], "the validation split is empty"),
        ([Share(Sums(), train=4, validation=-1)], "the validation split is empty|count -1 of Sums must be at least 0"),
        ([Share(Sums(), 4, 1), Share(Sums(), test=1)], "puzzles: two are labelled 'Sums'; give each a label"),
        ([Share(Maze(5), 10**9, 1)], "distinct 5x5 problems are asked for"),
    ],
)
def test_what_can_not_be_is_refused(tmp_path: Path, shares: list[Share], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        data(tmp_path, *shares)


@pytest.mark.parametrize(
    ("drawn", "message"),
    [
        (None, "only 0 were found: 50 further draws gave nothing new"),
        ("text", r"Unsettled.draw gave 'text': it must be a prompt and an answer"),
        ({1, 2}, r"the settings of Unsettled\(what=\{1, 2\}\) must be plain data: Object of type set"),
        ("a set", r"Unsettled.draw gave .*: it must be a prompt and an answer"),
        ((7, "a"), r"Unsettled.draw gave .*: it must be a prompt and an answer"),
        (("a", "b"), "3 distinct .* problems are asked for .*, but only 0 were found"),
    ],
)
def test_a_draw_that_can_not_be_used_is_one_line(tmp_path: Path, drawn: Any, message: str) -> None:
    found = data(tmp_path, Share(Unsettled(drawn), train=3, validation=1))
    with pytest.raises(ValueError, match=message):
        found.load_splits()
