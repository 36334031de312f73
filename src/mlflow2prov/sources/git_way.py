"""The way to a repository behind a URL: ``git`` over a network, which never asks and never hangs."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import NamedTuple

from mlflow2prov.errors import SourceError
from mlflow2prov.prov.credentials import without_credentials

PATIENCE_S = 120.0
"""How long a server may say nothing, not even how far it is."""

_KEPT = frozenset(
    {
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_PARAMETERS",
        "GIT_CONFIG_SYSTEM",
        "GIT_EXEC_PATH",
        "GIT_PROXY_COMMAND",
        "GIT_SSH",
        "GIT_SSH_COMMAND",
        "GIT_SSH_VARIANT",
    }
)
_KEPT_BEGINNINGS = ("GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_", "GIT_SSL_", "GIT_HTTP_")
_ASKING = frozenset({"SSH_ASKPASS", "DISPLAY", "WAYLAND_DISPLAY"})

_ENVIRONMENT = {
    "GCM_INTERACTIVE": "never",
    "GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file",
    "GIT_ASKPASS": "",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
    "SSH_ASKPASS_REQUIRE": "never",
}
_SETTINGS = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "credential.interactive": "false",
    "fetch.writeCommitGraph": "false",
    "gc.auto": "0",
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "300",
    "maintenance.auto": "false",
}
_SSH = "ssh -oBatchMode=yes -oConnectTimeout=30 -oServerAliveInterval=60"

_MEANINGS = (
    (
        r"repository .*not found|does not appear to be a git repository|not a git repository|does not exist"
        r"|not valid: is this a git repository|returned error: 404|repository not exported|no such repository",
        "is no Git repository: name one that is there",
    ),
    (
        r"could not read (?:Username|Password)|Authentication failed|terminal prompts disabled"
        r"|Permission denied \(|Host key verification failed|returned error: 40[13]",
        "asks for a password or a key that Git has not got, or does not know the key of the host:"
        " let a credential helper or an SSH agent of Git have it, or give it in the URL",
    ),
    (
        r"certificate|SSL",
        "has a certificate that is not trusted: see `http.sslCAInfo` in Git's settings",
    ),
    (
        r"dubious ownership",
        "belongs to another user: allow it in Git's settings by `safe.directory`",
    ),
    (
        r"Could not resolve|Connection refused|onnection timed out|Failed to connect|unable to connect"
        r"|Network is unreachable|No route to host|Connection reset|too slow|hung up|Empty reply|closed by remote"
        r"|early EOF|Couldn't connect",
        "does not answer: is it spelled right, and the server up?",
    ),
)
"""What Git's complaints mean, the first that fits."""


@dataclass(frozen=True, slots=True)
class Way:
    """Git's way to one URL.

    Attributes:
        url: as it was given.
        plain: without credentials; the one that Git is told to use and puts into files.
        environment: variables of the user.
        patience_s: how long nothing may be said.
        lock: an open file that Git's programs hold open, too.
    """

    class Done(NamedTuple):
        """What a command came to: its code, its standard output, and what it said without credentials."""

        code: int
        output: bytes
        said: str

    url: str = field(repr=False)
    plain: str
    environment: Mapping[str, str] = field(repr=False)
    patience_s: float
    lock: int

    @property
    def shown(self) -> str:
        """The URL as it may stand in a message."""
        return without_credentials(self.plain)

    def run(self, *arguments: str, lines: Iterable[bytes] = ()) -> Done:
        """Run a command to its end.

        Raises:
            SourceError: Git is not installed, or nothing was heard of the server for too long.
        """
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        with TemporaryFile() as given, TemporaryFile() as output:
            given.writelines(line + b"\n" for line in lines)
            given.seek(0)
            try:
                process = subprocess.Popen(
                    ["git", "--no-pager", *settings, *arguments],
                    stdin=given,
                    stdout=output,
                    stderr=subprocess.PIPE,
                    env=self._environment(),
                    pass_fds=[self.lock],
                    start_new_session=True,  # without a terminal, so that nothing can ask on it
                )
            except OSError as error:
                raise SourceError(
                    f"can't run the program `git` ({error.strerror}): install Git 2.31 or later, on the PATH"
                ) from error
            try:
                said = self._heard(process)
                code = process.wait()
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            output.seek(0)
            return Way.Done(code, output.read(), self._public(said.decode("utf-8", "backslashreplace")))

    def failure(self, done: Done) -> SourceError:
        """Return what a command that failed means for the URL."""
        lines = [line.strip() for line in re.split(r"[\r\n]+", done.said) if line.strip()]
        said = next((line for line in lines if line.startswith(("fatal:", "ERROR:", "error:"))), "")
        said = said or (lines[-1] if lines else f"it ended with code {done.code}")
        for pattern, meaning in _MEANINGS:
            if re.search(pattern, done.said, re.IGNORECASE):
                return SourceError(f"{self.shown} {meaning} (Git says `{said}`)")
        return SourceError(f"can't clone {self.shown}: Git says `{said}`")

    def _heard(self, process: subprocess.Popen[bytes]) -> bytes:
        """Return all that a program complains about until it ends."""
        assert process.stderr is not None
        heard = b""
        with process.stderr as pipe:
            while True:
                ready, _, _ = select.select([pipe], [], [], self.patience_s)
                if not ready:
                    raise SourceError(
                        f"{self.shown} does not answer: nothing was heard for {self.patience_s:g} s"
                    )
                piece = os.read(pipe.fileno(), 1 << 16)
                if not piece:
                    return heard
                heard = (heard + piece)[-_MOST_BYTES:]

    def _public(self, said: str) -> str:
        """Return what Git said without the credentials of the URL, in whatever form they stand in it."""
        return without_credentials(said.replace(self.url, self.shown))

    def _environment(self) -> dict[str, str]:
        given = self.environment
        mine = {
            name: value
            for name, value in given.items()
            if name not in _ASKING
            and (not name.startswith("GIT_") or name in _KEPT or name.startswith(_KEPT_BEGINNINGS))
        }
        if not ({"GIT_SSH", "GIT_SSH_COMMAND"} & mine.keys() or self._has_ssh_command(mine)):
            mine["GIT_SSH_COMMAND"] = _SSH
        if self.url != self.plain:
            count = int(mine.get("GIT_CONFIG_COUNT", "0") or 0)
            mine[f"GIT_CONFIG_KEY_{count}"] = f"url.{self.url}.insteadOf"
            mine[f"GIT_CONFIG_VALUE_{count}"] = self.plain
            mine["GIT_CONFIG_COUNT"] = str(count + 1)
        return mine | _ENVIRONMENT

    def _has_ssh_command(self, environment: Mapping[str, str]) -> bool:
        """Return whether the user's settings of Git name a program for SSH."""
        command = ["git", "config", "--get", "core.sshCommand"]
        asked = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, env=environment, cwd="/", check=False
        )
        return asked.returncode == 0


_MOST_BYTES = 1 << 20
