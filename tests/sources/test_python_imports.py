"""What a file imports is found in its text, whatever that looks like."""

from __future__ import annotations

import json

import pytest

from mlflow2prov.sources.python_imports import Import, imports_of

CASES: list[tuple[str, list[Import], bool]] = [
    ("import a, b.c as d", [Import(0, "a"), Import(0, "b.c")], True),
    ("from a.b import (c,\n  d as e)", [Import(0, "a.b", ("c", "d"))], True),
    ("from . import a\nfrom ..b import *", [Import(1, "", ("a",)), Import(2, "b", ("*",))], True),
    ("try:\n  import a\nexcept ImportError:\n  import b", [Import(0, "a"), Import(0, "b")], True),
    ("def f():\n    if x:\n        import a", [Import(0, "a")], True),
    ("importlib.import_module('a.b')\n__import__('c')\nimport_module(name)", [Import(0, "a.b"), Import(0, "c")], True),
    ("import_module('.a', __package__)", [Import(1, "a")], True),
    ("import_module('.a', 'p.q')\nimport_module('..b', package='p.q')", [Import(0, "p.q.a"), Import(0, "p.b")], True),
    ("import_module('...a', 'p.q')\nimport_module('.a', 'p-q')\nimport_module('.')", [], True),
    ("import_module(name='a')\n__import__(name='b')", [Import(0, "a"), Import(0, "b")], True),
    (
        "from importlib import import_module as load\nload('a')\nother('b')",
        [Import(0, "importlib", ("import_module",)), Import(0, "a")],
        True,
    ),
    ("import runpy\nrunpy.run_module('a')", [Import(0, "runpy"), Import(0, "a"), Import(0, "a.__main__")], True),
    ("x = '''\nimport a\n'''", [], True),
    ("x = '\\d'  # import\nimport a", [Import(0, "a")], True),
    ("print 'old'\nimport a, b.c as d\nfrom e import f, g\nfrom . import h\n",
     [Import(0, "a"), Import(0, "b.c"), Import(0, "e", ("f", "g")), Import(1, "", ("h",))], False),
    ("print 'old'\nfrom a import (b,\n    c)\nimport d; x = 1", [Import(0, "a", ("b", "c")), Import(0, "d")], False),
    ("{{ template }}\nimport a\nimport 1x", [Import(0, "a")], False),
    ("", [], True),
]  # fmt: skip


@pytest.mark.parametrize(("text", "imports", "is_parsed"), CASES)
def test_imports_are_found(text: str, imports: list[Import], is_parsed: bool) -> None:
    found = imports_of(text.encode())
    assert (sorted(found.imports, key=str), found.is_parsed) == (sorted(imports, key=str), is_parsed)


def notebook(*cells: object, **more: object) -> bytes:
    listed = [{"cell_type": "code", "source": cell} for cell in cells]
    return json.dumps({"cells": [*listed, {"cell_type": "markdown", "source": "import m"}], **more}).encode()


def test_a_notebooks_code_cells_are_read_and_its_magics_are_not() -> None:
    content = notebook(
        ["%matplotlib inline\n", "import a\n", "!pip install b\n", "x = !ls\n"],
        "%%bash\nimport no",
        "%%time\nimport c",
        "f?\nfrom d import e",
        "%run ./helper.py\n%run -i 'my book.ipynb'",
        17,
    )
    found = imports_of(content, is_notebook=True)
    assert [one.module for one in found.imports] == ["a", "c", "d"]
    assert found.runs == ("./helper.py", "my book.ipynb")


def test_an_old_notebook_and_one_that_is_none() -> None:
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": ["import a"]}, 3]}, 4]}
    assert imports_of(json.dumps(old).encode(), is_notebook=True).imports == (Import(0, "a"),)
    for content in (b"", b"[]", b"{}", b'{"cells": 3}', b"[" * 100_000, b"\xff"):
        assert imports_of(content, is_notebook=True).imports == ()


def test_databricks_magics_stand_in_comments() -> None:
    content = b"# Databricks notebook source\n# MAGIC %run ./setup\n# COMMAND ----------\nimport a\n"
    found = imports_of(content)
    assert (found.imports, found.runs) == ((Import(0, "a"),), ("./setup",))


@pytest.mark.parametrize(
    "content",
    [
        b"import a\n" + b"(" * 100_000,
        b"import a\nx = " + b"-" * 100_000 + b"1",
        b"import a\nx = " + b"1+" * 100_000 + b"1",
        b"import a\n\x00",
        b"# -*- coding: nonsense -*-\nimport a\n",
        b"import a\n\xff\xfe",
        b"import a\nx = " + b"9" * 100_000,
    ],
    ids=["brackets", "signs", "sums", "nul", "coding", "bytes", "digits"],
)
def test_a_text_that_no_parser_takes_does_no_harm(content: bytes) -> None:
    assert Import(0, "a") in imports_of(content).imports


def test_what_is_exported_is_known() -> None:
    assert imports_of(b"__all__ = ['a', 'b', c]\n").exported == ("a", "b")
    assert imports_of(b"__all__: list = ('a',)\n").exported == ("a",)
