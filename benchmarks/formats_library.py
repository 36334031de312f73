"""What the ``prov`` library does with its formats, as a child process: see ``formats_bench``.

``python -m benchmarks.formats_library RECORDS FOLDER NAME…`` builds a document of the records once, writes
and reads it in each of the formats, and prints the seconds of CPU of each as JSON. Building is not counted.
``… draw RECORDS FOLDER NAME`` builds it and draws it by Graphviz.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from prov.model import ProvDocument

from benchmarks.prov_library import document_of

_ARGUMENTS: dict[str, dict[str, str]] = {
    "json": {"format": "json"},
    "xml": {"format": "xml"},
    "provn": {"format": "provn"},
    "jsonld": {"format": "jsonld"},
    "ttl": {"format": "rdf", "rdf_format": "turtle"},
    "trig": {"format": "rdf", "rdf_format": "trig"},
    "nt": {"format": "rdf", "rdf_format": "nt"},
    "nq": {"format": "rdf", "rdf_format": "nquads"},
    "rdf": {"format": "rdf", "rdf_format": "xml"},
}
"""How the library calls the formats that it has."""


def measure(records: Path, folder: Path, names: list[str]) -> dict[str, dict[str, float]]:
    """Return the seconds that writing and reading take, by format; those it does not have are left out."""
    document = document_of(records)
    found: dict[str, dict[str, float]] = {}
    for name in names:
        arguments = _ARGUMENTS.get(name)
        if arguments is None:
            continue
        file = folder / f"library.{name}"
        start = time.process_time()
        document.serialize(str(file), **arguments)
        written = time.process_time()
        try:
            ProvDocument.deserialize(str(file), **arguments)
        except Exception as error:  # its reader fails on some of what it writes
            print(f"{name}: {error!r}", file=sys.stderr)
            found[name] = {"write_s": written - start}
        else:
            found[name] = {"write_s": written - start, "read_s": time.process_time() - written}
    return found


def draw(records: Path, folder: Path, name: str) -> None:
    """Draw a document of the records, as the library does it."""
    from prov.dot import prov_to_dot

    prov_to_dot(document_of(records)).write(str(folder / f"library.{name}"), format=name)


if __name__ == "__main__":
    if sys.argv[1] == "draw":
        draw(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
        sys.exit()
    records_, folder_, *names_ = sys.argv[1:]
    print(json.dumps(measure(Path(records_), Path(folder_), names_)))
