"""The files that an entry point imports are found in the tree of its own commit."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from git_maker import Repository, picked

from mlflow2prov import extract
from mlflow2prov.cli import run
from mlflow2prov.errors import UsageError
from mlflow2prov.sources.git_wanted import GitWanted

FILES = {
    "scripts/train.py": "import helper, numpy\nimport wine.fit as f\nfrom wine.deep import leaf, NAME\nimport random",
    "scripts/helper.py": "import train\n",
    "helper.py": "import never\n",
    "random.py": "",
    "never.py": "",
    "src/wine/__init__.py": "from .version import number\n",
    "src/wine/version.py": "",
    "src/wine/fit.py": "from . import press\nfrom .deep import leaf\nfrom wine import *\n",
    "src/wine/press.py": "try:\n    from ..outside import x\nexcept ImportError:\n    pass\nif 0:\n    import wine.late\n",
    "src/wine/late.py": "print 'old'\nimport spaces.part.one\n",
    "src/outside.py": "",
    "src/wine/deep/leaf.py": "",
    "src/wine/deep/other.py": "",
    "src/spaces/part/one.py": "from spaces.part import two",
    "src/spaces/part/two.py": "",
    "src/spaces/part/three.py": "",
    "numpy": ("160000", "1" * 40),
    "books/look.ipynb": json.dumps(
        {"cells": [{"cell_type": "code", "source": ["%run ../scripts/helper\n", "import wine.deep.other"]}]}
    ),
    "starred.py": "from pack import *\n",
    "pack/__init__.py": "__all__ = ['one', 'name']\n",
    "pack/one.py": "import both\n",
    "pack/two.py": "",
    "both.py": "",
    "both/__init__.py": "",
    "up.py": "from .... import x\nimport_module('both')\n",
    "run.sh": "python train.py",
}

CASES = {
    "scripts/train.py": [
        "scripts/helper.py",
        "src/outside.py",
        "src/spaces/part/one.py",
        "src/spaces/part/two.py",
        "src/wine/__init__.py",
        "src/wine/deep/leaf.py",
        "src/wine/fit.py",
        "src/wine/late.py",
        "src/wine/press.py",
        "src/wine/version.py",
    ],
    "books/look.ipynb": [
        "scripts/helper.py",
        "src/wine/__init__.py",
        "src/wine/deep/other.py",
        "src/wine/version.py",
    ],
    "starred.py": ["both/__init__.py", "pack/__init__.py", "pack/one.py"],
    "up.py": ["both/__init__.py"],
    "random.py": [],
    "run.sh": [],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Repository, str]:
    repository = Repository(tmp_path_factory.mktemp("imports") / "r")
    return repository, repository.commit(FILES)  # type: ignore[arg-type]


def test_imports_are_followed_as_python_would(
    made: tuple[Repository, str], caplog: pytest.LogCaptureFixture
) -> None:
    repository, sha = made
    with caplog.at_level(logging.WARNING):
        rows = repository.read(
            entry_points=[(sha, path) for path in CASES], wanted=GitWanted(follow_imports=True)
        )["git_import"]
    found = {path: picked(rows, "path", entry_path=path) for path in CASES}
    assert found == CASES
    assert {row["revision_commit"] for row in rows} == {sha}
    assert "1 files that runs import are no Python" in caplog.text


def test_imports_are_followed_only_when_asked_for(made: tuple[Repository, str]) -> None:
    repository, sha = made
    assert repository.read(entry_points=[(sha, "scripts/train.py")])["git_import"] == []


def test_the_revision_is_the_one_of_the_runs_commit(tmp_path: Path) -> None:
    made = Repository(tmp_path / "r")
    one = made.commit({"train.py": "import a", "a.py": "1", "b.py": ""})
    two = made.commit({"train.py": "import a", "a.py": "import b", "b.py": ""}, one)
    three = made.commit({"train.py": "import a", "a.py": "import b", "b.py": "3"}, two)
    points = [(sha, "train.py") for sha in (one, two, three)]
    rows = made.read(entry_points=[*points, (three, "./train.py")], wanted=GitWanted(follow_imports=True))[
        "git_import"
    ]
    assert picked(rows, "commit", "path", "revision_commit") == sorted(
        [
            (one, "a.py", one),
            (two, "a.py", two),
            (two, "b.py", one),
            (three, "a.py", two),
            (three, "b.py", three),
        ]
    )


def test_what_runs_as_a_module_imports_from_above_its_package(tmp_path: Path) -> None:
    made = Repository(tmp_path / "r")
    files = {
        "wine/__init__.py": "import start",
        "wine/train.py": "import helper",
        "wine/helper.py": "",
        "helper.py": "",
        "start.py": "",
        "plain/train.py": "import helper",
        "plain/helper.py": "",
        "setup.cfg": "[options.entry_points]\nconsole_scripts =\n    train = wine.train:main\n",
        "MLproject": "entry_points: {main: {command: python -m wine.train}, script: {command: python wine/train.py}}",
    }
    as_module = ["helper.py", "start.py", "wine/__init__.py"]
    cases = {
        ("-m wine.train", ""): as_module,
        ("/venv/bin/train", ""): as_module,
        ("./", "main"): as_module,
        ("./", "script"): ["wine/helper.py"],
        ("wine/train.py", ""): ["wine/helper.py"],
        ("-m plain.train", ""): ["helper.py"],
    }
    shas = [made.commit({**files, "n": str(number)}) for number in range(len(cases))]
    points = [(sha, *case) for sha, case in zip(shas, cases, strict=True)]
    rows = made.read(entry_points=points, wanted=GitWanted(follow_imports=True))["git_import"]
    assert [picked(rows, "path", commit=sha) for sha in shas] == list(cases.values())
    both = [(shas[0], "-m wine.train"), (shas[0], "wine/train.py")]
    for asked in (both, both[::-1]):
        rows = made.read(entry_points=asked, wanted=GitWanted(follow_imports=True))["git_import"]
        assert picked(rows, "path") == ["wine/helper.py"]


def test_python_2_looks_beside_the_importer_first(tmp_path: Path) -> None:
    made = Repository(tmp_path / "r")
    files = {"train.py": "import old.a, new.a", "helper.py": ""}
    for name, text in (("old", "import helper\nprint 'x'\n"), ("new", "import helper\n")):
        files |= {f"{name}/__init__.py": "", f"{name}/a.py": text, f"{name}/helper.py": ""}
    sha = made.commit(files)
    rows = made.read(entry_points=[(sha, "train.py")], wanted=GitWanted(follow_imports=True))["git_import"]
    found = picked(rows, "path")
    assert found == [
        "helper.py", "new/__init__.py", "new/a.py", "old/__init__.py", "old/a.py", "old/helper.py"
    ]  # fmt: skip


def test_symbolic_links_are_followed_to_the_files_that_they_lead_to(tmp_path: Path) -> None:
    made = Repository(tmp_path / "r")
    link = "120000"
    sha = made.commit(
        {
            "run.py": (link, "jobs/train.py"),
            "jobs/train.py": "import helper, round, away",
            "jobs/helper.py": (link, "../shared/helper.py"),
            "jobs/round.py": (link, "round.py"),
            "jobs/away.py": (link, "/etc/away.py"),
            "helper.py": "",
            "shared/helper.py": "import below",
            "shared/below.py": "",
            "below.py": "",
            "same.py": "shared/helper.py",
        }
    )
    rows = made.read(entry_points=[(sha, "run.py")], wanted=GitWanted(follow_imports=True))["git_import"]
    links = ["jobs/away.py", "jobs/helper.py", "jobs/round.py"]
    assert picked(rows, "path", entry_path="run.py") == sorted(
        [*links, "below.py", "jobs/train.py", "shared/helper.py"]
    )


def test_a_long_chain_and_a_huge_file_come_to_an_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = Repository(tmp_path / "r")
    chain = {f"m{number}.py": f"import m{number + 1}, m0" for number in range(60)}
    huge = "import m7\n" + "#" * (17 << 20)
    sha = made.commit({"train.py": "import m0, huge", "huge.py": huge, **chain})
    with caplog.at_level(logging.WARNING):
        rows = made.read(entry_points=[(sha, "train.py")], wanted=GitWanted(follow_imports=True))[
            "git_import"
        ]
    assert picked(rows, "path") == sorted([*chain, "huge.py"])
    assert "1 files that runs import are missing or larger than 16 MiB" in caplog.text


def test_imports_without_a_store_are_wrong_usage(
    made: tuple[Repository, str], capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["extract", "--repository_path", str(made[0].path), "--follow_imports"]
    assert run(given) == 2
    assert (
        "--follow_imports does nothing without both --repository_path and --mlflow_url"
        in capsys.readouterr().err
    )
    with pytest.raises(UsageError, match="both a repository and an MLflow store"):
        extract(made[0].path, follow_imports=True)
