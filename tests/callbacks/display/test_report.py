"""`results.html` of a run: all that is in it, nothing that is loaded or run, and a look at it in a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from callbacks.display.page import _passes, page
from tests.conftest import BY_LENGTH, CommandLine, stage, steps

REPORT = "--trainer.callbacks+=callbacks.display.report.Report"
EVIL = "<script>alert('x')</script><img src=http://a.b/c.png onerror=alert(1)>&amp;$x_1$"


class Tags(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def is_closed(found: Tags) -> bool:
    """No script, no event, no address but those of the page's own pictures."""
    names = {tag for tag, _ in found.tags}
    sources = [value or "" for _, attrs in found.tags for name, value in attrs.items() if name in ("src", "href")]
    events = [name for _, attrs in found.tags for name in attrs if name.startswith("on")]
    return not names & {"script", "link", "iframe"} and all(each.startswith("data:") for each in sources) and not events


def evil_page(**changes: Any) -> str:
    interval = {"estimate": 0.5, "low": 0.25, "high": 0.75}
    record = {"problems": 3, "answers": 2, "pass@1": interval, "pass@2": interval, "greedy": 0.5, "set": EVIL}
    validation = {"iteration": 2, "stage": EVIL, "sets": {"": record}}
    row = {"iteration": 2, "stage": EVIL, "eval/pass@1": 0.5, "eval/pass@2": 0.5, "eval/greedy": 0.5}
    answer = {"set": EVIL, "prompt": EVIL, "answer": EVIL + "\ud83d", "reward": None, "length": 3}
    parts: dict[str, Any] = {
        "title": EVIL,
        "results": json.dumps({"method": EVIL, "validations": [validation]}),
        "history": [row, row | {"iteration": 3}],
        "training": [{"iteration": 1.0, "rollout/reward": 0.5}],
        "stages": [{"stage": EVIL, "objective": EVIL}],
        "answers": [answer, answer | {"reward": 0.0, "answer": "worse"}, answer | {"reward": 1.0, "answer": "better"}],
        "config": EVIL,
    }
    return page(**parts | changes)


def test_nothing_that_a_run_says_is_taken_for_html() -> None:
    found = Tags(evil_page())
    assert is_closed(found)
    assert found.text.count("<script>alert('x')</script>") >= 8
    policy = [attrs["content"] for tag, attrs in found.tags if tag == "meta" and "content" in attrs]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_answers_stand_by_reward_and_those_without_one_last() -> None:
    text = Tags(evil_page()).text
    assert text.index("better") < text.index("worse") < text.index("no score")


def test_a_reward_that_applies_to_no_answer_of_a_validation_leaves_its_cell_empty() -> None:
    of_stages = ({"reward/a": 0.25}, {"reward/b": 0.125}, {})
    records = [{"problems": 3, "pass@1": None} | ({"metrics": each} if each else {}) for each in of_stages]
    validations = [{"iteration": place, "stage": "s", "sets": {"": each}} for place, each in enumerate(records)]
    table = "".join(_passes(validations))
    cells = [re.findall(r"<t[hd]>(.*?)</t[hd]>", row)[3:] for row in re.findall(r"<tr>(.*?)</tr>", table)]
    assert cells == [["reward/a", "reward/b"], ["0.25", ""], ["", "0.125"], ["", ""]]


def test_intervals_are_in_per_cent() -> None:
    assert "50.0 [25.0, 75.0]" in Tags(evil_page()).text


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The folder of a run that was resumed once."""
    passk = CommandLine(tmp_path_factory.mktemp("reported"), cache)
    stages = [stage("one", BY_LENGTH, until=steps(2)), stage("two", BY_LENGTH, until=steps(2))]
    passk.fit(stages, REPORT, "--trainer.max_steps=3")
    return Path(passk.fit(stages, REPORT, "--auto_resume=true").trainer.log_dir)


def test_a_resumed_run_has_all_of_its_iterations_on_one_page(reported: Path) -> None:
    text = (reported / "results.html").read_text()
    found = Tags(text)
    assert is_closed(found)
    for head in ("Pass@k", "Curves", "Stages", "Answers of the last validation", "Configuration", "Versions"):
        assert head in found.text
    assert found.text.startswith("maze/version_0")
    assert str(reported.parent) not in found.text.partition("config.yaml")[0]
    assert len([tag for tag, _ in found.tags if tag == "img"]) == 3
    assert "TinyPolicy" in found.text
    assert re.search(r"lightning\s*", found.text)


@pytest.mark.parametrize("option", ["--trainer.max_steps=1", "--trainer.limit_val_batches=0"])
def test_a_run_that_goes_on_elsewhere_without_a_validation_has_its_page(
    reported: Path, passk: CommandLine, option: str
) -> None:
    """Its results are those of the checkpoint; with one update at most, Lightning begins no training at all."""
    until = [stage("one", BY_LENGTH, until=steps(2)), stage("two", BY_LENGTH, until=steps(4))]
    checkpoint = next(iter(sorted((reported / "stages").glob("1-*/stage.ckpt"))))
    folder = Path(passk.fit(until, REPORT, f"--ckpt_path={checkpoint}", option).trainer.log_dir)
    assert folder != reported
    assert "Pass@4" in (folder / "results.html").read_text()
    if option == "--trainer.max_steps=1":
        return
    kept = json.loads((folder / "results.json").read_text())["validations"]
    assert kept == json.loads((reported / "results.json").read_text())["validations"][: len(kept)] != []
    assert (folder / "results.md").exists()


def test_a_validation_has_its_page(passk: CommandLine) -> None:
    folder = Path(passk("validate", REPORT).trainer.log_dir)
    assert "Pass@4" in (folder / "results.html").read_text()


@pytest.mark.slow
def test_a_browser_shows_it(reported: Path, tmp_path: Path) -> None:
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("there is no Chromium")
    (tmp_path / "page.html").write_text((reported / "results.html").read_text())
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    command = [browser, *options, f"file://{tmp_path}/page.html"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "Answers of the last validation" in shown.stdout
    assert "Refused to" not in shown.stderr
