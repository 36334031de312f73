"""Random histories, and a slow, obviously right walk over them that the reader is held to.

    python tests/sources/random_histories.py --histories 10000

A history is a few dozen commits with several roots, merges of up to five parents, renames of files and
folders, copies, swaps, deletions and returns, changes of mode and type, names that differ in case only,
and paths that are a file here and a folder there. What each tree holds is known from making it; only
which paths were renamed or copied is asked of ``git diff-tree``. Many histories are put into one
repository, since most of the time goes into starting programs. Exit code 0 says that all of them
were read as the walk says, 1 that one was not, which is then named by its seed.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from git_maker import Repository, Rows, read

from mlflow2prov.sources.git_wanted import GitWanted

Entry = tuple[str, bytes]
"""A mode and a content; of a submodule, the object name that it points at."""

Files = dict[str, Entry]
Revision = tuple[str, str]
"""A commit and a path."""

NAMES = (
    *("a", "b", "A", "a/b", "a/b/c", "a/B", "d e", "src", "ünï"),
    *(f"{folder}{name}.py" for folder in ("", "src/", "src/deep/", "Src/") for name in "abc"),
)
PLAIN, PROGRAM, LINK, SUBMODULE = "100644", "100755", "120000", "160000"
PER_REPOSITORY = 25
MOST_PARENTS = 5


@dataclass
class Commit:
    """A commit of a history: the positions of its parents, and its whole tree."""

    parents: list[int]
    files: Files
    sha: str = ""


@dataclass
class Made:
    """A repository with random histories, each the list of its commits, parents first."""

    repository: Repository
    histories: dict[int, list[Commit]] = field(default_factory=dict)


def _content(rnd: random.Random) -> bytes:
    return b"".join(b"%d\n" % rnd.randrange(10**6) for _ in range(8))


def _edited(rnd: random.Random, entry: Entry) -> Entry:
    mode, content = entry
    if mode == SUBMODULE:
        return mode, b"%040x" % rnd.randrange(1, 16**40)
    if mode == LINK:
        return mode, b"target%d" % rnd.randrange(10**6)
    lines = content.splitlines(keepends=True)
    lines[rnd.randrange(len(lines))] = b"%d\n" % rnd.randrange(10**6)
    return mode, b"".join(lines)


def _put(files: Files, name: str, entry: Entry) -> None:
    """Write a path, in the place of files where it needs folders, and of a folder where it is."""
    for other in list(files):
        if other.startswith(f"{name}/") or name.startswith(f"{other}/"):
            del files[other]
    files[name] = entry


def _another_type(rnd: random.Random, entry: Entry) -> Entry:
    mode = rnd.choice([kind for kind in (PLAIN, PROGRAM, LINK, SUBMODULE) if kind != entry[0]])
    if {mode, entry[0]} == {PLAIN, PROGRAM}:
        return mode, entry[1]
    return (mode, _content(rnd)) if mode in {PLAIN, PROGRAM} else _edited(rnd, (mode, b""))


def _moved_folder(rnd: random.Random, files: Files) -> None:
    folders = sorted({name.rpartition("/")[0] for name in files if "/" in name})
    if not folders:
        return
    old, new = rnd.choice(folders), rnd.choice(["lib", "Src", "src", "a", "src/deep"])
    inside = {name: files.pop(name) for name in sorted(files) if name.startswith(f"{old}/")}
    for name, entry in inside.items():
        _put(files, new + name[len(old) :], entry)


def _changed(rnd: random.Random, files: Files, seen: list[Entry]) -> Files:
    files = dict(files)
    for _ in range(rnd.choice([0, 1, 1, 2, 3])):
        kind, name = rnd.choice("aaeeeerrrddscctmb"), rnd.choice(NAMES)
        if kind == "a" or not files:
            _put(files, name, (PLAIN, _content(rnd)))
            continue
        old = rnd.choice(sorted(files))
        if kind == "e":
            files[old] = _edited(rnd, files[old])
        elif kind == "r":
            moved = files.pop(old)
            _put(files, name, _edited(rnd, moved) if rnd.random() < 0.5 else moved)
        elif kind == "d":
            del files[old]
        elif kind == "s":
            other = rnd.choice(sorted(files))
            files[old], files[other] = files[other], files[old]
        elif kind == "c":
            copied, files[old] = files[old], _edited(rnd, files[old])
            _put(files, name, _edited(rnd, copied) if rnd.random() < 0.3 else copied)
        elif kind == "t":
            files[old] = _another_type(rnd, files[old])
        elif kind == "m":
            _moved_folder(rnd, files)
        else:
            _put(files, name, rnd.choice(seen))
    seen += files.values()
    return files


def _joined(rnd: random.Random, trees: list[Files], seen: list[Entry]) -> Files:
    """A merge takes each path from some parent, leaves it out or edits it."""
    files: Files = {}
    for name in sorted({name for tree in trees for name in tree}):
        taken = rnd.choice(trees).get(name)
        if taken is not None:
            _put(files, name, _edited(rnd, taken) if rnd.random() < 0.15 else taken)
    return _changed(rnd, files, seen) if rnd.random() < 0.3 else files


def history(seed: int, size: int = 40, most_parents: int = MOST_PARENTS) -> list[Commit]:
    """The commits of a random history, parents first."""
    rnd = random.Random(seed)
    commits: list[Commit] = []
    seen: list[Entry] = [(PLAIN, _content(rnd))]
    for number in range(size):
        count = (
            min(number, most_parents, rnd.choice([1, 1, 1, 1, 2, 2, 2, 3, 5])) if rnd.random() > 0.04 else 0
        )
        near = range(max(0, number - 6), number)
        parents = rnd.sample(near, min(count, len(near)))
        olds = [commits[parent].files for parent in parents]
        files = _joined(rnd, olds, seen) if len(olds) > 1 else _changed(rnd, olds[0] if olds else {}, seen)
        commits.append(Commit(parents, files))
    return commits


def _stream(seed: int, commits: list[Commit], first_mark: int) -> bytes:
    """The commands of ``git fast-import`` that make a history, with a branch for each of its ends."""
    rnd, lines = random.Random(-seed - 1), list[bytes]()
    ends = set(range(len(commits))) - {parent for commit in commits for parent in commit.parents}
    for number, commit in enumerate(commits):
        lines.append(b"reset refs/heads/last\n\n")
        lines.append(b"commit refs/heads/last\nmark :%d\n" % (first_mark + number))
        lines.append(b"committer H%d <h@example.org> %d +0000\ndata 1\nx\n" % (seed, rnd.randrange(10**9)))
        for position, parent in enumerate(commit.parents):
            lines.append(b"%s :%d\n" % (b"merge" if position else b"from", first_mark + parent))
        lines.append(b"deleteall\n")
        for name, (mode, content) in commit.files.items():
            if mode == SUBMODULE:
                lines.append(f"M {mode} {content.decode()} {name}\n".encode())
            else:
                lines.append(f"M {mode} inline {name}\ndata {len(content)}\n".encode() + content + b"\n")
    lines += [b"reset refs/heads/h%d/%d\nfrom :%d\n\n" % (seed, end, first_mark + end) for end in ends]
    return b"".join(lines)


def make(path: Path, seeds: range, of: Callable[[int], list[Commit]] = history) -> Made:
    """A repository with a random history for each seed, each commit of which is under some branch."""
    made = Made(Repository(path, "--bare"))
    stream, mark = list[bytes](), 1
    for seed in seeds:
        made.histories[seed] = of(seed)
        stream.append(_stream(seed, made.histories[seed], mark))
        mark += len(made.histories[seed])
    marks = path / "marks"
    made.repository.git("fast-import", "--quiet", f"--export-marks={marks}", stdin=b"".join(stream))
    names = dict(line.split() for line in marks.read_text().splitlines())
    mark = 1
    for commits in made.histories.values():
        for commit in commits:
            commit.sha = names[f":{mark}"]
            mark += 1
    return made


def touched(made: Made, *, find_copies: bool) -> dict[str, dict[str, tuple[str, str]]]:
    """For each commit that is no merge, the letter and the former path of each path it changed."""
    shas = [commit.sha for commits in made.histories.values() for commit in commits]
    options = ["-M", *(["-C"] if find_copies else [])]
    words = made.repository.git(
        *("diff-tree", "--stdin", "-r", "-z", "--root", "--always", "--name-status", *options),
        stdin="".join(f"{sha}\n" for sha in shas).encode(),
    )
    parts, changes = iter(words.split("\0")), dict[str, dict[str, tuple[str, str]]]()
    current = dict[str, tuple[str, str]]()
    for part in parts:
        if len(part) >= 40:
            current = changes[part] = {}
        elif part:
            letter, source = part[0], next(parts)
            current[next(parts) if letter in "RC" else source] = (letter, source)
    return changes


class SlowWalk:
    """For each commit of a history its paths with their revisions, from whole trees.

    Attributes:
        states: for each commit the revision at each of its paths.
        file: for each revision the one that added its file.
        status, previous: its letter, and what it was made from along each parent.
        deleted: (commit, last revision, the file that ended or (None, None)).
        seen: how often something worth a test came about.
    """

    def __init__(self, commits: list[Commit], changes: dict[str, dict[str, tuple[str, str]]]) -> None:
        self.states: dict[str, dict[str, Revision]] = {}
        self.trees: dict[str, Files] = {}
        self.file: dict[Revision, Revision] = {}
        self.status: dict[Revision, str] = {}
        self.previous: dict[Revision, dict[int, set[Revision]]] = {}
        self.deleted: set[tuple[Any, ...]] = set()
        self.seen: Counter[str] = Counter()
        for commit in commits:
            parents = [commits[parent].sha for parent in commit.parents]
            self.trees[commit.sha], self.states[commit.sha] = commit.files, {}
            self.seen["roots"] += not parents
            self.seen["octopus"] += len(parents) > 2
            if len(parents) > 1:
                self._merge(commit.sha, parents)
            else:
                self._plain(commit.sha, parents, changes.get(commit.sha, {}))

    def _make(self, sha: str, path: str, status: str, previous: dict[int, set[Revision]], file: Any) -> None:
        revision = (sha, path)
        self.status[revision], self.previous[revision] = status, previous
        self.file[revision] = file or revision
        self.states[sha][path] = revision
        self.seen[status] += 1

    def _plain(self, sha: str, parents: list[str], changes: dict[str, tuple[str, str]]) -> None:
        old = self.states[parents[0]] if parents else {}
        for path in self.trees[sha]:
            letter, source = changes.get(path, ("", ""))
            if not letter:
                assert self.trees[sha][path] == self.trees[parents[0]][path]
                self.states[sha][path] = old[path]
            elif letter == "A":
                self._make(sha, path, "A", {}, None)
                self.seen["returns"] += any(made[1] == path for made in self.status if made != (sha, path))
                self.seen["file to folder"] += any(path.startswith(f"{name}/") for name in old)
            else:
                file = None if letter == "C" else self.file[old[source]]
                self._make(sha, path, letter, {0: {old[source]}}, file)
                self.seen["case only"] += path != source and path.lower() == source.lower()
        lost = {path for path, (letter, _) in changes.items() if letter == "D"}
        left = {self.file[revision] for revision in self.states[sha].values()}
        for path in lost:
            file = self.file[old[path]]
            self.deleted.add((sha, old[path], (None, None) if file in left else file))

    def _merge(self, sha: str, parents: list[str]) -> None:
        olds = [self.states[parent] for parent in parents]
        for path, content in self.trees[sha].items():
            same = [number for number in parents if self.trees[number].get(path) == content]
            if same:
                self.states[sha][path] = self.states[same[0]][path]
                continue
            files = [self.file[old[path]] for old in olds if path in old]
            found = {at: self._standing(old, path, files) for at, old in enumerate(olds)}
            previous = {at: revisions for at, revisions in found.items() if revisions}
            of = {self.file[revision] for revisions in list(previous.values())[:1] for revision in revisions}
            assert len(of) <= 1
            self._make(sha, path, "M" if files else "A", previous, of.pop() if of else None)
            elsewhere = [old for revisions in previous.values() for old in revisions if old[1] != path]
            self.seen["renamed on one side"] += bool(elsewhere)
            self.seen["changed by a merge"] += 1
        kept = [{self.file[revision] for revision in old.values()} for old in olds]
        left = {self.file[revision] for revision in self.states[sha].values()}
        for revision in olds[0].values():
            file = self.file[revision]
            if file not in left and all(file in files for files in kept):
                self.deleted.add((sha, revision, file))
                self.seen["deleted by a merge"] += 1

    def _standing(self, old: dict[str, Revision], path: str, files: list[Revision]) -> set[Revision]:
        if path in old:
            return {old[path]}
        at = [{revision for revision in old.values() if self.file[revision] == file} for file in files]
        return next((revisions for revisions in at if revisions), set())


def blob_of(entry: Entry) -> str:
    """The object name of an entry's content."""
    mode, content = entry
    if mode == SUBMODULE:
        return content.decode()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def check_revisions(rows: Rows, walk: SlowWalk) -> None:
    """The revisions, their files and the deletions are those of the walk."""
    revisions = {(row["commit"], row["path"]): row for row in rows["git_revision"]}
    assert len(revisions) == len(rows["git_revision"])
    assert {key: row["status"] for key, row in revisions.items()} == walk.status
    assert {key: (row["file_added_in"], row["file_path"]) for key, row in revisions.items()} == walk.file
    for (sha, path), row in revisions.items():
        entry = walk.trees[sha][path]
        assert (row["mode"], row["blob"]) == (entry[0], blob_of(entry))
        assert row["is_new_file"] == (walk.file[sha, path] == (sha, path))
    deleted = [
        (row["commit"], (row["revision_commit"], row["path"]), (row["file_added_in"], row["file_path"]))
        for row in rows["git_deletion"]
    ]
    assert set(deleted) == walk.deleted and len(deleted) == len(walk.deleted)


def check_derivations(rows: Rows, walk: SlowWalk) -> None:
    """What each revision derives from stands in each of the commit's own parents."""
    derived: dict[Revision, dict[int, Revision]] = {revision: {} for revision in walk.status}
    for row in rows["git_derivation"]:
        positions = derived[row["commit"], row["path"]]
        assert row["position"] not in positions
        positions[row["position"]] = (row["previous_commit"], row["previous_path"])
    for revision, positions in derived.items():
        assert positions.keys() == walk.previous[revision].keys(), revision
        assert all(found in walk.previous[revision][at] for at, found in positions.items()), revision


def check(
    folder: Path, seeds: range, *, find_copies: bool = False, most_parents: int = MOST_PARENTS
) -> Counter[str]:
    """Compare what is read of some histories with the walk; return what was seen in them.

    Raises:
        AssertionError: they differ; a note says in which history.
    """
    made, seen = make(folder, seeds, partial(history, most_parents=most_parents)), Counter[str]()
    changes, rows = (
        touched(made, find_copies=find_copies),
        read(folder, wanted=GitWanted(find_copies=find_copies)),
    )
    owner = {commit.sha: seed for seed, commits in made.histories.items() for commit in commits}
    assert len(rows["git_commit"]) == len(owner)
    parts: dict[int, Rows] = {seed: {} for seed in seeds}
    for table in ("git_revision", "git_derivation", "git_deletion"):
        for part in parts.values():
            part[table] = []
        for row in rows[table]:
            parts[owner[row["commit"]]][table].append(row)
    for seed, commits in made.histories.items():
        try:
            walk = SlowWalk(commits, changes)
            check_revisions(parts[seed], walk)
            check_derivations(parts[seed], walk)
        except AssertionError as error:
            error.add_note(f"in the history of the seed {seed}, copies: {find_copies}")
            raise
        seen += walk.seen
    return seen


def main() -> int:
    """Check as many histories as are asked for: each second repository with copies, two of four without octopuses."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--histories", type=int, default=1000, metavar="N", help="how many")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the first one's seed")
    asked = parser.parse_args()
    seen, end = Counter[str](), asked.seed + asked.histories
    for number, first in enumerate(range(asked.seed, end, PER_REPOSITORY)):
        seeds = range(first, min(first + PER_REPOSITORY, end))
        with tempfile.TemporaryDirectory() as folder:
            try:
                most = MOST_PARENTS if number // 2 % 2 else 2
                seen += check(Path(folder, "r"), seeds, find_copies=bool(number % 2), most_parents=most)
            except AssertionError as error:
                print(f"not as the walk says: {'; '.join(getattr(error, '__notes__', []))}: {error}")
                return 1
    print(f"{asked.histories:,} histories are read as the walk says:")
    print(", ".join(f"{name} {count:,}" for name, count in sorted(seen.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
