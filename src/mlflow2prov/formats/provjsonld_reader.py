"""Reading PROV-JSONLD (https://www.w3.org/submissions/prov-jsonld/).

Taken is the compact form of the submission, one object for each statement, also as ProvToolbox and the
``prov`` library spell it; no other JSON-LD, and no context is fetched. The file is held as bytes; 20,000
statements are decoded at a time, and read as columns by their type. Cost: about 6 µs of CPU a statement.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import msgspec

from mlflow2prov.errors import FormatError
from mlflow2prov.formats.intern import BLANK, MOST_PREFIXES, Columns, Staging
from mlflow2prov.formats.json_text import (
    NOT_JSON,
    graph_of_json,
    reason,
    repeated_member,
    repeated_within,
)
from mlflow2prov.formats.provjsonld_names import Names
from mlflow2prov.formats.provjsonld_terms import (
    BUNDLE_TYPES,
    DEFAULT,
    FORMAL_TERMS,
    IMPLICIT,
    KIND_BY_TYPE,
    KINDS_WITH_TERM,
    NAMING_TERMS,
)
from mlflow2prov.formats.text import LARGEST_RECORD_BYTES
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.namespaces import QUALIFIED_NAME, QUALIFIED_NAME_SPELLINGS
from mlflow2prov.prov.records import RecordKind

if TYPE_CHECKING:
    from mlflow2prov.graph.graph import Graph
    from mlflow2prov.graph.store import Store

_CHUNK = 20_000
_LARGE = 65_536
_TEXTS = {str, type(None)}
_OF_VALUE = {"@value", "@type", "@language"}
_DEFAULTS = {DEFAULT, "@base"}
_BARE = re.compile("^prov(ext)?:")
_NOTHING = msgspec.Raw(b"[]")
_DONE = msgspec.Raw(b'{"@type":"Bundle"}')
_T = TypeVar("_T")

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])
_anything = msgspec.json.Decoder()


def read(file: BinaryIO, name: str, store: Store | None = None) -> Graph:
    """Return the PROV-JSONLD document in a binary file as a graph.

    Raises:
        FormatError: it is not JSON, not whole, or not PROV-JSONLD; the message has the path.
    """
    return graph_of_json(
        file, name, store, "PROV-JSONLD", lambda staging, content: _Reader(staging, name).document(content)
    )


class _Statements:
    """Statements of one type, and where they stand in the document."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.positions: list[int] = []
        self.bodies: list[dict[str, Any]] = []

    def add(self, body: dict[str, Any], position: int) -> None:
        self.bodies.append(body)
        self.positions.append(position)

    def where(self, index: int) -> str:
        return f"{self.path}[{self.positions[index]}]"

    def where_has(self, word: str) -> str:
        """The path of the first member of that name."""
        return f"{self.where(next(i for i, body in enumerate(self.bodies) if word in body))}/{word[:60]}"


class _Reader:
    """Turns statements into staged records."""

    def __init__(self, staging: Staging, file_name: str) -> None:
        self._staging = staging
        self._file_name = file_name
        self._use(Names(staging, {}))

    def _use(self, names: Names) -> None:
        """Use other names, and forget what attributes turned into under those before."""
        self._names = names
        self._bare: dict[str, tuple[int, bool]] = {}
        self._typed: dict[tuple[str, str | None], tuple[int, bool]] = {}

    def document(self, content: bytes) -> None:
        parts = self._parts(content, "the top")
        for word in ("@context", "@graph"):
            if word not in parts:
                raise self._wrong("the top", f'"{word}" is missing')
        top = Names(self._staging, self._context(parts["@context"], "@context", {}))
        self._use(top)
        for position, raw in self._container(parts["@graph"], "@graph", ""):
            self._bundle(raw, f"@graph[{position}]", top)
            if self._names is not top:
                self._use(top)

    def _bundle(self, raw: msgspec.Raw, path: str, top: Names) -> None:
        parts = self._parts(raw, path)
        prefixes = self._context(parts.get("@context", _NOTHING), f"{path}/@context", top.prefixes)
        if prefixes != top.prefixes:
            self._use(Names(self._staging, prefixes))
        token = _anything.decode(parts.get("@id", b"null"))
        if type(token) is not str:
            raise self._wrong(path, 'a bundle must have a text as its "@id"')
        name = self._names.of(token, path)
        self._staging.add_bundle(name)
        inner = self._container(parts.get("@graph", _NOTHING), f"{path}/@graph", name)
        if inner:
            raise self._wrong(f"{path}/@graph[{inner[0][0]}]", "bundles can't be nested")

    def _parts(self, raw: bytes | msgspec.Raw, path: str) -> dict[str, msgspec.Raw]:
        """The members of a document or bundle."""
        parts = self._decode(_object, raw, path, "an object")
        name = repeated_member(raw, parts)
        if name is not None:
            raise self._wrong(path, f"there are several members {_shown(name)}")
        for word in parts.keys() - {"@context", "@graph", "@type", "@id"}:
            raise self._wrong(path, f"{_shown(word)} has no meaning here")
        return parts

    def _decode(
        self, decoder: msgspec.json.Decoder[_T], raw: bytes | msgspec.Raw, path: str, what: str
    ) -> _T:
        try:
            return decoder.decode(raw)
        except NOT_JSON as error:
            if isinstance(error, msgspec.ValidationError) and what:
                raise self._wrong(path, f"{what} is expected") from error
            if type(raw) is bytes:  # the whole file, whose lines can be told
                raise
            raise self._wrong(path, reason(error, raw, is_file=False)) from error

    def _context(self, raw: msgspec.Raw, path: str, outer: dict[str, str]) -> dict[str, str]:
        """The prefixes that are in force under a context, the default namespace under no name."""
        context = _anything.decode(raw)
        found = dict(outer)
        for item in context if type(context) is list else [context]:
            if item is None:
                found = {}
            elif type(item) is dict:
                self._add_prefixes(found, item, path)
            elif type(item) is not str:
                raise self._wrong(path, f"an object or a URL is expected, not {_shown(item)}")
        if len(found) > MOST_PREFIXES or len(self._staging.prefixes) > MOST_PREFIXES:
            raise self._wrong(path, f"there are more than {MOST_PREFIXES:,} prefixes")
        return found

    def _add_prefixes(self, found: dict[str, str], item: dict[str, Any], path: str) -> None:
        has_terms = any(type(value) is dict for value in item.values())
        for word, value in item.items():
            if type(value) is dict and value.get("@prefix"):
                value = value.get("@id")
            elif type(value) is dict or (word.startswith("@") and word not in _DEFAULTS):
                continue  # a term, such as those of the submission's context, which are known
            if type(value) is not str:
                raise self._wrong(f"{path}/{word[:60]}", "the IRI of a prefix must be a string")
            if word == BLANK:
                raise self._wrong(f"{path}/_", "this prefix is that of blank identifiers")
            if word == "@base" and DEFAULT in item:
                continue
            if not (has_terms and IMPLICIT.get(word) == value):
                found["" if word in _DEFAULTS else word] = _expanded(word, value, item)

    def _container(self, raw: msgspec.Raw, path: str, bundle: str) -> list[tuple[int, msgspec.Raw]]:
        """Stage the statements of a document or bundle; return the bundles among them."""
        listed = self._decode(_list, raw, path, "an array")
        bundles: list[tuple[int, msgspec.Raw]] = []
        for start in range(0, len(listed), _CHUNK):
            chunk = listed[start : start + _CHUNK]
            for index, one in enumerate(chunk):
                if len(one) > _LARGE and self._is_bundle(one, f"{path}[{start + index}]"):
                    bundles.append((start + index, one))  # it is not decoded whole
                    chunk[index] = _DONE
            bundles += self._chunk(chunk, start, path, bundle)
        return bundles

    def _is_bundle(self, raw: msgspec.Raw, path: str) -> bool:
        word = self._decode(_object, raw, path, "an object").get("@type")
        if word is not None and _anything.decode(word) in BUNDLE_TYPES:
            return True
        if len(raw) > LARGEST_RECORD_BYTES:
            raise self._wrong(path, f"a record has more than {LARGEST_RECORD_BYTES:,} bytes")
        return False

    def _chunk(
        self, chunk: list[msgspec.Raw], start: int, path: str, bundle: str
    ) -> list[tuple[int, msgspec.Raw]]:
        """Stage statements, those of one type together; return the bundles among them."""
        bundles: list[tuple[int, msgspec.Raw]] = []
        found: dict[str, _Statements] = {}
        for index, body in enumerate(self._bodies(chunk, start, path)):
            word = body.pop("@type", None) if type(body) is dict else None
            if type(word) is not str:
                raise self._wrong(
                    f"{path}[{start + index}]", 'an object with a text as its "@type" is expected'
                )
            if word in BUNDLE_TYPES:
                if chunk[index] is not _DONE:
                    bundles.append((start + index, chunk[index]))
                continue
            if word not in found:
                found[word] = _Statements(path)
            found[word].add(body, start + index)
        for word, statements in found.items():
            kind = KIND_BY_TYPE.get(word)
            if kind is None:
                raise self._wrong(statements.where(0), f"{_shown(word)} is no type of statement")
            self._records(kind, statements, bundle)
        return bundles

    def _bodies(self, chunk: list[msgspec.Raw], start: int, path: str) -> list[Any]:
        """Statements, decoded."""
        try:
            bodies: list[Any] = _anything.decode(b"[" + b",".join(chunk) + b"]")
        except NOT_JSON:
            for index, raw in enumerate(chunk):  # which of them it is
                self._decode(_anything, raw, f"{path}[{start + index}]", "")
            raise
        found = repeated_within(chunk, bodies)
        if found is not None:
            raise self._wrong(f"{path}[{start + found[0]}]", f"there are several members {_shown(found[1])}")
        return bodies

    def _records(self, kind: RecordKind, statements: _Statements, bundle: str) -> None:
        """Stage statements of one kind, column by column."""
        words = self._words(kind, statements)
        if kind.name == "hadMember":
            word = words.get("entity", "entity")
            for index, body in enumerate(statements.bodies):
                if body.get(word) == []:
                    raise self._wrong(f"{statements.where(index)}/{word}", "the array of members is empty")
            statements = _one_member_each(statements, word)
        bodies = statements.bodies
        columns = Columns(bundle, kind.number)
        own = [body.pop("@id", None) for body in bodies]
        if kind.is_element and None in own:
            raise self._wrong(statements.where(own.index(None)), f'{kind.name}: the "@id" is missing')
        columns.names = self._column(own, statements, "@id", is_name=True)
        for argument in (*kind.references, *kind.times):
            word = words.get(argument, argument)
            values = [body.pop(word, None) for body in bodies] if argument in words else [None] * len(bodies)
            is_name = argument in kind.references
            columns.others.append(self._column(values, statements, word, is_name=is_name))
        self._attributes(statements, columns)
        if kind.is_element:
            self._staging.append("element", columns, ("start_time", "end_time")[: len(kind.times)])
        else:
            times = ("time",)[: len(kind.times)]
            self._staging.append("relation", columns, (*ARGUMENT_COLUMNS[: len(kind.references)], *times))

    def _words(self, kind: RecordKind, statements: _Statements) -> dict[str, str]:
        """How the formal arguments are spelled in statements of one kind, those only that are there."""
        arguments = {*kind.references, *kind.times}
        found: dict[str, str] = {}
        for word in sorted(set().union(*statements.bodies)):
            bare = _BARE.sub("", word)
            if bare in arguments:
                if found.setdefault(bare, word) != word:
                    raise self._wrong(
                        statements.where_has(word),
                        f"the statements have {found[bare]!r}, too: one is expected",
                    )
            elif word in FORMAL_TERMS or (word.startswith("@") and word != "@id"):
                raise self._wrong(statements.where_has(word), f"there is no such member of {kind.name}")
        return found

    def _column(
        self, values: list[Any], statements: _Statements, word: str, *, is_name: bool
    ) -> list[str | None]:
        """The texts of one formal argument, or of identifiers."""
        if not _TEXTS.issuperset(map(type, values)):
            for index, value in enumerate(values):
                text = value
                if type(value) is dict and len(value) == 1 and is_name:
                    text = value.get("@id")
                elif type(value) is dict:
                    text = value.get("@value")
                if type(text) is not str and value is not None:
                    path = f"{statements.where(index)}/{word}"
                    raise self._wrong(path, f"a string is expected, not {_shown(value)}")
                values[index] = text
        return self._names.of_all(values, f"{statements.where(0)[:-1]}…]/{word}") if is_name else values

    def _attributes(self, statements: _Statements, columns: Columns) -> None:
        """Take in what is left of the statements: the hot loop of reading.

        Values that are like one met before are taken here, all others by :meth:`_attribute`.
        """
        typed, bare, turned = self._typed.get, self._bare.get, self._names.turned.get
        add_key, add_value, add_end = columns.keys.append, columns.values.append, columns.ends.append
        keys = columns.keys
        for index, body in enumerate(statements.bodies):
            for name, values in body.items():
                for value in values if type(values) is list else (values,):
                    found = None
                    if type(value) is dict:
                        text, datatype = value.get("@value"), value.get("@type")
                        if len(value) == 1 if datatype is None else len(value) == 2 and type(datatype) is str:
                            found = typed((name, datatype))
                    else:
                        text, found = value, bare(name)
                    if found is not None and type(text) is str:
                        text = turned(text) if found[1] else text
                        if text is not None:
                            add_key(found[0])
                            add_value(text)
                            continue
                    self._attribute(name, value, columns, f"{statements.where(index)}/{name[:60]}")
            add_end(len(keys))

    def _attribute(self, name: str, value: Any, columns: Columns, path: str) -> None:
        """Take in one value of any form."""
        word = name.removeprefix("prov:")
        if type(value) is dict:
            text, datatype, language = self._value(value, path)
        else:
            text, datatype, language = value, QUALIFIED_NAME if word in NAMING_TERMS else None, None
        if type(text) is not str:
            text, datatype = self._native(text, datatype, path)
        if datatype is not None and type(value) is dict and "@type" in value:
            datatype = self._names.of(datatype, path)
        if datatype in QUALIFIED_NAME_SPELLINGS:
            datatype, text = QUALIFIED_NAME, self._names.of(text, path)
        elif datatype == "xsd:string":
            datatype = None
        own = f"prov:{word}" if word in KINDS_WITH_TERM else self._names.of(name, path)
        key = self._staging.key(own, datatype, language)
        columns.keys.append(key)
        columns.values.append(text)
        if type(value) is str:
            self._bare[name] = key, datatype == QUALIFIED_NAME
        elif type(value) is dict and "@value" in value and language is None and type(value["@value"]) is str:
            self._typed[name, value.get("@type")] = key, datatype == QUALIFIED_NAME

    def _value(self, value: dict[str, Any], path: str) -> tuple[Any, str | None, str | None]:
        """The value, datatype and language of an object."""
        if value.keys() == {"@id"}:
            return value["@id"], QUALIFIED_NAME, None
        if "@value" not in value or not value.keys() <= _OF_VALUE or len(value) > 2:
            raise self._wrong(path, f'"@value" with "@type" or "@language" is expected, not {_shown(value)}')
        for word in ("@type", "@language"):
            if type(value.get(word, "")) is not str:
                raise self._wrong(f"{path}/{word}", f"a string is expected, not {_shown(value[word])}")
        return value["@value"], value.get("@type"), value.get("@language") or None

    def _native(self, value: Any, datatype: str | None, path: str) -> tuple[str, str | None]:
        """The lexical form of a JSON boolean or number, and the datatype that JSON-LD gives it (section 8.6)."""
        if datatype != QUALIFIED_NAME:
            match value:
                case bool():
                    return ("true" if value else "false"), datatype or "xsd:boolean"
                case int():
                    return str(value), datatype or "xsd:integer"
                case float():
                    return repr(value), datatype or "xsd:double"
        raise self._wrong(path, f"a value can't be {_shown(value)}")

    def _wrong(self, path: str, reason: str) -> FormatError:
        return FormatError(f"{self._file_name} is not a PROV-JSONLD document: at {path}: {reason}")


def _one_member_each(statements: _Statements, word: str) -> _Statements:
    """Memberships of one member each, where they have several (section 4.18)."""
    if not any(type(body.get(word)) is list for body in statements.bodies):
        return statements
    single = _Statements(statements.path)
    for position, body in zip(statements.positions, statements.bodies, strict=True):
        members = body.get(word)
        for member in members if type(members) is list else [members]:
            single.add({**body, word: member}, position)
    return single


def _expanded(word: str, iri: str, context: dict[str, Any]) -> str:
    """The IRI of a prefix, which may be spelled with another prefix (JSON-LD 1.1, section 4.1.5)."""
    prefix, colon, local = iri.partition(":")
    base = context.get(prefix)
    if colon and prefix != word and type(base) is str and not local.startswith("//"):
        return base + local
    return iri


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
