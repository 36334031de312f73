"""The rows of commits, their parents and the people in their trailers, made of whole columns of a log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from mlflow2prov.prov.text import is_clean
from mlflow2prov.sources.columns import column, numbers_of, places_of, taken, without
from mlflow2prov.sources.git_log import message_of
from mlflow2prov.sources.git_looking import Looking
from mlflow2prov.sources.git_people import MailMap, Person, people_of
from mlflow2prov.sources.git_rows import BATCH_ROWS, LAST_S, batches_of_rows, known, seconds_of
from mlflow2prov.sources.tables import SOURCE_TABLES, Batches

if TYPE_CHECKING:
    import pyarrow as pa

    Column: TypeAlias = Any  # pyarrow does not say of an array that it is of bytes

_FIELDS = 10
_ENOUGH = 20_000
"""Fewer rows wait for more: looking for credentials in a batch costs as much as in a thousand rows, whatever it has."""
_NUL = b"\0"
_FEW = 16
"""So few messages are looked at one by one where one of them has something that is no text."""
_PLAIN_NUMBER = "^[0-9]{1,12}$"
_OF_TRAILERS = "ed-"


class CommitColumns:
    """Makes rows of ``git_commit``, ``git_parent`` and ``git_trailer`` of what a log shows of many commits at once.

    Held are everyone whom a commit has named, and the rows of 20,000 commits.

    Args:
        mail_map: says how people are called.
        looking: knows of signatures, and of messages that have a NUL byte.

    Attributes:
        undated: how many commits have an authored or committed time that is no instant of the
            years 1 to 9999.
    """

    def __init__(self, mail_map: MailMap, looking: Looking) -> None:
        self.undated = 0
        self._mail_map = mail_map
        self._looking = looking
        self._shown: dict[bytes, tuple[str | None, str | None]] = {}
        self._waiting: dict[str, list[pa.RecordBatch]] = {}
        self._waiting_trailers: list[tuple[Any, ...]] = []

    def batches(self, shown: Column) -> Batches:
        """Yield the rows of some commits.

        Args:
            shown: what a log shows of each, with a NUL byte behind it; they have been looked at.
        """
        if len(shown):
            self._add(shown)
            if sum(batch.num_rows for batch in self._waiting["git_commit"]) >= _ENOUGH:
                yield from self.rest()

    def _add(self, shown: Column) -> None:
        import pyarrow as pa

        flat, count = _compute().split_pattern(shown, b"\n", max_splits=_FIELDS - 1).flatten(), len(shown)
        assert len(flat) == count * _FIELDS
        sha, parents, tree, name, email, authored, c_name, c_email, committed, message = (
            flat.take(_every(number, count)) for number in range(_FIELDS)
        )
        instants = [_instants(authored), _instants(committed)]
        self.undated += _compute().add(*instants).null_count
        told = _with_whole_messages(sha, message, self._looking.messages)
        columns = [
            sha.cast(pa.string()),
            tree.cast(pa.string()),
            *self._people(name, email),
            instants[0],
            *self._people(c_name, c_email),
            instants[1],
            _texts(told),
            _statuses(sha, self._looking.signatures),
        ]
        self._note("git_commit", columns)
        self._note("git_parent", _parent_rows(columns[0], parents))
        self._waiting_trailers += self._trailers(sha, told)

    def rest(self) -> Batches:
        """Yield the rows that wait."""
        import pyarrow as pa

        waiting, self._waiting = self._waiting, {}
        trailers, self._waiting_trailers = self._waiting_trailers, []
        for table, batches in waiting.items():
            whole = pa.Table.from_batches(batches).combine_chunks()
            yield from ((table, batch) for batch in whole.to_batches(max_chunksize=BATCH_ROWS))
        yield from batches_of_rows("git_trailer", trailers)

    def _note(self, table: str, columns: Sequence[Column]) -> None:
        import pyarrow as pa

        batch = pa.RecordBatch.from_arrays(columns, schema=SOURCE_TABLES[table].schema())
        self._waiting.setdefault(table, []).append(batch)

    def _people(self, name: Column, email: Column) -> tuple[Column, Column]:
        """The names and addresses of people as the mail map calls them."""
        import pyarrow as pa

        between = column([b"\n"], pa.binary())[0]  # other ways to make one import pandas
        found = _compute().binary_join_element_wise(name, email, between).dictionary_encode()
        people = [self._shown_as(spelled) for spelled in found.dictionary.to_pylist()]
        places = numbers_of(found.indices)
        names, emails = zip(*people, strict=True)
        return taken(column(names, pa.string()), places), taken(column(emails, pa.string()), places)

    def _shown_as(self, spelled: bytes) -> tuple[str | None, str | None]:
        shown = self._shown.get(spelled)
        if shown is None:
            name, _, email = spelled.partition(b"\n")
            called: Person = self._mail_map.named((name, email))
            shown = self._shown[spelled] = known(called[0]), known(called[1])
        return shown

    def _trailers(self, sha: Column, message: Column) -> list[tuple[Any, ...]]:
        """The rows of people that trailers name, of the messages that may have such."""
        has_some = _compute().match_substring(message, _OF_TRAILERS, ignore_case=True)
        rows: list[tuple[Any, ...]] = []
        named = self._mail_map.named
        pairs = zip(sha.filter(has_some).to_pylist(), message.filter(has_some).to_pylist(), strict=True)
        for name, raw in pairs:
            found = people_of(raw.removesuffix(_NUL))
            people = dict.fromkeys((role, named(person) if person[1] else person) for role, person in found)
            for position, (role, person) in enumerate(people):
                rows.append((name.decode(), position, role, *map(known, person)))
        return rows


def _parent_rows(sha: Column, parents: Column) -> list[Column]:
    import numpy as np
    import pyarrow as pa

    named = _compute().split_pattern(parents, b" ")
    has_some = numbers_of(_compute().binary_length(parents)) > 0
    counts = np.where(has_some, numbers_of(_compute().list_value_length(named)), 0)
    names = named.flatten()
    names = names.take(places_of(np.flatnonzero(numbers_of(_compute().binary_length(names)))))
    places = np.repeat(np.arange(len(counts), dtype="i4"), counts)
    positions = (np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)).astype("i4")
    return [taken(sha, places), column(positions.tolist(), pa.int64()), names.cast(pa.string())]


def _with_whole_messages(sha: Column, message: Column, messages: Mapping[bytes, bytes]) -> Column:
    """The messages, those with a NUL byte whole."""
    if not messages:
        return message
    whole = [messages.get(name) for name in sha.to_pylist()]
    if not any(whole):
        return message
    raw = message.to_pylist()
    told = [shown if text is None else text + _NUL for text, shown in zip(whole, raw, strict=True)]
    return column(told, message.type)


def _statuses(sha: Column, signatures: Mapping[bytes, str]) -> Column:
    import pyarrow as pa

    if not signatures:
        return pa.nulls(len(sha), pa.string())
    return column(list(map(signatures.get, sha.to_pylist())), pa.string())


def _compute() -> Any:
    """Arrow's functions, whose declared types know no patterns of bytes."""
    import pyarrow.compute

    return pyarrow.compute


def _every(number: int, count: int) -> Column:
    """The places of one field of each commit among all fields."""
    import numpy as np

    return places_of(np.arange(number, number + count * _FIELDS, _FIELDS, dtype="i8"))


def _instants(digits: Column) -> Column:
    """Seconds since 1970; NULL where they are no number, or outside the years 1 to 9999."""
    import pyarrow as pa

    if _compute().all(_compute().match_substring_regex(digits, _PLAIN_NUMBER)).as_py():
        seconds = digits.cast(pa.string()).cast(pa.int64())
        if _compute().max(seconds).as_py() <= LAST_S:
            return seconds
    return column(list(map(seconds_of, digits.to_pylist())), pa.int64())


def _texts(messages: Column) -> Column:
    """The texts of messages; NULL where one is empty."""
    import pyarrow as pa

    trimmed = _trimmed(messages)
    if trimmed is None:
        if len(messages) <= _FEW:
            return _texts_one_by_one(messages)
        half = len(messages) // 2
        return pa.concat_arrays([_texts(messages[:half]), _texts(messages[half:])])
    return without(
        trimmed, numbers_of(_compute().binary_length(_compute().ascii_trim_whitespace(trimmed))) == 0
    )


def _trimmed(messages: Column) -> Column | None:
    """The messages without line ends around them; None where one has something that is no text."""
    import pyarrow as pa

    if b"".join(messages.to_pylist()).count(_NUL) > len(messages):
        return None
    try:
        trimmed = _compute().ascii_trim(messages.cast(pa.string()), characters="\r\n\0")
    except pa.ArrowInvalid:
        return None
    return trimmed if is_clean(trimmed.buffers()[2].to_pybytes()) else None


def _texts_one_by_one(messages: Column) -> Column:
    import pyarrow as pa

    raw = (message.removesuffix(_NUL) for message in messages.to_pylist())
    return column([known(message_of(message)) for message in raw], pa.string())
