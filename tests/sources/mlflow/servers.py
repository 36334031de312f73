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
from contextlib import contextmanager
from dataclasses import dataclass, field
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


@contextmanager
def served(folder: Path, store: str, *options: str) -> Iterator[str]:
    """The URL of a real MLflow server over the store at a URI, which runs and logs in ``folder``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--backend-store-uri", store, *options]
    url = f"http://127.0.0.1:{port}"
    log = folder / "server.log"
    environment = os.environ | QUIET | {"MLFLOW_ALLOW_FILE_STORE": "true"}
    with log.open("wb") as out:
        server = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=out, stderr=out, start_new_session=True
        )
    try:
        _wait_for(url, server, log)
        yield url
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


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
    until = time.monotonic() + 60
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


@dataclass
class Answer:
    """What the door answers itself; ``cut`` promises more bytes than it sends."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


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
    rule: Callable[[Request], Answer | None], upstream: str | None = None, certificate: Path | None = None
) -> Iterator[Door]:
    """A server on a free port that answers by ``rule``, else with what the one at ``upstream`` does."""
    seen: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            request = Request(self.command, self.path, {k.lower(): v for k, v in self.headers.items()})
            body = self.rfile.read(int(request.headers.get("content-length", 0)))
            seen.append(request)
            answer = rule(request) or _pass_on(request, body, upstream)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body) + 1000 * answer.cut))
            self.end_headers()
            self.wfile.write(answer.body)
            self.close_connection |= answer.cut

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = _QuietServer(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield Door(f"http{'s' * bool(certificate)}://127.0.0.1:{server.server_port}", seen)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _pass_on(request: Request, body: bytes, upstream: str | None) -> Answer:
    if upstream is None:
        return Answer(404)
    kept = {
        name: request.headers[name] for name in ("content-type", "authorization") if name in request.headers
    }
    asked = urllib.request.Request(
        upstream + request.path, data=body or None, headers=kept, method=request.method
    )
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return Answer(answer.status, answer.read(), {"Content-Type": answer.headers["Content-Type"]})
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read(), {"Content-Type": error.headers["Content-Type"]})


def certificate(folder: Path) -> Path:
    """A file with a new key and a certificate for 127.0.0.1 that nobody but itself vouches for."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file = folder / "server.pem"
    file.write_bytes(key.private_bytes(pem, *plain) + made.public_bytes(pem))
    return file
