"""Elements that several events stand for: creations and deletions, tags, params, metrics, artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from mlflow2prov.model.declare import Attribute, Element, flag, instant_ms, integer, lexical, text


def creation(resource: str, uid: str, *parts: str, start: str, end: str, when: str | None = None) -> Element:
    """The Creation activity of a thing of the store."""
    return _life_event("Creation", resource, uid, parts, start, end, when)


def deletion(
    resource: str, uid: str, *parts: str, time: str, at: str, when: str, inferred: str | None = None
) -> Element:
    """The Deletion activity of a thing of the store; ``inferred`` is SQL of that flag.

    The rows have the columns of ``windows`` (`events_ledger`), for when its instant is not known. Where it is
    known, it is a part of the deletion's identifier (``at``, in milliseconds): what is restored and deleted
    again was deleted twice.
    """
    *others, last = parts
    own = last[1:] if last.startswith("=") else f"part(({last})::VARCHAR)"
    timed = f"=concat({own}, CASE WHEN {time} IS NOT NULL THEN concat('--', number_part({at})) END)"
    made = _life_event("Deletion", resource, uid, (*others, timed), time, time, when, inferred)
    return replace(made, attributes={**made.attributes, **window(f"{time} IS NULL")})


def window(when: str) -> dict[str, Attribute]:
    """The attributes of what happened between two extractions with one cache; ``when`` is SQL."""
    return {
        "not_before": instant_ms(f"CASE WHEN {when} THEN not_before_ms END"),
        "not_after": instant_ms(f"CASE WHEN {when} THEN not_after_ms END"),
        "forgotten_by": instant_ms("forgotten_ms"),
    }


def _life_event(
    word: str,
    resource: str,
    uid: str,
    parts: tuple[str, ...],
    start: str,
    end: str,
    when: str | None,
    inferred: str | None = None,
) -> Element:
    attributes = {"uid": text(uid, always=True), "resource_type": text(f"'{resource}'", always=True)}
    if inferred:
        attributes["inferred"] = flag(f"CASE WHEN {inferred} THEN true END")
    return Element(
        kind="activity",
        prefix="mlflow",
        name=(word, f"'{resource}'", *parts),
        types=(f"m2p:{word}",),
        label=f"concat('{word.lower()} of {resource.replace('_', ' ')} ', {uid})",
        attributes=attributes,
        start=start,
        end=end,
        when=when,
    )


def tag_element(type_name: str, *owner: str) -> Element:
    """A tag (key and value) of the thing whose identifier's parts are ``owner``."""
    return Element(
        kind="entity",
        prefix="mlflow",
        name=(type_name, *owner, "key"),
        types=(f"m2p:{type_name}",),
        label="concat(key, ' = ', left(value, 80))",
        attributes={"name": text("key", always=True), "value": text("value")},
    )


def param_element(*owner: str) -> Element:
    """A parameter (key and value) of the thing whose identifier's parts are ``owner``."""
    return Element(
        kind="entity",
        prefix="mlflow",
        name=("Param", *owner, "key"),
        types=("m2p:Param",),
        label="concat(key, ' = ', left(value, 80))",
        attributes={"name": text("key", always=True), "value": text("value")},
    )


def metric_element(
    *owner: str, shown: str, is_system: str, attributes: Mapping[str, Attribute] = MappingProxyType({})
) -> Element:
    """A metric's point; ``shown`` is the SQL of its name as XML can hold it.

    ``is_system`` is SQL: whether MLflow measured it of the machine itself.

    The rows have ``key_part``, ``step``, ``timestamp_ms``, ``value_text``, ``logged`` and ``is_latest``.
    """
    return Element(
        kind="entity",
        prefix="mlflow",
        name=(
            "Metric",
            *owner,
            "=key_part",
            "=number_part(step)",
            "=number_part(timestamp_ms)",
            "=number_part(value_text)",
        ),
        types=("m2p:Metric", f"=CASE WHEN {is_system} THEN 'm2p:SystemMetric' END"),
        label=f"concat({shown}, ' = ', value_text, ' (step ', step, ')')",
        label_is_ready=True,
        attributes={
            "name": text(shown, always=True, ready=True),
            "value": lexical("value_text", "xsd:double", always=True),
            "timestamp": lexical("logged", "xsd:dateTime"),
            "step": integer("step", always=True),
            "is_latest": flag("is_latest", always=True),
            **attributes,
        },
    )


def artifact_element(*types: str, attributes: Mapping[str, Attribute] = MappingProxyType({})) -> Element:
    """A file or folder of a run or a logged model; the rows have ``path_key``, the path's part of a name."""
    return Element(
        kind="entity",
        prefix="mlflow",
        name=("Artifact", "owner_id", "=path_key"),
        types=("m2p:Artifact", *types),
        label="regexp_extract(path, '[^/]*$')",
        attributes={
            "path": text("path", always=True),
            "path_bytes": lexical("base64(path_bytes)", "xsd:base64Binary"),
            "is_dir": flag("is_dir"),
            "file_size": integer("size_bytes"),
            "digest": text("digest"),
            **attributes,
        },
    )
