"""RDF that pyoxigraph parses, as N-Quads, with a watch on what it reads: no file may exhaust memory or stack.

The parser refuses names and literals of more than 16 MiB in Turtle and TriG, and makes language tags lower-case;
their spelling is taken from the text (where it has several of one tag, the first counts).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, BinaryIO
from xml.parsers import expat

from mlflow2prov.errors import FormatError, UsageError
from mlflow2prov.formats.beginnings import begins_like_turtle
from mlflow2prov.formats.intern import MOST_PREFIXES
from mlflow2prov.formats.provo_lines import Parser, reason
from mlflow2prov.formats.text import LARGEST_RECORD_BYTES

_CHUNK_BYTES = 2**20
_DEEPEST = 100
"""Triples within triples, and elements of XML within elements, may be so deep."""

_LONGEST_ENTITY = 512
_TAG = rb"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*"
_TAGS = {
    False: re.compile(rb"[\"']@(" + _TAG + rb")"),
    True: re.compile(rb"xml:lang\s*=\s*[\"'](" + _TAG + rb")[\"']"),
}
_OVERLAP = 100
_XML = re.compile(rb"\s*(\Z|<(\?|!|[A-Za-z_][\w.-]*(:[A-Za-z_][\w.-]*)?[\s/>]))")
_DECLARATION = re.compile(rb"^[ \t]*@?prefix\b", re.MULTILINE | re.IGNORECASE)
_STRING = re.compile(rb'"(?:[^"\\\n]|\\.)*"')


def oxigraph() -> Any:
    """Return the module pyoxigraph.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import pyoxigraph
    except ImportError as error:
        raise UsageError(
            'to read this, pyoxigraph is needed, which is not installed: pip install "mlflow2prov[rdf]"'
        ) from error
    return pyoxigraph


class Languages:
    """How a text spells the language tags that it has; ``spelling`` is by the tag in lower case."""

    def __init__(self, *, is_xml: bool = False) -> None:
        self.spelling: dict[str, str] = {}
        self._pattern = _TAGS[is_xml]
        self._last = b""

    def look(self, content: bytes) -> None:
        """Take in the next piece of a text."""
        for tag in set(self._pattern.findall(self._last + content)):
            self.spelling.setdefault(tag.decode().lower(), tag.decode())
        self._last = content[-_OVERLAP:]


def parser_of_lines(syntax: str, languages: Languages) -> Parser:
    """Return a parser of lines of N-Triples or N-Quads (see :class:`mlflow2prov.formats.provo_lines.Lines`)."""

    def parsed(content: bytes) -> bytes:
        ox = oxigraph()
        languages.look(content)
        kind = ox.RdfFormat.N_TRIPLES if syntax == "nt" else ox.RdfFormat.N_QUADS
        try:
            return bytes(ox.serialize(ox.parse(content, kind), None, ox.RdfFormat.N_QUADS))
        except MemoryError as error:
            raise SyntaxError("a line is too long") from error

    return parsed


class Document:
    """A document in Turtle, TriG or RDF/XML, on its way through the parser.

    Attributes:
        syntax: ``ttl``, ``trig`` or ``rdf``.
        languages: how it spells language tags.
    """

    def __init__(self, syntax: str, file: BinaryIO, name: str) -> None:
        """Take a file; of ``rdf``, the first bytes tell whether it is RDF/XML, or Turtle or TriG."""
        head = file.read(_CHUNK_BYTES)
        self._is_xml = syntax == "rdf" and _XML.match(head) is not None and not begins_like_turtle(head)
        self.syntax = "ttl" if syntax == "ttl" else "rdf" if self._is_xml else "trig"
        self._name = name
        self.languages = Languages(is_xml=self._is_xml)
        self._watch = _XmlWatch(name) if self._is_xml else _TurtleWatch(name)
        self._input = _Input(head, file, [self.languages.look, self._watch.look])

    def parse(self, take: Callable[[bytes], None]) -> dict[str, str]:
        """Hand the document to ``take`` as N-Quads, in pieces; return the prefixes that it declares.

        Raises:
            FormatError: it is not right in its syntax, or hostile.
        """
        ox = oxigraph()
        kinds = {"ttl": ox.RdfFormat.TURTLE, "trig": ox.RdfFormat.TRIG, "rdf": ox.RdfFormat.RDF_XML}
        output = _Output(take)
        quads = ox.parse(self._input, kinds[self.syntax])
        try:
            ox.serialize(quads, output, ox.RdfFormat.N_QUADS)
            self._watch.finish()
        except BaseException as error:
            own = self._input.error or output.error
            if own is not None:
                raise own from None
            if isinstance(error, SyntaxError | MemoryError | ValueError | OSError):
                raise self._wrong(error) from error
            raise
        return self._watch.prefixes or dict(quads.prefixes)

    def _wrong(self, error: Exception) -> FormatError:
        line = getattr(error, "lineno", None)
        where = f"line {line}" if line else f"near line {self._watch.line}"
        if isinstance(error, MemoryError):
            return FormatError(f"{self._name}, {where}: a name or text is too long: it has more than 16 MiB")
        said = reason(error) if isinstance(error, SyntaxError) else " ".join(str(error).split())[:300]
        return FormatError(f"{self._name}, {where}: {said}")


class _Input:
    """A file for the parser to read, whose content others look at first."""

    def __init__(self, head: bytes, file: BinaryIO, looks: list[Callable[[bytes], None]]) -> None:
        self._file, self._looks = file, looks
        self._chunk = memoryview(head)
        self.error: BaseException | None = None
        self._fresh = head

    def read(self, size: int = -1) -> bytes:
        try:
            if self._fresh:
                self._show(self._fresh)
                self._fresh = b""
            if not self._chunk:
                content = self._file.read(_CHUNK_BYTES)
                self._show(content)
                self._chunk = memoryview(content)
        except BaseException as error:
            self.error = error
            raise
        piece = self._chunk[: size if size >= 0 else None]
        self._chunk = self._chunk[len(piece) :]
        return bytes(piece)

    def _show(self, content: bytes) -> None:
        for look in self._looks:
            look(content)


class _Output:
    """A file for the serializer to write."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._pieces: list[bytes] = []
        self._size = 0
        self.error: BaseException | None = None

    def write(self, content: bytes) -> int:
        self._pieces.append(bytes(content))
        self._size += len(content)
        if self._size >= _CHUNK_BYTES:
            self.flush()
        return len(content)

    def flush(self) -> None:
        content, self._pieces, self._size = b"".join(self._pieces), [], 0
        try:
            self._take(content)
        except BaseException as error:
            self.error = error
            raise


class _TurtleWatch:
    """Refuses triples that are nested so deeply that they would exhaust the parser's stack."""

    def __init__(self, name: str) -> None:
        self.prefixes: dict[str, str] = {}
        self.line = 1
        self._name = name
        self._depth = 0
        self._declared = 0
        self._rest = b""

    def look(self, content: bytes) -> None:
        """Take in the next piece."""
        self.line += content.count(b"\n")
        self._declared += len(_DECLARATION.findall(content))
        if self._declared > MOST_PREFIXES:
            raise FormatError(
                f"{self._name}, near line {self.line}: there are more than {MOST_PREFIXES:,} prefixes"
            )
        content = self._rest + content
        if b"<<(" in content or self._depth:
            end = content.rfind(b"\n") + 1 or len(content)
            self._rest = content[end:]
            bare = _STRING.sub(b"", content[:end])
            for mark in re.finditer(rb"<<\(|\)>>", bare):
                self._depth = max(0, self._depth + (1 if mark[0] == b"<<(" else -1))
                if self._depth > _DEEPEST:
                    raise FormatError(f"{self._name}, near line {self.line}: triples are nested too deeply")
        else:
            self._rest = content[-2:]

    def finish(self) -> None:
        """Nothing is left to say at the end."""


class _XmlWatch:
    """Goes through XML before the RDF parser does, which expands entities and nests elements without bound."""

    def __init__(self, name: str) -> None:
        self.prefixes: dict[str, str] = {}
        self._name = name
        self._depth = self._quiet = 0
        self._is_quiet = True
        self._longest = LARGEST_RECORD_BYTES
        self._expat = expat.ParserCreate()
        self._expat.StartElementHandler = self._root
        self._expat.EndElementHandler = self._end
        self._expat.EntityDeclHandler = self._entity

    @property
    def line(self) -> int:
        """Where it is."""
        return self._expat.CurrentLineNumber

    def look(self, content: bytes) -> None:
        """Take in the next piece; an empty one is the end."""
        self._is_quiet = True
        try:
            self._expat.Parse(content, not content)
        except expat.ExpatError as error:
            what = expat.errors.messages[error.code]
            raise FormatError(f"{self._name}, line {error.lineno}: it is no XML: {what}") from error
        except (LookupError, ValueError) as error:  # expat asks Python for encodings that it does not know
            raise self._wrong(f"its encoding can't be read: {error}") from error
        self._quiet = self._quiet + len(content) if self._is_quiet else 0
        if self._quiet > self._longest:
            raise self._wrong(f"a name or text has more than {self._longest:,} bytes")

    def finish(self) -> None:
        """Nothing is left to say at the end."""

    def _wrong(self, what: str) -> FormatError:
        return FormatError(f"{self._name}, line {self.line}: {what}")

    def _root(self, _: str, attributes: dict[str, str]) -> None:
        for name, value in attributes.items():
            if name == "xmlns" or name.startswith("xmlns:"):
                self.prefixes[name[6:]] = value
        self._expat.StartElementHandler = self._start
        self._start(_, attributes)

    def _start(self, _: str, __: dict[str, str]) -> None:
        self._is_quiet = False
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._wrong("elements are nested too deeply")

    def _end(self, _: str) -> None:
        self._is_quiet = False
        self._depth -= 1

    def _entity(
        self, name: str, is_parameter: bool, value: str | None, _: Any, system: str | None, *__: Any
    ) -> None:
        if is_parameter or system is not None or value is None:
            raise self._wrong(f"the entity {name[:60]} is external, or a parameter: such are not read")
        if len(value) > _LONGEST_ENTITY or "&" in value or "<" in value:
            raise self._wrong(
                f"the entity {name[:60]} is longer than {_LONGEST_ENTITY} characters, or has others in it"
            )
        self._longest = _CHUNK_BYTES
