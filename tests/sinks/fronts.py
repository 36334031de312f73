"""What stands before a server in tests: encryption, passwords, limits, and answers that are refusals."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import re
import secrets
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

USER, PASSWORD = "ada", "open;sesame"


def certificate(folder: Path) -> Path:
    """A file with a new key and a certificate for 127.0.0.1 that nobody but itself vouches for."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    name = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    day, now = timedelta(days=1), datetime.now(UTC)
    made = (
        x509.CertificateBuilder(
            subject, subject, key.public_key(), x509.random_serial_number(), now - day, now + day
        )
        .add_extension(name, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file = folder / "certificate.pem"
    file.write_bytes(key.private_bytes(pem, *plain) + made.public_bytes(pem))
    return file


@contextmanager
def encrypted(port: int, pem: Path) -> Iterator[int]:
    """A port that speaks TLS with whoever comes, and hands all on to another port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with socket.create_server(("127.0.0.1", 0)) as listening, contextlib.ExitStack() as opened:

        def serve() -> None:
            while True:
                try:
                    plain, _ = listening.accept()
                except OSError:
                    return
                try:
                    near = opened.enter_context(context.wrap_socket(plain, server_side=True))
                except (OSError, ssl.SSLError):
                    plain.close()
                    continue
                far = opened.enter_context(socket.create_connection(("127.0.0.1", port)))
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=_pump, args=(one, other), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def _pump(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError, ValueError):
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)


@dataclass
class Front:
    """A door of a SPARQL store, in HTTP.

    Attributes:
        port: of the store behind.
        refusal: the status and the headers of the answer to a request, by its method, ``Authorization`` and size; None
            lets it pass.
        seen: the statuses of all answers.
    """

    port: int
    refusal: Callable[[str, str, int], tuple[int, dict[str, str]] | None]
    seen: list[int] = field(default_factory=list)

    @contextmanager
    def open(self) -> Iterator[str]:
        """The URL of its Graph Store Protocol end point, for the ``with`` block."""
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                size = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(size)
                refused = front.refusal(self.command, self.headers.get("Authorization", ""), size)
                if refused:
                    status, headers, said = *refused, b"refused"
                else:
                    behind = http.client.HTTPConnection("127.0.0.1", front.port, timeout=60)
                    passed = {n: self.headers[n] for n in ("Content-Type", "Accept") if n in self.headers}
                    behind.request(self.command, self.path, body, passed)
                    answered = behind.getresponse()
                    status, headers, said = answered.status, {}, answered.read()
                    behind.close()
                front.seen.append(status)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            do_GET = do_POST = do_PUT = answer  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/store"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def basic(method: str, authorization: str, size: int) -> tuple[int, dict[str, str]] | None:
    """Ask for basic authentication (RFC 7617)."""
    if authorization == f"Basic {b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}":
        return None
    return 401, {"WWW-Authenticate": 'Basic realm="store"'}


class Digest:
    """Ask for digest authentication (RFC 7616), with nonces that are good for a few requests only."""

    def __init__(self, uses: int) -> None:
        self._uses, self._left, self._nonce = uses, 0, ""
        self._lock = threading.Lock()

    def __call__(self, method: str, authorization: str, size: int) -> tuple[int, dict[str, str]] | None:
        with self._lock:
            given = dict(re.findall(r'(\w+)="?([^",]*)"?', authorization))
            is_right = authorization.startswith("Digest ") and self._expected(method, given) == given.get(
                "response"
            )
            if is_right and given["nonce"] == self._nonce and self._left > 0:
                self._left -= 1
                return None
            self._nonce, self._left = secrets.token_hex(8), self._uses
            stale = ", stale=true" if is_right else ""
            asked = f'Digest realm="store", qop="auth", algorithm=MD5, nonce="{self._nonce}"{stale}'
            return 401, {"WWW-Authenticate": asked}

    @staticmethod
    def _expected(method: str, given: dict[str, str]) -> str:
        def digest(text: str) -> str:
            return hashlib.md5(text.encode()).hexdigest()

        who = digest(f"{USER}:store:{PASSWORD}")
        what = digest(f"{method}:{given.get('uri')}")
        names = ("nonce", "nc", "cnonce", "qop")
        return digest(":".join((who, *(given.get(name, "") for name in names), what)))
