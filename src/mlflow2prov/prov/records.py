"""The record kinds of PROV-DM and their formal arguments, declared once.

Everything that has to know what a record looks like (the tables of a graph, the formats, the
statistics, the bridge to the ``prov`` library) reads it from here. The order of the arguments is
that of PROV-DM (https://www.w3.org/TR/prov-dm/) and PROV-N.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RecordKind:
    """One kind of record.

    Attributes:
        number: how a graph's tables store the kind; the order of kinds in a document.
        name: the name in PROV-N and PROV-JSON.
        references: the formal arguments that are identifiers, by their names in the ``prov``
            namespace, in order.
        times: the formal arguments that are instants, likewise.
        required: how many of ``references`` must be there (PROV-DM, section 5).
        section: the section of PROV-DM that defines it.
    """

    number: int
    name: str
    references: tuple[str, ...]
    times: tuple[str, ...]
    required: int
    section: str

    @property
    def is_element(self) -> bool:
        """Whether it describes a thing, rather than relate things.

        >>> KIND_BY_NAME["entity"].is_element, KIND_BY_NAME["used"].is_element
        (True, False)
        """
        return not self.references


KINDS: tuple[RecordKind, ...] = (
    RecordKind(1, "entity", (), (), 0, "5.1.1"),
    RecordKind(2, "activity", (), ("startTime", "endTime"), 0, "5.1.2"),
    RecordKind(3, "agent", (), (), 0, "5.3.1"),
    RecordKind(11, "wasGeneratedBy", ("entity", "activity"), ("time",), 1, "5.1.3"),
    RecordKind(12, "used", ("activity", "entity"), ("time",), 1, "5.1.4"),
    RecordKind(13, "wasInformedBy", ("informed", "informant"), (), 2, "5.1.5"),
    RecordKind(14, "wasStartedBy", ("activity", "trigger", "starter"), ("time",), 1, "5.1.6"),
    RecordKind(15, "wasEndedBy", ("activity", "trigger", "ender"), ("time",), 1, "5.1.7"),
    RecordKind(16, "wasInvalidatedBy", ("entity", "activity"), ("time",), 1, "5.1.8"),
    RecordKind(
        21,
        "wasDerivedFrom",
        ("generatedEntity", "usedEntity", "activity", "generation", "usage"),
        (),
        2,
        "5.2.1",
    ),
    RecordKind(31, "wasAttributedTo", ("entity", "agent"), (), 2, "5.3.2"),
    RecordKind(32, "wasAssociatedWith", ("activity", "agent", "plan"), (), 1, "5.3.3"),
    RecordKind(33, "actedOnBehalfOf", ("delegate", "responsible", "activity"), (), 2, "5.3.4"),
    RecordKind(34, "wasInfluencedBy", ("influencee", "influencer"), (), 2, "5.3.5"),
    RecordKind(41, "specializationOf", ("specificEntity", "generalEntity"), (), 2, "5.5.1"),
    RecordKind(42, "alternateOf", ("alternate1", "alternate2"), (), 2, "5.5.2"),
    RecordKind(43, "mentionOf", ("specificEntity", "generalEntity", "bundle"), (), 3, "PROV-LINKS"),
    RecordKind(51, "hadMember", ("collection", "entity"), (), 2, "5.6.2"),
)
"""Every kind of record, in the order in which documents list them."""

KIND_BY_NAME: dict[str, RecordKind] = {kind.name: kind for kind in KINDS}
KIND_BY_NUMBER: dict[int, RecordKind] = {kind.number: kind for kind in KINDS}

ELEMENT_KINDS = tuple(kind for kind in KINDS if kind.is_element)
RELATION_KINDS = tuple(kind for kind in KINDS if not kind.is_element)

MAX_REFERENCES = max(len(kind.references) for kind in KINDS)
"""How many identifier columns the relation table has."""
