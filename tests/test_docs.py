"""Every estimator and every loss of docs/ through the real command line, ten iterations each, as the pages say."""

from __future__ import annotations

import re
from importlib import import_module
from math import isfinite
from pathlib import Path
from typing import Any

import pytest
import yaml

import app.advantages
import app.losses
from app.advantages.curves import curves
from tests.conftest import ROOT, CommandLine, demonstrated, stage, steps
from tests.test_configs import missing, parsed, said, stages_of

DOCS = ROOT / "docs"
PAGES = [
    *(page for page in ROOT.glob("*.md") if page.name != "CHANGELOG.md"),
    ROOT / "configs" / "README.md",
    *DOCS.glob("*.md"),
]


def spelt(page: str) -> list[Any]:
    """The items of all YAML lists on a page."""
    blocks = re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text(), flags=re.DOTALL)
    lists = [block for block in map(yaml.safe_load, blocks) if isinstance(block, list)]
    return [item for block in lists for item in block]


def name(item: Any) -> str:
    return str(item).replace("app.advantages.", "").replace("app.losses.", "")


def kind(item: Any) -> type:
    path = item if isinstance(item, str) else item["class_path"]
    return getattr({"advantages": app.advantages, "losses": app.losses}[path.split(".")[1]], path.split(".")[-1])


ADVANTAGES = spelt("advantages.md")
LOSSES = [item for item in spelt("losses.md") if issubclass(kind(item), app.losses.PolicyLoss)]
PENALTIES = [item for item in spelt("losses.md") if issubclass(kind(item), app.losses.KLPenalty)]
CORRECTIONS = [item for item in spelt("losses.md") if issubclass(kind(item), app.losses.Correction)]


def fit(passk: CommandLine, stages: list[dict[str, Any]], *options: str, **model: Any) -> dict[str, float]:
    """Run the stages on problems that about half of the answers solve; the figures at the end."""
    model["policy"] = {"init_args": {"alphabet": "ab"}}
    data = {"class_path": "tests.callbacks.extras.CoinDataModule", "init_args": {"batch_size": 4}}
    cli = passk.fit(stages, *options, model=model, data=data, trainer={"val_check_interval": 10}, cached=False)
    assert cli.model.iteration == sum(part["until"]["init_args"]["steps"] for part in stages)
    figures = {key: float(value) for key, value in cli.trainer.callback_metrics.items()}
    assert all(isfinite(value) for value in figures.values())
    assert figures["train/updates"] > 0
    curves(cli.model.settings.advantage, 4)  # which is drawn by default
    return figures


def first_is_quick(variants: list[Any]) -> list[Any]:
    """All but the first are slow: they take the same way through the program."""
    return [*variants[:1], *(pytest.param(each, marks=pytest.mark.slow) for each in variants[1:])]


def loss_for(advantage: Any) -> str | None:
    return "app.losses.Reinforce" if name(advantage).startswith("{'class_path': 'MaxK") else None


@pytest.mark.slow
def test_all_estimators_and_losses_run_one_after_another(passk: CommandLine) -> None:
    """A stage of two iterations of each; alone and for ten iterations they are slow."""
    stages = [
        stage(f"estimator {index}", each, loss=loss_for(each), reset_optimizer=True)
        for index, each in enumerate(ADVANTAGES)
    ]
    stages += [stage(f"loss {index}", loss=each, reset_optimizer=True) for index, each in enumerate(LOSSES)]
    fit(passk, stages, "--schedule.save_stages=false", "--trainer.limit_val_batches=0")


@pytest.mark.slow
@pytest.mark.parametrize("advantage", ADVANTAGES, ids=name)
def test_an_estimator_runs(advantage: Any, passk: CommandLine) -> None:
    fit(passk, [stage("explore", advantage, until=steps(10), loss=loss_for(advantage))])


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES, ids=name)
def test_a_loss_runs(loss: Any, passk: CommandLine) -> None:
    learner = "app.advantages.PassOne"
    figures = fit(passk, [stage("explore", learner, until=steps(10), loss=loss)])
    assert figures["train/grad_norm"] > 0


@pytest.mark.parametrize("penalty", first_is_quick(PENALTIES), ids=name)
def test_a_penalty_runs(penalty: Any, passk: CommandLine) -> None:
    learner = "app.advantages.PassOne"
    figures = fit(passk, [demonstrated(), stage("explore", learner, until=steps(10))], kl=penalty, entropy_bonus=0.001)
    assert figures["train/kl"] != 0
    assert figures["train/entropy"] > 0


@pytest.mark.parametrize("correction", first_is_quick(CORRECTIONS), ids=name)
def test_a_correction_runs(correction: Any, passk: CommandLine) -> None:
    fit(passk, [stage("explore", "app.advantages.PassOne", until=steps(10))], correction=correction)


def test_every_class_is_on_its_page() -> None:
    """What a user may choose is written down, and so runs above."""
    bases = {"AdvantageEstimator", "PolicyLoss", "Reduction", "TokenFilter", "KLPenalty", "Correction"}
    for module, page in ((app.advantages, "advantages.md"), (app.losses, "losses.md")):
        said = "\n".join(str(item) for item in spelt(page))
        missing = [each for each in module.__all__ if each not in bases and not re.search(rf"\.{each}\b", said)]
        assert missing == []


def test_every_picture_and_page_that_a_page_links_to_exists() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert "://" in link or (page.parent / link).exists(), f"{page.name}: {link}"


def test_no_page_or_configuration_has_marks_of_a_merge() -> None:
    files = [*ROOT.glob("*.md"), *ROOT.glob("*.yaml"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "configs").rglob("*")]
    marked = [
        file.name for file in files if file.is_file() and re.search(r"^(<{7}|={7}$|>{7})", file.read_text(), re.M)
    ]
    assert marked == []


def names_of(page: Path) -> set[str]:
    """Files, folders, modules and classes of ours that a page names as code."""
    text = page.read_text()
    code = [*re.findall(r"```\w*\n(.*?)```", text, flags=re.DOTALL), *re.findall(r"`([^`\n]+)`", text)]
    names = re.findall(
        r"(?<![\w./-])(?:app|callbacks|datamodules|benchmarks|tests|configs|docs)[./][\w./*<>-]*", " ".join(code)
    )
    return {name.rstrip("./") for name in names if "<" not in name}


def exists(name: str) -> bool:
    """Whether there is such a file, folder, module or member of one."""
    path = name.replace(".", "/")
    found = any(ROOT.glob(name)) or any((ROOT / each).is_file() for each in (f"{path}.py", f"{path}/__init__.py"))
    if found or "/" in name or name.count(".") <= 1:
        return found
    module, _, member = name.rpartition(".")
    if (ROOT / f"{name.replace('.', '/')}.py").is_file():
        return True
    try:
        return hasattr(import_module(module), member)
    except ModuleNotFoundError as error:  # it needs a package that is not installed
        assert error.name == "vllm"
        return f"\nclass {member}" in (ROOT / f"{module.replace('.', '/')}.py").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_names_is_there(page: Path) -> None:
    assert [name for name in sorted(names_of(page)) if not exists(name)] == []


OVERLAYS = [
    (page, block)
    for page in PAGES
    for block in re.findall(r"^```yaml\n(\w.*?)```", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    if page.name not in ("your_own_task.md", "CONTRIBUTING.md")  # which have tests of their own
]


@pytest.mark.parametrize(("page", "block"), OVERLAYS, ids=[page.stem for page, _ in OVERLAYS])
def test_an_overlay_of_a_page_is_read(
    page: Path, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a folder that has the files it names."""
    monkeypatch.chdir(tmp_path)
    for file in re.findall(r"\w+\.(?:parquet|jsonl?|csv)", block):
        Path(file).touch()
    Path("overlay.yaml").write_text(block)
    found, wanted = parsed(capsys, Path("overlay.yaml")), yaml.safe_load(block)
    if isinstance(wanted.get("schedule", {}).get("stages"), dict):
        wanted["schedule"]["stages"] = stages_of(Path("overlay.yaml"))  # changes by name
    assert missing(said(wanted), said(found)) == []


def test_the_pictures_are_those_of_the_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`docs/draw_advantages.py` draws them all, and no picture lies there that it does not draw."""
    monkeypatch.syspath_prepend(str(DOCS))
    import draw_advantages as drawing  # type: ignore[import-not-found]

    names = {f"{name}.svg" for name in (*drawing.PICTURES, "weights")}
    assert {path.name for path in (DOCS / "advantages").iterdir()} == names
    for estimators in drawing.PICTURES.values():
        assert len(drawing.draw_curves(dict(list(estimators.items())[:1])).axes) == 4


def test_every_policy_has_its_row_and_every_row_its_file() -> None:
    named = set(re.findall(r"`([\w./]+\.yaml)`", (DOCS / "support.md").read_text()))
    policies = {path.name for path in (ROOT / "configs" / "policies").iterdir()}
    assert policies <= named
    assert named <= policies | {path.name for path in (ROOT / "configs").glob("*.yaml")}


def test_the_architecture_page_names_what_there_is() -> None:
    """Every file it names is there, and every class and method behind a file's name is in some file it names."""
    page = (DOCS / "architecture.md").read_text()
    files = set(re.findall(r"(?:app|callbacks|datamodules)/[\w/]*(?:\.py|/)", page))
    assert len(files) > 25
    assert not [file for file in files if not (ROOT / file).exists()]
    code = "\n".join((ROOT / file).read_text() for file in sorted(files) if file.endswith(".py"))
    names = set(re.findall(r"`([A-Z]\w+|[a-z]\w*_\w+)`", page)) - {"MASTER_PORT"}
    assert len(names) > 20
    assert not [name for name in names if not re.search(rf"\b{name}\b", code)]
    for owner, method in re.findall(r"`?\b([A-Z]\w+)\.(\w+)\b`?", page):
        assert re.search(rf"^class {owner}\b.*?^    def {method}\b", code, re.DOTALL | re.MULTILINE), (owner, method)
