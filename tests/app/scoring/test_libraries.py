"""What a scorer imports is imported once, however often its process has to be replaced."""

from __future__ import annotations

import importlib
import pickle
import sys
from pathlib import Path

import pytest

from app.scoring import SubprocessScorer
from app.scoring.libraries import libraries_of
from tests.conftest import EchoProblem

SCORER = """
from dataclasses import dataclass
from time import sleep
from helps_a_scorer import help
from app.types import Problem

@dataclass(frozen=True)
class Hangs(Problem):
    prompt: str
    key = solution = label = ""

    def score(self, response):
        return sleep(60) if response == "hang" else help()
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a user has a scorer, whose helper uses a library that logs its imports."""
    library = tmp_path / "site-packages"
    library.mkdir()
    (library / "slow_library.py").write_text(f"with open({str(tmp_path / 'imports')!r}, 'a') as file: file.write('x')")
    (tmp_path / "hangs.py").write_text(SCORER)
    (tmp_path / "helps_a_scorer.py").write_text("import slow_library\ndef help(): return 1.0\n")
    for folder in (library, tmp_path):
        monkeypatch.syspath_prepend(folder)
    for name in ("hangs", "helps_a_scorer", "slow_library"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def test_a_library_is_imported_once_by_the_process_that_scores(mine: Path) -> None:
    """And once here: not again for every fork."""
    problem = importlib.import_module("hangs").Hangs("p")
    said = ["hang", "", "hang", "hang", ""]
    scorer = SubprocessScorer(0.3, memory_gb=3.5)  # a process of its own
    verdicts = [*scorer([(problem, text) for text in said])]
    scorer.worker.stop()
    assert [verdict.scored for verdict in verdicts] == [text == "" for text in said]
    assert (mine / "imports").read_text() == "xx"


def test_they_are_told_by_the_modules_of_a_pickle(mine: Path) -> None:
    problem = importlib.import_module("hangs").Hangs("p")
    names = libraries_of(pickle.dumps([(problem, "text")]))
    assert {"slow_library", "dataclasses"} <= {*names}
    assert not {"hangs", "helps_a_scorer", "app.types"} & {*names}
    assert "slow_library" not in libraries_of(pickle.dumps([(EchoProblem("a"), "slow")]))


@pytest.mark.filterwarnings("error")
def test_no_attribute_of_a_users_object_is_computed(mine: Path) -> None:
    """Such as a proxy that is not bound yet."""
    (mine / "lazy.py").write_text("""
from torch.distributed import reduce_op  # warns of its end whatever it is asked
import slow_library

class Proxy:
    def __getattribute__(self, name):
        raise RuntimeError("not bound")

proxy = Proxy()

class Scorer:
    pass
""")
    names = libraries_of(pickle.dumps(importlib.import_module("lazy").Scorer()))
    assert {"slow_library", "torch.distributed.distributed_c10d"} <= {*names}
