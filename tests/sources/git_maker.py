"""Real Git repositories, made in a temporary folder."""

from __future__ import annotations

import os
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow2prov.sources.git import read_repository
from mlflow2prov.sources.tables import SOURCE_TABLES

Rows = dict[str, list[dict[str, Any]]]
Tree = Mapping[str | bytes, str | bytes | tuple[str, str | bytes]]

ADA = b"Ada Lovelace <ada@example.org>"


class Repository:
    """A repository whose commits are made as they are told, each with its whole tree."""

    def __init__(self, path: Path, *options: str) -> None:
        self.path = path
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Ada Lovelace",
            "GIT_AUTHOR_EMAIL": "ada@example.org",
            "GIT_COMMITTER_NAME": "Ada Lovelace",
            "GIT_COMMITTER_EMAIL": "ada@example.org",
            "GIT_AUTHOR_DATE": "1600000000 +0000",
            "GIT_COMMITTER_DATE": "1600000000 +0000",
        }
        self.clock = 1_600_000_000
        if not path.exists():
            subprocess.run(
                ["git", "init", "-q", "-b", "main", *options, str(path)], env=self.environment, check=True
            )

    def git(self, *arguments: str | bytes, stdin: bytes = b"") -> str:
        """What a Git command says, stripped."""
        command = ["git", "-c", "protocol.file.allow=always", "-C", str(self.path), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, env=self.environment, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def write(self, kind: str, content: bytes) -> str:
        """The name of an object with that content, whatever it is."""
        return self.git("hash-object", "-t", kind, "-w", "--stdin", "--literally", stdin=content)

    def tree(self, files: Tree) -> str:
        """The name of a tree of files; a value may be (mode, content), or ("160000", sha)."""
        entries = []
        for path, value in files.items():
            mode, content = value if isinstance(value, tuple) else ("100644", value)
            data = content.encode() if isinstance(content, str) else content
            name = data.decode() if mode == "160000" else self.write("blob", data)
            raw = path.encode() if isinstance(path, str) else path
            entries.append(f"{mode} {name}\t".encode() + raw + b"\0")
        index = {**self.environment, "GIT_INDEX_FILE": str(self.path / "made.index")}
        run = ["git", "-C", str(self.path)]
        subprocess.run([*run, "read-tree", "--empty"], env=index, check=True)
        subprocess.run(
            [*run, "update-index", "-z", "--index-info"], input=b"".join(entries), env=index, check=True
        )
        done = subprocess.run(
            [*run, "write-tree", "--missing-ok"], env=index, check=True, capture_output=True
        )
        return done.stdout.decode().strip()

    def commit(
        self,
        files: Tree,
        *parents: str,
        message: bytes = b"a commit\n",
        author: bytes = ADA,
        when: bytes | None = None,
        headers: Iterable[bytes] = (),
        branch: str | None = "main",
    ) -> str:
        """The name of a new commit of the whole tree, to which a branch then points."""
        self.clock += 60
        date = when if when is not None else b"%d +0000" % self.clock
        lines = [b"tree " + self.tree(files).encode()]
        lines += [b"parent " + parent.encode() for parent in parents]
        lines += [b"author " + author + b" " + date, b"committer " + author + b" " + date, *headers]
        sha = self.write("commit", b"\n".join(lines) + b"\n\n" + message)
        if branch:
            self.git("update-ref", f"refs/heads/{branch}", sha)
        return sha

    def read(self, **options: Any) -> Rows:
        """Every source table of the repository."""
        return read(self.path, **options)


def read(path: Path, **options: Any) -> Rows:
    """Every source table, each batch of which is as declared."""
    rows: Rows = defaultdict(list)
    for name, batch in read_repository(path, **options):
        assert batch.schema.equals(SOURCE_TABLES[name].schema())
        assert 0 < batch.num_rows <= 50_000
        batch.validate(full=True)
        rows[name] += batch.to_pylist()
    return _by_name(rows)


def _by_name(rows: Rows) -> Rows:
    """The rows with the commits and paths of the revisions that they name by number, of which none is missing."""
    revisions = {row["revision"]: row for row in rows.get("git_revision", ())}
    assert len(revisions) == len(rows.get("git_revision", ()))

    def named(number: int | None, *columns: str) -> Mapping[str, Any]:
        row = revisions[number] if number is not None else {}
        return dict(zip(columns, map(row.get, ("commit", "path", "path_bytes")), strict=True))

    own, file = ("commit", "path", "path_bytes"), ("file_added_in", "file_path", "file_path_bytes")
    found: Rows = defaultdict(list, rows)
    for name, make in {
        "git_revision": lambda row: row | named(row["file"] if row["file"] in revisions else None, *file),
        "git_derivation": lambda row: (
            named(row["revision"], *own)
            | {"position": row["position"]}
            | named(row["previous"], *(f"previous_{column}" for column in own))
        ),
        "git_deletion": lambda row: (
            named(row["revision"], "revision_commit", "path", "path_bytes")
            | {"commit": row["commit"]}
            | named(revisions[row["revision"]]["file"] if row["ends_file"] else None, *file)
        ),
    }.items():
        if name in rows:
            found[name] = [make(row) for row in rows[name]]
    for row in found.get("git_revision", ()):
        del row["revision"], row["file"]
    return found


def text(*lines: object, size: int = 20) -> str:
    """A content of many lines, of which only the last ones are its own."""
    return "".join(f"{line}\n" for line in [*range(size), *lines])


def picked(rows: Sequence[Mapping[str, Any]], *columns: str, **where: object) -> list[Any]:
    """The values of some columns, of the rows that say what is asked for; sorted."""
    chosen = [row for row in rows if all(row[name] == value for name, value in where.items())]
    values = [tuple(row[name] for name in columns) for row in chosen]
    return sorted(value[0] for value in values) if len(columns) == 1 else sorted(values)
