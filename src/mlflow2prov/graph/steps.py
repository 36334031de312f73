"""Which relations lineage goes along, which way, and why: declared in one table.

A walk *upstream* goes to what a thing came from, a walk *downstream* to what came of it. The first row
of ``STEPS`` that fits a relation holds for it: rows that name classes of our vocabulary stand before
the general ones, which are PROV's own and hold for any document.
"""

from __future__ import annotations

from dataclasses import dataclass

WAYS = ("upstream", "downstream", "both")
"""The directions that can be asked for."""

CLASSES: dict[str, tuple[str, ...]] = {
    "detail": (
        "Metric",
        "SystemMetric",
        "Param",
        "ExperimentTag",
        "RunTag",
        "RegisteredModelTag",
        "RegisteredModelVersionTag",
        "LoggedModelTag",
        "EvaluationDatasetTag",
        "Trace",
        "Span",
        "Assessment",
        "FormerState",
    ),
    "artifact": ("Artifact",),
    "model artifact": ("ModelArtifact",),
    "git reference": ("Tag", "Branch", "TagCreation"),
    "commit": ("Commit",),
    "file revision": ("FileRevision",),
    "data revision": ("DataRevision",),
    "file": ("File",),
    "source tree": ("SourceTree",),
    "source folder": ("SourceFolder",),
    "creation": ("Creation",),
    "run": ("Run",),
    "logged model": ("LoggedModel",),
    "experiment": ("Experiment",),
    "dataset": ("Dataset",),
    "registered model": ("RegisteredModel",),
    "version": ("RegisteredModelVersion",),
}
"""The classes of elements that steps tell apart, by the types of the vocabulary; an element is of the first
that it has a type of. The others, and all elements of other documents, are of none."""

DETAIL = "detail"
"""The class of what would drown an answer: left out unless it is asked for."""

LEADING_ON: dict[str, tuple[str, ...]] = {
    "upstream": (),
    "downstream": ("artifact", "git reference", "commit", "file revision", "file", "source tree", "creation"),
}
"""The classes of what is kept only where a walk leads on from it to something of another class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A way that lineage goes, or does not.

    Attributes:
        kind: the kind of relation.
        later: the formal argument that came later, or of the other.
        earlier: the formal argument that it came from.
        classes: the classes that ``later`` and ``earlier`` have to be of, where that matters.
        without: a formal argument that has to be absent.
        upstream: whether a walk upstream goes from ``later`` to ``earlier``: ``always``, ``history`` (only when
            asked to) or ``never``.
        downstream: whether a walk downstream goes from ``earlier`` to ``later``: ``always``, ``start`` (only from
            what was asked for) or ``never``.
        back: whether a walk goes the other way along it, too: ``upstream``, ``downstream``, ``both`` or ``never``.
        why: one sentence.
    """

    kind: str
    later: str
    earlier: str
    classes: tuple[str | None, str | None] = (None, None)
    without: str | None = None
    upstream: str = "always"
    downstream: str = "always"
    back: str = "never"
    why: str


STEPS: tuple[Step, ...] = (
    Step(
        kind="wasGeneratedBy",
        later="entity",
        earlier="activity",
        classes=("run", "creation"),
        back="both",
        why="A run is one with its execution.",
    ),
    Step(
        kind="wasGeneratedBy",
        later="entity",
        earlier="activity",
        classes=("file revision", "commit"),
        downstream="start",
        back="downstream",
        why="What has the state of a commit has the revisions that it made; what comes after the commit did not "
        "come of other revisions.",
    ),
    Step(
        kind="wasGeneratedBy",
        later="entity",
        earlier="activity",
        classes=("file", "commit"),
        downstream="start",
        why="Likewise.",
    ),
    Step(
        kind="wasGeneratedBy",
        later="entity",
        earlier="activity",
        classes=("data revision", "commit"),
        downstream="start",
        why="Data that a commit names did not come of the other files that it changed.",
    ),
    Step(
        kind="wasGeneratedBy",
        later="entity",
        earlier="activity",
        why="What an activity generated came of it.",
    ),
    Step(
        kind="used",
        later="activity",
        earlier="entity",
        classes=("commit", "file revision"),
        upstream="never",
        downstream="never",
        why="A commit used the former revisions of all its files; which revision came of which, their derivations say.",
    ),
    Step(kind="used", later="activity", earlier="entity", why="An activity works on what it used."),
    Step(
        kind="wasInformedBy",
        later="informed",
        earlier="informant",
        classes=("commit", "commit"),
        upstream="history",
        why="A commit has all commits before it as its history: upstream that would be the whole repository, and is "
        "left out unless asked for; downstream it is how later runs have an earlier change.",
    ),
    Step(
        kind="wasInformedBy",
        later="informed",
        earlier="informant",
        why="An activity was told something by another.",
    ),
    Step(
        kind="wasStartedBy",
        later="activity",
        earlier="trigger",
        why="What started an activity is where it came from.",
    ),
    Step(kind="wasStartedBy", later="activity", earlier="starter", why="Likewise."),
    Step(
        kind="wasEndedBy",
        later="activity",
        earlier="trigger",
        why="What ended an activity had an influence on what it made.",
    ),
    Step(kind="wasEndedBy", later="activity", earlier="ender", why="Likewise."),
    Step(
        kind="wasInvalidatedBy",
        later="entity",
        earlier="activity",
        upstream="never",
        downstream="never",
        why="How a thing ended says nothing of where it came from, nor does anything come of that.",
    ),
    Step(
        kind="wasDerivedFrom",
        later="generatedEntity",
        earlier="usedEntity",
        why="Derivation is lineage itself.",
    ),
    Step(
        kind="wasDerivedFrom",
        later="generatedEntity",
        earlier="activity",
        classes=("file revision", "commit"),
        downstream="start",
        why="As with the generation of the revision.",
    ),
    Step(
        kind="wasDerivedFrom",
        later="generatedEntity",
        earlier="activity",
        why="The activity that derived a thing generated it.",
    ),
    Step(
        kind="wasAttributedTo",
        later="entity",
        earlier="agent",
        classes=("file revision", None),
        downstream="never",
        why="What came of a person's revisions came of their commits.",
    ),
    Step(
        kind="wasAttributedTo",
        later="entity",
        earlier="agent",
        classes=("file", None),
        downstream="never",
        why="Likewise.",
    ),
    Step(
        kind="wasAttributedTo",
        later="entity",
        earlier="agent",
        why="People, organisations and programs answer for what is attributed to them.",
    ),
    Step(
        kind="wasAssociatedWith",
        later="activity",
        earlier="agent",
        why="Likewise for what they did.",
    ),
    Step(
        kind="wasAssociatedWith",
        later="activity",
        earlier="plan",
        why="An activity follows its plan.",
    ),
    Step(
        kind="actedOnBehalfOf",
        later="delegate",
        earlier="responsible",
        without="activity",
        why="Who has somebody act for them answers for all that they do.",
    ),
    Step(
        kind="actedOnBehalfOf",
        later="activity",
        earlier="responsible",
        why="Who has somebody act for them in one activity answers for that one.",
    ),
    Step(
        kind="wasInfluencedBy",
        later="influencee",
        earlier="influencer",
        why="Influence that says no more than that.",
    ),
    Step(
        kind="specializationOf",
        later="specificEntity",
        earlier="generalEntity",
        classes=("version", "registered model"),
        downstream="start",
        why="A version of a model does not come of whoever made the model's name, unless all of the model is asked for.",
    ),
    Step(
        kind="specializationOf",
        later="specificEntity",
        earlier="generalEntity",
        why="The specific has all that the general has.",
    ),
    Step(
        kind="alternateOf",
        later="alternate1",
        earlier="alternate2",
        classes=("dataset", None),
        why="A dataset is read from the artifact, or from the evaluation dataset, that it is an alternate of.",
    ),
    Step(
        kind="alternateOf",
        later="alternate1",
        earlier="alternate2",
        back="both",
        why="Alternates are aspects of one thing.",
    ),
    Step(
        kind="mentionOf",
        later="specificEntity",
        earlier="generalEntity",
        why="A mention is a specialization.",
    ),
    Step(
        kind="hadMember",
        later="entity",
        earlier="collection",
        classes=(None, "experiment"),
        upstream="never",
        downstream="start",
        why="Runs do not come of each other for being in one experiment.",
    ),
    Step(
        kind="hadMember",
        later="entity",
        earlier="collection",
        classes=(None, "registered model"),
        upstream="never",
        downstream="never",
        why="That a version specializes its model says more.",
    ),
    Step(
        kind="hadMember",
        later="entity",
        earlier="collection",
        classes=(None, "run"),
        why="What a run recorded, its nested runs among it, came of the run.",
    ),
    Step(
        kind="hadMember",
        later="collection",
        earlier="entity",
        classes=("logged model", "artifact"),
        upstream="never",
        downstream="start",
        why="The files of a model came with it.",
    ),
    Step(
        kind="hadMember",
        later="collection",
        earlier="entity",
        classes=("source tree", None),
        upstream="never",
        downstream="never",
        why="A run uses the tree of its commit, and by that not every file in it: what it used is said of the files.",
    ),
    Step(
        kind="hadMember",
        later="collection",
        earlier="entity",
        classes=("source folder", None),
        upstream="never",
        downstream="never",
        why="Likewise.",
    ),
    Step(
        kind="hadMember",
        later="collection",
        earlier="entity",
        why="A collection consists of its members.",
    ),
)
"""Every step; the first that fits a relation holds."""
