"""Several runs in one table and one figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from callbacks.display.compare import compare, figure, lines_of, main


def run(folder: Path, seed: int, k: int, last: float, **changes: Any) -> Path:
    """The files of a run with three validations."""
    folder.mkdir(parents=True)
    advantage = {"class_path": "app.advantages.PassK", "init_args": {"k": k}}
    config = {"seed_everything": seed, "rollout": {"seed": seed, "rollouts": 8}, "model": {"advantage": advantage}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    rows = [
        {"iteration": 10 * step, "stage": "one", "eval/pass@1": last * step, "eval/pass@8": 0.75, "eval/length": 7.5}
        for step in (0, 1)
    ]
    (folder / "results.jsonl").write_text("".join(json.dumps(row | changes) + "\n" for row in rows))
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Two seeds with k = 4 and one with k = 8."""
    return [
        run(tmp_path / "a", 0, 4, 0.25),
        run(tmp_path / "b", 1, 4, 0.75),
        run(tmp_path / "c", 0, 8, 0.5),
    ]


def test_seeds_are_taken_together(runs: list[Path], tmp_path: Path) -> None:
    told = compare(runs, tmp_path / "out")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in told.splitlines() if line.startswith("|")]
    assert rows == [
        ["runs", "seeds", "iteration", "Pass@1", "Pass@8", "length"],
        ["---"] * 6,
        ["1: k=4", "2", "10", "50.0 ± 35.4", "75.0 ± 0.0", "7.50 ± 0.00"],
        ["2: k=8", "1", "10", "50.0", "75.0", "7.50"],
    ]
    assert (tmp_path / "out/comparison.md").read_text() == told
    assert Image.open(tmp_path / "out/comparison.png").width > 1000


def test_only_shares_are_in_percent(tmp_path: Path) -> None:
    told = compare(
        [run(tmp_path / "a", 0, 4, 0.5, **{"eval/answer_entropy": 1.25, "eval/reward/short": -2.5})], tmp_path
    )
    head, _, row = ([cell.strip() for cell in line.split("|")] for line in told.splitlines() if line.startswith("|"))
    assert (row[head.index("answer_entropy")], row[head.index("reward/short")]) == ("1.25", "-2.5")


def test_lines_are_means_and_bands_reach_from_the_least_to_the_most(runs: list[Path]) -> None:
    one, eight = figure(lines_of(runs)).axes
    assert (one.get_ylabel(), eight.get_ylabel()) == ("Pass@1", "Pass@8")
    assert [line.get_label() for line in one.lines] == ["1: k=4", "2: k=8"]
    assert list(one.lines[0].get_ydata()) == [0, 0.5]
    band = one.collections[0].get_paths()[0].get_extents()
    assert (band.y0, band.y1) == (0, 0.75)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["a", "nowhere"], "nowhere is no run's folder: it has no config.yaml"),
        (["a", "a"], "a is given twice"),
        (["a", "d"], "d has no validation yet"),
    ],
)
def test_what_is_no_run_is_told_in_a_line(
    given: list[str], told: str, runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run(tmp_path / "d", 0, 4, 0.5) / "results.jsonl").unlink()
    assert main([*(str(tmp_path / name) for name in given), "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"passk: error: {tmp_path}/{told}\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config.yaml", b"model: ["),
        ("config.yaml", b"- model"),
        ("config.yaml", b"model: !!python/object/apply:os.getcwd []"),
        ("config.yaml", b""),
        ("config.yaml", b"\xff\xfe"),
        ("results.jsonl", b"\xff\xfe\n"),
        ("results.jsonl", b"[1, 2]\n"),
        ("results.jsonl", b"\n"),
        ("results.jsonl", b'{"eval/pass@1": 0.5}\n'),
        ("results.jsonl", b'{"iteration": 0, "eval/pass@1": "0.5"}\n'),
        ("results.jsonl", b'{"iteration": 0, "eval/pass@1": NaN}\n'),
        ("results.jsonl", b'{"iteration": 0, "eval/pas\n'),
    ],
)
def test_a_damaged_file_is_told_in_a_line(
    name: str, text: bytes, runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs[1] / name).write_bytes(text)
    assert main([*map(str, runs), "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    line = ", line 1," if name == "results.jsonl" else ""
    assert said.startswith(f"passk: error: {runs[1] / name}{line} is damaged: ") and said.count("\n") == 1


def test_a_validation_that_is_being_written_is_left_out(runs: list[Path], tmp_path: Path) -> None:
    told = compare(runs, tmp_path)
    with (runs[0] / "results.jsonl").open("a") as file:
        file.write('{"iteration": 20, "stage": "on')
    assert compare(runs, tmp_path) == told


@pytest.mark.parametrize("out", ["file", "file/in"])
def test_a_folder_that_can_not_be_made_is_told_in_a_line(
    out: str, runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main([str(runs[0]), "--out", str(tmp_path / out)]) == 2
    why = "File exists" if out == "file" else "Not a directory"
    assert capsys.readouterr().err == f"passk: error: {why}: {tmp_path / out}\n"
