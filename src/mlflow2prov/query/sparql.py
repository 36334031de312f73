"""SPARQL queries over a graph as PROV-O, in this process (extra ``mlflow2prov[rdf]``).

A document is the default graph, each bundle a named one. A query sees nothing else: what would fetch
(``SERVICE``) is refused, and ``FROM`` chooses among the graphs that are there. All of the graph is held
in memory.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlflow2prov.errors import GraphError, UsageError
from mlflow2prov.formats import write_to
from mlflow2prov.graph.graph import Graph
from mlflow2prov.prov.namespaces import M2P, PROV, XSD
from mlflow2prov.query.answers import Answer
from mlflow2prov.query.beside import beside

if TYPE_CHECKING:
    import pyarrow as pa

PREFIXES = {
    "prov": PROV,
    "m2p": M2P,
    "xsd": XSD,
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
}
"""The prefixes that a query need not declare, beside those of the document."""

_BATCH = 10_000


def sparql_answer(graph: Graph, query: str, timeout_s: float | None = None) -> Answer:
    """Return the answer to a query: the variables of SELECT, ``answer`` of ASK, triples of CONSTRUCT and DESCRIBE.

    All values are text: of literals their lexical form.

    Raises:
        UsageError: the query is wrong or would fetch something, or the extra is not installed.
        GraphError: it was waited for longer than ``timeout_s`` seconds.
    """
    oxigraph = _oxigraph()
    _refuse_service(query)
    store = graph.worked_out("RDF store", lambda: _loaded(graph, oxigraph))
    prefixes = PREFIXES | {prefix: iri for prefix, iri in graph.prefixes().items() if prefix != "_"}
    pieces = beside(lambda: _found(store, query, prefixes, oxigraph), timeout_s=timeout_s)
    schema: pa.Schema = next(pieces)
    return Answer(schema, pieces)


def _oxigraph() -> Any:
    try:
        import pyoxigraph
    except ImportError as error:
        raise UsageError(
            'for SPARQL, pyoxigraph is needed, which is not installed: pip install "mlflow2prov[rdf]"'
        ) from error
    return pyoxigraph


def _loaded(graph: Graph, oxigraph: Any) -> Any:
    store = oxigraph.Store()
    with tempfile.TemporaryFile(dir=graph.store.folder) as file:
        write_to(graph, file, "nq")
        file.seek(0)
        store.bulk_load(file, format=oxigraph.RdfFormat.N_QUADS)
    return store


def _found(store: Any, query: str, prefixes: dict[str, str], oxigraph: Any) -> Iterator[Any]:
    """Yield the schema of the answer, then batches of it."""
    import pyarrow as pa

    try:
        found = store.query(query, prefixes=prefixes)
    except (SyntaxError, ValueError, RuntimeError) as error:
        _refuse_updates(query)
        raise UsageError(f"the query is no SPARQL that can be carried out: {_first_line(error)}") from error
    if isinstance(found, oxigraph.QueryBoolean):
        schema = pa.schema([("answer", pa.bool_())])
        yield schema
        yield pa.record_batch([[bool(found)]], schema=schema)
        return
    is_solutions = isinstance(found, oxigraph.QuerySolutions)
    names = [one.value for one in found.variables] if is_solutions else ["subject", "predicate", "object"]
    schema = pa.schema([(name, pa.string()) for name in names])
    yield schema
    rows: list[list[str | None]] = []
    try:
        for row in found:
            values = list(row)
            rows.append([_text(values[place]) for place in range(len(names))])
            if len(rows) == _BATCH:
                yield _batch(rows, schema)
                rows = []
    except (OSError, ValueError, RuntimeError) as error:
        raise GraphError(f"the query failed: {_first_line(error)}") from error
    yield _batch(rows, schema)


def _batch(rows: list[list[str | None]], schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    columns = [pa.array([row[place] for row in rows], pa.string()) for place in range(len(schema.names))]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _text(term: Any) -> str | None:
    return None if term is None else str(getattr(term, "value", term))


_TOKEN = re.compile(
    r"""\\.|#[^\n\r]*|<[A-Za-z][A-Za-z0-9+.-]*:[^<>"{}|^`\\\x00-\x20]*>"""
    r"""|\"\"\"(?:[^\\]|\\.)*?\"\"\"|'''(?:[^\\]|\\.)*?'''|"(?:[^"\\\n\r]|\\.)*"|'(?:[^'\\\n\r]|\\.)*'"""
    r"""|[?$]\w+|(?P<name>[\w-]*:[\w-]*)|(?P<word>\w+)""",
    re.DOTALL,
)
_UPDATES = frozenset({"INSERT", "DELETE", "WITH", "LOAD", "CLEAR", "CREATE", "DROP", "COPY", "MOVE", "ADD"})
_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})")


def _refuse_service(query: str) -> None:
    """Raise an error where a query would ask another server; escapes may stand for any character of it."""
    plain = _ESCAPE.sub(lambda found: _character(int(found[1] or found[2], 16)), query)
    for text in {query, plain}:
        if any((found["word"] or "").lower() == "service" for found in _TOKEN.finditer(text)):
            raise UsageError("a query can read the graph only: SERVICE is not there")


def _refuse_updates(query: str) -> None:
    """Raise an error where what is no query is an update, in the words that one begins with."""
    words = [found["word"] for found in _TOKEN.finditer(query) if found["word"]]
    beginning = next((word.upper() for word in words if word.upper() not in {"BASE", "PREFIX"}), "")
    if beginning in _UPDATES:
        raise UsageError(f"a query can only read: it has to be a SELECT, an ASK, …, not {beginning}")


def _character(code: int) -> str:
    return chr(code) if code < 0x110000 else "\ufffd"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
