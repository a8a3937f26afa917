"""The wheel works outside the clone: built, installed beside the dependencies, run in an empty folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.conftest import ROOT, environment

SMALL = (
    "--data.train={7: 64}", "--data.validation={7: 4}", "--data.test={7: 4}", "--evaluation.n=4",
    "--evaluation.ks=[1, 4]", "--schedule.cold_start.steps=2", "--schedule.exploit.steps=1",
)  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the working tree."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    build = ["-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run([sys.executable, *build], check=True, timeout=120)
    (built,) = folder.iterdir()
    return built


def test_the_wheel_holds_every_file_of_the_clone(wheel: Path) -> None:
    assert wheel.name.startswith("passk_rlvr-")
    folders = ("app", "callbacks", "datamodules", "benchmarks", "configs")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".yaml")]
    wanted = {str(path.relative_to(ROOT)) for path in files} | {"lightning.yaml"}
    assert len(wanted) > 200
    assert wanted - set(ZipFile(wheel).namelist()) == set()


@pytest.mark.slow
def test_the_default_job_runs_in_an_empty_folder(wheel: Path, tmp_path: Path, cache: Path) -> None:
    """In a virtual environment that sees the dependencies and not this clone."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True, timeout=120)
    python, empty = tmp_path / "venv" / "bin" / "python", tmp_path / "empty"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.check_output([python, "-c", where], text=True).strip())
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    (site / "dependencies.pth").write_text("\n".join(libraries))
    install = ["-m", "pip", "--python", str(python), "install", "-q", "--no-deps", str(wheel)]
    subprocess.run([sys.executable, *install], check=True, timeout=120)
    empty.mkdir()
    command = [python.with_name("passk"), "fit", "-c", "configs/pass_at_1.yaml", *SMALL, f"--data.cache_dir={cache}"]
    ran = subprocess.run(command, cwd=empty, env=environment(), capture_output=True, text=True, timeout=240)
    assert ran.returncode == 0, ran.stderr
    assert f"configs/pass_at_1.yaml: {site / 'configs' / 'pass_at_1.yaml'}" in ran.stderr
    assert (empty / "runs" / "maze" / "version_0" / "stages" / "2-exploit" / "model.safetensors").exists()
