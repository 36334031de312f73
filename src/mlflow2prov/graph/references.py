"""What people call things, declared in one table, and what of a graph they mean by it.

A reference is looked for as each kind of ``REFERENCE_KINDS`` whose form it has. Of several things that one
kind finds, those that still are go before those that were invalidated. If more than one thing is left,
or none, the error lists the nearest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlflow2prov.errors import UsageError
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.reference_rows import Rows
from mlflow2prov.graph.vocabulary import NAME, Words
from mlflow2prov.prov.records import KIND_BY_NAME

_LISTED = 5
"""How many near ones an error lists."""

_LEAST_LIKE = 0.7
"""How like a reference has to be to be near (Jaro and Winkler's similarity, from 0 to 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceKind:
    """A way in which people call things.

    Attributes:
        name: what is meant, for messages.
        form: how it is spelled, for the documentation.
        example: one.
        pattern: the regular expression that such a reference fits.
        needle: the value that the thing's attributes have, by the match; None where no attribute does.
        rows: SQL of ``(id, handle)``, by :class:`Rows`; the handle is compared with the reference.
        is_prefix: the beginning of the handle is enough.
        is_folded: the case of letters does not matter.
        is_last: looked for only where no other kind finds something.
        doc: one sentence.
    """

    name: str
    form: str
    example: str
    pattern: str
    rows: Callable[[Rows], str]
    needle: Callable[[re.Match[str]], str] | None = None
    is_prefix: bool = False
    is_folded: bool = False
    is_last: bool = False
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """What a reference means.

    Attributes:
        id: the number of the identifier in the graph's tables.
        identifier: as its document spells it.
        kind: what kind of reference it was found as.
        label: what a person calls it.
    """

    id: int
    identifier: str
    kind: str
    label: str


def _whole(found: re.Match[str]) -> str:
    return found[0]


def _first(found: re.Match[str]) -> str:
    return found[1]


_SCHEME = re.compile("(runs|models):/+")
_MODEL = r"models:/([^/@]+)"

REFERENCE_KINDS: tuple[ReferenceKind, ...] = (
    ReferenceKind(
        name="model version",
        form="models:/NAME/VERSION",
        example="models:/wine/3",
        pattern=_MODEL + r"/[0-9]+",
        needle=_first,
        rows=Rows.versions,
        doc="A version of a registered model.",
    ),
    ReferenceKind(
        name="alias",
        form="models:/NAME@ALIAS",
        example="models:/wine@champion",
        pattern=_MODEL + r"@[^/]+",
        needle=_first,
        rows=Rows.aliases,
        doc="The version that an alias points at.",
    ),
    ReferenceKind(
        name="stage",
        form="models:/NAME/STAGE",
        example="models:/wine/Production",
        pattern=_MODEL + r"/[A-Za-z]+",
        needle=_first,
        rows=Rows.stages,
        is_folded=True,
        doc="The newest version in a stage; `latest` is the newest of all.",
    ),
    ReferenceKind(
        name="logged model",
        form="models:/MODEL_ID",
        example="models:/m-2c1f…",
        pattern=r"models:/(m-[^/@]+)",
        needle=_first,
        rows=Rows.logged_models,
        doc="A logged model of MLflow 3.",
    ),
    ReferenceKind(
        name="registered model",
        form="models:/NAME",
        example="models:/wine",
        pattern=_MODEL,
        needle=_first,
        rows=Rows.registered_models,
        doc="A registered model.",
    ),
    ReferenceKind(
        name="run",
        form="runs:/RUN_ID",
        example="runs:/5d7e14cf…",
        pattern=r"runs:/([^/]+)/?",
        needle=_first,
        rows=Rows.runs,
        doc="A run.",
    ),
    ReferenceKind(
        name="artifact",
        form="runs:/RUN_ID/PATH",
        example="runs:/5d7e14cf…/model",
        pattern=r"runs:/[^/]+/(.+?)/?",
        needle=_first,
        rows=Rows.artifacts,
        doc="What a run logged at a path: a model, else a file or folder.",
    ),
    ReferenceKind(
        name="run",
        form="RUN_ID",
        example="5d7e14cf…",
        pattern=r"[0-9a-f]{32}",
        needle=_whole,
        rows=Rows.run_ids,
        doc="A run by its bare identifier.",
    ),
    ReferenceKind(
        name="run name",
        form="the name of a run",
        example="brave-owl-12",
        pattern=r".+",
        needle=_whole,
        rows=Rows.run_names,
        doc="A run, where only one has the name.",
    ),
    ReferenceKind(
        name="experiment",
        form="the name of an experiment",
        example="wine-quality",
        pattern=r".+",
        needle=_whole,
        rows=Rows.experiments,
        doc="An experiment.",
    ),
    ReferenceKind(
        name="registered model",
        form="the name of a registered model",
        example="wine",
        pattern=r".+",
        needle=_whole,
        rows=Rows.model_names,
        doc="A registered model.",
    ),
    ReferenceKind(
        name="commit",
        form="a commit, or the beginning of one",
        example="4c30775",
        pattern=r"[0-9a-f]{4,64}",
        needle=_whole,
        rows=Rows.commits,
        is_prefix=True,
        doc="A commit, by four digits or more.",
    ),
    ReferenceKind(
        name="file at a commit",
        form="PATH@COMMIT",
        example="train.py@4c30775",
        pattern=r"(.+)@([0-9a-f]{4,64})",
        rows=Rows.file_states,
        needle=_first,
        is_prefix=True,
        doc="The revision of a file as it stood at a commit, whichever commit made it.",
    ),
    ReferenceKind(
        name="file",
        form="a path that a file has or had",
        example="src/train.py",
        pattern=r".+",
        needle=_whole,
        rows=Rows.paths,
        doc="A file through all its revisions, by its path or, where only one file has it, by its name.",
    ),
    ReferenceKind(
        name="dataset",
        form="the name of a dataset",
        example="wine-train",
        pattern=r".+",
        needle=_whole,
        rows=Rows.dataset_names,
        doc="A dataset, where only one has the name.",
    ),
    ReferenceKind(
        name="digest of a dataset",
        form="the digest of a dataset",
        example="3a03b302",
        pattern=r"\S+",
        needle=_whole,
        rows=Rows.dataset_digests,
        doc="A dataset.",
    ),
    ReferenceKind(
        name="branch or tag",
        form="the name of a branch or tag",
        example="v1.0",
        pattern=r".+",
        needle=_whole,
        rows=Rows.branches_and_tags,
        doc="What a branch or a tag points at.",
    ),
    ReferenceKind(
        name="e-mail",
        form="an e-mail address",
        example="ada@example.org",
        pattern=r"\S+@\S+",
        needle=lambda found: found[0].lower(),
        rows=Rows.emails,
        is_folded=True,
        doc="A person, whatever the case of the letters.",
    ),
    ReferenceKind(
        name="person",
        form="the name or user name of a person",
        example="ada",
        pattern=r".+",
        needle=_whole,
        rows=Rows.people,
        doc="A person, where only one has the name.",
    ),
    ReferenceKind(
        name="PROV identifier",
        form="PREFIX:LOCAL, or an IRI",
        example="ex:report",
        pattern=r".+",
        rows=Rows.identifiers,
        doc="Any element, as the document spells its identifier, or by its full IRI.",
    ),
    ReferenceKind(
        name="data at a commit",
        form="PATH@COMMIT, of data",
        example="data/wine.csv@83de590",
        pattern=r"(.+)@([0-9a-f]{4,64})",
        rows=Rows.data_states,
        needle=_first,
        is_prefix=True,
        is_last=True,
        doc="Data of DVC or Git LFS as it stood at a commit, where nothing else is found.",
    ),
    ReferenceKind(
        name="data",
        form="a path of data under version control",
        example="data/wine.csv",
        pattern=r".+",
        needle=_whole,
        rows=Rows.data_paths,
        is_last=True,
        doc="Data of DVC or Git LFS that never changed, where nothing else is found; else give a commit, too.",
    ),
    ReferenceKind(
        name="label",
        form="a label",
        example="the monthly report",
        pattern=r".+",
        needle=_whole,
        rows=Rows.labels,
        is_last=True,
        doc="Any element with this `prov:label`, where nothing else is found.",
    ),
    ReferenceKind(
        name="PROV identifier",
        form="PREFIX:LOCAL, or an IRI",
        example="ex:draft",
        pattern=r".+",
        rows=Rows.undescribed,
        is_last=True,
        doc="What relations name, but no record describes, where nothing else is found.",
    ),
)
"""Every kind of reference; a document that has no such things has nothing to be found so."""


def resolve(graph: Graph, text: str) -> Reference:
    """Return what a reference means in a graph; white space around it counts where something is called so.

    Costs one look at the values of all elements.

    Raises:
        UsageError: nothing is called so, or several things are; the error lists the nearest.

    >>> from prov.model import ProvDocument
    >>> document = ProvDocument()
    >>> _ = document.add_namespace("ex", "http://example.org/")
    >>> _ = document.entity("ex:report", {"prov:label": "the monthly report"})
    >>> resolve(Graph.from_prov(document), "the monthly report").identifier
    'ex:report'
    """
    for spelled in dict.fromkeys((text, text.strip())):
        with graph.store.scratch("reference") as scratch:
            rows = Rows(graph, Words(graph), scratch)
            found = list({it.id: it for it in _meant(graph, rows, spelled)}.values())
            near = [] if found or spelled != text.strip() else _nearest(graph, rows, spelled)
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(_ambiguous(spelled, found))
    raise UsageError(_unknown(spelled, near))


def _meant(graph: Graph, rows: Rows, text: str) -> list[Reference]:
    """What is called just so, by the kinds of references in their order."""
    matches = [(kind, it) for kind in REFERENCE_KINDS if (it := re.fullmatch(kind.pattern, text, re.DOTALL))]
    rows.gather({kind.needle(found) for kind, found in matches if kind.needle}, text)
    meant: list[Reference] = []
    for is_last in (False, True):
        kinds = [kind for kind, _ in matches if kind.is_last is is_last]
        meant = meant or _found(graph, rows, kinds)
    return meant


def _found(graph: Graph, rows: Rows, kinds: Sequence[ReferenceKind]) -> list[Reference]:
    """What each of the kinds finds, in their order; of each the things that still are, if there are any."""
    pieces = []
    for place, kind in enumerate(kinds):
        told = rows.told(kind.rows(rows), is_prefix=kind.is_prefix, is_folded=kind.is_folded)
        pieces.append(f"SELECT {place} AS place, id, rank FROM ({told})")
    if not pieces:
        return []
    scratch = rows.scratch
    run, invalidation = graph.store.run, KIND_BY_NAME["wasInvalidatedBy"].number
    run(f"CREATE OR REPLACE TABLE {scratch}.told AS {' UNION ALL '.join(pieces)}")
    found = run(
        f"WITH near AS (SELECT DISTINCT place, id FROM {scratch}.told "
        "QUALIFY rank = min(rank) OVER (PARTITION BY place)), aged AS ("
        f"SELECT place, id, id IN (SELECT a1 FROM {graph.schema}.relation WHERE kind = {invalidation} "
        f"AND a1 IN (SELECT id FROM near)) AS is_past FROM near), "
        "living AS (SELECT place, id FROM aged QUALIFY is_past = bool_and(is_past) OVER (PARTITION BY place)) "
        f"SELECT l.place, l.id, {NAME} FROM living l JOIN {graph.schema}.name n ON n.id = l.id ORDER BY 1, 3"
    )
    labels = _labels(graph, [number for _, number, _ in found])
    return [
        Reference(number, name, kinds[place].name, labels.get(number) or name)
        for place, number, name in found
    ]


def _labels(graph: Graph, ids: list[int]) -> dict[int, str]:
    if not ids:
        return {}
    listed = ", ".join(map(str, ids))
    return dict(
        graph.query(
            f"SELECT id, any_value({Words(graph).label()} ORDER BY rowid) FROM {{graph}}.element WHERE id IN ({listed}) "
            "GROUP BY id"
        )
    )


def _ambiguous(text: str, found: list[Reference]) -> str:
    listed = [f"{one.kind} {one.label} = {one.identifier}" for one in found[:_LISTED]]
    listed += [f"{len(found) - _LISTED:,} more"] if len(found) > _LISTED else []
    return (
        f"{_shortened(text)!r} may mean {len(found)} things: {'; '.join(listed)}: give one of the identifiers"
    )


def _unknown(text: str, near: Sequence[tuple[str, str]]) -> str:
    if not near:
        return f"nothing is called {_shortened(text)!r} in the document, nor anything like it"
    listed = ", ".join(f"{handle} ({kind})" for kind, handle in near)
    return f"nothing is called {_shortened(text)!r} in the document; the nearest are: {listed}"


def _nearest(graph: Graph, rows: Rows, text: str) -> list[tuple[str, str]]:
    """The kind and the handle of what is called most like the text."""
    everything = rows.of_everything()
    pieces = []
    for place, kind in enumerate(REFERENCE_KINDS):
        if not kind.is_prefix or "@" not in kind.form:
            pieces.append(f"SELECT {place} AS place, handle FROM ({kind.rows(everything)})")
    bare = _SCHEME.sub("", text)  # what has a name may have been asked for by an identifier's form
    found = graph.store.run(
        "SELECT min(place), handle, greatest(jaro_winkler_similarity(lower(handle), lower(?)), "
        "jaro_winkler_similarity(lower(handle), lower(?))) AS likeness FROM "
        f"({' UNION ALL '.join(pieces)}) WHERE handle IS NOT NULL GROUP BY handle "
        f"HAVING likeness >= {_LEAST_LIKE} OR (len(?) > 1 AND contains(lower(handle), lower(?))) "
        f"ORDER BY likeness DESC, handle LIMIT {_LISTED}",
        [text, bare, bare, bare],
    )
    return [(REFERENCE_KINDS[place].name, _shortened(handle)) for place, handle, _ in found]


def _shortened(handle: str) -> str:
    return handle if len(handle) <= 100 else f"{handle[:99]}…"
