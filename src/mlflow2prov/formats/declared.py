"""The declarations of the formats in which documents are written and read."""

from __future__ import annotations

from dataclasses import dataclass

from mlflow2prov.formats import beginnings


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One format.

    Attributes:
        name: as ``--format`` spells it; also the suffix of files written.
        title: what its standard is called.
        suffixes: of files read, with their dots.
        module: of this package; has ``write(graph, file)`` and ``read(file, name, store)``, or, for a
            folder, ``write_folder(graph, folder)``, ``is_own(folder)``, which tells whether that wrote
            it, and ``read_folder(folder, name, store)``.
        extra: of the distribution that it needs, if any.
        lost: what a document loses on the way through a file of it, for the reference.
        reads: whether documents can be loaded from it.
        writes: whether documents can be saved in it.
        looks: how a file of it begins, after white space, as a regular expression of bytes.
        marker: the file by which a folder of the format is known; empty if the format is one file.
        settings: words of ``save`` that its writer takes as further arguments.
        program: whether another program writes it, which the module's ``program()`` finds.
        element_bytes: measured mean size of an element of ours.
        relation_bytes: likewise of a relation.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    module: str
    extra: str | None = None
    lost: str = "nothing"
    reads: bool = True
    writes: bool = True
    looks: bytes | None = None
    marker: str = ""
    settings: tuple[str, ...] = ()
    program: bool = False
    element_bytes: int = 480
    relation_bytes: int = 190


_RDF_LOSES = (
    "what RDF can't tell apart: `rdfs:label`, `rdf:type`, `prov:atLocation` and `prov:hadRole` as names of "
    "attributes, which are those of PROV; one language tag in two spellings"
)

FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        Format(
            name="json",
            title="PROV-JSON (W3C Member Submission)",
            suffixes=(".json",),
            module="provjson",
            looks=beginnings.JSON,
        ),
        Format(
            name="jsonld",
            title="PROV-JSONLD",
            suffixes=(".jsonld",),
            module="provjsonld",
            looks=beginnings.JSONLD,
        ),
        Format(
            name="provn",
            title="PROV-N (W3C Recommendation)",
            suffixes=(".provn", ".prov-n", ".asn"),
            lost="nothing; a language tag that PROV-N can't spell is refused",
            module="provn",
            looks=beginnings.PROVN,
        ),
        Format(
            name="rdf",
            title="PROV-O (W3C Recommendation) as RDF/XML",
            suffixes=(".rdf", ".owl"),
            lost=_RDF_LOSES + "; bundles are refused; prefixes that XML can't have",
            module="rdfxml",
            extra="rdf",
            looks=beginnings.RDFXML,
        ),
        Format(
            name="xml",
            title="PROV-XML (W3C Note)",
            suffixes=(".xml", ".provx"),
            lost="characters that XML lacks, which are shown as \\xNN; attributes with names that XML lacks are refused",
            module="provxml",
            looks=beginnings.XML,
        ),
        Format(
            name="trig",
            title="PROV-O as TriG",
            suffixes=(".trig",),
            lost=_RDF_LOSES,
            module="trig",
            extra="rdf",
            looks=beginnings.TRIG,
        ),
        Format(
            name="ttl",
            title="PROV-O as Turtle",
            suffixes=(".ttl", ".turtle", ".n3"),
            lost=_RDF_LOSES + "; bundles are refused",
            module="turtle",
            extra="rdf",
        ),
        Format(
            name="nt",
            title="PROV-O as N-Triples",
            suffixes=(".nt",),
            lost=_RDF_LOSES + "; prefixes; bundles are refused",
            module="ntriples",
            extra="rdf",
        ),
        Format(
            name="nq",
            title="PROV-O as N-Quads",
            suffixes=(".nq", ".nquads"),
            lost=_RDF_LOSES + "; prefixes",
            module="nquads",
            extra="rdf",
            looks=beginnings.NQUADS,
        ),
        Format(
            name="parquet",
            title="Apache Parquet: a folder of record tables",
            suffixes=(),
            module="parquet",
            lost="the order of records of different kinds",
            marker="document.json",
        ),
        Format(
            name="csv",
            title="node and edge tables of neo4j-admin import",
            suffixes=(),
            module="neo4j_csv",
            lost="datatypes and languages beyond those of Neo4j; the order of records",
            marker="nodes-header.csv",
            reads=False,
        ),
        Format(
            name="dot",
            title="Graphviz DOT",
            suffixes=(".dot", ".gv"),
            lost="identifiers of relations, datatypes, languages; attributes, unless asked for",
            module="dot",
            reads=False,
            settings=("attributes",),
        ),
        *(
            Format(
                name=name,
                title=f"a picture ({title}), drawn by Graphviz",
                suffixes=(f".{name}",),
                lost="all that would make it unreadable: see below",
                module=name,
                reads=False,
                settings=("attributes",),
                program=True,
            )
            for name, title in (("svg", "SVG"), ("png", "PNG"), ("pdf", "PDF"))
        ),
    )
}
"""Every format by its name; of those that a file may look like, the first counts."""
