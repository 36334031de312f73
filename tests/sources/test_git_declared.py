"""What a ``setup.py`` declares, in whatever form and for whatever Python it is written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from git_maker import Repository, read

from mlflow2prov.sources.git_declared import Declared, declared_in
from mlflow2prov.sources.git_narrowing import Narrowing
from mlflow2prov.sources.git_wanted import GitWanted

TRAIN = ("train=wine.cli:main",)

CASES: dict[str, tuple[str, tuple[str, ...]]] = {
    "a dictionary": ("setup(entry_points={'console_scripts': ['train=wine.cli:main']})", TRAIN),
    "a call of dict": ("setup(entry_points=dict(console_scripts=['train=wine.cli:main']))", TRAIN),
    "a text": (
        "setup(entry_points='''\n[console_scripts]\ntrain = wine.cli:main\n[x.y]\nother = a:b\n''')",
        TRAIN,
    ),
    "Python 2": ("print 'x'\nsetup(entry_points={'console_scripts': ['train=wine.cli:main']})", TRAIN),
    "lines in one text": (
        "E = {'gui_scripts': 'train=wine.cli:main [gpu]\\nshow = wine.gui:main'}",
        ("show=wine.gui:main", *TRAIN),
    ),
    "braces beside it": (
        "'}'; X = '''{'''  # }\nE = {'a': {'b': 1}, 'console_scripts': ['train=wine.cli:main']}",
        TRAIN,
    ),
    "names to be filled in": (
        "E = {'console_scripts': ['train=wine.cli:main', 'train%s=wine.cli:main' % 3]}",
        TRAIN,
    ),
    "a comment and a text": ("# {'console_scripts': ['a=b:c']}\n'''{'console_scripts': ['a=b:c']}'''", ()),
    "another call": ("setup(console_scripts=['a=b:c']); E.get('console_scripts', ['a=b:c'])", ()),
    "half a file": ("setup(entry_points={'console_scripts': ['a=b:c'],", ()),
    "closed too often": ("}}])'console_scripts'", ()),
    "no Python": ("E = {'console_scripts': [a b]}", ()),
}


@pytest.mark.parametrize("case", CASES)
def test_a_setup_file_declares_its_scripts(case: str) -> None:
    text, declared = CASES[case]
    assert declared_in(b"setup.py", text.encode()) == tuple(Declared(*one.split("=")) for one in declared)


TOML_CASES: dict[str, str] = {
    "a table": "[project]\nname = 'x'\n[project.scripts] # of it\ntrain = 'wine.cli:main'\n[tool.x]\nscripts.a = 'b'\n",
    "keys with dots": "[project]\nscripts.train = 'wine.cli:main'\n",
    "before all tables": "project.scripts = {train = 'wine.cli:main'}\n[tool.x]\na = 1\n",
    "quoted": "[ 'project' . \"scripts\" ]\ntrain = 'wine.cli:main'\n",
    "escaped": '[tool.x]\na = 1\n["proj\\u0065ct"]\nscr\\u0069pts = 1\n'.replace(
        "scr\\u0069pts = 1", '"scr\\u0069pts".train = "wine.cli:main"'
    ),
    "lines that look like tables": "[project]\nlist = [\n['a'],\n[2]\n]\nscripts.train = 'wine.cli:main'\n",
    "a text like tables": '[tool.x]\na = """\n[project.scripts]\nb = "c:d"\n"""\n[project.scripts]\ntrain = "wine.cli:main"',
    "indented": "  [project]\n  [project.gui-scripts]\n  train = 'wine.cli:main'\n",
    "rubbish elsewhere": "[tool.x]\n= = =\n[project.scripts]\ntrain = 'wine.cli:main'\n",
    "Flit": "[tool.flit.scripts]\ntrain = 'wine.cli:main'\n[[tool.flit.other]]\nscripts = 1",
}


@pytest.mark.parametrize("case", TOML_CASES)
def test_a_pyproject_file_declares_its_scripts(case: str) -> None:
    assert declared_in(b"pyproject.toml", TOML_CASES[case].encode()) == (Declared("train", "wine.cli:main"),)


HOSTILE: dict[str, tuple[bytes, str, str]] = {
    "quotes that are escaped": (b"setup.py", "_scripts", '\\"'),
    "texts that end nowhere": (b"setup.py", "_scripts", "'\\"),
    "texts like lists": (b"setup.py", "", '_scripts]"'),
    "dictionaries in dictionaries": (b"setup.py", "(" * 60, '{"console_scripts": (('),
    "spaces in a line": (b"setup.py", "{'console_scripts': ['''a", " "),
    "empty lines": (b"setup.py", "setup(entry_points='''[console_scripts]", "\n"),
    "quotes in TOML": (b"pyproject.toml", '"""scripts"""', '\\"'),
    "a name of many parts": (b"pyproject.toml", "project.scripts.", "a."),
    "wrong lines": (b"setup.cfg", "[options.entry_points]\nconsole_scripts =\n", "}\n"),
    "spaces in a value": (b"setup.cfg", "[options.entry_points]\nconsole_scripts =\n  a = b", " "),
    "lists in lists": (b"MLproject", "entry_points:\n  main: ", "["),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_takes_no_longer_than_its_size_says(case: str) -> None:
    name, start, again = HOSTILE[case]
    script = (  # the limit is of the time of the processor: what took minutes or hours before
        "import resource, sys\n"
        "from mlflow2prov.sources.git_declared import declared_in\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (20, 20))\n"
        "text = sys.argv[2] + sys.argv[3] * ((2**20 - 100 - len(sys.argv[2])) // len(sys.argv[3]))\n"
        "for end in ('', \"'''])\", '\\n}'):\n"
        "    declared_in(sys.argv[1].encode(), (text + end).encode())\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", script, name.decode(), start, again], check=True)


@pytest.mark.parametrize("paths", [(), ("*.py", "setup.cfg", "MLproject")])
def test_a_partial_clone_says_once_that_files_that_declare_something_are_missing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, paths: tuple[str, ...]
) -> None:
    made = Repository(tmp_path / "made")
    files = {"setup.py": "a", "b/setup.cfg": "b", "MLproject": "c", "d/setup.py": "a", "train.py": "1"}
    old = made.commit(files)
    sha = made.commit({**files, "pyproject.toml": "x = 1\n" * (1 << 18), "MLproject": "d"}, old)
    made.git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "clone"
    made.git("clone", "-q", "--bare", "--filter=blob:none", f"file://{made.path}", str(clone))
    narrowing = Narrowing.of((), paths, None, None)
    for path, count in ((made.path, 0), (clone, 1)):
        caplog.clear()
        read(path, entry_points=[(sha, "train.py")], wanted=GitWanted(narrowing=narrowing))
        said = [
            it.getMessage()
            for it in caplog.records
            if "declare what can be run" in it.getMessage() and "missing" in it.getMessage()
        ]
        assert len(said) == count
        assert all(
            it.startswith("5 contents of files") and "MLproject, pyproject.toml, setup" in it for it in said
        )
