"""The datasets of runs as data or files of the repository, found in the trees of the runs' commits."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from immutables import Map

from mlflow2prov.linking.facts import Facts
from mlflow2prov.linking.past import Past, exact_path
from mlflow2prov.sources.git_data_pieces import Entry, Place, is_data_file, order_of_file
from mlflow2prov.sources.git_datasets import DatasetMatches, DatasetOfRun, Match
from mlflow2prov.sources.git_history import State
from mlflow2prov.sources.git_hosting import Hosting

_LOG = logging.getLogger(__name__)

_PART = re.compile(r"(?:^|; )only (?:paths|commits since|commits until): ")

Row = tuple[str, int, str, int]
"""A commit, a dataset, what told what it is, and what it is: the last two are records, the third a word."""

Named: TypeAlias = "Map[int, None]"
"""The data that a revision of a file names, by the identifiers of its records."""


class DataOfRuns:
    """The datasets of runs, matched at the runs' commits as an extraction of both sources matches them.

    Held are some 300 bytes for each piece of data and each dataset, and 100 for each time that a file of DVC
    begins or ceases to name a piece; nothing where no run at a known commit took a dataset in.
    """

    def __init__(self, facts: Facts, roots: Sequence[str], hosting: Hosting) -> None:
        self._facts = facts
        self._rows: list[Row] = []
        self._seen = 0
        self._files: list[int] = []
        self._pointer: dict[int, int] = {}
        wanted = list(self._wanted())
        self._matches = DatasetMatches(wanted, roots, hosting)
        self._named = _NamedData(facts) if wanted else None
        if wanted:
            self._pointer = dict(self._run("SELECT id, data FROM {s}.pointer ORDER BY ALL"))

    @property
    def commits(self) -> Collection[str]:
        """The commits at which datasets are looked up."""
        return self._matches.commits

    def look_up(self, commit: str, state: State, past: Past) -> None:
        """Find the datasets that are looked up at a commit, given its state."""
        if self._named is not None and self._matches.are_at(commit):
            links = past.links().said
            standing = self._standing(state, past)
            self._note(self._matches.look_up(commit, state, past, standing, links.get), past)

    def finish(self, past: Past) -> list[Row]:
        """Return what was found, when all commits were looked at."""
        if self._named is not None:
            pointers: dict[str, list[int]] = {}
            sums = dict(self._run("SELECT id, sha256 FROM {s}.datarevision WHERE sha256 IS NOT NULL"))
            for revision, data in self._pointer.items():
                number = past.number.get(revision)
                if number is not None and data in sums:
                    pointers.setdefault(sums[data], []).append(number)
            self._note(self._matches.finish(past, pointers), past)
        return self._rows

    def _wanted(self) -> Iterator[DatasetOfRun]:
        """Yield the datasets, whose names are here the identifiers of their records."""
        rows = self._run(
            "SELECT DISTINCT t.commit, t.dataset, coalesce(d.digest, ''), coalesce(o.value, '') FROM {s}.taken t "
            "JOIN {s}.dataset d ON d.id = t.dataset LEFT JOIN {s}.source o ON o.id = t.dataset ORDER BY ALL"
        )
        settings = [told for (told,) in self._run("SELECT settings FROM {s}.repository")]
        if rows and any(_PART.search(told or "") for told in settings):
            _LOG.warning("left out: the data of runs, since only a part of the history is in the document")
            return
        for commit, dataset, digest, source in rows:
            yield DatasetOfRun(commit, str(dataset), digest, source)

    def _standing(self, state: State, past: Past) -> Iterator[tuple[Place, Entry]]:
        """Yield the data that the files of a state name, those of ``dvc.yaml`` last."""
        assert self._named is not None
        exact = past.paths.exact
        self._files += [number for number in range(self._seen, len(exact)) if is_data_file(exact[number])]
        self._seen = len(exact)
        for number in sorted(self._files, key=lambda it: order_of_file(exact[it])):
            if number in state:
                yield from self._named.by(past.element[state[number]])

    def _note(self, found: Iterable[Match], past: Past) -> None:
        for dataset, way, thing in found:
            if isinstance(thing, Entry):
                matched = int(thing.key)
            else:
                revision = past.element[thing]
                matched = self._pointer.get(revision, revision)
            self._rows.append((dataset.commit, int(dataset.name), way, matched))

    def _run(self, sql: str) -> list[tuple[Any, ...]]:
        return self._facts.graph.store.run(sql.replace("{s}", self._facts.schema))


class _NamedData:
    """What the revisions of files of DVC name, put together from what each names otherwise than before."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._known: dict[int, Named] = {}
        self._files: dict[int, tuple[str, bytes]] = {}
        for identifier, commit, path, odd in self._run(
            "SELECT id, commit, path, path_bytes FROM {s}.filerevision WHERE commit IS NOT NULL AND "
            "regexp_matches(path, '(^|/)(dvc[.]lock|dvc[.]yaml|[^/]+[.]dvc)$')"
        ):
            exact = exact_path(path, odd)
            if is_data_file(exact):
                self._files[identifier] = commit, exact
        self._base = self._bases()
        self._more = self._changes("names_data")
        self._less = self._changes("drops_data")
        self._entries = self._read_entries()
        self._warn_of_earlier_versions()

    def by(self, revision: int) -> Iterator[tuple[Place, Entry]]:
        """Yield the data that a revision of a file names."""
        for data in self._named_by(revision):
            yield self._entries[data]

    def _named_by(self, revision: int) -> Named:
        way: list[int] = []
        place: int | None = revision
        while place is not None and place not in self._known:
            way.append(place)
            place = self._base.get(place)
        named: Named = Map() if place is None else self._known[place]
        for made in reversed(way):
            changed = named.mutate()
            for data in self._less.get(made, ()):
                changed.pop(data, None)
            for data in self._more.get(made, ()):
                changed[data] = None
            named = self._known[made] = changed.finish()
        return named

    def _bases(self) -> dict[int, int]:
        """Return for each revision of a file the previous one that sorts first, where that is one of a file of DVC."""
        previous: dict[int, list[tuple[str, bytes, int]]] = {}
        for revision, before, commit, path, odd in self._run(
            "SELECT p.id, p.previous, v.commit, v.path, v.path_bytes FROM {s}.previous p "
            "JOIN {s}.filerevision v ON v.id = p.previous WHERE v.commit IS NOT NULL AND v.path IS NOT NULL"
        ):
            if revision in self._files:
                previous.setdefault(revision, []).append((commit, exact_path(path, odd), before))
        firsts = {revision: min(them)[2] for revision, them in previous.items()}
        return {revision: first for revision, first in firsts.items() if first in self._files}

    def _changes(self, table: str) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for revision, data in self._run(
            f"SELECT x.id, d.id FROM {{s}}.{table} x JOIN {{g}}.name v ON v.id = x.id "
            "JOIN {g}.name n ON n.prefix = v.prefix AND n.local = concat('DataRevision.', x.value) "
            "JOIN {s}.datarevision d ON d.id = n.id"
        ):
            found.setdefault(revision, []).append(data)
        return found

    def _read_entries(self) -> dict[int, tuple[Place, Entry]]:
        """Return the data that files name; what only a pointer of Git LFS says of it does not count."""
        entries: dict[int, tuple[Place, Entry]] = {}
        for data, path, odd, url, md5, sha256, kept_at, is_pointer in self._run(
            "SELECT d.id, d.path, d.path_bytes, d.imported_from, d.md5, d.sha256, d.remote_path, "
            "d.id IN (SELECT data FROM {s}.pointer) FROM {s}.datarevision d "
            "SEMI JOIN (SELECT unnest($1::INTEGER[]) AS id) n ON n.id = d.id",
            sorted({data for named in self._more.values() for data in named}),
        ):
            if is_pointer and (kept_at or "").startswith("lfs/objects/"):
                kept_at = None
            place = exact_path(path, odd).decode("utf-8", "surrogateescape"), url
            content = md5, None if is_pointer else sha256
            entries[data] = place, Entry(content, str(data), kept_at)
        return entries

    def _warn_of_earlier_versions(self) -> None:
        """Say so where data was named, and nothing says by which revisions."""
        (made,) = self._run(
            "SELECT count(*) FROM (SELECT DISTINCT r.a1 FROM {g}.relation r SEMI JOIN {s}.datarevision d ON d.id = r.a1 "
            "WHERE r.kind = 11 AND r.bundle = 0 AND r.a1 NOT IN (SELECT data FROM {s}.pointer))"
        )
        if made[0] and not self._more:
            _LOG.warning(
                "left out: the data of DVC that runs took in, since an earlier version of mlflow2prov wrote the"
                " document, which does not say until when files name it (%d revisions of data)",
                made[0],
            )

    def _run(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        filled = sql.replace("{s}", self._facts.schema).replace("{g}", self._facts.graph.schema)
        return self._facts.graph.store.run(filled, list(parameters))
