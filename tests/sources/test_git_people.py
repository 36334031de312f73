"""People are those whom commits, trailers, tags and the committed mail map name, and nobody else."""

from __future__ import annotations

import logging
import random
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from git_maker import Repository, picked, read

from mlflow2prov.sources.git_people import MailMap, people_of, persons_of

GRACE = b"Grace Hopper <grace@example.org>"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "r")


LINES = [
    *[b"Co-authored-by: B <b@x>", b"co-AUTHORED-by : C", b"Co-authored-by:", b"Co-authored-by:  D\t<d@x> "],
    *[
        b" goes on",
        b"\tmore",
        b" Co-authored-by: indented <i@x>",
        b"Signed-off-by: S <s@x>",
        b"Signed-off-by:x",
    ],
    *[
        b"(cherry picked from commit abc)",
        b"Reviewed-by: L <l@x>, M <m@x>",
        b"Reviewed-by: n@x",
        b"Reviewed-by: R",
        b"REVIEWED-by:  R <r@x>",
        b"plain words",
        b"a b: c",
        b"-: x",
        b":",
        b"\r",
    ],
    *[b"# a comment", b"#", b"Conflicts:", b"\tfile", b"", b"", b"", b"  ", b"---", b"Co-authored-by: E\r"],
    *[b"# ------------------------ >8 ------------------------", b"Co-authored-by = x", b"Co authored-by: x"],
]


def squashed(message: bytes, role: str) -> set[bytes]:
    """The addresses of the co-authors in lines of their own, wherever they stand, of a message that was picked."""
    told = message.partition(b"# ------------------------ >8")[0].split(b"\n")
    if not any(line.startswith(b"(cherry picked from commit ") for line in told):
        return set()
    lines = [line.strip() for line in told if line.lower().startswith(b"co-authored-by:")]
    return {line[-4:-1] for line in lines if line.endswith(b"@x>")} if role == "CoAuthor" else set()


def test_the_co_authors_of_commits_that_were_squashed_are_found_above_the_trailers() -> None:
    message = (
        b"Faster (#7)\n\n* One\n\nCo-authored-by: Bob <bob@x.org>\nCo-authored-by: no address\n"
        b"\n* Two, see\n Co-authored-by: Quoted <q@x.org>\nCo-authored-by: D <d@x.org> helped\n"
        b"Last line\nco-authored-by: Eve <eve@x.org>\n\n---------\n\nCo-authored-by: B <BOB@x.org>\n"
    )
    assert people_of(message) == [("CoAuthor", (b"B", b"BOB@x.org")), ("CoAuthor", (b"Eve", b"eve@x.org"))]


@pytest.mark.parametrize(
    "words",
    [
        b"* One",
        b"---------",
        b"(cherry picked from commit 1f0e5c3)",
        b"Squashed commit of the following:",
        b"# This is a combination of 2 commits.",
        b"This is the commit message #2:",
    ],
)
def test_co_authors_above_the_trailers_count_in_messages_of_several_commits_alone(words: bytes) -> None:
    of_one = b"Title\n\nCo-authored-by: Bob <bob@x.org>\n\nLast words, see * here -----\n"
    assert people_of(of_one) == []
    assert people_of(of_one + b"\n" + words + b"\n") == [("CoAuthor", (b"Bob", b"bob@x.org"))]


def test_trailers_are_those_that_git_finds_when_nothing_is_configured(repository: Repository) -> None:
    rnd = random.Random(7)
    stream, size = [], 1500
    for _ in range(size):
        lines = [rnd.choice(LINES) for _ in range(rnd.randrange(1, 12))]
        if rnd.random() < 0.7:
            lines[:0] = [b"title", b""]
        message = b"\n".join(lines) + rnd.choice([b"", b"\n", b"\n\n"])
        stream.append(b"commit refs/heads/main\ncommitter A <a@x> 1 +0000\ndata %d\n" % len(message))
        stream.append(message + b"\n")
    repository.git("fast-import", "--quiet", stdin=b"".join(stream))
    keys = ["Co-authored-by", "Signed-off-by", "Reviewed-by"]
    asked = [f"%(trailers:key={key},valueonly,unfold,separator=%x01)" for key in keys]
    command = ["git", "-C", str(repository.path), "log", "-z", f"--format=%B%x00{'%x00'.join(asked)}", "main"]
    output = subprocess.run(command, capture_output=True, check=True, env=repository.environment).stdout
    tokens = iter(output.removesuffix(b"\0").split(b"\0"))
    seen: Counter[str] = Counter()
    for message, *listed in zip(tokens, tokens, tokens, tokens, strict=True):
        found = people_of(message)
        for role, values in zip(["CoAuthor", "SignedOffBy", "ReviewedBy"], listed, strict=True):
            given = [value.strip() for value in values.split(b"\x01") if value.strip()]
            people = [person for value in given for person in persons_of(value)]
            told = [person for of, person in found if of == role]
            others = told[len(people) :]
            assert told[: len(people)] == people, message
            assert {email for _, email in others} == squashed(message, role) - {it for _, it in people}, (
                message
            )
            assert len({email for _, email in others}) == len(others)
            seen[role] += len(people)
        seen["messages"] += 1
    assert seen["messages"] == size
    assert min(seen.values()) > size / 30, seen


@pytest.mark.parametrize(
    ("value", "people"),
    [
        (b"A <a@x>, B <b@x>; <c@x> & D, E <d@x> and F <f@x>", "A a@x|B b@x| c@x|D, E d@x|F f@x"),
        (b"Doe, Jane <j@x>", "Doe, Jane j@x"),
        (b"A <a@x> (with B <b@x>)", "A a@x"),
        (b"A <a@x>, (B) <b@x>", "A a@x"),
        (b"A <a@x> B <b@x>", "A a@x"),
        (b"A <a@x>, see <https://x/y>", "A a@x"),
        (b"a@x, b@x", " a@x| b@x"),
        (b"a@x", " a@x"),
        (b"Jane a@x", "Jane a@x "),
        (b"@jane", "@jane "),
        (b"A <>", "A "),
        (b"<<a@x>>", "< a@x"),
    ],
)
def test_a_trailer_may_list_people(value: bytes, people: str) -> None:
    assert "|".join(f"{name.decode()} {email.decode()}" for name, email in persons_of(value)) == people


def test_a_mail_map_means_what_git_says_it_means(repository: Repository) -> None:
    rnd = random.Random(3)
    names, emails = ["Ada", "ada", "Ada K", "Bob", ""], ["a@x", "A@X", "b@x", "c@x", ""]
    people = [(name.encode(), email.encode()) for name in names for email in emails if email]
    for _ in range(40):
        contacts = [
            "  ".join(
                f"{rnd.choice(names)} <{rnd.choice(emails)}>" for _ in range(rnd.choice([1, 1, 2, 2, 2, 3]))
            )
            for _ in range(rnd.randrange(8))
        ]
        odd = ["# Eve <e@x> <a@x>", "Eve", "Eve <e@x", "\tBob\t<b@x>\r", "<a@x><b@x>", " # Eve <e@x> <a@x>"]
        lines = [*contacts, *rnd.sample(odd, rnd.randrange(4))]
        content = "\n".join(rnd.sample(lines, len(lines))).encode()
        blob = repository.write("blob", content)
        asked = b"".join(b"%s <%s>\n" % person for person in people)
        said = repository.git("-c", f"mailmap.blob={blob}", "check-mailmap", "--stdin", stdin=asked)
        mail_map = MailMap(content)
        answers = [mail_map.named(person) for person in people]
        shown = [b"%s <%s>" % (name, email) if name else b"<%s>" % email for name, email in answers]
        assert [line.decode() for line in shown] == said.splitlines(), content


def test_no_configuration_hides_a_co_author(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = b"work\n\nCo-authored-by: Grace <grace@example.org>\nSigned-off-by: Ada <ada@example.org>\n"
    repository.commit({"a": "1"}, message=message)
    expected = repository.read()
    assert picked(expected["git_trailer"], "email") == ["ada@example.org", "grace@example.org"]
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)
    for name, value in {
        "core.commentChar": "C",
        "core.commentString": "Co",
        "trailer.separators": "#",
        "trailer.co-authored-by.key": "Foo",
        "trailer.foo.key": "Co-authored-by",
    }.items():
        (tmp_path / ".gitconfig").write_text("")
        repository.git("config", "--file", str(tmp_path / ".gitconfig"), name, value)
        assert repository.read() == expected
        repository.git("config", name, value)
        assert repository.read() == expected
        repository.git("config", "--unset", name)


def test_the_committed_mail_map_counts_and_not_that_of_the_work_tree(
    repository: Repository, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = repository.commit({".mailmap": "Ada King <ada@example.org>\n"})
    repository.git("branch", "side", one)
    repository.git("reset", "--hard", "-q")
    plain = repository.read()
    assert picked(plain["git_commit"], "author_name") == ["Ada King"]
    blob = repository.git("rev-parse", f"{one}:.mailmap")
    assert plain["git_repository"][0]["settings"] == [f"mail map: {blob}"]
    assert not caplog.records

    (repository.path / ".mailmap").write_text("Zed <ada@example.org>\n")
    (repository.path / "people").write_text("Zed <ada@example.org>\n")
    repository.git("config", "mailmap.file", str(repository.path / "people"))
    (repository.path / ".git" / ".mailmap").write_text("Zed <ada@example.org>\n")
    for path in (repository.path, repository.path / ".git"):
        assert read(path) == plain
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert said == [
        f"{repository.path.resolve()}/.mailmap is not the mail map that counts, which is HEAD:.mailmap."
    ] * len(said)
    assert said


def test_clones_name_people_alike_whatever_they_have_checked_out(
    repository: Repository, tmp_path: Path
) -> None:
    one = repository.commit({"a": "1", ".mailmap": "Ada Byron <ada@example.org>\n"})
    repository.commit({"a": "2", ".mailmap": "Ada King <ada@example.org>\n"}, one)
    repository.git("update-ref", "refs/heads/side", one)
    repository.git("update-ref", "refs/heads/none", repository.commit({"b": "b"}, one, branch=None))
    seen = []
    for branch in ("main", "side", "none"):
        clone = tmp_path / branch
        command = ["git", "clone", "-q", "-b", branch, str(repository.path), str(clone)]
        subprocess.run(command, check=True, env=repository.environment)
        rows = read(clone)
        seen.append((rows["git_commit"], rows["git_repository"][0]["settings"]))
    assert seen[0] == seen[1] == seen[2]
    assert set(picked(seen[0][0], "author_name")) == {"Ada King"}
    assert repository.read()["git_commit"] == seen[0][0]


def test_a_mail_map_that_is_not_there_in_a_partial_clone_is_said(
    repository: Repository, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    repository.commit({".mailmap": "Ada King <ada@example.org>\n"})
    repository.git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "p"
    command = ["git", "clone", "-q", "--filter=blob:none", "--bare", repository.path.as_uri(), str(clone)]
    subprocess.run(command, check=True, env=repository.environment)
    rows = read(clone)
    assert picked(rows["git_commit"], "author_name") == ["Ada Lovelace"]
    assert rows["git_repository"][0]["settings"] == []
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [message for message in warnings if "HEAD:.mailmap" in message and "can't be read" in message]


def test_a_person_or_a_time_that_an_object_does_not_say_is_missing(
    repository: Repository, caplog: pytest.LogCaptureFixture
) -> None:
    tree = repository.tree({"a": "1"})
    one = repository.write(
        "commit", f"tree {tree}\nauthor Ada 5 +0000\ncommitter C <c@x> 6 +0000\n\nm\n".encode()
    )
    literal = repository.commit({}, one, author=b"%aN <%aE>", message=b"%B\n")
    tagged = repository.write("tag", f"object {one}\ntype commit\ntag t\ntagger T <t@x>\n\nm\n".encode())
    repository.git("update-ref", "refs/tags/t", tagged)
    nobody = repository.write("tag", f"object {one}\ntype commit\ntag n\n\nm\n".encode())
    repository.git("update-ref", "refs/tags/n", nobody)
    late = repository.write(
        "tag", f"object {one}\ntype commit\ntag l\ntagger T <t@x> 0 +0000\n\nm\r\n".encode()
    )
    repository.git("update-ref", "refs/tags/l", late)
    rows = repository.read()
    columns = ("author_name", "author_email", "authored_s", "committer_name", "committed_s", "message")
    assert picked(rows["git_commit"], *columns, commit=one) == [(None, None, None, "C", 6, "m")]
    assert picked(rows["git_commit"], "author_name", "author_email", "message", commit=literal) == [
        ("%aN", "%aE", "%B")
    ]
    columns = ("name", "is_annotated", "message", "tagger_name", "tagger_email", "tagged_s")
    assert picked(rows["git_ref"], *columns, kind="tag") == [
        ("l", True, "m", "T", "t@x", 0),
        ("n", True, "m", None, None, None),
        ("t", True, "m", "T", "t@x", None),
    ]
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.getMessage().startswith("1 commits of ")


def test_messages_are_read_to_their_end_and_without_the_line_ends_around_them(repository: Repository) -> None:
    messages = {
        b"Fix\r\n": "Fix",
        b"\r\n\r\n": None,
        b" \n\t\n": None,
        b"\r\n\r\n  Fix\r\n\r\nmore\r\n\r\n": "  Fix\r\n\r\nmore",
        b"nul\0here\n": "nul\\x00here",
        b"title\n\n\0\nCo-authored-by: " + GRACE + b"\n": None,
        b"title\n\nbody\0\n\nCo-authored-by: " + GRACE + b"\n": None,
    }
    shas: list[str] = []
    for message in messages:
        shas.append(repository.commit({}, *shas[-1:], message=message))
    wide = repository.commit({}, shas[-1], message="Größe\n".encode("utf-16"), headers=[b"encoding UTF-16"])
    unknown = repository.commit({}, wide, message=b"\xff\0x\n", headers=[b"encoding rot13"])
    rows = repository.read()
    for sha, expected in list(zip(shas, messages.values(), strict=True))[:5]:
        assert picked(rows["git_commit"], "message", commit=sha) == [expected]
    last = f"title\n\nbody\\x00\n\nCo-authored-by: {GRACE.decode()}"
    assert picked(rows["git_commit"], "message", commit=shas[-1]) == [last]
    assert picked(rows["git_trailer"], "commit", "email") == [(shas[-1], "grace@example.org")]
    assert picked(rows["git_commit"], "message", commit=wide) == ["Größe"]
    assert picked(rows["git_commit"], "message", commit=unknown) == ["\\xff\\x00x"]


def test_the_user_of_a_tag_is_named_by_the_mail_map(repository: Repository) -> None:
    one = repository.commit({".mailmap": "Grace Hopper <grace@example.org> <G@old.example.org>\n"})
    repository.git("-c", "user.name=G", "tag", "-a", "-m", "x", "v1", one)
    tag = repository.write(
        "tag", f"object {one}\ntype commit\ntag w\ntagger g <g@OLD.example.org> 1 +0\n\n".encode()
    )
    repository.git("update-ref", "refs/tags/w", tag)
    rows = repository.read()
    columns = ("name", "tagger_name", "tagger_email")
    assert picked(rows["git_ref"], *columns, kind="tag") == [
        ("v1", "Ada Lovelace", "ada@example.org"),
        ("w", "Grace Hopper", "grace@example.org"),
    ]


def test_a_bare_repository_has_the_mail_map_of_its_head(repository: Repository, tmp_path: Path) -> None:
    message = b"work\n\nReviewed-by: A <ada@example.org>\n"
    one = repository.commit({".mailmap": "Ada King <ada@example.org>\n"}, message=message)
    bare = tmp_path / "bare.git"
    command = ["git", "clone", "-q", "--bare", str(repository.path), str(bare)]
    subprocess.run(command, check=True, env=repository.environment)
    subprocess.run(["git", "-C", str(bare), "remote", "remove", "origin"], check=True)
    rows = read(bare)
    assert picked(rows["git_commit"], "commit", "author_name") == [(one, "Ada King")]
    assert picked(rows["git_trailer"], "role", "name") == [("ReviewedBy", "Ada King")]
