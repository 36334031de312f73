"""What a ``setup.py`` declares, in whatever form and for whatever Python it is written."""

from __future__ import annotations

import pytest

from mlflow2prov.sources.git_declared import Declared, declared_in

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
