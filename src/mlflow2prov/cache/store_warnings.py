"""Warnings of a store's rows that a cache gives again, as long as it need not read these rows anew."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from mlflow2prov.cache.compare import EVERYTHING
from mlflow2prov.cache.file import CacheFile
from mlflow2prov.sources.mlflow.table_warnings import noting_of_tables

_LOG = logging.getLogger(__name__)

_WARNINGS = "store_warnings"


@contextmanager
def remembering(cache: CacheFile, covered: Mapping[str, object]) -> Iterator[None]:
    """Remember what is warned of in the ``with`` block, and give what was before, but for tables that are read whole.

    Args:
        cache: where the warnings are remembered.
        covered: the tables of which rows are read in the block, and of which units; see ``Arrived``.
    """
    before: Mapping[str, Sequence[str]] = json.loads(cache.meta().get(_WARNINGS, "{}"))
    with noting_of_tables() as said:
        yield
    for table, sentences in before.items():
        if covered.get(table, ()) is EVERYTHING:
            continue
        for sentence in sentences:
            if sentence not in said.setdefault(table, []):
                said[table].append(sentence)
                _LOG.warning("%s", sentence)
    with cache.transaction():
        cache.set_meta({_WARNINGS: json.dumps(said)})
