"""PNG pictures; see :mod:`mlflow2prov.formats.picture`."""

from __future__ import annotations

from mlflow2prov.formats.picture import write_png as write

__all__ = ["write"]
