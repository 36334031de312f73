"""Reading PROV-XML (https://www.w3.org/TR/prov-xml/).

The file is parsed by expat in pieces of 1 MiB, and the records of eight of them are held at a time.
Cost: about 10 µs of CPU for each record. A document type declaration is refused, and with it all
entities. Read as the ``prov`` library does: the elements of PROV-DM's subtypes (``prov:plan``) as their
base with a ``prov:type``; names that are escaped (``_x002F_``) as what they stand for. What has no
place in PROV-DM is left out and logged: ``prov:other``, XML attributes of other namespaces, and
elements inside of values.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO
from xml.parsers import expat

from mlflow2prov.errors import FormatError
from mlflow2prov.formats.intern import MOST_PREFIXES, Columns, Staging, append_of_bundles, is_instant
from mlflow2prov.formats.provxml_names import XML, XSI
from mlflow2prov.formats.provxml_scope import SEPARATOR, Scope
from mlflow2prov.formats.text import LARGEST_RECORD_BYTES
from mlflow2prov.graph.arrays import texts
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.namespaces import PROV, QUALIFIED_NAME
from mlflow2prov.prov.records import KIND_BY_NAME, KINDS, RecordKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow2prov.graph.graph import Graph
    from mlflow2prov.graph.store import Store

log = logging.getLogger(__name__)

_CHUNK_BYTES = 2**20
_CHUNKS = 8
_LARGEST_TAG_BYTES = 8 * 2**20
_DEEPEST = 100
_MOST_KEYS = 100_000

_PROV = PROV + SEPARATOR
_ID, _REF = f"{_PROV}id", f"{_PROV}ref"
_TYPE, _LANGUAGE = f"{XSI}{SEPARATOR}type", f"{XML}{SEPARATOR}lang"
_QUALIFIED_NAMES = {QUALIFIED_NAME, "prov:QUALIFIED_NAME"}
_SPACE = " \t\r\n"

_SUBTYPES: dict[str, tuple[str, str]] = {
    "bundle": ("entity", "Bundle"),
    "collection": ("entity", "Collection"),
    "emptyCollection": ("entity", "EmptyCollection"),
    "plan": ("entity", "Plan"),
    "organization": ("agent", "Organization"),
    "person": ("agent", "Person"),
    "softwareAgent": ("agent", "SoftwareAgent"),
    "hadPrimarySource": ("wasDerivedFrom", "PrimarySource"),
    "wasQuotedFrom": ("wasDerivedFrom", "Quotation"),
    "wasRevisionOf": ("wasDerivedFrom", "Revision"),
}
"""The elements of PROV-XML that stand for a kind of record and a type (PROV-XML, section 3)."""

# What a child of a record is, and so what is done at its end.
_REFERENCE, _TIME, _TEXT, _NAME = range(4)
_Child = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class _Form:
    """What an element stands for: a kind of record, perhaps a type, and what its formal arguments are called."""

    kind: RecordKind
    implied: str | None
    children: dict[str, _Child]


def _form(kind: RecordKind, implied: str | None = None) -> _Form:
    children: dict[str, _Child] = {}
    for position, name in enumerate((*kind.references, *kind.times)):
        what = _REFERENCE if position < len(kind.references) else _TIME
        children[_PROV + name] = (what, position, f"prov:{name}")
    return _Form(kind, implied, children)


_FORMS: dict[str, _Form] = {_PROV + kind.name: _form(kind) for kind in KINDS} | {
    _PROV + name: _form(KIND_BY_NAME[kind], f"prov:{implied}") for name, (kind, implied) in _SUBTYPES.items()
}


@dataclass(slots=True)
class _Seen:
    """How often something was seen, and in which line first."""

    count: int = 0
    first_line: int = 0

    def add(self, parser: expat.XMLParserType) -> None:
        self.count += 1
        if self.count == 1:
            self.first_line = parser.CurrentLineNumber


@dataclass(slots=True)
class _Batch:
    """Records of one kind on their way into the staging tables."""

    kind: RecordKind
    columns: Columns
    bundles: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, kind: RecordKind) -> _Batch:
        others: list[list[str | None]] = [[] for _ in (*kind.references, *kind.times)]
        return cls(kind, Columns("", kind.number, others=others))

    def cut(self) -> _Batch | None:
        """Take away the record that is not at its end; return it in another batch, None if there is none."""
        columns = self.columns
        if len(columns.names) == len(columns.ends):
            return None
        rest, start = _Batch.of(self.kind), columns.ends[-1] if columns.ends else 0
        rest.columns.names.append(columns.names.pop())
        rest.columns.keys, rest.columns.values = columns.keys[start:], columns.values[start:]
        del columns.keys[start:], columns.values[start:]
        return rest

    def stage(self, staging: Staging) -> None:
        if not self.columns.names:
            return
        times = ("start_time", "end_time") if self.kind.is_element else ("time",)
        names = (*ARGUMENT_COLUMNS[: len(self.kind.references)], *times[: len(self.kind.times)])
        table = "element" if self.kind.is_element else "relation"
        append_of_bundles(staging, table, self.columns, names, self.bundles)


def read(file: BinaryIO, name: str, store: Store | None = None) -> Graph:
    """Return the PROV-XML document in a binary file as a graph.

    Raises:
        FormatError: it is not XML, not whole, or not PROV-XML; the message has the line.
    """
    with Staging(store, name) as staging:
        reader = _Reader(staging, name)
        try:
            reader.document(file)
        except expat.ExpatError as error:
            raise reader.wrong(expat.ErrorString(error.code), error.lineno) from error
        except (LookupError, ValueError) as error:
            if reader.has_begun:
                raise
            raise reader.wrong(f"its encoding can't be read: {error}") from error
        return staging.finish()


class _Reader:
    """Turns elements into staged records.

    Handlers of expat's change with the place: in a container (the document, a bundle), in a record
    and its children, and in what is left out.

    Attributes:
        has_begun: whether the parser has come to the outermost element, in an encoding that it knows.
    """

    def __init__(self, staging: Staging, file_name: str) -> None:
        self._staging = staging
        self._file_name = file_name
        self._scope = Scope(staging)
        self._batches: dict[int, _Batch] = {}
        self._bundle = ""
        self._bundles: list[str] = []
        self.has_begun = False
        self._closed = 0
        self._texts: list[str] = []
        self._known: dict[str | tuple[str, ...], _Child] = {}
        self._child: _Child | None = None
        self._is_waiting = False
        self._members: list[str] = []
        self._depth = 0
        self._left_out = _Seen()
        self._kept_as_text = _Seen()
        self._parser = parser = expat.ParserCreate(namespace_separator=SEPARATOR)
        parser.buffer_text = True
        parser.buffer_size = 2**16
        parser.ordered_attributes = True
        parser.StartNamespaceDeclHandler = self._open_namespace
        parser.EndNamespaceDeclHandler = self._close_namespace
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.CharacterDataHandler = self._texts.append
        parser.StartElementHandler = self._open_document

    def document(self, file: BinaryIO) -> None:
        """Read the whole file, holding the records of a few pieces at a time."""
        fed = quiet = closed = pieces = 0
        while chunk := file.read(_CHUNK_BYTES):
            self._parser.Parse(chunk, False)
            fed += len(chunk)
            quiet = quiet + len(chunk) if self._closed == closed else 0
            closed = self._closed
            if fed - self._parser.CurrentByteIndex > _LARGEST_TAG_BYTES:
                raise self.wrong(f"a tag or comment has more than {_LARGEST_TAG_BYTES:,} bytes")
            if quiet > LARGEST_RECORD_BYTES:
                raise self.wrong(f"a record has more than {LARGEST_RECORD_BYTES:,} bytes")
            pieces += 1
            if pieces % _CHUNKS == 0:
                self._stage()
        self._parser.Parse(b"", True)
        self._stage()
        self._stage_bundles()
        self._tell()

    def _stage(self) -> None:
        """Stage the records that are whole; one that is open goes on in a batch of its own."""
        batches, self._batches = self._batches, {}
        for number, batch in sorted(batches.items()):
            rest = batch.cut()
            if rest is not None:
                self._batches[number] = self._batch = rest
            batch.stage(self._staging)

    def _stage_bundles(self) -> None:
        import pyarrow as pa

        names = texts(self._bundles)
        self._staging.store.append(f"{self._staging.schema}.bundle", pa.table({"name": names}))

    def _tell(self) -> None:
        """Log what is not as the document has it."""
        if self._left_out.count:
            log.warning(
                "%s: %d parts that PROV-DM has no place for are left out, the first in line %d",
                *(self._file_name, self._left_out.count, self._left_out.first_line),
            )
        if self._kept_as_text.count:
            log.warning(
                "%s: %d values of xsd:QName are kept as text, since they have no prefix and there is no default "
                "namespace, the first in line %d",
                *(self._file_name, self._kept_as_text.count, self._kept_as_text.first_line),
            )

    def wrong(self, reason: str, line: int | None = None) -> FormatError:
        """The error for something in a line, by default the one that is being read."""
        line = self._parser.CurrentLineNumber if line is None else line
        return FormatError(f"{self._file_name} is not a PROV-XML document: line {line}: {reason}")

    # Namespaces and what is refused

    def _open_namespace(self, prefix: str | None, iri: str | None) -> None:
        self.has_begun = True
        self._known.clear()
        self._scope.open(prefix, iri)
        if len(self._staging.prefixes) > MOST_PREFIXES:
            raise self.wrong(f"there are more than {MOST_PREFIXES:,} prefixes")

    def _close_namespace(self, prefix: str | None) -> None:
        self._known.clear()
        self._scope.close(prefix)

    def _refuse_doctype(self, *_: object) -> None:
        raise self.wrong("a document type declaration (DOCTYPE) is refused, since its entities are a danger")

    # Containers

    def _open_document(self, name: str, attributes: list[str]) -> None:
        self.has_begun = True
        if name != f"{_PROV}document":
            raise self.wrong(f"the outermost element must be prov:document, not {_shown(name)}")
        self._to_container()

    def _to_container(self) -> None:
        self._texts.clear()
        self._parser.StartElementHandler = self._open_record
        self._parser.EndElementHandler = self._close_container

    def _open_record(self, name: str, attributes: list[str]) -> None:
        form = _FORMS.get(name)
        if form is None:
            self._open_other(name, attributes)
            return
        batch = self._batches.get(form.kind.number)
        if batch is None:
            batch = self._batches[form.kind.number] = _Batch.of(form.kind)
        self._form, self._batch = form, batch
        self._formal = form.children
        self._arguments: list[str | None] = [None] * len(form.children)
        own = None
        if attributes:
            if len(attributes) == 2 and attributes[0] == _ID:
                own = self._token(attributes[1])
            else:
                own = self._attributes_of_record(attributes)
        elif form.kind.is_element:
            raise self.wrong(f"{_shown(name)} has no prov:id")
        batch.columns.names.append(own)
        self._parser.StartElementHandler = self._open_child
        self._parser.EndElementHandler = self._close

    def _attributes_of_record(self, attributes: list[str]) -> str | None:
        """Take in XML attributes of a record; return its identifier."""
        own = None
        for name, value in zip(attributes[::2], attributes[1::2], strict=True):
            if name == _ID:
                own = self._token(value)
            elif name == _TYPE:
                self._add_type(self._token(value))
            else:
                self._leave_out()
        if own is None and self._form.kind.is_element:
            raise self.wrong(f"prov:{self._form.kind.name} has no prov:id")
        return own

    def _open_other(self, name: str, attributes: list[str]) -> None:
        if name == f"{_PROV}other":
            self._leave_out()
            self._skip(self._to_container)
            return
        if name != f"{_PROV}bundleContent":
            raise self.wrong(f"there is no record {_shown(name)} in PROV-XML")
        if self._bundle:
            raise self.wrong("bundles can't be nested")
        given = dict(zip(attributes[::2], attributes[1::2], strict=True))
        if _ID not in given:
            raise self.wrong("prov:bundleContent has no prov:id")
        self._bundle = self._token(given[_ID])
        self._bundles.append(self._bundle)

    def _close_container(self, name: str) -> None:
        self._pass_space()
        self._bundle = ""

    # Records and their children

    def _open_child(self, name: str, attributes: list[str]) -> None:
        if self._child is not None:
            self._open_nested(attributes)
            return
        self._pass_space()
        child = self._formal.get(name)
        if child is None:
            key = (name, *attributes) if attributes else name
            child = self._known.get(key)
            if child is None:
                child = self._new_child(name, attributes)
        elif child[0] == _REFERENCE:
            if len(attributes) == 2 and attributes[0] == _REF:
                self._refer(child, self._token(attributes[1]))
            else:
                self._refer_oddly(child, attributes)
        self._child = child

    def _close(self, name: str) -> None:
        child = self._child
        if child is None:
            self._close_record()
            return
        self._child = None
        what, number, _ = child
        if what == _REFERENCE:
            if self._is_waiting:
                raise self.wrong(f"{child[2]} has no prov:ref")
            return
        text = "".join(self._texts)
        self._texts.clear()
        columns = self._batch.columns
        if what == _TEXT:
            columns.keys.append(number)
            columns.values.append(text)
        elif what == _NAME:
            self._add_name(child, text)
        else:
            self._set_time(child, text.strip(_SPACE))

    def _pass_space(self) -> None:
        """Let go of what stands between elements; it counts as left out unless it is white space."""
        for text in self._texts:
            if not text.isspace():
                self._leave_out()
                break
        self._texts.clear()

    def _close_record(self) -> None:
        self._closed += 1
        self._pass_space()
        columns = self._batch.columns
        if self._form.implied is not None:
            self._add_type(self._form.implied)
        for column, value in zip(columns.others, self._arguments, strict=True):
            column.append(value)
        columns.ends.append(len(columns.keys))
        self._batch.bundles.append(self._bundle)
        if self._members:
            self._add_members()
        self._parser.StartElementHandler = self._open_record
        self._parser.EndElementHandler = self._close_container

    def _refer(self, child: _Child, token: str) -> None:
        _, position, shown = child
        if self._arguments[position] is None:
            self._arguments[position] = token
        elif self._form.kind.name == "hadMember" and position == 1:
            self._members.append(token)  # section 3.6: a collection and any number of entities
        else:
            raise self.wrong(f"prov:{self._form.kind.name} has two elements {shown}")

    def _refer_oddly(self, child: _Child, attributes: list[str]) -> None:
        """Take in a formal argument that has more than its reference, or has it in an element within."""
        given = dict(zip(attributes[::2], attributes[1::2], strict=True))
        token = given.pop(_REF, None)
        for _ in given:
            self._leave_out()
        self._is_waiting = token is None
        if token is not None:
            self._refer(child, self._token(token))

    def _add_members(self) -> None:
        """Give each further member of a collection a record like that of the first one."""
        columns, start = self._batch.columns, self._start_of_record()
        keys, values = columns.keys[start:], columns.values[start:]
        for member in self._members:
            columns.names.append(columns.names[-1])
            for column, value in zip(columns.others, (self._arguments[0], member), strict=True):
                column.append(value)
            columns.keys += keys
            columns.values += values
            columns.ends.append(len(columns.keys))
            self._batch.bundles.append(self._bundle)
        self._members = []

    def _start_of_record(self) -> int:
        """Where the attributes of the record that was closed last begin."""
        ends = self._batch.columns.ends
        return ends[-2] if len(ends) > 1 else 0

    def _set_time(self, child: _Child, text: str) -> None:
        _, position, shown = child
        if not is_instant(text):
            raise self.wrong(f"{shown}: {text[:60]!r} is no instant (xsd:dateTime)")
        if self._arguments[position] is not None:
            raise self.wrong(f"prov:{self._form.kind.name} has two elements {shown}")
        self._arguments[position] = text

    # Attributes

    def _new_child(self, name: str, attributes: list[str]) -> _Child:
        """What an attribute is of which there was none so far in this scope."""
        own = self._scope.element(name)
        if own is None:
            raise self.wrong(f"the element <{name}> has no namespace, so it names no attribute")
        datatype = language = None
        is_usual = True
        for about, value in zip(attributes[::2], attributes[1::2], strict=True):
            if about == _TYPE:
                datatype = self._token(value)
            elif about == _LANGUAGE:
                language = value or None
            elif about == _REF:
                return self._add_reference(own, value)
            else:
                self._leave_out()
                is_usual = False
        if language is not None or datatype == "xsd:string":
            datatype = None
        elif datatype in _QUALIFIED_NAMES:
            datatype = QUALIFIED_NAME
        what = _NAME if datatype == QUALIFIED_NAME else _TEXT
        child = (what, self._staging.key(own, datatype, language), own)
        if is_usual and len(self._known) < _MOST_KEYS:
            self._known[(name, *attributes) if attributes else name] = child
        return child

    def _add_reference(self, own: str, value: str) -> _Child:
        """Take in an attribute whose value stands in ``prov:ref``, as the ``prov`` library does."""
        self._add(self._staging.key(own, QUALIFIED_NAME, None), self._token(value))
        self._is_waiting = False
        return (_REFERENCE, 0, own)

    def _add(self, key: int, value: str) -> None:
        self._batch.columns.keys.append(key)
        self._batch.columns.values.append(value)

    def _add_name(self, child: _Child, text: str) -> None:
        token = self._scope.token(text)
        if token is not None:
            self._add(child[1], token)
        elif ":" not in text:
            self._kept_as_text.add(self._parser)
            self._add(self._staging.key(child[2], None, None), text)
        else:
            raise self._unknown(text)

    def _add_type(self, token: str) -> None:
        """Give the record that is open a type, unless it has it."""
        columns, key = self._batch.columns, self._staging.key("prov:type", QUALIFIED_NAME, None)
        start = columns.ends[-1] if columns.ends else 0
        pairs = zip(columns.keys[start:], columns.values[start:], strict=True)
        if (key, token) not in pairs:
            self._add(key, token)

    def _token(self, text: str) -> str:
        """The graph's name for a qualified name."""
        prefix, colon, local = text.partition(":")
        if colon:
            start = self._scope.starts.get(prefix)
            if start is not None:
                return start + local
        token = self._scope.token(text)
        if token is None:
            raise self._unknown(text)
        return token

    def _unknown(self, text: str) -> FormatError:
        shown = repr(text[:60])
        if ":" in text:
            return self.wrong(f"the prefix of {shown} is not declared")
        return self.wrong(f"{shown} has no prefix, and there is no default namespace")

    # What is left out

    def _open_nested(self, attributes: list[str]) -> None:
        """Come upon an element inside of a child: a reference where one is missing, or something to leave out."""
        child = self._child
        if child is not None and child[0] == _REFERENCE and self._is_waiting and _REF in attributes[::2]:
            self._refer(child, self._token(attributes[attributes[::2].index(_REF) * 2 + 1]))
            self._is_waiting = False
        else:
            self._leave_out()
        self._parser.CharacterDataHandler = None
        self._skip(self._back_to_child)

    def _back_to_child(self) -> None:
        self._parser.StartElementHandler = self._open_child
        self._parser.EndElementHandler = self._close_after_nested

    def _close_after_nested(self, name: str) -> None:
        self._parser.CharacterDataHandler = self._texts.append
        self._parser.EndElementHandler = self._close
        self._close(name)

    def _skip(self, afterwards: Callable[[], None]) -> None:
        """Pass over the element that is open, with all that is in it."""
        self._depth = 1
        self._afterwards = afterwards
        self._parser.StartElementHandler = self._skip_open
        self._parser.EndElementHandler = self._skip_close

    def _skip_open(self, name: str, attributes: list[str]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self.wrong(f"elements are nested more than {_DEEPEST} deep")

    def _skip_close(self, name: str) -> None:
        self._depth -= 1
        if not self._depth:
            self._afterwards()

    def _leave_out(self) -> None:
        self._left_out.add(self._parser)


def _shown(name: str) -> str:
    """The name of an element, as it is shown in messages."""
    iri, _, local = name[-200:].rpartition(SEPARATOR)
    return f"prov:{local}" if iri == PROV else f"{local!r} of namespace {iri!r}"
