"""The bridge to the ``prov`` library and back, over PROV-JSON."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from mlflow2prov.errors import Mlflow2ProvError
from mlflow2prov.formats import provjson
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.store import Store

if TYPE_CHECKING:
    from prov.model import ProvDocument


def to_prov(graph: Graph) -> ProvDocument:
    """Return a graph as a document of the ``prov`` library; some 2.4 kB a record are held.

    Raises:
        Mlflow2ProvError: the library is not installed.
    """
    try:
        from prov.model import ProvDocument
    except ImportError as error:
        raise Mlflow2ProvError(
            "the prov library is not installed; install it with: pip install 'mlflow2prov[prov]'"
        ) from error
    text = io.BytesIO()
    provjson.write(graph, text)
    return ProvDocument.deserialize(content=text.getvalue().decode(), format="json")


def from_prov(document: ProvDocument, store: Store | None = None) -> Graph:
    """Return the records of a document of the ``prov`` library as a graph."""
    content = str(document.serialize(format="json"))
    return provjson.read(io.BytesIO(content.encode()), "the document", store)
