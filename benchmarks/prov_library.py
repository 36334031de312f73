"""What the ``prov`` library does, as a child process.

``python -m benchmarks.prov_library build RECORDS FILE`` builds a document of the records in a folder and
writes it as PROV-JSON; ``… load FILE`` reads one. Prints the number of records. Names are made once each and
values handed over in Python's own types, which is the quickest way that the library has.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
from prov.identifier import QualifiedName
from prov.model import PROV, ProvDocument

Attributes = list[tuple[QualifiedName, Any]]


def build(records: Path, file: Path) -> int:
    """Build a document of records, write it, and return how many there were."""
    document = document_of(records)
    document.serialize(str(file), format="json")
    return len(document.get_records())


def document_of(records: Path) -> ProvDocument:
    """Return a document of the records in a folder."""
    builder = _Builder(json.loads((records / "keys.json").read_text(encoding="utf-8")))
    for batch in _batches(records / "element.arrow"):
        builder.elements(batch)
    for batch in _batches(records / "relation.arrow"):
        builder.relations(batch)
    return builder.document


def load(file: Path) -> int:
    """Read a document and return how many records it has."""
    return len(ProvDocument.deserialize(str(file), format="json").get_records())


def _batches(file: Path) -> Iterator[pa.RecordBatch]:
    with pa.memory_map(str(file)) as source:
        yield from pa.ipc.open_stream(source)


class _Builder:
    def __init__(self, about: dict[str, Any]) -> None:
        self.document = document = ProvDocument()
        self._spaces = {
            prefix: document.add_namespace(prefix, iri) for prefix, iri in about["prefixes"].items()
        }
        self._spaces["prov"] = PROV
        self._names: dict[str, QualifiedName] = {}
        conversions: dict[str | None, Callable[[str], Any]] = {
            "prov:QUALIFIED_NAME": self._name,
            "xsd:double": float,
            "xsd:int": int,
            "xsd:dateTime": datetime.fromisoformat,
            None: str,
        }
        self._keys = [(self._name(name), conversions[datatype]) for name, datatype in about["keys"]]

    def _name(self, token: str) -> QualifiedName:
        found = self._names.get(token)
        if found is None:
            prefix, _, local = token.partition(":")
            found = self._names[token] = self._spaces[prefix][local]
        return found

    def elements(self, batch: pa.RecordBatch) -> None:
        """Add elements."""
        document, columns = self.document, _columns(batch)
        rows = zip(
            *(columns[name] for name in ("kind", "name", "start_time", "end_time")),
            self._attributes(batch),
            strict=True,
        )
        for kind, token, start, end, attributes in rows:
            match kind:
                case 1:
                    document.entity(self._name(token), attributes)
                case 2:
                    document.activity(self._name(token), _instant(start), _instant(end), attributes)
                case 3:
                    document.agent(self._name(token), attributes)

    def relations(self, batch: pa.RecordBatch) -> None:
        """Add relations."""
        document, columns = self.document, _columns(batch)
        rows = zip(
            *(columns[name] for name in ("kind", "a1", "a2", "time")), self._attributes(batch), strict=True
        )
        for kind, one, two, time, attributes in rows:
            first, second = self._name(one), self._name(two)
            match kind:
                case 11:
                    document.wasGeneratedBy(first, second, _instant(time), other_attributes=attributes)
                case 12:
                    document.used(first, second, _instant(time), other_attributes=attributes)
                case 31:
                    document.wasAttributedTo(first, second, other_attributes=attributes)
                case 32:
                    document.wasAssociatedWith(first, second, other_attributes=attributes)
                case 51:
                    document.hadMember(first, second)

    def _attributes(self, batch: pa.RecordBatch) -> Iterator[Attributes]:
        lists: Any = batch.column("attributes")
        numbers, texts = (lists.values.field(name).to_pylist() for name in ("k", "v"))
        offsets = lists.offsets.to_pylist()
        keys = self._keys
        for begin, end in pairwise(offsets):
            found: Attributes = []
            for place in range(begin, end):
                name, convert = keys[numbers[place] - 1]
                found.append((name, convert(texts[place])))
            yield found


def _columns(batch: pa.RecordBatch) -> dict[str, list[Any]]:
    names = [name for name in batch.schema.names if name != "attributes"]
    return {name: batch.column(name).to_pylist() for name in names}


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


if __name__ == "__main__":
    work, *paths = sys.argv[1:]
    print({"build": build, "load": load}[work](*map(Path, paths)))
