"""The direction of imports, and what must stay unimported."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "mlflow2prov"
LAYERS = {
    "errors": set(),
    "interruption": set(),
    "prov": {"errors"},
    "graph": {"errors", "interruption", "prov"},
    "sources": {"errors", "prov", "graph"},
    "model": {"errors", "prov", "graph"},
    "formats": {"errors", "prov", "graph"},
    "sinks": {"errors", "prov", "graph", "formats", "model", "query"},
    "query": {"errors", "prov", "graph", "model", "formats"},
    "cache": {"errors", "prov", "graph", "sources", "model"},
    "linking": {"errors", "prov", "graph", "sources"},
    "validation": {"errors", "prov", "graph", "formats", "model"},
    "progress": set(),
    "terminal": {"progress"},
    "checks": {"errors", "prov", "graph", "formats", "sources", "sinks", "model"},
    "commands": {"errors", "prov", "graph", "formats", "sources", "checks", "sinks", "validation"},
    "surroundings": {"graph", "progress"},
    "store_ways": {"prov", "sources", "surroundings"},
    "extraction": {
        "errors",
        "prov",
        "graph",
        "sources",
        "model",
        "cache",
        "progress",
        "store_ways",
        "surroundings",
    },
    "pipeline": {
        "errors",
        "graph",
        "formats",
        "checks",
        "commands",
        "extraction",
        "query",
        "sinks",
        "progress",
        "surroundings",
        "validation",
    },
    "config": {"errors", "commands"},
    "command_line": {"commands"},
    "cli": {
        "errors",
        "prov",
        "graph",
        "interruption",
        "command_line",
        "commands",
        "config",
        "pipeline",
        "progress",
        "surroundings",
        "terminal",
    },
}
"""What each part of the package may import, besides itself."""

CONVENIENCES = {
    ("graph/graph.py", part) for part in ("formats", "linking", "query", "sinks", "sources", "validation")
}
"""Methods of Graph that hand over to what lies above it, when they are called."""

MODULES = sorted(
    path
    for path in SOURCE.rglob("*.py")
    if path.name not in {"__main__.py"} and path.parent != SOURCE / "web"
)


PARTS = set(LAYERS)


def imported(tree: ast.AST, inside: Path) -> set[str]:
    """The parts of our own package that a module imports, inside functions or outside, in any form."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                folder = ("mlflow2prov", *inside.parts[:-1])
                base = ".".join([*folder[: len(folder) - node.level + 1], *filter(None, [node.module])])
            names |= {f"{base}.{alias.name}" for alias in node.names}
    parts = {name.split(".")[1] for name in names if name.startswith("mlflow2prov.")}
    return parts & PARTS


@pytest.mark.parametrize(
    "code",
    [
        "from mlflow2prov import pipeline",
        "from .. import pipeline",
        "from ..pipeline import run",
        "import mlflow2prov.pipeline as p",
        "def f():\n    from mlflow2prov.pipeline import run",
    ],
)
def test_an_import_is_seen_in_any_form(code: str) -> None:
    assert imported(ast.parse(code), Path("graph/merge.py")) == {"pipeline"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_one_way(path: Path) -> None:
    inside = path.relative_to(SOURCE)
    part = inside.parts[0].removesuffix(".py")
    if part == "__init__":
        return
    allowed = LAYERS[part] | {part}
    found = {
        name
        for name in imported(ast.parse(path.read_text()), inside)
        if (inside.as_posix(), name) not in CONVENIENCES
    }
    assert found <= allowed


def loaded_by(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code", ["import mlflow2prov", "import mlflow2prov.cli", "from mlflow2prov import extract, Graph"]
)
def test_heavy_libraries_stay_unimported_until_they_are_used(code: str) -> None:
    heavy = {
        "duckdb",
        "pyarrow",
        "prov",
        "mlflow",
        "pandas",
        "numpy",
        "rich",
        "urllib3",
        "adbc_driver_sqlite",
        "yaml",
    }
    assert loaded_by(code) & heavy == set()


def test_mlflow_is_never_imported_not_even_for_an_extraction(tmp_path: Path) -> None:
    code = (
        "from mlflow2prov import extract\n"
        "import subprocess\n"
        f"subprocess.run(['git', 'init', '-q', {str(tmp_path / 'r')!r}], check=True)\n"
        f"extract({str(tmp_path / 'r')!r})"
    )
    assert loaded_by(code) & {"mlflow", "prov", "sqlalchemy"} == set()


def test_pandas_stays_unimported_while_documents_are_read_and_written(tmp_path: Path) -> None:
    code = (
        "from mlflow2prov import Graph, load\n"
        "from prov.model import ProvDocument\n"
        "document = ProvDocument()\n"
        "document.add_namespace('ex', 'http://example.org/')\n"
        "document.used('ex:a', 'ex:e', other_attributes={'prov:role': 'x', 'ex:n': 1})\n"
        "graph = Graph.from_prov(document)\n"
        "for name in ('json', 'jsonld', 'provn', 'xml', 'rdf', 'trig', 'ttl', 'nt', 'nq', 'parquet'):\n"
        f"    load(graph.save({str(tmp_path)!r} + '/' + name, name), format=name)\n"
    )
    assert "pandas" not in loaded_by(code)
