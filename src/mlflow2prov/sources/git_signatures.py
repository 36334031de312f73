"""The signatures of commits and tags: who has one, and whether it is right by a key that is at hand.

A program (``gpg``, ``ssh-keygen``) runs only for a signature by a key that is at hand: one of the
user's OpenPGP keyring, or of the file that Git's setting ``gpg.ssh.allowedSignersFile`` names. Any other
signature is ``unknown-key``, without a program. Whether a key is to be trusted is not judged. Nothing is
fetched, nobody is asked for anything, no program of a configuration runs, and none runs for long.

| status | meaning |
| --- | --- |
| ``good`` | right, by a key that is at hand |
| ``bad`` | by a key that is at hand, and wrong: something was changed |
| ``expired`` | right, but the signature or its key has expired since |
| ``revoked`` | right, but its key was revoked |
| ``unknown-key`` | the key is not at hand |
| ``unverified`` | nothing here can tell: no program, another sort of signature, a damaged one |
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from base64 import b64decode
from binascii import Error as NoBase64
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.openpgp import issuer_of

GOOD, BAD, EXPIRED, REVOKED = "good", "bad", "expired", "revoked"
UNKNOWN_KEY, UNVERIFIED = "unknown-key", "unverified"

_PATIENCE_S = 30
_AT_ONCE = 256
"""How many signatures are held at a time."""

_BEGIN = re.compile(
    rb"^-----BEGIN (PGP SIGNATURE|PGP MESSAGE|SIGNED MESSAGE|SSH SIGNATURE)-----", re.MULTILINE
)
_BEGINS_AS_PGP = b"-----BEGIN PGP SIGNATURE-----"
_HEADER = re.compile(rb"^(gpgsig(?:-sha256)?) (.*\n(?: .*\n)*)", re.MULTILINE)
_WHEN = re.compile(rb"^(?:committer|tagger) .*> +([0-9]{1,12})(?: |$)", re.MULTILINE)

_GPG = (
    *("--batch", "--no-tty", "--quiet", "--no-options", "--lock-never", "--trust-model", "always"),
    *("--no-auto-key-retrieve", "--no-auto-check-trustdb", "--disable-dirmngr"),
)
_SAID_BY_GPG = {
    b"GOODSIG": GOOD,
    b"BADSIG": BAD,
    b"EXPSIG": EXPIRED,
    b"EXPKEYSIG": EXPIRED,
    b"REVKEYSIG": REVOKED,
    b"NO_PUBKEY": UNKNOWN_KEY,
}


class Signed(NamedTuple):
    """An object that was signed.

    Attributes:
        header: of the object, with the signature that stands there.
        rest: of what was signed.
        signature: the signature.
    """

    header: bytes
    rest: bytes
    signature: bytes

    @property
    def payload(self) -> bytes:
        """The bytes that the signature is of."""
        return _HEADER.sub(b"", self.header) + self.rest


def signed_commit(content: bytes, *, is_sha256: bool) -> Signed | None:
    """Return what of a commit object was signed, or None where nothing was.

    Args:
        content: of the commit object.
        is_sha256: whether the repository names its objects so; the other header is of its twin.
    """
    end = content.find(b"\n\n") + 1 or len(content)
    word = b"\ngpgsig-sha256 " if is_sha256 else b"\ngpgsig "
    start = content.rfind(word, 0, end) + len(word)
    if start < len(word):
        return None
    last = content.find(b"\n", start, end)
    while last >= 0 and content.startswith(b" ", last + 1):
        last = content.find(b"\n", last + 1, end)
    signature = content[start : last + 1].replace(b"\n ", b"\n")
    return Signed(content[:end], content[end:], signature) if last >= 0 else None


def signed_tag(content: bytes) -> Signed | None:
    """Return what of a tag object was signed, or None where nothing was."""
    end = content.find(b"\n\n") + 1 or len(content)
    starts = [match.start() for match in _BEGIN.finditer(content, end)]
    if not starts:
        return None
    return Signed(content[:end], content[end : starts[-1]], content[starts[-1] :])


def statuses(signed: Iterator[tuple[bytes, Signed]], keys: Keys) -> dict[bytes, str]:
    """Return the status of each signature, given by names; some hundred of them are held at a time."""
    found: dict[bytes, str] = {}
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        while some := list(islice(signed, _AT_ONCE)):
            known = {name: keys.status_at_once(each) for name, each in some}
            asked = {name: each for name, each in some if known[name] is None}
            found |= {name: status for name, status in known.items() if status is not None}
            found |= zip(asked, threads.map(keys.status_of, asked.values()), strict=True)
    return found


def counted(found: Iterable[str]) -> str | None:
    """Return how many signatures have each status, or None where there is none.

    >>> counted(["good", "unknown-key", "good"])
    'signatures: 2 good, 1 unknown-key'
    """
    listed = sorted(found)
    counts = [f"{listed.count(status)} {status}" for status in dict.fromkeys(listed)]
    return f"signatures: {', '.join(counts)}" if counts else None


@dataclass(frozen=True)
class Keys:
    """The keys that are at hand, looked for when the first signature asks for them.

    Attributes:
        git: in the repository, whose and whose user's settings name the files of SSH keys.
    """

    git: Git

    def status_at_once(self, signed: Signed) -> str | None:
        """Return what is known of a signature where no program has to be asked, else None."""
        if signed.signature.startswith(_BEGINS_AS_PGP) and not self._openpgp:
            return UNVERIFIED if self._openpgp is None else UNKNOWN_KEY
        return None

    def status_of(self, signed: Signed) -> str:
        """Return what is known of a signature."""
        begin = _BEGIN.match(signed.signature)
        kind = begin[1] if begin else b""
        try:
            if kind.startswith(b"PGP"):
                return self._by_gpg(signed)
            return self._by_ssh(signed) if kind.startswith(b"SSH") else UNVERIFIED
        except (OSError, subprocess.SubprocessError):
            return UNVERIFIED

    @cached_property
    def state(self) -> str:
        """A digest that is another one when signatures may get another status."""
        files = [self._setting("allowedSignersFile"), self._setting("revocationFile")]
        read = [_content_of(file) for file in files]
        return sha256(repr((self._openpgp, read)).encode()).hexdigest()

    def _by_gpg(self, signed: Signed) -> str:
        if self._openpgp is None:
            return UNVERIFIED
        issuer = issuer_of(signed.signature)
        if not self._openpgp or (issuer and issuer not in self._openpgp):
            return UNKNOWN_KEY
        with TemporaryDirectory(prefix="mlflow2prov-") as folder:
            file = Path(folder, "signature")
            file.write_bytes(signed.signature)
            command = ["gpg", *_GPG, "--status-fd=1", "--verify", str(file), "-"]
            _, output = _run(command, signed.payload)
        words = (line.split()[1:2] for line in output.splitlines() if line.startswith(b"[GNUPG:] "))
        said = [_SAID_BY_GPG[word[0]] for word in words if word and word[0] in _SAID_BY_GPG]
        return said[0] if len(said) == 1 else BAD if BAD in said else UNVERIFIED

    @cached_property
    def _openpgp(self) -> dict[str, str] | None:
        """The identifiers of all public keys with their validity; None where no program knows."""
        if shutil.which("gpg") is None:
            return None
        if not Path(os.environ.get("GNUPGHOME") or Path.home() / ".gnupg").is_dir():
            return {}
        try:
            code, output = _run(["gpg", *_GPG, "--with-colons", "--list-keys"], b"")
        except (OSError, subprocess.SubprocessError):
            return None
        rows = [line.decode("utf-8", "replace").split(":") for line in output.splitlines()]
        keys = {row[4].upper(): row[1] for row in rows if row[0] in {"pub", "sub"} and len(row) > 4}
        return None if code and not keys else keys

    def _by_ssh(self, signed: Signed) -> str:
        allowed, revoked = self._setting("allowedSignersFile"), self._setting("revocationFile")
        if allowed is None:
            return UNKNOWN_KEY
        if not self._may_be_allowed(signed.signature):
            return UNKNOWN_KEY
        with TemporaryDirectory(prefix="mlflow2prov-") as folder:
            file = Path(folder, "signature")
            file.write_bytes(signed.signature)
            common = ["-f", str(allowed), "-s", str(file), *_at(signed.payload)]
            _, found = _run(["ssh-keygen", "-Y", "find-principals", *common], b"")
            for name in found.decode("utf-8", "surrogateescape").splitlines():
                command = ["ssh-keygen", "-Y", "verify", "-n", "git", "-I", name, *common]
                if not _run(command, signed.payload)[0]:
                    is_revoked = revoked and _run([*command, "-r", str(revoked)], signed.payload)[0]
                    return REVOKED if is_revoked else GOOD
            check = ["ssh-keygen", "-Y", "check-novalidate", "-n", "git", "-s", str(file)]
            return BAD if _run(check, signed.payload)[0] else UNKNOWN_KEY

    def _may_be_allowed(self, signature: bytes) -> bool:
        """Return whether the key of a signature is in the file of allowed ones, or that of an authority is."""
        key = _ssh_key_of(signature)
        return key is None or key in self._allowed or b"cert-authority" in self._allowed

    @cached_property
    def _allowed(self) -> bytes:
        return _content_of(self._setting("allowedSignersFile"))

    def _setting(self, name: str) -> Path | None:
        """Return the file that a setting of Git names, if it is there."""
        return self._files.get(name)

    @cached_property
    def _files(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for name in ("allowedSignersFile", "revocationFile"):
            said = self.git.answer("config", "--type=path", "--get", f"gpg.ssh.{name}")
            if said:
                path = Path(self.git.folder, os.fsdecode(said))
                if path.is_file():
                    found[name] = path
        return found


def _content_of(file: Path | None) -> bytes:
    try:
        return file.read_bytes() if file else b""
    except OSError:
        return b""


def _ssh_key_of(signature: bytes) -> bytes | None:
    """Return the public key in an SSH signature as files of keys spell it, None where it is damaged."""
    from base64 import b64encode

    try:
        blob = b64decode(b"".join(signature.strip().splitlines()[1:-1]), validate=True)
    except NoBase64:
        return None
    size = int.from_bytes(blob[10:14])
    return b64encode(blob[14 : 14 + size]) if blob.startswith(b"SSHSIG") and size else None


def _at(payload: bytes) -> list[str]:
    """Return the option that has keys looked at as of the time of a commit or tag."""
    when = _WHEN.search(payload)
    try:
        moment = datetime.fromtimestamp(int(when[1]), UTC) if when else None
    except (ValueError, OverflowError, OSError):
        moment = None
    return [f"-Overify-time={moment:%Y%m%d%H%M%S}"] if moment else []


def _run(command: list[str], given: bytes) -> tuple[int, bytes]:
    """Run a program that may take some seconds; return its code and its output."""
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    done = subprocess.run(
        command,
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        timeout=_PATIENCE_S,
        check=False,
    )
    return done.returncode, done.stdout
