"""The trees of commits, put together again from the records of a document.

A tree is that of the commit's first parent, changed by what the commit did: what it made, renamed and
deleted, and in a merge also what it took from its other parents (``m2p:merged``).
"""

from __future__ import annotations

import re
from array import array
from base64 import b64decode
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

from immutables import Map

from mlflow2prov.linking.facts import Facts
from mlflow2prov.sources.git_history import Paths, State
from mlflow2prov.sources.git_links import Links

_REVISION = "id, commit, path, path_bytes, mode, entry_points, blob, link_target, link_target_bytes"
_NAME = re.compile(r"(?:[0-9a-f]{2})+")


class Past:
    """The part of a history on the way to some commits.

    Held are some 200 bytes for each revision of these, and the state of each line of history that is open.

    Attributes:
        paths: every path of it.
        element: for each revision, by its number, the identifier of its record; ``number`` is the other way round.
        path_of: for each revision the number of its path; likewise ``declared``, the JSON of what it declares
            that can be run.
        unknown: how many wanted commits have a merge before them that does not say what it took from where.
    """

    def __init__(self, facts: Facts, wanted: set[str]) -> None:
        self.paths = Paths()
        self.element = array("i")
        self.number: dict[int, int] = {}
        self.path_of = array("i")
        self.declared: dict[int, str] = {}
        self.unknown = 0
        self._submodules: set[int] = set()
        self._said: dict[int, bytes] = {}
        self._facts = facts
        self._first: dict[str, str | None] = {}
        self._wanted = wanted
        self._content: list[bytes | None] = []
        self._made: dict[str, list[int]] = {}
        self._moved: dict[int, bytes] = {}
        self._read_parents()
        self._read_revisions()
        self._lost = self._read_deletions()
        self._merged = self._read_merged()

    def is_submodule(self, revision: int) -> bool:
        """Return whether a revision is a pointer to a commit of another repository."""
        return revision in self._submodules

    def links(self) -> Links:
        """Return the symbolic links among the revisions."""
        return Links(self._said, frozenset(self.path_of[revision] for revision in self._said))

    def content(self, revision: int) -> str | None:
        """Return the object name of a regular file's content; None of a symbolic link or a submodule."""
        content = self._content[revision]
        return None if content is None else content.hex()

    def states(self) -> Iterator[tuple[str, State]]:
        """Yield each wanted commit with its state: for each path, by number, the number of its revision."""
        children: dict[str | None, list[str]] = {}
        for sha, first in self._first.items():
            children.setdefault(first, []).append(sha)
        waiting: list[tuple[str, State]] = [(sha, Map()) for sha in children.get(None, ())]
        while waiting:
            sha, before = waiting.pop()
            state = self._after(sha, before)
            if sha in self._wanted:
                yield sha, state
            waiting += [(child, state) for child in children.get(sha, ())]

    def _after(self, sha: str, before: State) -> State:
        made = self._made.get(sha, ())
        new = before.mutate()
        for path in self._lost.get(sha, ()):
            new.pop(path, None)
        for revision in made:
            if revision in self._moved:
                new.pop(self.paths.number_of(self._moved[revision]), None)
        for path, taken in self._merged.get(sha, ()):
            if taken is None:
                new.pop(path, None)
            else:
                new[path] = taken
        for revision in made:
            new[self.path_of[revision]] = revision
        return new.finish()

    def _read_parents(self) -> None:
        """Note the first parent of each commit on the way to the wanted ones; a root has none."""
        rows = self._run(
            "SELECT c.sha, coalesce(c.first_parent, p.parent), coalesce(p.parents, 0) > 1 AND c.first_parent IS NULL "
            "FROM {s}.commit c LEFT JOIN {s}.parent p ON p.sha = c.sha"
        )
        first = {sha: parent for sha, parent, _ in rows}
        unclear = {sha for sha, _, is_unclear in rows if is_unclear}
        known: dict[str, bool] = {}
        for commit in sorted(self._wanted):
            way: list[str] = []
            place: str | None = commit
            while place is not None and place not in known and place in first:
                known[place] = True
                way.append(place)
                if place in unclear:
                    break
                place = first[place]
            is_clear = not (way and way[-1] in unclear) and known.get(place or "", True)
            for sha in way:
                known[sha] = is_clear
                if is_clear:
                    self._first[sha] = first[sha] if first[sha] in first else None
            self.unknown += not is_clear
        self._wanted = {sha for sha in self._wanted if sha in self._first}

    def _read_revisions(self) -> None:
        rows = self._run(
            f"SELECT {_REVISION}, CASE WHEN status = 'R' THEN previous_path END, "
            "previous_path_bytes FROM {s}.filerevision WHERE commit IS NOT NULL AND path IS NOT NULL ORDER BY id"
        )
        for *told, previous, odd_previous in rows:
            commit = told[1]
            if commit in self._first:
                number = self._add(*told)
                self._made.setdefault(commit, []).append(number)
                if previous is not None:
                    self._moved[number] = exact_path(previous, odd_previous)

    def _add(
        self,
        identifier: int,
        commit: str,
        path: str,
        odd: str | None,
        mode: str | None,
        declared: str | None,
        blob: str | None,
        said: str | None,
        odd_said: str | None,
    ) -> int:
        """Take in a revision on the way, or beside it, and return its number."""
        known = self.number.get(identifier)
        if known is not None:
            return known
        number = self.number[identifier] = len(self.element)
        self.element.append(identifier)
        self.path_of.append(self.paths.number_of(exact_path(path, odd)))
        is_file = mode in {None, "100644", "100755"} and blob is not None and _NAME.fullmatch(blob)
        self._content.append(bytes.fromhex(blob) if blob and is_file else None)
        if mode == "160000":
            self._submodules.add(number)
        if declared:
            self.declared[number] = declared
        if said is not None:
            self._said[number] = exact_path(said, odd_said)
        return number

    def _read_deletions(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        merges = "(SELECT sha FROM {s}.commit WHERE first_parent IS NOT NULL)"
        for sha, path, odd in self._run(
            "SELECT d.sha, v.path, v.path_bytes FROM {s}.deleted d JOIN {s}.filerevision v USING (id) "
            f"WHERE v.path IS NOT NULL AND d.sha NOT IN {merges}"
        ):
            if sha in self._first:
                found.setdefault(sha, []).append(self.paths.number_of(exact_path(path, odd)))
        return found

    def _read_merged(self) -> dict[str, list[tuple[int, int | None]]]:
        """Return the paths at which merges differ from their first parents, with the revisions there."""
        rows = [
            (sha, *value.split(" ", 1))
            for sha, value in self._run(
                "SELECT c.sha, m.value FROM {s}.merged m JOIN {s}.commit c ON c.id = m.id ORDER BY ALL"
            )
            if sha in self._first and " " in value
        ]
        asked = {(maker, _path(part)) for _, maker, part in rows if maker != "-"}
        known = self._revisions_of(asked)
        found: dict[str, list[tuple[int, int | None]]] = {}
        for sha, maker, part in rows:
            path = _path(part)
            number = self.paths.number_of(path)
            if maker == "-":
                found.setdefault(sha, []).append((number, None))
            elif (maker, path) in known:
                found.setdefault(sha, []).append((number, known[maker, path]))
        return found

    def _revisions_of(self, asked: set[tuple[str, bytes]]) -> dict[tuple[str, bytes], int]:
        """Return the numbers of revisions by commit and path, also of those beside the way."""
        found: dict[tuple[str, bytes], int] = {}
        if not asked:
            return found
        makers = {maker for maker, _ in asked}
        rows = self._run(
            f"SELECT {_REVISION} FROM {{s}}.filerevision WHERE commit IS NOT NULL AND path IS NOT NULL ORDER BY id"
        )
        for told in rows:
            commit, path = told[1], exact_path(told[2], told[3])
            if commit in makers and (commit, path) in asked:
                found[commit, path] = self._add(*told)
        return found

    def _run(self, sql: str) -> list[tuple[Any, ...]]:
        return self._facts.graph.store.run(sql.replace("{s}", self._facts.schema))


def exact_path(path: str, odd: str | None) -> bytes:
    """Return the bytes of a path, from its text and what says them where the text does not."""
    return path.encode() if odd is None else b64decode(odd)


def _path(part: str) -> bytes:
    """Return the path that a part of an identifier stands for (see :mod:`mlflow2prov.model.ids`)."""
    return unquote_to_bytes(part.replace("-", "%"))
