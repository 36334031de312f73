"""What people call things, declared in one table."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from mlflow2prov.graph.reference_rows import Rows


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


def _whole(found: re.Match[str]) -> str:
    return found[0]


def _first(found: re.Match[str]) -> str:
    return found[1]


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
