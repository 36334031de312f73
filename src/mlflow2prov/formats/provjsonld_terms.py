"""The words of PROV-JSONLD, declared once for its writer and its reader.

The submission's context (https://www.w3.org/submissions/prov-jsonld/) says what they mean; its schema
says in which statements they may stand.
"""

from __future__ import annotations

import re

from mlflow2prov.prov.namespaces import PROV, XSD
from mlflow2prov.prov.records import KIND_BY_NAME, KINDS, RecordKind

CONTEXT = "https://openprovenance.org/prov-jsonld/context.jsonld"
"""Where the context of the submission is."""

IMPLICIT: dict[str, str] = {
    "prov": PROV,
    "xsd": XSD,
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "provext": "https://openprovenance.org/ns/provext#",
}
"""The prefixes that the context of the submission declares."""

TYPES: dict[str, str] = {
    "entity": "Entity",
    "activity": "Activity",
    "agent": "Agent",
    "wasGeneratedBy": "Generation",
    "used": "Usage",
    "wasInformedBy": "Communication",
    "wasStartedBy": "Start",
    "wasEndedBy": "End",
    "wasInvalidatedBy": "Invalidation",
    "wasDerivedFrom": "Derivation",
    "wasAttributedTo": "Attribution",
    "wasAssociatedWith": "Association",
    "actedOnBehalfOf": "Delegation",
    "wasInfluencedBy": "Influence",
    "specializationOf": "Specialization",
    "alternateOf": "Alternate",
    "mentionOf": "provext:Mention",
    "hadMember": "Membership",
}
"""The ``@type`` of the statements of each kind; that of a mention is ours."""

KIND_BY_TYPE: dict[str, RecordKind] = {
    spelled: KIND_BY_NAME[name]
    for name, word in TYPES.items()
    for bare in (word.removeprefix("provext:"),)
    for spelled in (bare, f"prov:{bare}", f"provext:{bare}")
}
"""The kind of record of each ``@type``, also as ProvToolbox spells it."""

BUNDLE_TYPES = frozenset({"Bundle", "prov:Bundle"})

_INSTANTANEOUS = ("wasGeneratedBy", "used", "wasStartedBy", "wasEndedBy", "wasInvalidatedBy")

KINDS_WITH_TERM: dict[str, frozenset[str]] = {
    "type": frozenset(TYPES),
    "label": frozenset(TYPES),
    "value": frozenset({"entity"}),
    "location": frozenset({"entity", "activity", "agent", *_INSTANTANEOUS}),
    "role": frozenset({"wasAssociatedWith", *_INSTANTANEOUS}),
}
"""The attributes of PROV that have a word of their own, and the kinds whose statements may have it."""

NAMING_TERMS = frozenset({"type", "location", "role"})
"""The words whose values are identifiers where they are bare strings."""

FORMAL_TERMS = frozenset(name for kind in KINDS for name in (*kind.references, *kind.times))

TERMS = FORMAL_TERMS | KINDS_WITH_TERM.keys() | set(TYPES.values())
"""Every word that the context gives a meaning: no prefix may be called so."""

DEFAULT = "@vocab"
"""The word of a context for the default namespace."""

_SAFE_PREFIX = re.compile("[A-Za-z0-9_]+")
_ABSOLUTE = re.compile("[A-Za-z][A-Za-z0-9+.-]*:")
_MAY_END_PREFIX = (":", "/", "?", "#", "[", "]", "@")


def leads(prefixes: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return how prefixes are declared and spelled, so that a JSON-LD processor understands them, too.

    A prefix that is a word of the context, that looks like the scheme of an IRI, or that the schema
    can't have in a key, gets another name beside its own. So does the default namespace, since JSON-LD
    resolves a bare name as a relative IRI. Where a namespace can't have a prefix in JSON-LD (section
    4.1.5: it ends in a letter), its names are spelled as IRIs.

    Returns:
        The context's declarations; and, for each prefix that is not spelled as itself, what stands
        before the local name.

    >>> leads({"": "http://d/", "a-b": "http://ab#", "odd": "http://o/x", "ex": "http://e/"})[1]
    {'': 'default:', 'a-b': 'a_b:', 'odd': 'http://o/x'}
    >>> leads({"type": "urn:", "urn": "http://u/"})
    ({'type': 'urn:', 'type_1': 'urn:', 'urn_1': 'http://u/'}, {'type': 'type_1:', 'urn': 'urn_1:'})
    """
    schemes = {iri.partition(":")[0] for iri in prefixes.values()}
    taken = {*prefixes, *schemes, *TERMS, *IMPLICIT, "_"}
    context: dict[str, str] = {}
    spelled: dict[str, str] = {}
    for prefix, iri in prefixes.items():
        if not prefix:
            context[DEFAULT] = iri
        elif prefix not in schemes and prefix != "_" and not prefix.startswith("@"):
            context[prefix] = iri
        if _ABSOLUTE.match(iri) and not iri.endswith(_MAY_END_PREFIX):
            spelled[prefix] = iri
        elif (
            prefix in schemes | TERMS
            or not _SAFE_PREFIX.fullmatch(prefix)
            or IMPLICIT.get(prefix, iri) != iri
        ):
            alias = _fresh(prefix, taken)
            context[alias] = iri
            spelled[prefix] = f"{alias}:"
    return context, spelled


def _fresh(prefix: str, taken: set[str]) -> str:
    """A name that a prefix may have, which is taken from then on."""
    stem = alias = re.sub("[^A-Za-z0-9_]", "_", prefix) or "default"
    number = 0
    while alias in taken:
        number += 1
        alias = f"{stem}_{number}"
    taken.add(alias)
    return alias
