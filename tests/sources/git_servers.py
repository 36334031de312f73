"""Real Git servers on this machine: the daemon, Git's own CGI program over HTTP, and SSH's other end."""

from __future__ import annotations

import base64
import os
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


@contextmanager
def daemon(folder: Path) -> Iterator[str]:
    """The base URL of a ``git daemon`` over the repositories in a folder."""
    port = free_port()
    options = ["--reuseaddr", "--listen=127.0.0.1", f"--port={port}", "--export-all", f"--base-path={folder}"]
    process = subprocess.Popen(
        ["git", "daemon", *options], env=ENVIRONMENT, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        _wait_for(port, process)
        yield f"git://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=10).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.01)
    raise AssertionError("the daemon ended")


@contextmanager
def http_server(folder: Path, user: str = "", password: str = "") -> Iterator[str]:
    """The base URL of Git's CGI program over a folder, for all or for a user with a password."""
    wanted = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode() if user else ""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def _answer(self) -> None:
            body = self._body()
            if wanted and self.headers.get("Authorization") != wanted:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.end_headers()
                return
            done = subprocess.run(
                ["git", "http-backend"], input=body, env=self._variables(len(body)), capture_output=True
            )
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
            self.send_response(int(headers.pop("Status", "200").split()[0]))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", "0")))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _variables(self, size: int) -> dict[str, str]:
            path, _, query = self.path.partition("?")
            return ENVIRONMENT | {
                "GIT_PROJECT_ROOT": str(folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(size),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            }

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def silent_server() -> Iterator[str]:
    """The base URL of a server that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def ssh_stand_in(folder: Path, before: str = "") -> dict[str, str]:
    """The variable that has Git run, in the place of ``ssh``, what a host would run, on this machine.

    Args:
        folder: of the script and of the list of the arguments that it got.
        before: what the shell does first.
    """
    script = folder / "ssh-stand-in"
    seen = shlex.quote(str(folder / "ssh-arguments"))
    script.write_text(
        f'#!/bin/sh\necho "$@" >>{seen}\n{before}\nfor last in "$@"; do :; done\neval "$last"\n'
    )
    script.chmod(0o755)
    return {"GIT_SSH_COMMAND": shlex.quote(str(script)), "GIT_SSH_VARIANT": "ssh"}


def cli(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """What an extraction of the command line comes to."""
    return subprocess.run(
        command(*arguments), cwd=cwd, capture_output=True, text=True, env=ENVIRONMENT | variables, check=False
    )


def command(*arguments: str) -> list[str]:
    """The command line of an extraction."""
    return [sys.executable, "-m", "mlflow2prov", "--verbose", "extract", *arguments]
