"""Signatures of real keys, as GnuPG and OpenSSH make them, and what becomes of them where these are not."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from git_maker import Repository, picked, read

from mlflow2prov.extraction import extract
from mlflow2prov.sources import git_signatures
from mlflow2prov.sources.git import repository_state
from mlflow2prov.sources.git_signatures import signed_commit
from mlflow2prov.sources.openpgp import issuer_of

pytestmark = [
    pytest.mark.system("gnupg"),
    pytest.mark.skipif(shutil.which("gpg") is None, reason="needs GnuPG: apt-get install gnupg"),
    pytest.mark.system("openssh-client"),
    pytest.mark.skipif(
        shutil.which("ssh-keygen") is None, reason="needs ssh-keygen: apt-get install openssh-client"
    ),
]

AS_GIT_SAYS = {"G": "good", "U": "good", "B": "bad", "X": "expired", "Y": "expired", "R": "revoked"}


class Keyring:
    """A folder of GnuPG with keys of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def gpg(self, *arguments: str, stdin: bytes = b"") -> bytes:
        command = ["gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "", *arguments]
        done = subprocess.run(
            command,
            input=stdin,
            env={**os.environ, "GNUPGHOME": str(self.home)},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def make(self, email: str, *early: str) -> None:
        expires = "1d" if early else "never"
        self.gpg(*early, "--quick-generate-key", email, "ed25519", "sign", expires)


@contextmanager
def keyring_in_a_short_place() -> Iterator[Keyring]:
    """An empty one; the path of its agent's socket may not be long."""
    with tempfile.TemporaryDirectory(prefix="m2p", ignore_cleanup_errors=True) as folder:
        try:
            yield Keyring(Path(folder))
        finally:
            environment = {**os.environ, "GNUPGHOME": folder}
            subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=False)


@pytest.fixture(scope="module")
def keyring() -> Iterator[Keyring]:
    """Keys of Ada (and a longer one), of Eve, one that has expired and one that will be revoked."""
    with keyring_in_a_short_place() as made:
        for name in ("ada", "revoked", "eve"):
            made.make(f"{name}@example.org")
        made.gpg("--quick-generate-key", "rsa@example.org", "rsa2048", "sign", "never")
        made.make("old@example.org", "--faked-system-time", "20200101T000000")
        yield made


@pytest.fixture
def repository(tmp_path: Path, keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = Repository(tmp_path / "r")
    monkeypatch.setenv("GNUPGHOME", str(keyring.home))
    made.environment["GNUPGHOME"] = str(keyring.home)
    return made


def signed(repository: Repository, who: str, *options: str) -> str:
    """The name of a new commit that somebody signed."""
    repository.git(*options, "commit", "-q", "--allow-empty", "-m", f"by {who}", f"-S{who}@example.org")
    return repository.git("rev-parse", "HEAD")


def tampered(repository: Repository, sha: str) -> str:
    """The name of a commit that is another one's but for its message."""
    content = repository.git("cat-file", "commit", sha).encode() + b"\nand more\n"
    made = repository.write("commit", content)
    repository.git("update-ref", f"refs/heads/{made}", made)
    return made


def found(repository: Repository) -> dict[str, str | None]:
    return {row["commit"]: row["signature_status"] for row in repository.read()["git_commit"]}


@contextmanager
def keyring_without_eve(keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyring]:
    """The public keys of all but Eve, which are then the ones at hand."""
    public = keyring.gpg("--export", *[f"{name}@example.org" for name in ("ada", "rsa", "old", "revoked")])
    with keyring_in_a_short_place() as made:
        made.gpg("--import", stdin=public)
        monkeypatch.setenv("GNUPGHOME", str(made.home))
        yield made


def test_the_status_of_an_openpgp_signature_is_what_git_says(
    repository: Repository, keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = tmp_path / "early"
    early.write_text('#!/bin/sh\nexec gpg --faked-system-time "20200101T060000!" "$@"\n')
    early.chmod(0o755)
    good, long = signed(repository, "ada"), signed(repository, "rsa")
    old = signed(repository, "old", "-c", f"gpg.program={early}")
    revoked, unknown = signed(repository, "revoked"), signed(repository, "eve")
    repository.git("commit", "-q", "--allow-empty", "-m", "gpgsig x\n\ngpgsig -----BEGIN PGP")
    plain = repository.git("rev-parse", "HEAD")
    bad = tampered(repository, good)
    certificate = next(
        file.read_text().replace("\n:-----BEGIN", "\n-----BEGIN")
        for file in (keyring.home / "openpgp-revocs.d").iterdir()
        if "revoked@example.org" in keyring.gpg("--list-keys", file.stem).decode()
    )
    with keyring_without_eve(keyring, monkeypatch) as at_hand:
        at_hand.gpg("--import", stdin=certificate.encode())
        expected = {good: "good", long: "good", old: "expired", revoked: "revoked", unknown: "unknown-key"}
        expected |= {bad: "bad", plain: None}
        statuses = found(repository)
        assert statuses == expected
        repository.environment["GNUPGHOME"] = str(at_hand.home)
        for line in repository.git("log", "--branches", "--format=%H %G?").splitlines():
            sha, letter = line.split()
            assert statuses[sha] == AS_GIT_SAYS.get(letter, None if letter == "N" else "unknown-key")
        settings = repository.read()["git_repository"][0]["settings"]
        assert settings == ["signatures: 1 bad, 1 expired, 2 good, 1 revoked, 1 unknown-key"]


def test_signed_tags_have_a_status_and_their_message_is_without_the_signature(repository: Repository) -> None:
    one = repository.commit({"a": "1"})
    repository.git("tag", "-u", "ada@example.org", "-m", "signed\n\nbody", "v1", one)
    repository.git("tag", "-a", "-m", "plain", "v2", one)
    repository.git("tag", "light", one)
    content = repository.git("cat-file", "tag", "v1").encode()
    bad = repository.write("tag", content.replace(b"signed\n", b"changed\n") + b"\n")
    repository.git("update-ref", "refs/tags/v3", bad)
    rows = repository.read()
    assert picked(rows["git_ref"], "name", "message", "signature_status", kind="tag") == [
        ("light", None, None),
        ("v1", "signed\n\nbody", "good"),
        ("v2", "plain", None),
        ("v3", "changed\n\nbody", "bad"),
    ]
    assert rows["git_repository"][0]["settings"] == ["signatures: 1 bad, 1 good"]


def test_the_graph_says_the_status_of_commits_and_tags(repository: Repository) -> None:
    sha = signed(repository, "ada")
    repository.git("tag", "-u", "ada@example.org", "-m", "signed", "v1", sha)
    repository.git("commit", "-q", "--allow-empty", "-m", "plain")
    with extract(repository.path, repository_namespace="https://example.org/r#") as graph:
        rows = graph.query(
            "SELECT n.local, a.v FROM {graph}.element e JOIN {graph}.name n ON n.id = e.id, "
            "unnest(e.attributes) u(a) JOIN {graph}.attribute_key k ON k.key = a.k "
            "WHERE k.name = 'm2p:signature_status' ORDER BY ALL"
        )
    assert list(rows) == [
        (f"Commit.{sha}", "good"),
        (f"Tag.v1--{sha}", "good"),
        (f"TagCreation.v1--{sha}", "good"),
    ]


@pytest.fixture
def ssh(repository: Repository, tmp_path: Path) -> Callable[[str], str]:
    """Sign with an SSH key, which is made where there is none of that name."""

    def sign(name: str) -> str:
        key = tmp_path / name
        if not key.exists():
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)]
            subprocess.run(command, check=True)
        settings = ["-c", "gpg.format=ssh", "-c", f"user.signingkey={key}.pub"]
        repository.git(*settings, "commit", "-q", "--allow-empty", "-S", "-m", f"by {name}")
        return repository.git("rev-parse", "HEAD")

    return sign


def test_the_status_of_an_ssh_signature_is_that_of_the_allowed_signers(
    repository: Repository, ssh: Callable[[str], str], tmp_path: Path
) -> None:
    good, other, revoked, old = ssh("ada"), ssh("eve"), ssh("revoked"), ssh("old")
    bad = tampered(repository, good)
    assert set(found(repository).values()) == {"unknown-key"}
    before = repository_state(repository.path)
    public = {name: (tmp_path / f"{name}.pub").read_text() for name in ("ada", "revoked", "old")}
    allowed = f"ada@example.org {public['ada']}revoked@example.org {public['revoked']}"
    allowed += f'old@example.org valid-before="20100101" {public["old"]}'
    (tmp_path / "allowed").write_text(allowed)
    (tmp_path / "revocations").write_text(public["revoked"])
    repository.git("config", "gpg.ssh.allowedSignersFile", str(tmp_path / "allowed"))
    repository.git("config", "gpg.ssh.revocationFile", str(tmp_path / "revocations"))
    statuses = found(repository)
    assert statuses == {
        **{good: "good", bad: "bad", other: "unknown-key", revoked: "revoked", old: "unknown-key"}
    }
    assert repository.git("log", "-1", "--format=%G?", good) == "G"
    assert repository.git("log", "-1", "--format=%G?", bad) == "B"
    assert repository_state(repository.path) != before


def test_signed_commits_of_a_sha256_repository_are_checked(
    tmp_path: Path, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNUPGHOME", str(keyring.home))
    repository = Repository(tmp_path / "r", "--object-format=sha256")
    repository.environment["GNUPGHOME"] = str(keyring.home)
    sha = signed(repository, "ada")
    assert found(repository) == {sha: "good"}


def test_a_signature_that_nothing_can_tell_of_is_unverified(repository: Repository) -> None:
    armors = {
        b"-----BEGIN SIGNED MESSAGE-----\n MIIB\n -----END SIGNED MESSAGE-----": "unverified",
        b"-----BEGIN PGP SIGNATURE-----\n \n AAAA\n -----END PGP SIGNATURE-----": "unverified",
        b"-----BEGIN PGP SIGNATURE-----\n \n iQ!!\n -----END PGP SIGNATURE-----": "unverified",
        b"-----BEGIN SSH SIGNATURE-----\n AAAA\n -----END SSH SIGNATURE-----": "unknown-key",
        b"something else": "unverified",
        b"": "unverified",
    }
    expected = {}
    for number, (armor, status) in enumerate(armors.items()):
        sha = repository.commit({}, headers=[b"gpgsig " + armor], branch=f"b{number}")
        expected[sha] = status
    merge = repository.commit({}, headers=[b"mergetag object x\n gpgsig y\n -----BEGIN PGP SIGNATURE-----"])
    assert found(repository) == {**expected, merge: None}


def calls_of(program: str, folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program of ours before the real one, which notes down that it ran."""
    folder.mkdir()
    calls = folder / "calls"
    (folder / program).write_text(f'#!/bin/sh\necho "$@" >> {calls}\n{body}\n')
    (folder / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return calls


def test_no_program_runs_for_unsigned_history_and_none_for_each_signature_by_an_unknown_key(
    repository: Repository, keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = [repository.commit({"a": str(number)}) for number in range(3)]
    calls = calls_of("gpg", tmp_path / "bin", f'exec {shutil.which("gpg")} "$@"', monkeypatch)
    assert found(repository) == {plain[-1]: None}
    assert not calls.exists()
    repository.git("reset", "-q", "--hard")
    unknown = [signed(repository, "eve") for _ in range(4)]
    with keyring_without_eve(keyring, monkeypatch):
        calls.unlink(missing_ok=True)
        assert found(repository) == {plain[-1]: None, **dict.fromkeys(unknown, "unknown-key")}
    (call,) = calls.read_text().splitlines()
    assert "--list-keys" in call


def test_without_keys_or_programs_nothing_fails_and_nothing_is_made(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = signed(repository, "ada")
    home = tmp_path / "no" / "gnupg"
    monkeypatch.setenv("GNUPGHOME", str(home))
    assert found(repository) == {sha: "unknown-key"}
    assert not home.exists()
    git = shutil.which("git")
    assert git is not None
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to(git)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert found(repository) == {sha: "unverified"}


def test_a_program_that_hangs_is_not_waited_for(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = signed(repository, "ada")
    calls_of("gpg", tmp_path / "bin", "exec sleep 600", monkeypatch)
    monkeypatch.setattr(git_signatures, "_PATIENCE_S", 0.2)
    assert found(repository) == {sha: "unverified"}


def test_no_program_that_a_repository_configures_runs(repository: Repository, tmp_path: Path) -> None:
    sha = signed(repository, "ada")
    program = tmp_path / "evil"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    for name in ("gpg.program", "gpg.openpgp.program", "gpg.ssh.program", "gpg.x509.program"):
        repository.git("config", name, str(program))
    assert found(repository) == {sha: "good"}
    assert not (tmp_path / "ran").exists()


def test_the_issuer_is_read_from_the_signature(repository: Repository, keyring: Keyring) -> None:
    for who in ("ada", "rsa"):
        sha = signed(repository, who)
        said = signed_commit(repository.git("cat-file", "commit", sha).encode() + b"\n", is_sha256=False)
        assert said is not None
        listed = keyring.gpg("--with-colons", "--list-keys", f"{who}@example.org").decode()
        assert issuer_of(said.signature) == next(
            line.split(":")[4] for line in listed.splitlines() if line.startswith("pub")
        )
    assert issuer_of(b"") is None
    assert issuer_of(b"-----BEGIN PGP SIGNATURE-----\n\niQ\n-----END PGP SIGNATURE-----") is None


def test_reading_again_gives_the_same(repository: Repository) -> None:
    signed(repository, "ada")
    assert read(repository.path) == read(repository.path)
    assert repository_state(repository.path) == repository_state(repository.path)
