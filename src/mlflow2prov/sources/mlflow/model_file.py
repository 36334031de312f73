"""What an MLmodel file and the files beside it say, as far as provenance needs it.

The files come from anyone who may log a model, so that nothing in them is trusted: what is too large,
too deep or not of the expected form is treated as if no MLmodel file were there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import yaml

from mlflow2prov.prov.text import clean_text
from mlflow2prov.sources.tables import SOURCE_TABLES

if TYPE_CHECKING:
    import pyarrow as pa

MODEL_FILE = "MLmodel"
BESIDE = ("requirements.txt", "python_env.yaml", "conda.yaml")
"""The names of the files that are read where they stand beside the MLmodel file."""
MOST_BYTES = 5_000_000
"""Larger files are not read."""

_MOST_EVENTS = 100_000
_MOST_DEPTH = 60
_MOST_JSON = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BROKEN = (
    yaml.YAMLError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RecursionError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """What an MLmodel file says; None is what it does not say.

    Attributes:
        flavors: sorted.
        signature_inputs: JSON text, as stored.
        signature_outputs: likewise.
        model_uuid: of the model.
        mlflow_version: that saved the model.
        created_ms: when it was saved, in milliseconds since 1970.
        python_version: that it was saved with.
        requirements: the packages that it needs: stripped, distinct, sorted.
    """

    flavors: tuple[str, ...] | None = None
    signature_inputs: str | None = None
    signature_outputs: str | None = None
    model_uuid: str | None = None
    mlflow_version: str | None = None
    created_ms: int | None = None
    python_version: str | None = None
    requirements: tuple[str, ...] | None = None


def parse_model_file(
    mlmodel: bytes, *, requirements: bytes | None, python_env: bytes | None, conda: bytes | None
) -> ModelFile | None:
    r"""What an MLmodel file says, or None where it is not one: broken, hostile, too large or no mapping.

    Args:
        mlmodel: the file's content.
        requirements: the content of ``requirements.txt`` beside it, where there is one.
        python_env: of ``python_env.yaml``.
        conda: of ``conda.yaml``. The three are passed over where they are broken.

    >>> parse_model_file(b"flavors: {sklearn: {}}", requirements=b"b\na>1 # c", python_env=None, conda=None)
    ... # doctest: +ELLIPSIS
    ModelFile(flavors=('sklearn',), ..., requirements=('a>1', 'b'))
    """
    model = yaml_mapping(mlmodel)
    if model is None:
        return None
    environment = (yaml_mapping(python_env) or {}) if python_env is not None else {}
    packages = _conda_dependencies(conda)
    flavors = model.get("flavors")
    flavors = flavors if isinstance(flavors, dict) else {}
    function = flavors.get("python_function")
    python_version = _text(function.get("python_version")) if isinstance(function, dict) else None
    signature = model.get("signature")
    signature = signature if isinstance(signature, dict) else {}
    return ModelFile(
        flavors=tuple(sorted(filter(None, map(_text, flavors)))),
        signature_inputs=_json(signature.get("inputs")),
        signature_outputs=_json(signature.get("outputs")),
        model_uuid=_text(model.get("model_uuid")),
        mlflow_version=_text(model.get("mlflow_version")),
        created_ms=_instant_ms(_text(model.get("utc_time_created"))),
        python_version=python_version or _text(environment.get("python")) or _conda_python(packages),
        requirements=_requirements(requirements, packages),
    )


def to_batch(models: Iterable[tuple[str, str, str, bytes | None, ModelFile]]) -> pa.RecordBatch:
    """The rows of ``mlflow_model_file`` for models, each behind its owner, owner's identifier, folder and its bytes."""
    import pyarrow as pa

    rows = [(*place, *(getattr(model, field.name) for field in fields(model))) for *place, model in models]
    schema = SOURCE_TABLES["mlflow_model_file"].schema()
    arrays = [pa.array([row[i] for row in rows], field.type) for i, field in enumerate(schema)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


# ---- YAML --------------------------------------------------------------------------------------


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads YAML without merging, which multiplies, and without the guesses that make ``3.10`` a number."""

    def flatten_mapping(self, node: object) -> None:
        """Leave a mapping as it is."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"-?(?:0|[1-9][0-9]{0,17})", list("-0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _first)


class _NumberLoader(_Loader):
    """Reads the numbers that Python's YAML writes, too."""


_NumberLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^(?:-?[0-9]+\.[0-9]*(?:e[-+][0-9]+)?|-?\.inf|\.nan)$"),
    list("-.0123456789"),
)


def yaml_mapping(
    content: bytes,
    most_bytes: int = MOST_BYTES,
    *,
    with_numbers: bool = False,
    most_events: int = _MOST_EVENTS,
) -> dict[Any, Any] | None:
    """The mapping that a YAML document is; None where it is something else, hostile or can't be read.

    Its scalars are texts, whole numbers, truth values and nulls; other numbers stay texts unless it is read
    ``with_numbers``, and dates always do.
    """
    if len(content) > most_bytes:
        return None
    try:
        if not _is_harmless(content, most_events):
            return None
        document = yaml.load(content, _NumberLoader if with_numbers else _Loader)
    except _BROKEN:
        return None
    return document if isinstance(document, dict) else None


def _is_harmless(content: bytes, most_events: int) -> bool:
    """Whether a document is not so deep that the C parser overflows the stack, nor too long to wait for."""
    depth = 0
    for count, event in enumerate(yaml.parse(content, _Loader)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MOST_DEPTH or count > most_events:
            return False
    return True


def _text(value: object) -> str | None:
    """A scalar as text, None where it is empty or no scalar."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return clean_text(str(value).encode("utf-8", "surrogatepass")) or None


def _json(value: object) -> str | None:
    """JSON text as it is, and a structure as JSON text, None where that would grow without bounds."""
    if value is None or isinstance(value, str):
        return _text(value)
    pieces: list[str] = []
    size = 0
    try:
        for piece in json.JSONEncoder(sort_keys=True).iterencode(value):
            pieces.append(piece)
            size += len(piece)
            if size > _MOST_JSON:
                return None
    except _BROKEN:
        return None
    return "".join(pieces)


# ---- What the values mean ----------------------------------------------------------------------


def _instant_ms(text: str | None) -> int | None:
    """Milliseconds since 1970 of a time that is UTC where it does not say otherwise."""
    try:
        instant = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return (instant - _EPOCH) // timedelta(milliseconds=1)


def _requirements(content: bytes | None, packages: list[str] | None) -> tuple[str, ...] | None:
    found = packages if content is None or len(content) > MOST_BYTES else list(_requirement_lines(content))
    return None if found is None else tuple(sorted(set(found)))


def _requirement_lines(content: bytes) -> Iterator[str]:
    """The requirements of a pip requirements file, without comments and options."""
    text = clean_text(content.removeprefix(b"\xef\xbb\xbf"))
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        line = re.sub(r"(^|\s)#.*", "", line)
        line = re.sub(r"\s--\S.*", "", f" {line}").strip()
        if line and (not line.startswith("-") or line.startswith("-e ")):
            yield line


def _conda_dependencies(content: bytes | None) -> list[str] | None:
    """The packages that a conda.yaml names, those of pip among them; None where it names none at all."""
    document = yaml_mapping(content) if content is not None else None
    listed = document.get("dependencies") if document else None
    if not isinstance(listed, list):
        return None
    found: list[str] = []
    for item in listed:
        nested = item.get("pip") if isinstance(item, dict) else None
        for package in nested if isinstance(nested, list) else [item]:
            text = _text(package)
            found += [*_requirement_lines(text.encode())] if text else []
    return found


def _conda_python(packages: list[str] | None) -> str | None:
    for package in packages or ():
        if found := re.fullmatch(r"python\s*==?\s*([0-9][0-9.]*)(=.*)?", package):
            return found[1]
    return None
