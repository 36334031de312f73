"""mlflow2prov: one W3C PROV graph from a Git history and an MLflow store.

>>> from mlflow2prov import Graph
>>> Graph.empty().statistics().counts("element")
{'entity': 0, 'activity': 0, 'agent': 0}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mlflow2prov.errors import Mlflow2ProvError
    from mlflow2prov.extraction import extract
    from mlflow2prov.graph.graph import Graph
    from mlflow2prov.pipeline import load, merge

__all__ = ["Graph", "Mlflow2ProvError", "__version__", "extract", "load", "merge"]

_HOMES = {
    "Graph": "mlflow2prov.graph.graph",
    "Mlflow2ProvError": "mlflow2prov.errors",
    "extract": "mlflow2prov.extraction",
    "load": "mlflow2prov.pipeline",
    "merge": "mlflow2prov.pipeline",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
