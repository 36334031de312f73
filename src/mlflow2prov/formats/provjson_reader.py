"""Reading PROV-JSON (https://www.w3.org/submissions/prov-json/).

The file is held as bytes while its records, undecoded, are handed over one by one; 20,000 elements
or 100,000 relations are decoded at a time. Cost: about 4 µs of CPU for each record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from mlflow2prov.errors import FormatError
from mlflow2prov.formats import provjson_plain as plain
from mlflow2prov.formats.intern import BLANK, MOST_PREFIXES, Columns, Staging, unknown_prefix
from mlflow2prov.formats.json_text import (
    NOT_JSON,
    graph_of_json,
    reason,
    repeated_member,
    repeated_within,
)
from mlflow2prov.formats.text import LARGEST_RECORD_BYTES
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.namespaces import QUALIFIED_NAME, QUALIFIED_NAME_SPELLINGS
from mlflow2prov.prov.records import KIND_BY_NAME, RecordKind

if TYPE_CHECKING:
    from mlflow2prov.graph.graph import Graph
    from mlflow2prov.graph.store import Store

_CHUNK = 20_000
_RELATIONS = 100_000
_FEW = 1_000
_SPELLINGS = {"wasEndedby": "wasEndedBy"}  # as the submission's own schema spells it
_MAY_DECLARE = re.compile(rb'"prefix"|\\u00(?:70|72|65|66|69|78)')
"""What a bundle has that declares prefixes: such a word, or a letter of it as an escape."""

_BLANK_VALUE = re.compile(rb':\s*(?:\{\s*"\$"\s*:\s*)?"(?:_|\\u005[fF])')
_MOST_NAMES = 100_000
_TEXTS = {str, type(None)}
_OF_VALUE = {"$", "type", "lang"}

_containers = msgspec.json.Decoder(dict[str, msgspec.Raw])
_anything = msgspec.json.Decoder()


def read(file: BinaryIO, name: str, store: Store | None = None) -> Graph:
    """Return the PROV-JSON document in a binary file as a graph.

    Raises:
        FormatError: it is not JSON, not whole, or not PROV-JSON; the message has the path.
    """
    return graph_of_json(
        file, name, store, "PROV-JSON", lambda staging, content: _Reader(staging, name).document(content)
    )


class _Reader:
    """Turns JSON objects into staged records."""

    def __init__(self, staging: Staging, file_name: str) -> None:
        self._staging = staging
        self._file_name = file_name
        self._renamed: dict[str, str] = {}
        self._known: set[str] = set()
        self._keeps_blank_names = True
        self._is_scoped = False
        self._place = ""
        self._forget()

    def _forget(self) -> None:
        """Forget what tokens turned into: in another bundle they may turn into something else."""
        self._plain_keys: dict[str, int] = {}
        self._typed_keys: dict[tuple[str, str], tuple[int, bool]] = {}
        self._qualified_names: dict[str, str] = {}

    def document(self, content: bytes) -> None:
        parts = _containers.decode(content)
        self._check_members(content, parts, "the top")
        bundles = parts.pop("bundle", None)
        # A prefix of one bundle means nothing elsewhere: then each name is looked at where it stands.
        self._is_scoped = bundles is not None and bool(_MAY_DECLARE.search(bundles))
        top = self._prefixes(parts, "")
        self._container(parts, "")
        if bundles is None:
            return
        for token, raw in self._object(bundles, "bundle").items():
            inner = self._object(raw, f"bundle/{token}")
            if "bundle" in inner:
                raise self._wrong(f"bundle/{token}", "bundles can't be nested")
            has_prefixes = "prefix" in inner
            if has_prefixes:
                outer = self._renamed, self._known
                self._prefixes(inner, f"bundle/{token}", top)
            name = self._name(token, f"bundle/{token}")
            self._staging.add_bundle(name)
            self._place = f"bundle/{token}/"
            self._container(inner, name)
            self._place = ""
            if has_prefixes:
                self._renamed, self._known = outer
                self._forget()

    def _prefixes(
        self, parts: dict[str, msgspec.Raw], path: str, outer: dict[str, str] | None = None
    ) -> dict[str, str]:
        raw = parts.pop("prefix", None)
        declared: dict[str, str] = {}
        if raw is not None:
            where = f"{path}/prefix" if path else "prefix"
            given = self._mapping(self._decode(raw, where), where)
            self._check_within([raw], [given], [where])
            for prefix, iri in given.items():
                if not isinstance(iri, str):
                    raise self._wrong(f"{where}/{prefix}", "the IRI of a prefix must be a string")
                if prefix == BLANK:
                    raise self._wrong(f"{where}/_", "this prefix is that of blank identifiers")
                declared["" if prefix == "default" else prefix] = iri
        merged = {**(outer or {}), **declared}
        if len(self._staging.prefixes) + len(declared) > 2 * MOST_PREFIXES:
            raise self._wrong(path or "prefix", f"there are more than {MOST_PREFIXES:,} prefixes")
        self._renamed = self._staging.declare(merged)
        if len(self._staging.prefixes) > MOST_PREFIXES:
            raise self._wrong(path or "prefix", f"there are more than {MOST_PREFIXES:,} prefixes")
        self._forget()
        self._known = {*merged, "prov", "xsd", "_"}
        return merged

    def _container(self, parts: dict[str, msgspec.Raw], bundle: str) -> None:
        # Only a derivation can name a relation: its generation and its usage.
        derivations = parts.get("wasDerivedFrom")
        self._keeps_blank_names = derivations is not None and bool(_BLANK_VALUE.search(derivations))
        for word, raw in parts.items():
            kind = KIND_BY_NAME.get(_SPELLINGS.get(word, word))
            if kind is None:
                raise self._wrong(word, "there is no such kind of record in PROV-JSON")
            records = iter(self._object(raw, word).items())
            while chunk := list(islice(records, _CHUNK if kind.is_element else _RELATIONS)):
                self._check_sizes(kind, chunk)
                if not self._plain_relations(kind, chunk, bundle):
                    self._records(kind, chunk, bundle)

    def _check_sizes(self, kind: RecordKind, chunk: list[tuple[str, msgspec.Raw]]) -> None:
        if max(map(len, (raw for _, raw in chunk))) > LARGEST_RECORD_BYTES:
            token = next(token for token, raw in chunk if len(raw) > LARGEST_RECORD_BYTES)
            raise self._wrong(
                f"{kind.name}/{token[:60]}", f"a record has more than {LARGEST_RECORD_BYTES:,} bytes"
            )

    def _plain_relations(self, kind: RecordKind, chunk: list[tuple[str, msgspec.Raw]], bundle: str) -> bool:
        """Stage relations that are all of one plain form; say whether they are.

        Such are most: texts for formal arguments, and at most one attribute, with a typed value.
        They are read as columns, which costs a third of reading them one by one.
        """
        if kind.is_element or self._renamed or self._is_scoped or len(chunk) < _FEW:
            return False
        token, raw = chunk[0]
        attribute = plain.extra_attribute(kind, self._decode(raw, f"{kind.name}/{token}"))
        found = (
            None
            if attribute is None
            else plain.read(kind, attribute, [raw for _, raw in chunk], QUALIFIED_NAME_SPELLINGS)
        )
        if found is None:
            return False
        columns, qualified, types = found
        path = f"{kind.name}/…/{attribute}"
        keys: dict[str, int] = {}
        for datatype in types:
            own = QUALIFIED_NAME if datatype in QUALIFIED_NAME_SPELLINGS else self._name(datatype, path)
            keys[datatype] = self._key((str(attribute), None if own == "xsd:string" else own, None), path)
        for token in qualified:
            self._name(token, path)
        names = self._own_names(kind, [token for token, _ in chunk])
        self._staging.append_columns("relation", bundle, kind.number, names, columns, keys)
        return True

    def _records(self, kind: RecordKind, chunk: list[tuple[str, msgspec.Raw]], bundle: str) -> None:
        """Stage records of one kind, column by column."""
        records = list(self._bodies(kind, chunk))
        looks = bool(self._renamed) or self._is_scoped
        columns = Columns(bundle, kind.number)
        columns.names = self._own_names(kind, [token for token, _ in records])
        for position, argument in enumerate((*kind.references, *kind.times)):
            name = f"prov:{argument}"
            column = [body.pop(name, None) for _, body in records]
            is_name = position < len(kind.references)
            if not _TEXTS.issuperset(map(type, column)) or (is_name and looks):
                paths = (f"{kind.name}/{token}/{name}" for token, _ in records)
                column = [
                    None if value is None else self._formal(value, path, is_name=is_name)
                    for value, path in zip(column, paths, strict=True)
                ]
            columns.others.append(column)
        self._attributes(kind, records, columns)
        if kind.is_element:
            table, names = "element", ("start_time", "end_time")[: len(kind.times)]
        else:
            table, names = (
                "relation",
                (*ARGUMENT_COLUMNS[: len(kind.references)], *("time",)[: len(kind.times)]),
            )
        self._staging.append(table, columns, names)

    def _bodies(
        self, kind: RecordKind, chunk: list[tuple[str, msgspec.Raw]]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        paths = (f"{kind.name}/{token}" for token, _ in chunk)
        bodies = [self._decode(raw, path) for (_, raw), path in zip(chunk, paths, strict=True)]
        self._check_within([raw for _, raw in chunk], bodies, [f"{kind.name}/{token}" for token, _ in chunk])
        for (token, _), body in zip(chunk, bodies, strict=True):
            if type(body) is dict:
                if kind.name == "hadMember" and type(body.get("prov:entity")) is list:
                    if not body["prov:entity"]:
                        raise self._wrong(f"{kind.name}/{token}/prov:entity", "the array of members is empty")
                    yield from ((token, {**body, "prov:entity": entity}) for entity in body["prov:entity"])
                else:
                    yield token, body
            elif type(body) is list:
                for one in body:
                    yield token, self._mapping(one, f"{kind.name}/{token}")
            else:
                raise self._wrong(f"{kind.name}/{token}", "a record must be an object")

    def _own_names(self, kind: RecordKind, tokens: list[str]) -> list[str | None]:
        """The records' own identifiers; a relation's blank one is None where nothing can refer to it."""
        drops = not (self._keeps_blank_names or kind.is_element)
        if self._renamed or self._is_scoped:
            named = [t if t[:2] == "_:" else self._name(t, f"{kind.name}/{t}") for t in tokens]
            return [None if drops and t[:2] == "_:" else t for t in named]
        return [None if t[:2] == "_:" else t for t in tokens] if drops else list(tokens)

    def _formal(self, value: Any, path: str, *, is_name: bool) -> str:
        if type(value) is dict and type(value.get("$")) is str:
            value = value["$"]
        if type(value) is not str:
            raise self._wrong(path, f"a string is expected, not {_shown(value)}")
        return self._name(value, path) if is_name else value

    def _name(self, token: str, path: str) -> str:
        """The token with the graph's own prefix."""
        prefix, colon, local = token.partition(":")
        if not colon:
            prefix, local = "", token
        if prefix not in self._known:
            raise unknown_prefix(f"{self._file_name}, {self._place}{path}", token)
        prefix = self._renamed.get(prefix, prefix)
        return f"{prefix}:{local}" if prefix else local

    def _attributes(
        self, kind: RecordKind, records: list[tuple[str, dict[str, Any]]], columns: Columns
    ) -> None:
        """Take in what is left of the records: the hot loop of reading.

        Attributes that were met before, with plain or typed texts, are taken here; all others by
        :meth:`_attribute`, which checks them.
        """
        plain, typed, names = self._plain_keys.get, self._typed_keys.get, self._qualified_names.get
        add_key, add_value, add_end = columns.keys.append, columns.values.append, columns.ends.append
        keys = columns.keys
        for token, body in records:
            for name, value in body.items():
                if type(value) is str:
                    key = plain(name)
                    if key is not None:
                        add_key(key)
                        add_value(value)
                        continue
                elif type(value) is dict and len(value) == 2:
                    found = typed((name, value.get("type", "")))
                    text = value.get("$")
                    if found is not None and type(text) is str:
                        text = names(text) if found[1] else text
                        if text is not None:
                            add_key(found[0])
                            add_value(text)
                            continue
                self._attribute(name, value, columns, f"{kind.name}/{token}")
            add_end(len(keys))

    def _attribute(self, name: str, value: Any, columns: Columns, path: str) -> None:
        """Take in one attribute of any form, or the several values of one."""
        if type(value) is list:
            for one in value:
                if type(one) is list:
                    raise self._wrong(f"{path}/{name}", "an array within an array is no value")
                self._attribute(name, one, columns, path)
            return
        datatype = language = None
        given = value
        if type(value) is dict:
            if not value.keys() <= _OF_VALUE:
                raise self._wrong(
                    f"{path}/{name}", f'"$", "type" and "lang" are expected, not {_shown(value)}'
                )
            datatype, language = value.get("type"), value.get("lang")
            value = value.get("$")
            if datatype is not None and type(datatype) is not str:
                raise self._wrong(f"{path}/{name}", f"a datatype must be a string, not {_shown(datatype)}")
            if language is not None and type(language) is not str:
                raise self._wrong(f"{path}/{name}", f"a language must be a string, not {_shown(language)}")
        spelled = datatype
        if datatype is not None:
            datatype = self._name(datatype, f"{path}/{name}")
        if type(value) is not str:
            value, datatype = self._native(value, datatype, f"{path}/{name}")
        token, language = value, language or None
        if language is not None or datatype == "xsd:string":
            datatype = None
        elif datatype in QUALIFIED_NAME_SPELLINGS:
            datatype, value = QUALIFIED_NAME, self._name(value, f"{path}/{name}")
        key = self._key((name, datatype, language), path)
        columns.keys.append(key)
        columns.values.append(value)
        self._remember(name, given, spelled, key, token if datatype == QUALIFIED_NAME else None, value)

    def _remember(
        self, name: str, given: Any, spelled: str | None, key: int, token: str | None, value: str
    ) -> None:
        """Note down an attribute of a common form, so that the next one like it takes the short way."""
        if type(given) is str:
            self._plain_keys[name] = key
        elif type(given) is dict and spelled is not None and given.keys() == {"$", "type"}:
            self._typed_keys[name, spelled] = (key, token is not None)
            if token is not None and len(self._qualified_names) < _MOST_NAMES:
                self._qualified_names[token] = value

    def _key(self, triple: tuple[str, str | None, str | None], path: str) -> int:
        """The key of a name as the document spells it, and a datatype as the graph does."""
        looks = self._renamed or self._is_scoped
        key = None if looks else self._staging.keys.get(triple)
        return self._new_key(triple, path) if key is None else key

    def _new_key(self, triple: tuple[str, str | None, str | None], path: str) -> int:
        name, datatype, language = triple
        return self._staging.key(self._name(name, path), datatype, language)

    def _native(self, value: Any, datatype: str | None, path: str) -> tuple[str, str | None]:
        """The lexical form of a JSON boolean or number, and its datatype where none is given."""
        match value:
            case bool():
                return ("true" if value else "false"), datatype or "xsd:boolean"
            case int():
                return str(value), datatype or _integer_type(value)
            case float():
                return repr(value), datatype or "xsd:double"
        raise self._wrong(
            path, f"a value must be a string, number, boolean or typed value, not {_shown(value)}"
        )

    def _object(self, raw: msgspec.Raw, path: str) -> dict[str, msgspec.Raw]:
        try:
            members = _containers.decode(raw)
        except msgspec.ValidationError as error:
            raise self._wrong(path, "an object is expected") from error
        except NOT_JSON as error:
            raise self._wrong(path, reason(error, raw, is_file=False)) from error
        self._check_members(raw, members, path)
        return members

    def _decode(self, raw: msgspec.Raw, path: str) -> Any:
        try:
            return _anything.decode(raw)
        except NOT_JSON as error:
            raise self._wrong(path, reason(error, raw, is_file=False)) from error

    def _check_members(self, raw: bytes | msgspec.Raw, members: dict[str, msgspec.Raw], path: str) -> None:
        name = repeated_member(raw, members)
        if name is not None:
            raise self._wrong(path, f"there are several members {_shown(name)}: an array is expected")

    def _check_within(self, raws: list[msgspec.Raw], bodies: list[Any], paths: list[str]) -> None:
        found = repeated_within(raws, bodies)
        if found is not None:
            raise self._wrong(
                paths[found[0]], f"there are several members {_shown(found[1])}: an array is expected"
            )

    def _mapping(self, value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._wrong(path, f"an object is expected, not {_shown(value)}")
        return value

    def _wrong(self, path: str, reason: str) -> FormatError:
        return FormatError(f"{self._file_name} is not a PROV-JSON document: at {self._place}{path}: {reason}")


def _integer_type(value: int) -> str:
    """The smallest of XML Schema's types that has an integer."""
    if -(2**31) <= value < 2**31:
        return "xsd:int"
    return "xsd:long" if -(2**63) <= value < 2**63 else "xsd:integer"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
