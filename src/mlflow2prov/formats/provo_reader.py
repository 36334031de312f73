"""Reading PROV-O (https://www.w3.org/TR/prov-o/) in any RDF syntax.

N-Triples and N-Quads of the usual form are taken apart by the engine; everything else is parsed by pyoxigraph
(extra ``mlflow2prov[rdf]``). Memory holds some 16 MB of the text; its triples stand in tables that can spill.

A qualified relation and the triple that says the same are one relation; so are a revision that is said to be a
derivation as well, and the time of a generation at its entity. An element whose class is not said has the kind
that its more special class, its times or the relations that it is in imply; only things with attributes are
such elements. Attributes of a thing that several records identify stand at each of these. Triples about things
that are no records of PROV are left out, and counted in a warning on the log. Where a relation's node has
several values of one argument, the first values make one relation, the second ones another. Qualified names
as literals (``xsd:QName``) are names where the document declares their prefix, else texts. N-Triples and
N-Quads have no prefixes: those of the graph are made from its namespaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from mlflow2prov.formats.provo_assembly import Declared, assemble
from mlflow2prov.formats.provo_forms import Forms
from mlflow2prov.formats.provo_lines import Lines
from mlflow2prov.formats.provo_parser import Document, Languages, parser_of_lines
from mlflow2prov.graph.store import default_store

if TYPE_CHECKING:
    from mlflow2prov.graph.graph import Graph
    from mlflow2prov.graph.store import Store

_CHUNK_BYTES = 2**20


def read_as(syntax: str, file: BinaryIO, name: str, store: Store | None = None) -> Graph:
    """Return the PROV-O document in a file as a graph.

    Args:
        syntax: ``nt``, ``nq``, ``ttl``, ``trig``, or ``rdf`` (RDF/XML, or Turtle or TriG if it is that).
        file: the file.
        name: what to call it in messages.
        store: where the graph will live.

    Raises:
        FormatError: it is not of that syntax, or has no place in PROV; the message has the line.
        UsageError: pyoxigraph is needed, but not installed.
    """
    store = store or default_store()
    with store.in_order(), store.scratch("rdf") as schema:
        forms = Forms(store, schema)
        document = None if syntax in ("nt", "nq") else Document(syntax, file, name)
        has_graphs = syntax == "nq" if document is None else document.syntax == "trig"
        lines = Lines(store, schema, name, forms, graphs=has_graphs)
        declared: dict[str, str] = {}
        if document is None:
            languages = Languages()
            parser = parser_of_lines(syntax, languages)
            while content := file.read(_CHUNK_BYTES):
                lines.add(content, parser)
            lines.finish(parser)
        else:
            declared = document.parse(lambda content: lines.add(content, None))
            languages = document.languages
            lines.finish(None)
        return assemble(store, schema, name, forms, Declared(declared, languages.spelling))
