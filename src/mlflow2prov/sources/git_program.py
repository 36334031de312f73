"""Running the ``git`` program: with settings of our own, and with no program of the repository's.

Nothing of what a user or a repository configures changes what is read: renames, their limit, the
order of files, signatures, replaced and grafted commits, attributes of files. No hook, pager, text
conversion, external diff or credential helper runs, and nothing is fetched. The one setting that is
honoured is Git's own guard against repositories of other users (``safe.directory``).
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO

from mlflow2prov.errors import SourceError
from mlflow2prov.sources.git_warnings import warn

_LOG = logging.getLogger(__name__)

_PIPE_BYTES = 1 << 20
_BUFFER_BYTES = 1 << 17

_SETTINGS = {
    "advice.graftFileDeprecated": "false",
    "core.attributesFile": os.devnull,
    "core.bigFileThreshold": "512m",
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.warnAmbiguousRefs": "false",
    "i18n.logOutputEncoding": "UTF-8",
    "log.follow": "false",
    "log.showRoot": "true",
    "log.showSignature": "false",
    "log.mailmap": "false",
    "protocol.allow": "never",
}

_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_FLUSH": "0",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}

_OF_NOBODY = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_SYSTEM": os.devnull,
    "XDG_CONFIG_HOME": os.devnull,
}
"""The environment that hides the configuration of the user and of the machine."""

_KEPT = frozenset(
    {
        "GIT_CEILING_DIRECTORIES",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_SYSTEM",
        "GIT_DISCOVERY_ACROSS_FILESYSTEM",
        "GIT_EXEC_PATH",
    }
)
"""The variables of Git's own that are handed on: where it lives, and where it looks for repositories
and for the configuration files that may allow them."""

_GIVEN_SETTINGS = frozenset({"GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS"})
"""The variables that hold settings themselves, of which only ``safe.directory`` is handed on; see also
:mod:`mlflow2prov.sources.git_remotes`."""

_BROKEN_REF = re.compile(r"warning: ignoring (?:broken ref|ref with broken name|dangling symref) (.*)")
_UNFIT = re.compile("bad (?:numeric |boolean )?config|repository extension|git repo version")
_REMOTES_HEAD = re.compile(r"refs/remotes/.*/HEAD")


def given_settings(pattern: str) -> tuple[tuple[bytes, bytes], ...]:
    """Return the names and values of those settings that the environment itself gives (``GIT_CONFIG_COUNT``, …).

    Args:
        pattern: a regular expression of Git's for the names, which are lower case but for what stands between dots.
    """
    given = {name: value for name, value in os.environ.items() if name.startswith("GIT_CONFIG")}
    if not _GIVEN_SETTINGS & given.keys():
        return ()
    command = ["git", "config", "-z", "--show-scope", "--get-regexp", pattern]
    try:
        asked = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=_environment() | given,
            cwd="/",
            check=False,
        )
    except OSError:
        return ()
    parts = asked.stdout.split(b"\0") if not asked.returncode else []
    pairs = zip(parts[::2], parts[1::2], strict=False)
    settings = (setting.partition(b"\n") for scope, setting in pairs if scope == b"command")
    return tuple((name, value) for name, _, value in settings)


def _allowed_folders() -> tuple[str, ...]:
    """Return the values of ``safe.directory`` that the environment itself gives."""
    return tuple(os.fsdecode(value) for _, value in given_settings(r"^safe\.directory$"))


@dataclass(frozen=True, slots=True)
class Git:
    """The ``git`` program, run in one folder.

    Attributes:
        folder: the work tree, a folder in it, or a bare repository.
        environment: variables beside the usual ones.
        allowed: folders that the user's environment allows to be read, whoever owns them.
    """

    folder: str
    environment: Mapping[str, str] = field(default_factory=dict)
    allowed: tuple[str, ...] = field(default_factory=_allowed_folders)

    @contextmanager
    def on_objects_alone(self, others: Sequence[Git] = ()) -> Iterator[Git]:
        """Give Git on a repository's objects, in a repository without refs, files and settings.

        What lies beside the objects changes what Git says of them: its configuration, but also
        attributes, in the work tree and elsewhere, of which some make Git see other renames.

        Args:
            others: repositories of the same object format whose objects are there as well.
        """
        objects = self.path_of("objects")
        kind = self.object_format()
        with TemporaryDirectory(prefix="mlflow2prov-") as empty:
            Path(empty, "refs").mkdir()
            Path(empty, "objects").mkdir()
            Path(empty, "HEAD").write_text("ref: refs/heads/none\n")
            extensions = "" if kind == "sha1" else f"[extensions]\n\tobjectFormat = {kind}\n"
            version = 1 if extensions else 0
            Path(empty, "config").write_text(
                f"[core]\n\trepositoryFormatVersion = {version}\n\tbare = true\n{extensions}"
            )
            places = {"GIT_DIR": empty, "GIT_OBJECT_DIRECTORY": objects}
            if others:
                more = (_quoted(other.path_of("objects")) for other in others)
                places["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = os.pathsep.join(more)
            boundaries = _boundaries([self, *others])
            if boundaries:
                Path(empty, "shallow").write_bytes(b"".join(sha + b"\n" for sha in sorted(boundaries)))
            yield replace(self, environment=_OF_NOBODY | places)

    def object_format(self) -> str:
        """Return the name of the algorithm that names objects: ``sha1`` or ``sha256``."""
        return self.output("rev-parse", "--show-object-format").decode().strip()

    def cut_off(self) -> set[bytes]:
        """Return the commits at which the history of a shallow clone is cut off."""
        file = Path(self.path_of("shallow"))
        return set(file.read_bytes().split()) if file.exists() else set()

    def path_of(self, name: str) -> str:
        """Return the absolute path of something in the repository's own folder."""
        path = self.output("rev-parse", "--path-format=absolute", "--git-path", name)
        return os.fsdecode(path.removesuffix(b"\n"))

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

    def contents(
        self, names: Iterable[bytes], most_bytes: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield the names and contents of some objects, one at a time.

        Those that are missing are left out, and those of more than ``most_bytes``, which are not held.
        """
        with self.running("cat-file", "--batch", "--buffer", lines=names) as output:
            for line in output:
                name, *said = line.split()
                if len(said) != 2:
                    continue
                size = int(said[1])
                if most_bytes is None or size <= most_bytes:
                    yield name, output.read(size + 1)[:size]
                else:
                    while size > 0:
                        size -= len(output.read(min(size, _PIPE_BYTES))) or size
                    output.read(1)

    @contextmanager
    def talking(self, *arguments: str) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        """Run a command that answers line by line, and give what it is asked through and answers through."""
        with TemporaryFile() as complaints:
            process = self._start(arguments, subprocess.PIPE, complaints)
            assert process.stdin is not None and process.stdout is not None
            try:
                yield process.stdin, process.stdout
            finally:
                process.kill()
                process.communicate()

    def _start(
        self, arguments: Iterable[str], given: IO[bytes] | int, complaints: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        pairs = [*_SETTINGS.items(), *(("safe.directory", folder) for folder in self.allowed)]
        settings = [part for name, value in pairs for part in ("-c", f"{name}={value}")]
        command = ["git", "--no-pager", "--no-replace-objects", *settings, "-C", self.folder, *arguments]
        try:
            return subprocess.Popen(
                command,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=complaints,
                bufsize=_BUFFER_BYTES,
                env=_environment() | dict(self.environment),
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
            self._report(command, lines)
            return
        said = next((line for line in lines if line.startswith(("fatal:", "error:"))), None)
        said = said or (lines[0] if lines else f"it ended with code {code}")
        if said.endswith(":"):  # a list of what is meant
            said = " ".join([said, *(line.strip() for line in lines if line.startswith("\t"))])
        raise SourceError(_meaning(self.folder, command, said, "".join(lines)))

    def _report(self, command: str, lines: list[str]) -> None:
        """Note down what a command that went well complains about; warn of refs that it can't read."""
        for line in lines[:3]:
            _LOG.debug("git %s: %s", command, line)
        broken = [match[1] for match in map(_BROKEN_REF.fullmatch, lines) if match]
        broken = [name for name in broken if not _REMOTES_HEAD.fullmatch(name)]
        if broken:
            more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
            warn(
                _LOG,
                "Refs of %s are broken and are not read: %s%s; see `git fsck`.",
                self.folder,
                ", ".join(broken[:3]),
                more,
            )


def _boundaries(gits: Sequence[Git]) -> set[bytes]:
    """Return where the histories of some repositories are cut off, and none of the others goes on."""
    cut_off = [git.cut_off() for git in gits]
    found = set[bytes]().union(*cut_off)
    for git, own in zip(gits, cut_off, strict=True):
        there = sorted(found - own) if len(gits) > 1 else []
        if not there:
            continue
        answers = git.output("cat-file", "--batch-check", lines=there).splitlines()
        there = [
            sha for sha, answer in zip(there, answers, strict=True) if answer.split()[1:2] == [b"commit"]
        ]
        if there and git.answer("rev-list", "--quiet", "--stdin", lines=there) is not None:
            found -= set(there)
    return found


def _quoted(path: str) -> str:
    """Return a path as it stands in a list of paths that Git takes from its environment."""
    return (
        '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
        if path[:1] == '"' or os.pathsep in path
        else path
    )


def _meaning(folder: str, command: str, said: str, everything: str) -> str:
    if "dubious ownership" in everything:
        return (
            f"Git does not read {folder}, which belongs to another user: read it as its owner, or allow it"
            f" by `git config --global --add safe.directory {folder}`"
        )
    if "not a git repository" in everything and os.path.lexists(Path(folder, ".git")):
        return (
            f"{folder} is no Git repository any more: its .git is damaged, or names a folder that is none;"
            f" Git says `{said}`"
        )
    if "not a git repository" in everything:
        return f"{folder} is not a Git repository: name a work tree or a bare repository"
    hint = "mend that" if _UNFIT.search(said) else "see `git fsck`"
    return f"can't read the Git repository {folder}: `git {command}` says `{said}`; {hint}"


def _public(line: str) -> str:
    """Return a line without the user names and passwords in its URLs."""
    return re.sub(r"(\w://)[^/\s@]*@", r"\1", line)


def _environment() -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if name in _KEPT or not name.startswith("GIT_")}
    return mine | _ENVIRONMENT
