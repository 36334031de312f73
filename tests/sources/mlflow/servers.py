"""Real servers for tests: an MLflow server over a filled store, and a door before it that makes faults."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    "PYTHONWARNINGS": "ignore",
}


@dataclass(frozen=True)
class MlflowServer:
    """A running MLflow server, the database and the folder behind it, and what it was filled with."""

    url: str
    database: Path
    artifacts: Path
    made: dict[str, str]


@contextmanager
def filled_server(folder: Path) -> Iterator[MlflowServer]:
    """A real MLflow server over a SQLite store in ``folder`` that was filled through it."""
    database, artifacts = folder / "mlflow.db", folder / "artifacts"
    with served(folder, f"sqlite:///{database}", "--artifacts-destination", str(artifacts)) as url:
        filler = [sys.executable, str(Path(__file__).with_name("fill_server.py")), url, str(folder)]
        filled = subprocess.run(filler, env=os.environ | QUIET, capture_output=True, text=True, check=False)
        assert filled.returncode == 0, filled.stderr
        made = json.loads(filled.stdout.strip().splitlines()[-1])
        yield MlflowServer(url, database, artifacts, made)


class Running(str):
    """The URL of a running MLflow server, with the ``process`` that leads its group."""

    __slots__ = ("process",)
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """End the server and all of its workers at once, as a lack of memory would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def served(
    folder: Path, store: str, *options: str, python: str = sys.executable, **variables: str
) -> Iterator[Running]:
    """The URL of a real MLflow server over the store at a URI, which runs and logs in ``folder``.

    Args:
        folder: where it runs.
        store: the URI of its store.
        options: of ``mlflow server``.
        python: whose MLflow it is.
        variables: of its environment.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [python, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--backend-store-uri", store, *options]
    url = Running(f"http://127.0.0.1:{port}")
    log = folder / "server.log"
    environment = os.environ | QUIET | {"MLFLOW_ALLOW_FILE_STORE": "true"} | variables
    environment["PATH"] = f"{Path(python).parent}{os.pathsep}{environment['PATH']}"
    with log.open("wb") as out:
        server = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=out, stderr=out, start_new_session=True
        )
    url.process = server
    try:
        _wait_for(url, server, log)
        yield url
    finally:
        with suppress(ProcessLookupError):
            url.kill()


@dataclass(frozen=True)
class FileStore:
    """A file store that MLflow filled, a SQLite store that MLflow made of it, and what it was filled with."""

    folder: Path
    database: Path
    made: dict[str, str]


def filled_file_store(folder: Path) -> FileStore:
    """A real file store in ``folder``, and its migration to SQLite; takes some ten seconds."""
    store, copy, database = folder / "my runs", folder / "copy", folder / "migrated.db"
    filler = [sys.executable, str(Path(__file__).with_name("fill_file_store.py")), str(store), str(folder)]
    said = _mlflow(filler)
    shutil.copytree(store, copy)
    for path in copy.rglob("metrics/**/*"):
        if path.is_file():  # MLflow's migration can't take in a point that was logged twice
            path.write_text("".join(dict.fromkeys(path.read_text().splitlines(keepends=True))))
    migration = [sys.executable, "-m", "mlflow", "migrate-filestore", "--no-progress"]
    _mlflow([*migration, "--source", str(copy), "--target", f"sqlite:///{database}"])
    return FileStore(store, database, json.loads(said.strip().splitlines()[-1]))


def _mlflow(command: list[str]) -> str:
    environment = os.environ | QUIET | {"MLFLOW_ALLOW_FILE_STORE": "true"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 300  # where all else is busy, MLflow takes a minute to begin
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text("utf-8", "replace"))


@dataclass
class Request:
    """A request that came to the door, or the answer to one."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class Answer:
    """What the door answers; a body of many pieces is as long as ``length`` says.

    Attributes:
        cut: promises more bytes than it sends.
        delay_s: how long it takes before the first byte.
        hangs_up: the connection ends without any answer.
    """

    status: int
    body: bytes | Iterator[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    length: int = 0
    delay_s: float = 0
    hangs_up: bool = False


@dataclass
class Door:
    """A small server that answers what ``rule`` says, and passes on what it says nothing about."""

    url: str
    seen: list[Request]


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that hang up, as some tests mean them to."""


@contextmanager
def door(
    rule: Callable[[Request], Answer | None],
    upstream: str | None = None,
    certificate: Path | None = None,
    *,
    client_authority: Path | None = None,
    spoil: Callable[[Request, Answer], Answer] = lambda _, answer: answer,
) -> Iterator[Door]:
    """A server on a free port that answers by ``rule``, else with what the one at ``upstream`` does.

    Args:
        rule: the answer to a request, if it is not passed on.
        upstream: the server that all else is passed on to.
        certificate: of the server, for HTTPS.
        client_authority: who has to vouch for the certificates that clients must show, if they must.
        spoil: what becomes of the other server's answers.
    """
    seen: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            request = Request(self.command, self.path, {k.lower(): v for k, v in self.headers.items()})
            request.body = self.rfile.read(int(request.headers.get("content-length", 0)))
            seen.append(request)
            answer = rule(request) or spoil(request, _pass_on(request, upstream))
            time.sleep(answer.delay_s)
            self.close_connection |= answer.cut or answer.hangs_up
            if answer.hangs_up:
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            pieces = [answer.body] if isinstance(answer.body, bytes) else answer.body
            length = len(answer.body) if isinstance(answer.body, bytes) else answer.length
            self.send_header("Content-Length", str(length + 1000 * answer.cut))
            self.end_headers()
            for piece in pieces:
                self.wfile.write(piece)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = _QuietServer(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        if client_authority is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_authority)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield Door(f"http{'s' * bool(certificate)}://127.0.0.1:{server.server_port}", seen)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _pass_on(request: Request, upstream: str | None) -> Answer:
    if upstream is None:
        return Answer(404)
    passed = ("content-type", "authorization", "x-mlflow-workspace")
    kept = {name: request.headers[name] for name in passed if name in request.headers}
    asked = urllib.request.Request(
        upstream + request.path, data=request.body or None, headers=kept, method=request.method
    )
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return Answer(answer.status, answer.read(), _told(answer.headers))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read(), _told(error.headers))
    except OSError:
        return Answer(502, b"<html>bad gateway</html>", {"Content-Type": "text/html"})


def _told(headers: Message) -> dict[str, str]:
    passed = ("Content-Type", "WWW-Authenticate")
    return {name: headers[name] for name in passed if name in headers}


def certificate(folder: Path, name: str = "server") -> Path:
    """A file with a new key and a certificate for 127.0.0.1 that nobody but itself vouches for."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file = folder / f"{name}.pem"
    file.write_bytes(key.private_bytes(pem, *plain) + made.public_bytes(pem))
    return file
