"""Reading PROV-N (https://www.w3.org/TR/prov-n/).

The file is read through a window of some megabytes. Records of the plain form, which most are, are
taken apart by two regular expressions; all others token by token, by rules that say what is wrong.
20,000 records are held at a time. Cost: about 15 µs of CPU for a record.

Beyond the grammar, the reader takes a colon without a backslash in a local part, a dot at its end,
``-`` for any formal argument, and ``prov:`` before the keyword of any record, with an identifier and
attributes even where PROV-N has none. Extensions of other kinds (production [49]) are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from mlflow2prov.formats import provn_lexer as lexer
from mlflow2prov.formats.intern import BLANK, MOST_PREFIXES, Staging, is_instant
from mlflow2prov.formats.provn_batch import Batch
from mlflow2prov.formats.provn_lexer import MoreNeeded, Source
from mlflow2prov.formats.provn_scope import Scope
from mlflow2prov.prov.namespaces import QUALIFIED_NAME, QUALIFIED_NAME_SPELLINGS
from mlflow2prov.prov.records import KIND_BY_NAME, KINDS

if TYPE_CHECKING:
    from mlflow2prov.graph.graph import Graph
    from mlflow2prov.graph.store import Store

_BATCH = 20_000
_BATCH_CHARACTERS = 32 * 2**20
_MOST_KEYS = 100_000
_MOST_ATTRIBUTES = 1_000_000
"""No record may have more: in its largest size there could be many times as many, which would take minutes."""

_FORMAL = frozenset(f"prov:{argument}" for kind in KINDS for argument in (*kind.references, *kind.times))
_WITH_LANGUAGE = "prov:InternationalizedString"
_DECLARATION = re.compile(r"(prefix|default)(?![^\s<>/])")
T = TypeVar("T")


def read(file: BinaryIO, name: str, store: Store | None = None) -> Graph:
    """Return the PROV-N document in a binary file as a graph.

    Raises:
        FormatError: it is not PROV-N, or not whole; the message has line and column.
    """
    with Staging(store, name) as staging:
        _Reader(staging, Source(file, name)).document()
        return staging.finish()


class _Reader:
    """Takes a document apart and stages its records."""

    def __init__(self, staging: Staging, source: Source) -> None:
        self._staging = staging
        self._source = source
        self._scope = Scope(staging, source)
        self._bundle = ""
        self._batches: dict[str, Batch] = {}
        self._formal_keys: dict[int, str] = {}
        self._keys: dict[tuple[str, str | None, str | None], int] = {}
        self._waiting = 0
        self._characters = 0

    def document(self) -> None:
        """Read it all."""
        source = self._source
        self._as_far_as_needed(self._opening)
        goes_on = True
        while goes_on:
            self._plain_records()
            if self._waiting >= _BATCH or self._characters >= _BATCH_CHARACTERS:
                self._flush()
            else:
                goes_on = self._as_far_as_needed(self._statement)
        while not source.is_whole or source.position < len(source.text):
            self._as_far_as_needed(self._nothing)
        self._flush()

    def _as_far_as_needed(self, rule: Callable[[], T]) -> T:
        """What a rule makes of what comes next; the file is read as far as the rule needs it."""
        while True:
            try:
                return rule()
            except MoreNeeded:
                self._source.fill()

    def _flush(self) -> None:
        for batch in dict.fromkeys(self._batches.values()):
            batch.stage(self._staging)
        self._batches = {}
        self._waiting = self._characters = 0

    def _plain_records(self) -> None:
        """Take records as long as they are of the plain form: the hot loop of reading."""
        source, batches, staged = self._source, self._batches, self._waiting
        text, position = source.text, source.position
        plain = lexer.RECORD.match
        while staged < _BATCH:
            match = plain(text, position)
            batch = None if match is None else batches.get(match[1])
            if match is None or batch is None:
                break
            end = match.end()
            if match[8] is None:
                end = self._plain_attributes(batch, end)
                if not end:
                    break
            self._take(batch, match)
            self._end(batch, match.start(1))
            staged += 1
            position = end
        self._waiting = staged
        self._characters += position - source.position
        source.position = position

    def _plain_attributes(self, batch: Batch, position: int) -> int:
        """Take attributes; return where the record ends, 0 if they are not all of the plain form."""
        text, known, names = self._source.text, self._keys.get, self._scope.names.get
        plain = lexer.ATTRIBUTE.match
        keys, values = batch.keys, batch.values
        before = len(keys)
        while True:
            match = plain(text, position)
            if match is None:
                del keys[before:], values[before:]
                return 0
            name, value, language, datatype, qualified, number, mark = match.groups()
            if value is not None:
                key = known((name, language, datatype))
                if key is None:
                    key, value = self._typed(name, value, language, datatype, match.start())
                elif "\\" in value:
                    value = self._text(value, match.start(2))
            elif qualified is not None:
                key = known((name, None, "'")) or self._new_key(name, None, "'", match.start())
                value = names(qualified) or self._scope.resolve(qualified, match.start(5))
            else:
                key = known((name, None, "0")) or self._new_key(name, None, "0", match.start())
                value = number
            keys.append(key)
            values.append(value)
            position = match.end()
            if mark != ",":
                return position
            if len(keys) - before > _MOST_ATTRIBUTES:
                raise self._source.wrong(f"a record has more than {_MOST_ATTRIBUTES:,} attributes", position)

    def _take(self, batch: Batch, match: re.Match[str]) -> None:
        """Take the identifier and the formal arguments of a record of the plain form."""
        _, own, *given, _ = match.groups()
        if batch.is_element and own is None:
            own = given.pop(0)
        self._arguments(batch, own, given, match.start(1))

    def _arguments(self, batch: Batch, own: str | None, given: list[str | None], position: int) -> None:
        names = self._scope.names
        if len(given) - given.count(None) not in batch.sizes:
            raise self._source.wrong(batch.wrong_number, position)
        name = names[own] if own in names else self._scope.resolve(str(own), position)
        if batch.is_element and name is None:
            raise self._source.wrong("this needs an identifier", position)
        batch.own.append(name)
        for column, token in zip(batch.references, given, strict=False):
            if token in names:
                column.append(names[token])
            else:
                column.append(self._scope.resolve(str(token), position))
        if batch.times:
            for column, token in zip(batch.times, given[len(batch.references) :], strict=False):
                if token is not None and token != "-" and not is_instant(token):
                    raise self._source.wrong(f"{token[:60]!r} is no instant (xsd:dateTime)", position)
                column.append(None if token == "-" else token)

    def _text(self, raw: str, position: int) -> str:
        """A text without its escapes."""
        try:
            return lexer.unescaped(raw)
        except ValueError as error:  # that a surrogate stands alone is one, too
            raise self._source.wrong("an escape of this text is none of PROV-N", position) from error

    def _typed(
        self, name: str, raw: str, language: str | None, datatype: str | None, position: int
    ) -> tuple[int, str]:
        """The key of a text with a datatype or language, and the value."""
        value = self._text(raw, position)
        own = None if datatype is None else self._attribute_name(datatype, position)
        if own in QUALIFIED_NAME_SPELLINGS:
            return self._new_key(name, None, "'", position), self._scope.resolve_text(value, position)
        if language is not None and own not in (None, _WITH_LANGUAGE):
            raise self._source.wrong("a text with a language has no datatype of another kind", position)
        if language is not None or own == "xsd:string":
            own = None
        key = self._key(name, own, language, position)
        self._remember((name, language, datatype), key)
        return key, value

    def _new_key(self, name: str, language: str | None, mark: str, position: int) -> int:
        """The key of an attribute whose values stand as qualified names or integers."""
        datatype = QUALIFIED_NAME if mark == "'" else "xsd:int"
        key = self._key(name, datatype, language, position)
        self._remember((name, language, mark), key)
        return key

    def _key(self, token: str, datatype: str | None, language: str | None, position: int) -> int:
        name = self._attribute_name(token, position)
        key = self._staging.key(name, datatype, language)
        if name in _FORMAL:
            self._formal_keys[key] = name
        return key

    def _end(self, batch: Batch, position: int) -> None:
        """End a record; no attribute may be named like one of its formal arguments."""
        if self._formal_keys and batch.formal:
            for key in batch.keys[batch.ends[-1] if batch.ends else 0 :]:
                name = self._formal_keys.get(key)
                if name in batch.formal:
                    raise self._source.wrong(
                        f"{name} is a formal argument here, which is no attribute", position
                    )
        batch.ends.append(len(batch.keys))

    def _remember(self, spelled: tuple[str, str | None, str | None], key: int) -> None:
        if len(self._keys) >= _MOST_KEYS:
            self._keys.clear()
        self._keys[spelled] = key

    def _attribute_name(self, token: str, position: int) -> str:
        name = self._scope.resolve(token, position)
        if name.startswith(f"{BLANK}:"):
            raise self._source.wrong("a blank name can't be that of an attribute or datatype", position)
        return name

    # What is not plain, token by token; a rule leaves the source's position alone until it is through.

    def _opening(self) -> None:
        match = self._source.take(lexer.NAME, self._source.position, "'document'")
        if match[0] != "document":
            raise self._source.wrong(
                f"'document' is expected{self._source.found(match.start())}", match.start()
            )
        declared, position = self._declarations(match.end())
        self._scope.declare(declared, match.end())
        self._source.position = position

    def _nothing(self) -> None:
        self._source.pass_blanks()
        position = self._source.skip(self._source.position)
        if position < len(self._source.text):
            raise self._source.wrong("nothing may follow 'endDocument'", position)
        self._source.position = position

    def _declarations(self, position: int) -> tuple[dict[str, str], int]:
        """The prefixes that are declared at a position, and the position after them."""
        source = self._source
        declared: dict[str, str] = {}
        while True:
            start = source.skip(position)
            if not source.is_whole and len(source.text) - start < len("default "):
                raise MoreNeeded
            word = _DECLARATION.match(source.text, start)
            if word is None:
                return declared, start
            prefix, position = "", word.end()
            if word[1] == "prefix":
                match = source.take(lexer.PREFIX_NAME, position, "a prefix")
                prefix, position = match[0], match.end()
            match = source.take(lexer.IRI_REFERENCE, position, "a namespace in < and >")
            if declared.setdefault(prefix, iri := self._text(match[1], match.start())) != iri:
                what = f"the prefix {prefix!r}" if prefix else "the default namespace"
                raise source.wrong(f"{what} is declared twice", start)
            if len(declared) > MOST_PREFIXES:
                raise self._scope.too_many(start)
            position = match.end()

    def _statement(self) -> bool:
        """Take what stands between or around records, or a record of any form; say whether more follows."""
        source = self._source
        source.pass_blanks()
        expected = "a record or 'endBundle'" if self._bundle else "a record or 'endDocument'"
        match = source.take(lexer.NAME, source.position, expected)
        word = match[0]
        if word == ("endBundle" if self._bundle else "endDocument"):
            source.position = match.end()
            if self._bundle:
                self._end_bundle()
                return True
            return False
        if word in ("bundle", "endBundle", "endDocument"):
            if self._bundle or word != "bundle":
                raise source.wrong(f"{expected} is expected, not {word!r}", match.start())
            self._begin_bundle(match.end())
        else:
            self._record(match)
        return True

    def _begin_bundle(self, position: int) -> None:
        match = self._source.take(lexer.NAME, position, "the identifier of a bundle")
        declared, after = self._declarations(match.end())
        self._flush()
        self._keys.clear()
        self._scope.enter(declared, match.start())
        self._bundle = self._scope.resolve(match[0], match.start())
        self._staging.add_bundle(self._bundle)
        self._source.position = after

    def _end_bundle(self) -> None:
        self._flush()
        self._keys.clear()
        self._scope.leave()
        self._bundle = ""

    def _record(self, word: re.Match[str]) -> None:
        source = self._source
        batch = self._batch(word[0], word.start())
        position = source.take(lexer.OPENING, word.end(), "'('").end()
        own, given, position = self._formal(batch, position)
        attributes: list[tuple[int, str]] = []
        if given and given[-1] == "[":
            given.pop()
            attributes, position = self._attributes(position)
        position = source.take(lexer.CLOSING, position, "')'").end()
        padding: list[str | None] = [None] * 5
        self._arguments(batch, own, [*given, *padding], word.start())
        batch.keys += [key for key, _ in attributes]
        batch.values += [value for _, value in attributes]
        self._end(batch, word.start())
        self._waiting += 1
        self._characters += position - source.position
        source.position = position

    def _batch(self, word: str, position: int) -> Batch:
        """The records of a kind, by the keyword as the document spells it."""
        batch = self._batches.get(word)
        if batch is None:
            name = word
            if word.startswith("prov:") and self._scope.resolve(word, position) == word:
                name = word.removeprefix("prov:")
            kind = KIND_BY_NAME.get(name)
            if kind is None:
                raise self._source.wrong(
                    f"{word[:60]!r} is no record of PROV-DM; extensions can't be read", position
                )
            batch = self._batches.get(name) or Batch(self._bundle, kind)
            self._batches[word] = self._batches[name] = batch
        return batch

    def _formal(self, batch: Batch, position: int) -> tuple[str | None, list[str | None], int]:
        """The identifier and the formal arguments of a record, with a bracket where attributes begin."""
        source = self._source
        own: str | None = None
        given: list[str | None] = []
        while True:
            expected = "an identifier, an instant or '-'"
            if given:
                expected += ", or '['"
            match = source.take(lexer.ARGUMENT if given else lexer.FIRST_ARGUMENT, position, expected)
            given.append(match[0])
            position = match.end()
            if match[0] == "[":
                break
            mark = source.take(lexer.MARK, position, "',', ';' or ')'")
            if mark[0] == ")":
                break
            position = mark.end()
            if mark[0] == ";":
                if own is not None or len(given) > 1 or batch.is_element:
                    raise source.wrong("',' or ')' is expected, not ';'", mark.start())
                own = given.pop()
        if batch.is_element:
            own = given.pop(0)
        return own, given, position

    def _attributes(self, position: int) -> tuple[list[tuple[int, str]], int]:
        """The attributes that follow a bracket, and the position after theirs end."""
        source = self._source
        found: list[tuple[int, str]] = []
        position = source.skip(position)
        if source.text.startswith("]", position):
            return found, position + 1
        while True:
            name = source.take(lexer.NAME, position, "the name of an attribute")
            equals = source.take(lexer.EQUALS, name.end(), "'='")
            attribute, position = self._literal(name[0], name.start(), equals.end())
            found.append(attribute)
            if len(found) > _MOST_ATTRIBUTES:
                raise source.wrong(f"a record has more than {_MOST_ATTRIBUTES:,} attributes", name.start())
            mark = source.take(lexer.ATTRIBUTE_MARK, position, "',' or ']'")
            position = mark.end()
            if mark[0] == "]":
                return found, position

    def _literal(self, name: str, start: int, position: int) -> tuple[tuple[int, str], int]:
        """The key and value of an attribute, and the position after it."""
        source = self._source
        position = source.skip(position)
        sign = source.text[position : position + 1]
        if sign == "'":
            match = source.take(lexer.QUALIFIED_NAME, position, "a qualified name between '")
            value = self._scope.resolve(match[1], match.start())
            return (self._new_key(name, None, "'", start), value), match.end()
        if sign != '"':
            match = source.take(lexer.INTEGER, position, "a text, a qualified name or an integer")
            return (self._new_key(name, None, "0", start), match[0]), match.end()
        is_long = source.text.startswith('"""', position)
        expected = "a text that ends" if is_long else "a text that ends on its line"
        match = source.take(lexer.LONG_STRING if is_long else lexer.SHORT_STRING, position, expected)
        raw, position = match[1], match.end()
        language, datatype = None, None
        after = source.skip(position)
        if source.text.startswith("@", after):
            match = source.take(lexer.LANGUAGE, after, "a language tag")
            language, position = match[1], match.end()
            after = source.skip(position)
        if source.text.startswith("%%", after):
            match = source.take(lexer.NAME, after + 2, "a datatype")
            datatype, position = match[0], match.end()
        return self._typed(name, raw, language, datatype, start), position
