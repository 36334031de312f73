"""Running the ``git`` program: with settings of our own, and with no program of the repository's.

Nothing of what a user or a repository configures changes what is read: renames, their limit, the
order of files, signatures, replaced and grafted commits, mail maps outside the repository. No hook,
pager, text conversion, external diff or credential helper runs, and nothing is fetched. The one
setting that is honoured is Git's own guard against repositories of other users (``safe.directory``).
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO

from mlflow2prov.errors import SourceError

_LOG = logging.getLogger(__name__)

_PIPE_BYTES = 1 << 20

_SETTINGS = {
    "advice.graftFileDeprecated": "false",
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.warnAmbiguousRefs": "false",
    "i18n.logOutputEncoding": "UTF-8",
    "log.follow": "false",
    "log.showRoot": "true",
    "log.showSignature": "false",
    "mailmap.blob": "HEAD:.mailmap",
    "mailmap.file": "",
    "protocol.allow": "never",
}

_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}

_KEPT = frozenset({"GIT_EXEC_PATH", "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM"})
"""The variables of Git's own that are handed on: where it lives, and where it looks for repositories."""


@dataclass(frozen=True, slots=True)
class Git:
    """The ``git`` program, run in one folder.

    Attributes:
        folder: the work tree, a folder in it, or a bare repository.
    """

    folder: str

    @contextmanager
    def running(self, *arguments: str, lines: Iterable[bytes] = ()) -> Iterator[IO[bytes]]:
        """Run a command and give its standard output, to be read to the end while it runs.

        What it reads and what it complains about go through temporary files, so that neither side can
        wait for the other. A command that was not read to the end is killed.

        Args:
            arguments: the command and its options.
            lines: what it gets as standard input, one line each.

        Raises:
            SourceError: Git is not installed, or the command failed; the latter only after the output
                was read to its end.
        """
        with TemporaryFile() as given, TemporaryFile() as complaints:
            given.writelines(line + b"\n" for line in lines)
            given.seek(0)
            process = self._start(arguments, given, complaints)
            assert process.stdout is not None
            try:
                with process.stdout as output:
                    yield output
                    ended = not output.read(1)
                code = process.wait() if ended else 0
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
            complaints.seek(0)
            self._judge(arguments[0], code, complaints.read())

    def output(self, *arguments: str, lines: Iterable[bytes] = ()) -> bytes:
        """Return all that a command puts out; raises as :meth:`running` does."""
        with self.running(*arguments, lines=lines) as output:
            return output.read()

    def answer(self, *arguments: str, lines: Iterable[bytes] = ()) -> bytes | None:
        """Return what a question puts out without the newline at the end, or None where it fails.

        Failing (with code 1 or 128) is how many of Git's commands say no.
        """
        with TemporaryFile() as given, TemporaryFile() as complaints:
            given.writelines(line + b"\n" for line in lines)
            given.seek(0)
            process = self._start(arguments, given, complaints)
            output, _ = process.communicate()
            if process.returncode in {1, 128}:
                return None
            complaints.seek(0)
            self._judge(arguments[0], process.returncode, complaints.read())
        return output.removesuffix(b"\n")

    def _start(
        self, arguments: Iterable[str], given: IO[bytes], complaints: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        command = ["git", "--no-pager", "--no-replace-objects", *settings, "-C", self.folder, *arguments]
        try:
            return subprocess.Popen(
                command,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=_environment(),
                pipesize=_PIPE_BYTES,
            )
        except OSError as error:
            raise SourceError(
                f"can't run the program `git` ({error.strerror}): install Git 2.31 or later, on the PATH"
            ) from error

    def _judge(self, command: str, code: int, complaints: bytes) -> None:
        """Raise what a failed command's complaints mean; note down those of one that went well."""
        lines = [
            _public(line) for line in complaints.decode("utf-8", "backslashreplace").splitlines() if line
        ]
        if not code:
            for line in lines[:3]:
                _LOG.debug("git %s: %s", command, line)
            return
        said = next((line for line in lines if line.startswith(("fatal:", "error:"))), None)
        said = said or (lines[0] if lines else f"it ended with code {code}")
        raise SourceError(_meaning(self.folder, command, said, "".join(lines)))


def _meaning(folder: str, command: str, said: str, everything: str) -> str:
    if "dubious ownership" in everything:
        return (
            f"Git does not read {folder}, which belongs to another user: read it as its owner, or allow it"
            f" by `git config --global --add safe.directory {folder}`"
        )
    if "not a git repository" in everything:
        return f"{folder} is not a Git repository: name a work tree or a bare repository"
    return f"can't read the Git repository {folder}: `git {command}` says `{said}`; see `git fsck`"


def _public(line: str) -> str:
    """Return a line without the user names and passwords in its URLs."""
    return re.sub(r"(\w://)[^/\s@]*@", r"\1", line)


def _environment() -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if name in _KEPT or not name.startswith("GIT_")}
    return mine | _ENVIRONMENT
