"""What each kind of commit, change and ref makes in the source tables."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from git_maker import ADA, Repository, picked, read, text

from mlflow2prov.sources.git_history import History, Paths
from mlflow2prov.sources.git_log import Change, LoggedCommit
from mlflow2prov.sources.git_wanted import GitWanted


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "r")


def test_a_file_goes_on_through_edits_and_renames_until_it_is_deleted(repository: Repository) -> None:
    one = repository.commit({"a.py": text(1), "b": "b"})
    two = repository.commit({"a.py": text(2), "b": ("100755", "b")}, one)
    three = repository.commit({"src/c.py": text(2, 3), "b": ("120000", "b")}, two)
    four = repository.commit({"b": ("120000", "b")}, three)
    rows = repository.read()
    columns = ("commit", "path", "status", "mode", "file_added_in", "file_path", "is_new_file")
    assert picked(rows["git_revision"], *columns) == sorted(
        [
            (one, "a.py", "A", "100644", one, "a.py", True),
            (one, "b", "A", "100644", one, "b", True),
            (two, "a.py", "M", "100644", one, "a.py", False),
            (two, "b", "M", "100755", one, "b", False),
            (three, "src/c.py", "R", "100644", one, "a.py", False),
            (three, "b", "T", "120000", one, "b", False),
        ]
    )
    (renamed,) = [row for row in rows["git_revision"] if row["status"] == "R"]
    assert renamed["previous_path"] == "a.py" and 50 <= renamed["similarity"] < 100
    assert renamed["blob"] == repository.git("rev-parse", f"{three}:src/c.py")
    assert picked(rows["git_revision"], "previous_path", "similarity", commit=two) == [(None, None)] * 2
    assert picked(
        rows["git_derivation"], "commit", "path", "position", "previous_commit", "previous_path"
    ) == (
        sorted(
            [
                (two, "a.py", 0, one, "a.py"),
                (two, "b", 0, one, "b"),
                (three, "src/c.py", 0, two, "a.py"),
                (three, "b", 0, two, "b"),
            ]
        )
    )
    (deletion,) = rows["git_deletion"]
    assert deletion == {
        "commit": four,
        "revision_commit": three,
        "path": "src/c.py",
        "path_bytes": None,
        "file_added_in": one,
        "file_path": "a.py",
        "file_path_bytes": None,
    }


def test_commits_come_with_all_that_they_say(repository: Repository) -> None:
    one = repository.commit({}, message=b"empty\n\nbody \xe2\x82\xac\n\n", when=b"1600000000 +0200")
    two = repository.commit({}, one, author=b"Zo\xc3\xab <z@x>", when=b"1500000000 -1100")
    rows = repository.read()
    (said,) = (row for row in rows["git_commit"] if row["commit"] == one)
    assert said == {
        "commit": one,
        "tree": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        "author_name": "Ada Lovelace",
        "author_email": "ada@example.org",
        "authored_s": 1600000000,
        "committer_name": "Ada Lovelace",
        "committer_email": "ada@example.org",
        "committed_s": 1600000000,
        "message": "empty\n\nbody €",
        "signature_status": None,
    }
    assert picked(rows["git_commit"], "commit", "author_name", "authored_s", commit=two) == [
        (two, "Zoë", 1500000000)
    ]
    assert picked(rows["git_commit"], "commit") == sorted([one, two])
    assert rows["git_parent"] == [{"commit": two, "position": 0, "parent": one}]
    assert "git_revision" not in rows


def test_a_file_that_comes_back_is_another_file(repository: Repository) -> None:
    one = repository.commit({"a": "1"})
    two = repository.commit({}, one)
    three = repository.commit({"a": "1"}, two)
    rows = repository.read()
    assert picked(rows["git_revision"], "commit", "file_added_in") == sorted([(one, one), (three, three)])
    assert "git_derivation" not in rows and picked(rows["git_deletion"], "commit") == [two]


def test_a_copy_is_a_new_file_where_copies_are_asked_for(repository: Repository) -> None:
    one = repository.commit({"a": text(1)})
    two = repository.commit({"a": text(2), "b": text(1)}, one)
    plain, copies = repository.read(), repository.read(wanted=GitWanted(find_copies=True))
    assert picked(plain["git_revision"], "status", "is_new_file", path="b") == [("A", True)]
    columns = ("status", "is_new_file", "previous_path", "similarity", "file_added_in", "file_path")
    assert picked(copies["git_revision"], *columns, path="b") == [("C", True, "a", 100, two, "b")]
    assert picked(copies["git_derivation"], "path", "previous_commit", "previous_path", commit=two) == [
        ("a", one, "a"),
        ("b", one, "a"),
    ]


def test_names_that_two_files_swap_in_one_commit_are_swapped() -> None:
    def commit(sha: str, parents: list[bytes], *changes: Change) -> LoggedCommit:
        person = (b"", b"")
        return LoggedCommit(sha.encode(), parents, b"", person, b"", person, b"", b"", list(changes))

    history = History({b"1": 1})
    blob = b"ab" * 20
    mode = b"100644"
    before = history.add(commit("1", [], (mode, blob, b"A", None, b"a"), (mode, blob, b"A", None, b"b")))
    after = history.add(
        commit("2", [b"1"], (mode, blob, b"R100", b"a", b"b"), (mode, blob, b"R100", b"b", b"a"))
    )
    assert dict(before) == {0: 0, 1: 1} and dict(after) == {1: 2, 0: 3}
    assert list(history.file_of) == [0, 1, 0, 1]
    assert history.derivations == [(2, 0, 0), (3, 0, 1)] and not history.deletions


def test_a_clean_merge_makes_nothing_and_later_edits_go_on_from_the_right_side(
    repository: Repository,
) -> None:
    base = repository.commit({"a": text(0), "b": text(0)})
    left = repository.commit({"a": text(1), "b": text(0)}, base)
    right = repository.commit({"a": text(0), "b": text(2), "new": "n"}, base, branch=None)
    merge = repository.commit({"a": text(1), "b": text(2), "new": "n"}, left, right)
    last = repository.commit({"a": text(3), "b": text(3), "new": "m"}, merge)
    rows = repository.read()
    assert not picked(rows["git_revision"], "path", commit=merge) and "git_deletion" not in rows
    assert picked(rows["git_derivation"], "path", "previous_commit", commit=last) == [
        ("a", left),
        ("b", right),
        ("new", right),
    ]


def test_a_merge_with_a_new_content_derives_from_every_parent(repository: Repository) -> None:
    base = repository.commit({"a": text(0)})
    sides = [repository.commit({"a": text(n), "s": str(n)}, base, branch=None) for n in (1, 2, 3)]
    merge = repository.commit({"a": text(1, 2, 3), "s": ("100755", "2"), "m": "new"}, *sides)
    rows = repository.read()
    assert picked(rows["git_revision"], "path", "status", "file_added_in", "is_new_file", commit=merge) == [
        ("a", "M", base, False),
        ("m", "A", merge, True),
        ("s", "M", sides[0], False),
    ]
    assert picked(rows["git_derivation"], "path", "position", "previous_commit", commit=merge) == [
        *(("a", position, side) for position, side in enumerate(sides)),
        *(("s", position, side) for position, side in enumerate(sides)),
    ]
    assert picked(rows["git_parent"], "position", "parent", commit=merge) == list(enumerate(sides))


def test_a_file_that_the_other_side_renamed_is_the_same_file_in_the_merge(repository: Repository) -> None:
    base = repository.commit({"old": text(0), "keep": "k"})
    edited = repository.commit({"old": text(0, 1), "keep": "k"}, base)
    renamed = repository.commit({"new": text(0), "keep": "k"}, base, branch=None)
    taken = repository.commit({"new": text(0), "keep": "k"}, edited, renamed, branch="taken")
    joined = repository.commit({"new": text(0, 1), "keep": "k"}, edited, renamed, branch="joined")
    mirrored = repository.commit({"new": text(0, 1), "keep": "k"}, renamed, edited, branch="mirrored")
    gone = repository.commit({"keep": "k"}, edited, renamed, branch="gone")
    rows = repository.read()
    assert not picked(rows["git_revision"], "path", commit=taken)
    for merge, positions in ((joined, (edited, renamed)), (mirrored, (renamed, edited))):
        assert picked(rows["git_revision"], "path", "status", "file_added_in", "file_path", commit=merge) == [
            ("new", "M", base, "old")
        ]
        names = {edited: "old", renamed: "new"}
        columns = ("position", "previous_commit", "previous_path")
        assert picked(rows["git_derivation"], *columns, commit=merge) == [
            (position, side, names[side]) for position, side in enumerate(positions)
        ]
    assert picked(rows["git_deletion"], "commit", "revision_commit", "path") == [(gone, edited, "old")]


def test_a_merge_deletes_only_what_every_parent_still_had(repository: Repository) -> None:
    base = repository.commit({"a": "a", "b": "b", "moved": text(9)})
    left = repository.commit({"a": "a", "b": "b", "moved": text(9), "l": "l"}, base)
    right = repository.commit({"b": "b", "moved": text(9)}, base, branch=None)
    merge = repository.commit({"renamed": text(9), "l": "l"}, left, right)
    rows = repository.read()
    assert picked(rows["git_deletion"], "commit", "path") == sorted(
        [(right, "a"), (merge, "b"), (merge, "moved")]
    )
    assert picked(rows["git_revision"], "path", "status", "is_new_file", commit=merge) == [
        ("renamed", "A", True)
    ]


def test_a_deleted_name_of_a_file_that_goes_on_under_another_ends_no_file(repository: Repository) -> None:
    base = repository.commit({"old": text(0)})
    left = repository.commit({"old": text(0), "x": "x"}, base)
    right = repository.commit({"new": text(0)}, base, branch=None)
    both = repository.commit({"old": text(0), "new": text(0), "x": "x"}, left, right)
    one = repository.commit({"new": text(0), "x": "x"}, both)
    none = repository.commit({"x": "x"}, one)
    rows = repository.read()
    assert picked(rows["git_deletion"], "path", commit=one, file_added_in=None) == ["old"]
    assert picked(rows["git_deletion"], "path", "file_path", commit=none) == [("new", "old")]


def test_histories_without_a_common_root_and_criss_cross_merges_are_read(repository: Repository) -> None:
    one = repository.commit({"a": "1"}, branch="one")
    two = repository.commit({"a": "2", "b": "2"}, branch="two")
    first = repository.commit({"a": "1", "b": "2"}, one, two, branch="one")
    second = repository.commit({"a": "2", "b": "2"}, two, one, branch="two")
    last = repository.commit({"a": "3", "b": "2"}, first, second, branch="one")
    rows = repository.read()
    assert len(rows["git_commit"]) == 5
    assert picked(rows["git_derivation"], "path", "position", "previous_commit", commit=last) == [
        ("a", 0, one),
        ("a", 1, two),
    ]
    assert picked(rows["git_revision"], "file_added_in", commit=last) == [one]


def test_submodules_are_revisions(repository: Repository) -> None:
    one = repository.commit({"lib": ("160000", "1" * 40)})
    two = repository.commit({"lib": ("160000", "2" * 40)}, one)
    rows = repository.read()["git_revision"]
    assert picked(rows, "commit", "mode", "blob") == sorted(
        [(one, "160000", "1" * 40), (two, "160000", "2" * 40)]
    )


def test_paths_of_any_bytes_are_told_apart(repository: Repository) -> None:
    odd = [b"a\nb", b"tab\there", b'"quoted"', b"back\\slash", b"caf\xe9", b"caf\\xe9", b"\x01", b":x", b" "]
    one = repository.commit({path: path for path in odd})
    repository.commit({}, one)
    rows = repository.read()
    for table in (rows["git_revision"], rows["git_deletion"]):
        assert sorted(row["path_bytes"] or row["path"].encode() for row in table) == sorted(odd)
    shown = {(row["path"], row["path_bytes"], row["file_path_bytes"]) for row in rows["git_revision"]}
    assert {
        ("caf\\xe9", None, None),
        ("caf\\xe9", b"caf\xe9", b"caf\xe9"),
        ("\\x01", b"\x01", b"\x01"),
    } < shown
    paths = Paths()
    assert [paths.number_of(path) for path in [b"x", b"y", b"x"]] == [0, 1, 0]


def test_odd_commits_are_read_and_what_they_do_not_say_is_missing(
    repository: Repository, caplog: pytest.LogCaptureFixture
) -> None:
    latin = repository.commit(
        {},
        message="Größe\n".encode("latin-1"),
        author="Zoë <z@x>".encode("latin-1"),
        headers=[b"encoding latin-1"],
    )
    raw = repository.commit({}, latin, author=b"Zo\xeb\x01 <z@x>", message=b"no \xff text\n")
    bare = repository.commit({}, raw, author=b" <>", message=b"", when=b"99999999999999 +0000")
    bad = repository.commit({}, bare, when=b"yesterday")
    late = repository.commit({}, bad, when=b"-5 +0000", message=b"\n\n  late title\n")
    rows = repository.read()["git_commit"]
    columns = ("author_name", "author_email", "authored_s", "message")
    assert picked(rows, *columns[:1], "message", commit=latin) == [("Zoë", "Größe")]
    assert picked(rows, *columns[:1], "message", commit=raw) == [("Zo\\xeb\\x01", "no \\xff text")]
    assert picked(rows, *columns, commit=bare) == [(None, None, None, None)]
    assert picked(rows, "author_email", "authored_s", commit=bad) == [("ada@example.org", None)]
    assert picked(rows, "message", commit=late) == ["  late title"] and len(rows) == 5
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.getMessage().startswith("3 commits of ")


def test_people_in_trailers_are_read_by_gits_rules_and_the_mail_map(repository: Repository) -> None:
    mailmap = (
        "Grace Hopper <grace@example.org>\nGrace Hopper <grace@example.org> <g@old.example.org>\n"
        "Ada King <ada@example.org>\n"
    )
    message = (
        b"work\n\nCo-authored-by: Not <in@the.trailers>\n\n"
        b"Co-Authored-By: G <g@old.example.org>\nco-authored-by: grace hopper\n  <grace@example.org>\n"
        b"Co-authored-by: nobody\nSigned-off-by: Ada <ada@example.org>\nCo-authored-by:\n"
        b"REVIEWED-BY: G <G@old.example.org>\nReviewed-by: Zed\nTested-by: Eve <eve@example.org>\n"
    )
    sha = repository.commit({".mailmap": mailmap}, message=message)
    rows = repository.read()
    people = [
        ("CoAuthor", "Grace Hopper", "grace@example.org"),
        ("CoAuthor", "nobody", None),
        ("SignedOffBy", "Ada King", "ada@example.org"),
        ("ReviewedBy", "Grace Hopper", "grace@example.org"),
        ("ReviewedBy", "Zed", None),
    ]
    assert rows["git_trailer"] == [
        {"commit": sha, "position": position, "role": role, "name": name, "email": email}
        for position, (role, name, email) in enumerate(people)
    ]
    assert picked(rows["git_commit"], "author_name") == ["Ada King"]


def test_branches_and_tags_are_read_and_gits_own_refs_are_no_history(repository: Repository) -> None:
    one = repository.commit({"a": "1"})
    two = repository.commit({"a": "2"}, one, branch=None)
    own = ("stash", "notes/commits", "replace/" + one, "bisect/bad", "original/refs/heads/main", "worktree/x")
    for name in (*own, "rewritten/onto"):
        repository.git("update-ref", f"refs/{name}", two)
    repository.git("update-ref", "refs/remotes/origin/feature/x", one)
    repository.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/feature/x")
    repository.git("tag", "light", one)
    repository.git("tag", "-a", "v1", "-m", "first\n\nrelease", one)
    repository.git("tag", "-a", "nested", "-m", "outer", "v1")
    repository.git("tag", "tree", f"{one}^{{tree}}")
    repository.git("tag", "-a", "-m", "of a tree", "tree2", f"{one}^{{tree}}")
    signed = repository.write(
        "tag",
        f"object {one}\ntype commit\ntag s\ntagger T <t@x> 5 +0000\n\nsigned\n"
        "-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n".encode(),
    )
    repository.git("update-ref", "refs/tags/s", signed)
    rows = repository.read()
    assert [row["commit"] for row in rows["git_commit"]] == [one]
    columns = ("kind", "name", "full_name", "is_annotated", "message", "tagger_email", "tagged_s")
    ada = ("ada@example.org", 1600000000)
    assert picked(rows["git_ref"], *columns, commit=one) == [
        ("branch", "main", "refs/heads/main", False, None, None, None),
        ("branch", "origin/feature/x", "refs/remotes/origin/feature/x", False, None, None, None),
        ("tag", "light", "refs/tags/light", False, None, None, None),
        ("tag", "nested", "refs/tags/nested", True, "outer", *ada),
        ("tag", "s", "refs/tags/s", True, "signed", "t@x", 5),
        ("tag", "v1", "refs/tags/v1", True, "first\n\nrelease", *ada),
    ]
    (row,) = rows["git_repository"]
    assert row["heads"] == sorted(f"{one} {name}" for name in picked(rows["git_ref"], "full_name"))


def test_a_detached_head_is_history(repository: Repository) -> None:
    one = repository.commit({"a": "1"})
    two = repository.commit({"a": "2"}, one, branch=None)
    repository.git("update-ref", "--no-deref", "HEAD", two)
    rows = repository.read()
    assert picked(rows["git_commit"], "commit") == sorted([one, two])
    assert rows["git_repository"][0]["heads"] == sorted([f"{one} refs/heads/main", f"{two} HEAD"])


def test_every_way_to_name_a_repository_reads_the_same(repository: Repository, tmp_path: Path) -> None:
    one = repository.commit({"src/a": text(1)})
    repository.commit({"src/b": text(1)}, one)
    repository.git("remote", "add", "origin", "https://ada:secret@example.org/r.git")
    repository.git("reset", "--hard", "-q")
    repository.git("worktree", "add", "-q", "-b", "other", str(tmp_path / "tree"))
    bare = Repository(tmp_path / "bare.git", "--bare")
    bare.git("fetch", "-q", str(repository.path), "+refs/heads/*:refs/heads/*")
    whole = repository.read()
    assert whole["git_repository"][0]["path"] == str(repository.path.resolve())
    assert whole["git_repository"][0]["remote"] == "https://ada:secret@example.org/r.git"
    places = {
        repository.path / "src": repository.path,
        repository.path / ".git": repository.path,
        tmp_path / "tree": tmp_path / "tree",
        bare.path: bare.path,
    }
    for path, shown in places.items():
        rows = read(path)
        assert rows.pop("git_repository")[0]["path"] == str(shown.resolve())
        assert rows == {name: table for name, table in whole.items() if name != "git_repository"}
    assert read(bare.path)["git_repository"][0]["remote"] is None


def test_a_submodule_in_a_work_tree_is_a_repository_of_its_own(
    repository: Repository, tmp_path: Path
) -> None:
    library = Repository(tmp_path / "library")
    one = library.commit({"src/a": text(1)})
    library.commit({"src/b": text(1)}, one)
    repository.commit({"main.py": "1"})
    repository.git("reset", "--hard", "-q")
    repository.git("submodule", "--quiet", "add", str(library.path), "libs/one")
    inner = repository.path / "libs" / "one"
    assert (inner / ".git").is_file()
    for path in (inner, inner / "src"):
        rows = read(path)
        (found,) = rows.pop("git_repository")
        assert found["path"] == str(inner.resolve()) and found["remote"] == str(library.path)
        assert picked(rows.pop("git_ref"), "name") == ["main", "origin/main"]
        whole = library.read()
        assert rows == {name: table for name, table in whole.items() if name in rows} and rows["git_commit"]


def test_a_repository_of_sha256_is_read(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r", "--object-format=sha256")
    one = repository.commit({"a": "1"})
    merge = repository.commit({"a": "3"}, one, repository.commit({"a": "2"}, one, branch=None))
    rows = repository.read(entry_points=[(one, "a")])
    assert len(one) == 64 and picked(rows["git_derivation"], "position", commit=merge) == [0, 1]
    assert picked(rows["git_entry_point"], "candidates", "revision_commit") == [(1, one)]


def test_batches_are_bounded_and_commits_come_before_what_they_made(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r", "--bare")
    lines = [
        b"blob\nmark :1\ndata 1\nx\n",
        b"commit refs/heads/main\ncommitter " + ADA + b" 1 +0000\ndata 0\n",
    ]
    lines += [b"M 100644 :1 f%d/%d\n" % (number % 99, number) for number in range(50_001)]
    repository.git("fast-import", "--quiet", stdin=b"".join(lines))
    rows = repository.read()
    assert [name for name in rows if name != "git_repository"][:2] == ["git_commit", "git_revision"]
    assert len({row["path"] for row in rows["git_revision"]}) == 50_001
