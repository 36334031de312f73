"""Repositories behind URLs: bare clones in a cache folder, brought up to date by each extraction.

A clone leaves out the contents of files where the server allows that (``--filter=blob:none``), but for
those that Git has to compare to tell a renamed file. Its folder is named by the URL without credentials,
and the clone holds none: what the URL has of them is handed to Git through its environment.

One process at a time changes a clone (a lock that ends with the process and with the programs that it
started); nothing that others read meanwhile is taken away, and a first clone comes to its place whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mlflow2prov.errors import SourceError, UsageError
from mlflow2prov.prov.credentials import shown_url, without_credentials
from mlflow2prov.sources.git_missing import missing, missing_contents
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_way import PATIENCE_S, Way

_LOG = logging.getLogger(__name__)

SCHEMES = ("https", "http", "ssh", "git", "file")
"""The schemes of the URLs that are understood, beside ``host:path``."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SCP_LIKE = re.compile(r"(?:[^@/:\s]+@)?[^@/:\s]{2,}:(?![:\\]|//)[^\s].*")
_REFS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_HEAD = "refs/mlflow2prov/HEAD"
_QUIET = ("--no-auto-gc", "--no-write-fetch-head", "--no-recurse-submodules", "--progress")
_WHOLE = "filtering not recognized by server"


def is_url(given: str | Path) -> bool:
    """Return whether a repository is given by its URL rather than by a path.

    >>> [is_url(text) for text in ("https://example.org/r.git", "git@example.org:r.git", "./r", "C:/r")]
    [True, True, False, False]
    """
    if not isinstance(given, str):
        return False
    if _URL.match(given):
        return True
    return _SCP_LIKE.fullmatch(given) is not None and not os.path.lexists(given)


def check_url(given: str) -> None:
    """Raise an error if a URL is none that Git repositories are read from.

    Raises:
        UsageError: so it is.
    """
    scheme = _URL.match(given)
    if scheme and scheme[1].lower() not in SCHEMES:
        raise UsageError(
            f"{shown_url(given)} is no URL of a Git repository: give one that begins with"
            f" {', '.join(f'{name}://' for name in SCHEMES)}, or host:path"
        )


def plain_url(url: str) -> str:
    """Return the URL without credentials; the user of an SSH connection, who is part of the place, stays.

    >>> plain_url("https://ada:secret@example.org/r.git"), plain_url("ssh://git:secret@example.org/r")
    ('https://example.org/r.git', 'ssh://git@example.org/r')
    >>> plain_url("git@example.org:team/r.git")
    'git@example.org:team/r.git'
    """
    if not _URL.match(url):
        return url
    plain = without_credentials(url)
    if not url.lower().startswith("ssh://"):
        return plain
    user, at, _ = urlsplit(url).netloc.rpartition("@")
    return plain.replace("://", f"://{user.partition(':')[0]}@", 1) if at and user else plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Clones:
    """The clones of a cache folder.

    Attributes:
        folder: where they are kept; it is made when it is needed.
        environment: variables for Git, which hold a user's own settings of proxies, keys and certificates.
        find_copies: whether copies are searched as well as renames, which compares more contents.
        patience_s: how long a server may say nothing.
    """

    folder: Path
    environment: Mapping[str, str]
    find_copies: bool = False
    patience_s: float = PATIENCE_S

    @contextmanager
    def at_hand(self, url: str) -> Iterator[Path]:
        """Give the folder of a clone that is as its URL is now; it stays whole within the ``with`` block.

        Raises:
            SourceError: the URL does not answer, asks for credentials, is no repository, or the folder
                can't be written to.
        """
        check_url(url)
        plain = plain_url(url)
        name = _name_of(plain)
        with ExitStack() as stack:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                lock = stack.enter_context(_locked(self.folder / f".{name}.lock", fcntl.LOCK_EX))
                way = Way(url, plain, self.environment, self.patience_s, lock)
                _Clone(self.folder / name, way, self.find_copies).refresh()
                stack.enter_context(_locked(self.folder / f".{name}.reading", fcntl.LOCK_SH))
            except OSError as error:
                raise SourceError(
                    f"can't keep a clone of {without_credentials(plain)} in {self.folder} ({error.strerror}):"
                    " name another folder with --repository_cache"
                ) from error
            fcntl.flock(lock, fcntl.LOCK_UN)
            yield self.folder / name


@dataclass(frozen=True, slots=True)
class _Clone:
    """One clone, while its lock is held."""

    folder: Path
    way: Way
    find_copies: bool

    def refresh(self) -> None:
        """Bring the clone up to date, or make it."""
        shutil.rmtree(self._unfinished, ignore_errors=True)
        if not (self._is_fit() and self._is_sound() and self._update()):
            self._make()
        self._complete()

    @property
    def _unfinished(self) -> Path:
        return self.folder.with_name(f".{self.folder.name}.unfinished")

    def _is_fit(self) -> bool:
        """Return whether there is a clone that can be updated; a shallow one can't follow any change."""
        names = ("HEAD", "config", "objects", "refs")
        return all((self.folder / name).exists() for name in names) and not (self.folder / "shallow").exists()

    def _update(self) -> bool:
        """Fetch what is new; return False where the clone has to be made anew."""
        for left in (*self.folder.rglob("*.lock"), *self.folder.glob("objects/pack/tmp_*")):
            left.unlink(missing_ok=True)
        _LOG.info("Updating the clone of %s.", self.way.shown)
        arguments = ("fetch", "--prune", "--force", *_QUIET, "origin", *_REFS)
        done = self.way.run("-C", str(self.folder), *arguments)
        if done.code:
            if "mismatched algorithms" in done.said:
                return False
            raise self.way.failure(done)
        self._follow_head()
        return True

    def _is_sound(self) -> bool:
        """Return whether all commits are there; where one is not, fetching would have no end."""
        try:
            return Git(str(self.folder)).answer("rev-list", "--quiet", "--all") is not None
        except SourceError:
            return False

    def _follow_head(self) -> None:
        """Let HEAD be what it is at the URL, which tells the mail map that counts."""
        done = self.way.run("-C", str(self.folder), "ls-remote", "--symref", "origin", "HEAD")
        if done.code:
            raise self.way.failure(done)
        git = Git(str(self.folder))
        branch = re.search(rb"^ref: (refs/\S+)\tHEAD$", done.output, re.MULTILINE)
        if branch:
            git.output("symbolic-ref", "HEAD", os.fsdecode(branch[1]))
        elif done.output:
            arguments = ("fetch", "--force", *_QUIET, "origin", f"+HEAD:{_HEAD}")
            fetched = self.way.run("-C", str(self.folder), *arguments)
            if fetched.code:
                raise self.way.failure(fetched)
            git.output("update-ref", "--no-deref", "HEAD", _HEAD)
            git.output("update-ref", "-d", _HEAD)

    def _make(self) -> None:
        """Clone the repository beside its place, and put it there."""
        _LOG.info("Cloning %s into %s.", self.way.shown, self.folder)
        try:
            done = self._cloned("--filter=blob:none")
            if done.code and "filter" in done.said:
                shutil.rmtree(self._unfinished, ignore_errors=True)
                done = self._cloned()
            if done.code:
                raise self.way.failure(done)
            if _WHOLE in done.said:
                _LOG.info("%s does not leave out contents: it is cloned whole.", self.way.shown)
                git = Git(str(self._unfinished))
                for setting in ("remote.origin.promisor", "remote.origin.partialclonefilter"):
                    git.answer("config", "--unset-all", setting)
            reading = self.folder.with_name(f".{self.folder.name}.reading")
            with _locked(reading, fcntl.LOCK_EX):
                if self.folder.exists():
                    shutil.rmtree(self.folder)
                self._unfinished.rename(self.folder)
        finally:
            shutil.rmtree(self._unfinished, ignore_errors=True)

    def _cloned(self, *options: str) -> Way.Done:
        place = (self.way.plain, str(self._unfinished))
        return self.way.run(
            "clone", "--bare", "--origin=origin", "--template=", "--progress", *options, "--", *place
        )

    def _complete(self) -> None:
        """Fetch those contents that are left out and have to be compared, once for each state of the refs."""
        git = Git(str(self.folder))
        if git.answer("config", "--get", "remote.origin.promisor") is None:
            return
        refs = git.output("for-each-ref", "--format=%(objectname)")
        refs += git.answer("rev-parse", "--quiet", "--verify", "HEAD") or b""
        state = f"{hashlib.sha256(refs).hexdigest()} {self.find_copies}"
        noted = self.folder / "mlflow2prov-complete"
        if noted.exists() and noted.read_text() == state:
            return
        lacking = self._lacking(git, sorted(set(refs.split())))
        if lacking:
            arguments = ("fetch", *_QUIET, "--no-tags", "--filter=blob:none", "--stdin", "origin")
            done = self.way.run(
                "-c", "fetch.negotiationAlgorithm=noop", "-C", str(self.folder), *arguments, lines=lacking
            )
            if done.code:
                _LOG.info("%s does not give single contents.", self.way.shown)
                return
        noted.write_text(state)

    def _lacking(self, git: Git, starts: list[bytes]) -> list[bytes]:
        """Return what has to be compared and is not there, with the mail map that counts."""
        mail_map = git.answer("rev-parse", "--quiet", "--verify", "HEAD:.mailmap")
        with git.on_objects_alone() as alone:
            found = missing_contents(alone, starts, find_copies=self.find_copies) if starts else []
            return found + missing(alone, [mail_map] if mail_map else [])


def _name_of(plain: str) -> str:
    """Return the name of a clone's folder: the last part of the URL, and a digest of all of it."""
    last = re.sub(r"[^A-Za-z0-9_-]+", "-", re.split(r"[/:]", plain.rstrip("/").removesuffix(".git"))[-1])
    return f"{last.strip('-')[:40] or 'repository'}-{hashlib.sha256(plain.encode()).hexdigest()[:16]}"


@contextmanager
def _locked(file: Path, kind: int) -> Iterator[int]:
    """Hold a lock within the ``with`` block; give the number of the open file that holds it."""
    number = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(number, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            _LOG.info("Waiting for another extraction that uses %s.", file.parent)
            fcntl.flock(number, kind)
        yield number
    finally:
        os.close(number)
