"""Act out the story in a Git repository, and keep the books on what was done.

The books are kept from the declarations and from what the scripts say of themselves; Git is only
asked for the object names of the commits that were just made.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from story import REMOTE, Commit, Person, Tag
from versioned import CONTENTS, Kept

TEMPLATES = Path(__file__).parent / "templates"

GIT_SETTINGS = {
    "init.defaultBranch": "main",
    "core.autocrlf": "false",
    "core.quotePath": "false",
    "commit.gpgSign": "false",
    "tag.gpgSign": "false",
    "merge.conflictStyle": "merge",
    "merge.renames": "true",
    "gc.auto": "0",
}

Json = dict[str, Any]
AfterCommit = Callable[[str, Commit], None]


@dataclass(slots=True)
class History:
    """A repository in the making; ``books`` is what `truth.json` says about it."""

    folder: Path
    environment: Mapping[str, str]
    books: Json = field(default_factory=lambda: {"remote": REMOTE, "commits": [], "tags": [], "branches": {}})
    trees: dict[str, set[str]] = field(default_factory=lambda: {"main": set()})
    bases: dict[str, set[str]] = field(default_factory=dict)
    data: dict[str, dict[str, str]] = field(default_factory=lambda: {"main": {}})
    branch: str = "main"

    def git(
        self, *arguments: str, by: Person | None = None, at: str = "", check: bool = True, **more: str
    ) -> str:
        """The output of Git, run in the repository as that person at that time.

        Raises:
            RuntimeError: Git failed; the message is Git's.
        """
        who = {}
        if by is not None:
            who = {
                f"GIT_{role}_{part}": value
                for role in ("AUTHOR", "COMMITTER")
                for part, value in (("NAME", by.name), ("EMAIL", by.email), ("DATE", at))
            }
        done = subprocess.run(
            ("git", *arguments),
            cwd=self.folder,
            env={**self.environment, **who, **more},
            capture_output=True,
            encoding="utf-8",
        )
        if check and done.returncode:
            raise RuntimeError(
                f"git {' '.join(arguments)} failed: {done.stderr.strip() or done.stdout.strip()}"
            )
        return done.stdout.strip()

    def start(self) -> None:
        """Make the empty repository, with its remote."""
        self.folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        for name, value in GIT_SETTINGS.items():
            self.git("config", name, value)
        self.git("remote", "add", "origin", REMOTE)

    def act(self, commit: Commit) -> str:
        """Make the commit, its tags and branches; the result is its object name."""
        if commit.branch != self.branch:
            self.git("switch", "--quiet", commit.branch)
            self.branch = commit.branch
        parents = [self.books["branches"][self.branch]] if self.books["commits"] else []
        if commit.merge is not None:
            parents.append(self.books["branches"][commit.merge])
            self._take_in(commit.merge, set(commit.write))
        changes = self._change(commit)
        sha = self._commit(commit)
        self._enter(commit, sha, parents, changes)
        for tag in commit.tags:
            self._tag(tag, sha)
        for branch in commit.starts:
            self.git("branch", branch)
            self.books["branches"][branch] = sha
            self.trees[branch] = set(self.trees[self.branch])
            self.bases[branch] = set(self.trees[self.branch])
            self.data[branch] = dict(self.data[self.branch])
        return sha

    def _take_in(self, branch: str, expected: set[str]) -> None:
        """Merge the branch into the work tree, up to the conflicts that are expected."""
        self.git(
            "merge", "--no-ff", "--no-commit", branch, by=_NOBODY, at="2024-01-01T00:00:00Z", check=False
        )
        conflicts = set(self.git("diff", "--name-only", "--diff-filter=U").splitlines())
        if conflicts != expected:
            raise RuntimeError(
                f"the merge of {branch} met conflicts in {sorted(conflicts)}, not {sorted(expected)}"
            )
        ours, theirs, base = self.trees[self.branch], self.trees[branch], self.bases[branch]
        self.trees[self.branch] = (ours | (theirs - base)) - (base - theirs)

    def _change(self, commit: Commit) -> list[Json]:
        """Carry out the changes to files; the result is what Git should say of them."""
        tree = self.trees[self.branch]
        changes: dict[str, Json] = {}
        for old, new in commit.move.items():
            (self.folder / new).parent.mkdir(parents=True, exist_ok=True)
            self.git("mv", old, new)
            tree.symmetric_difference_update({old, new})
            changes[new] = {"status": "R", "path": new, "previous_path": old}
        for path in commit.delete:
            self.git("rm", "--quiet", path)
            tree.remove(path)
            changes[path] = {"status": "D", "path": path}
        for path, text in self._texts(commit).items():
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8", newline="\n")
            self.git("add", "--", path)
            changes.setdefault(path, {"status": "M" if path in tree else "A", "path": path})
            tree.add(path)
        return sorted(changes.values(), key=lambda change: str(change["path"]))

    def _texts(self, commit: Commit) -> dict[str, str]:
        """The new text of every file that the commit writes or edits."""
        texts = {path: (TEMPLATES / name).read_text(encoding="utf-8") for path, name in commit.write.items()}
        for path, parts in commit.edit.items():
            text = (self.folder / path).read_text(encoding="utf-8")
            for old, new in zip(parts[::2], parts[1::2], strict=True):
                if text.count(old) != 1:
                    raise RuntimeError(
                        f"{commit.title!r} edits {path}, where {old!r} stands {text.count(old)} times"
                    )
                text = text.replace(old, new)
            texts[path] = text
        for kept in _kept(commit):
            texts |= {path: text for path, text in kept.files.items() if not self._is_there(path, text)}
            if kept.tool == "dvc":
                target = self.folder / kept.path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(kept.content, encoding="utf-8", newline="\n")
        return texts

    def _is_there(self, path: str, text: str) -> bool:
        file = self.folder / path
        return file.is_file() and file.read_text(encoding="utf-8") == text

    def _commit(self, commit: Commit) -> str:
        message = f"{commit.title}\n\n{commit.body}" if commit.body else commit.title
        committer = commit.committer or commit.author
        self.git(
            "commit", "--quiet", "--allow-empty", "--cleanup=verbatim", f"--message={message}",
            by=commit.author,
            at=commit.at,
            GIT_COMMITTER_NAME=committer.name,
            GIT_COMMITTER_EMAIL=committer.email,
            GIT_COMMITTER_DATE=commit.committed_at or commit.at,
        )  # fmt: skip
        return self.git("rev-parse", "HEAD")

    def _enter(self, commit: Commit, sha: str, parents: list[str], changes: list[Json]) -> None:
        trailer = "Co-authored-by: "
        people = [line[len(trailer) :] for line in commit.body.splitlines() if line.startswith(trailer)]
        kept = [it.entry for it in _kept(commit)]
        self.data[self.branch] |= {str(entry["path"]): str(entry["digest"]) for entry in kept}
        self.books["branches"][self.branch] = sha
        self.books["commits"].append(
            {
                "sha": sha,
                "branch": self.branch,
                "parents": parents,
                "title": commit.title,
                "author": _person(commit.author),
                "authored_at": commit.at,
                "committer": _person(commit.committer or commit.author),
                "committed_at": commit.committed_at or commit.at,
                "co_authors": [_parse_person(text) for text in people],
                "changes": changes,
                "data": kept,
                "data_there": dict(self.data[self.branch]),
            }
        )

    def _tag(self, tag: Tag, sha: str) -> None:
        entry: Json = {"name": tag.name, "commit": sha, "annotated": tag.message is not None}
        if tag.message is None:
            self.git("tag", tag.name)
        else:
            self.git(
                "tag", "--annotate", tag.name, f"--message={tag.message}", by=tag.tagger, at=tag.at or ""
            )
            tagger = _person(tag.tagger) if tag.tagger else None
            entry |= {"message": tag.message, "tagger": tagger, "tagged_at": tag.at}
        self.books["tags"].append(entry)


_NOBODY = Person(name="Nobody", email="nobody@example.org", login="nobody")


def _kept(commit: Commit) -> list[Kept]:
    """The data files that the commit puts under version control, or changes."""
    named = [(path, name, tool) for tool in ("dvc", "lfs") for path, name in getattr(commit, tool).items()]
    return [Kept(path, CONTENTS[name](), tool) for path, name, tool in named]


def _person(person: Person) -> Json:
    return {"name": person.name, "email": person.email}


def _parse_person(text: str) -> Json:
    name, _, email = text.partition(" <")
    return {"name": name, "email": email.rstrip(">")}


def git_counts(books: Json) -> dict[str, int]:
    """The sums over the books of a history; a merge counts only what differs from every parent."""
    changes = [change["status"] for commit in books["commits"] for change in commit["changes"]]
    data = [entry for commit in books["commits"] for entry in commit["data"]]
    people = [
        person["email"].lower()
        for commit in books["commits"]
        for person in (commit["author"], commit["committer"], *commit["co_authors"])
    ]
    people += [tag["tagger"]["email"].lower() for tag in books["tags"] if tag["annotated"]]
    return {
        "commits": len(books["commits"]),
        "merges": sum(len(commit["parents"]) > 1 for commit in books["commits"]),
        "empty_commits": sum(not commit["changes"] for commit in books["commits"]),
        "parents": sum(len(commit["parents"]) for commit in books["commits"]),
        "added": changes.count("A"),
        "modified": changes.count("M"),
        "renamed": changes.count("R"),
        "deleted": changes.count("D"),
        "files": changes.count("A"),
        "revisions": len(changes) - changes.count("D"),
        "data_revisions": len(data),
        "data_contents": len({entry["digest"] for entry in data}),
        "people": len(set(people)),
        "tags": len(books["tags"]),
        "annotated_tags": sum(tag["annotated"] for tag in books["tags"]),
        "branches": len(books["branches"]),
    }
