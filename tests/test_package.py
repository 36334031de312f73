"""The wheel, in an environment that has nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from tests.conftest import DemoProject

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run(
        [*command, "--wheel-dir", str(folder), str(PROJECT)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_what_the_package_ships(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for name in ("py.typed", "configuration.schema.json", "model/ontology.ttl", "cli.py"):
        assert f"mlflow2prov/{name}" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "examples/", "docs/"))]


def test_it_works_where_mlflow_is_not_installed(
    wheel: Path, demo_project: DemoProject, tmp_path: Path
) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel)]
    done = subprocess.run(pip, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert subprocess.run([str(python), "-c", "import mlflow"], capture_output=True).returncode != 0
    command = [
        str(python.with_name("mlflow2prov")),
        "extract",
        "--repository_path",
        str(demo_project.repository),
    ]
    command += ["--mlflow_url", f"sqlite:///{demo_project.database}", "save", "--output", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    runs = [name for name in json.loads((tmp_path / "out.json").read_text())["entity"] if ":Run." in name]
    assert len(runs) == demo_project.truth["counts"]["mlflow"]["runs"]
