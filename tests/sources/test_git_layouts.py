"""What is imported from packages that are installed in editable mode lies where the projects say."""

from __future__ import annotations

from pathlib import Path

import pytest
from git_maker import Repository, picked

from mlflow2prov.sources.git_layouts import Layout, layouts_in
from mlflow2prov.sources.git_wanted import GitWanted

PACKAGE = {
    "jobs/train.py": "import wine.fit, numpy\n",
    "python/wine/__init__.py": "",
    "python/wine/fit.py": "from . import press\nfrom wine.press import x\n",
    "python/wine/press.py": "",
    "python/json.py": "",
}
PROJECTS = {
    "pyproject.toml": [
        '[tool.setuptools.package-dir]\n"" = "python"\n',
        '[tool.setuptools.packages.find]\nwhere = ["./python/"]\n',
        '[tool.setuptools.package-dir]\nwine = "python/wine"\n',
        '[tool.poetry]\npackages = [{include = "wine", from = "python"}]\n',
        '[tool.hatch.build.targets.wheel]\npackages = ["python/wine"]\n',
        '[tool.pdm.build]\npackage-dir = "python"\n',
        '[tool.uv.build-backend]\nmodule-root = "python"\n',
        '[tool.maturin]\npython-source = "python"\n',
    ],
    "setup.cfg": [
        "[options]\npackage_dir =\n    = python\n",
        "[options]\npackage_dir = wine=python/wine\n",
        "[options.packages.find]\nwhere = python\n",
    ],
    "setup.py": [
        "setup(package_dir={'': 'python'}, packages=['wine'])",
        "import setuptools as s\ns.setup(packages=s.find_packages('python'))",
        "setup(packages=find_namespace_packages(where='python'))",
    ],
}


def imported(folder: Path, files: dict[str, str], source: str) -> list[str]:
    made = Repository(folder / "r")
    sha = made.commit(files)
    rows = made.read(entry_points=[(sha, source)], wanted=GitWanted(follow_imports=True))
    return picked(rows["git_import"], "path")


@pytest.mark.parametrize(
    ("name", "content"), [(name, content) for name, contents in PROJECTS.items() for content in contents]
)
def test_a_package_is_imported_from_where_its_project_has_it(name: str, content: str, tmp_path: Path) -> None:
    expected = ["python/wine/__init__.py", "python/wine/fit.py", "python/wine/press.py"]
    assert imported(tmp_path, {**PACKAGE, name: content}, "jobs/train.py") == expected


def test_packages_of_several_projects_are_found_beside_each_other(tmp_path: Path) -> None:
    files = {
        "jobs/train.py": "import acme.core.fit, flat.one, twice, json\n",
        "libs/core/pyproject.toml": "[project]\nname = 'core'",
        "libs/core/src/acme/core/fit.py": "from acme.data import load\n",
        "libs/core/src/twice.py": "",
        "libs/data/setup.py": "",
        "libs/data/src/acme/data/__init__.py": "",
        "libs/data/src/acme/data/load.py": "",
        "libs/data/src/twice.py": "",
        "libs/flat/setup.cfg": "no section",
        "libs/flat/flat/__init__.py": "",
        "libs/flat/flat/one.py": "",
        "libs/flat/json.py": "",
        "libs/none/flat/one.py": "",
    }
    assert imported(tmp_path, files, "jobs/train.py") == [
        "libs/core/src/acme/core/fit.py",
        "libs/data/src/acme/data/__init__.py",
        "libs/data/src/acme/data/load.py",
        "libs/flat/flat/__init__.py",
        "libs/flat/flat/one.py",
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"\xff",
        b"[tool",
        b"tool = 3",
        b"[tool]\nsetuptools = [1]",
        b"[tool.poetry]\npackages = 'x'",
        b"[" * 9_999,
    ],
)
def test_what_is_odd_says_nothing(content: bytes) -> None:
    assert [layouts_in(name.encode(), content) for name in PROJECTS] == [(), (), ()]


@pytest.mark.parametrize("odd", ["\\ud800", "\\0"])
def test_a_folder_that_can_not_be_says_nothing(odd: str) -> None:
    assert layouts_in(b"setup.py", f"setup(package_dir={{'': '{odd}', '{odd}': 'a'}})".encode()) == ()


def test_folders_outside_the_project_are_none_of_it() -> None:
    said = b"[tool.setuptools.packages.find]\nwhere = ['/usr', '../x', 'a/../..', 'a/..', 3]\n"
    assert layouts_in(b"pyproject.toml", said) == (Layout("", "."),)
