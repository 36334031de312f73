"""Every provenance event, and the attributes that they declare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mlflow2prov.model.declare import Attribute, Element, Event, Relation
from mlflow2prov.model.events_code import CODE_EVENTS
from mlflow2prov.model.events_data import DATA_EVENTS, DATASET_EVENTS
from mlflow2prov.model.events_evaluation import EVALUATION_EVENTS
from mlflow2prov.model.events_extraction import EXTRACTION_EVENTS
from mlflow2prov.model.events_files import FILE_EVENTS
from mlflow2prov.model.events_git import GIT_EVENTS
from mlflow2prov.model.events_ledger import LEDGER_EVENTS, LEDGER_FACTS
from mlflow2prov.model.events_mlflow import FACTS, RUN_EVENTS
from mlflow2prov.model.events_models import MODEL_EVENTS
from mlflow2prov.model.events_prompts import PROMPT_EVENTS
from mlflow2prov.model.events_surroundings import SURROUNDING_EVENTS
from mlflow2prov.model.events_traces import TRACE_EVENTS
from mlflow2prov.model.events_trees import TREE_EVENTS
from mlflow2prov.prov.namespaces import QUALIFIED_NAME

EVENTS: tuple[Event, ...] = (
    *FACTS,
    *LEDGER_FACTS,
    *GIT_EVENTS,
    *TREE_EVENTS,
    *DATA_EVENTS,
    *RUN_EVENTS,
    *FILE_EVENTS,
    *DATASET_EVENTS,
    *MODEL_EVENTS,
    *CODE_EVENTS,
    *PROMPT_EVENTS,
    *SURROUNDING_EVENTS,
    *EVALUATION_EVENTS,
    *TRACE_EVENTS,
    *LEDGER_EVENTS,
    *EXTRACTION_EVENTS,
)
"""Every provenance event, in the order of a document."""


def attribute_keys(
    known: Mapping[tuple[str, str | None], int], events: Iterable[Event] = EVENTS
) -> dict[tuple[str, str | None], int]:
    """Return a number for every attribute that events declare, those that are known first.

    >>> attribute_keys({("prov:label", None): 7})["prov:type", "xsd:QName"]
    8
    """
    keys = dict(known)
    following = max(keys.values(), default=0) + 1
    for event in events:
        for named in _attributes_of(event):
            if named not in keys:
                keys[named] = following
                following += 1
    return keys


def _attributes_of(event: Event) -> Iterable[tuple[str, str | None]]:
    things: tuple[Element | Relation, ...] = (*event.elements.values(), *event.relations)
    for declared in things:
        yield from ((word, QUALIFIED_NAME) for word in ("prov:type", "prov:role"))
        yield "prov:label", None
        for name, attribute in declared.attributes.items():
            yield f"m2p:{name}", attribute.datatype


def attribute_types(events: Iterable[Event] = EVENTS) -> Mapping[str, Mapping[str, Attribute]]:
    """Return the attributes of each type of the vocabulary, as the events declare them.

    >>> sorted(attribute_types()["RegisteredModelAlias"])
    ['name']
    """
    found: dict[str, dict[str, Attribute]] = {}
    for event in events:
        for element in event.elements.values():
            for name in element.types:
                if name.startswith("m2p:"):
                    found.setdefault(name[4:], {}).update(element.attributes)
    return found
