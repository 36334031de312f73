"""Real databases to push into, each a process of its own on this machine's loopback interface."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

PATIENCE_S = 120.0
PASSWORD = "p@ss/w:rd-7"
"""Of the user ``root``, with characters that a URL has to escape."""

ESCAPED = "p%40ss%2Fw%3Ard-7"


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


@dataclass(slots=True)
class Server:
    """A server, which can be killed and started again with what it has on disk.

    Attributes:
        command: what starts it.
        folder: where it keeps its data.
        port: that it listens at.
        url: to push to.
        is_ready: raises an ``Exception`` while it is not.
        owner: whose process it is, for :class:`subprocess.Popen`.
    """

    command: Sequence[str]
    folder: Path
    port: int
    url: str
    is_ready: Callable[[], object]
    owner: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "said").open("ab") as said:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                stdout=said,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                restore_signals=False,  # SIGXFSZ stays ignored: a file that may not grow is an error
                **self.owner,
            )
        give_up = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.is_ready()
            except Exception as error:
                if time.monotonic() > give_up or self.process.poll() is not None:
                    text = (self.folder / "said").read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"{self.command[0]} does not answer: {error}\n{text}") from error
                time.sleep(0.1)
            else:
                return

    def kill(self) -> None:
        """End it at once, whatever it is doing, with the processes that it started."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def __enter__(self) -> Server:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def _program(name: str) -> str:
    found = shutil.which(
        name, path=os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
    )
    if found is None:
        raise RuntimeError(f"{name} is not installed")
    return found


def _listens(port: int) -> Callable[[], object]:
    return lambda: socket.create_connection(("127.0.0.1", port), timeout=5).close()


def oxigraph(folder: Path) -> Server:
    """A SPARQL store."""
    port = free_port()
    command = [_program("oxigraph"), "serve", "-l", str(folder / "data"), "-b", f"127.0.0.1:{port}"]
    return Server(command, folder, port, f"http://127.0.0.1:{port}/store", _listens(port))


def arcadedb(folder: Path) -> Server:
    """A database that speaks Bolt, with the database ``prov`` in it."""
    import arcadedb_embedded
    import neo4j

    home = Path(arcadedb_embedded.__path__[0])
    port, http_port = free_port(), free_port()
    options = {
        "server.rootPath": folder,
        "server.rootPassword": PASSWORD,
        "server.httpIncomingHost": "127.0.0.1",
        "server.httpIncomingPort": http_port,
        "bolt.host": "127.0.0.1",
        "bolt.port": port,
        "server.defaultDatabases": "prov[root]",
        "server.plugins": "Bolt:com.arcadedb.bolt.BoltProtocolPlugin",
    }
    command = [
        str(home / "jre" / "bin" / "java"),
        "-Xmx512m",
        "--add-opens=java.base/java.nio=ALL-UNNAMED",
        "--enable-native-access=ALL-UNNAMED",
        *("--add-modules", "jdk.incubator.vector"),
        *(f"-Darcadedb.{name}={value}" for name, value in options.items()),
        *("-cp", f"{home}/jars/*", "com.arcadedb.server.ArcadeDBServer"),
    ]

    def is_ready() -> None:
        with neo4j.GraphDatabase.driver(f"bolt://127.0.0.1:{port}", auth=("root", PASSWORD)) as driver:
            driver.execute_query("RETURN 1", database_="prov")

    return Server(command, folder, port, f"bolt://root:{ESCAPED}@127.0.0.1:{port}/prov", is_ready)


def secantus(folder: Path) -> Server:
    """A server that speaks the protocol of MongoDB."""
    port = free_port()
    command = [_program("secantusd-py"), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--storage-path", str(folder / "data")]
    return Server(command, folder, port, f"mongodb://127.0.0.1:{port}/prov", _listens(port))


def virtuoso(folder: Path) -> Server:
    """A SPARQL store that asks for digest authentication; its first user is ``dba``, by the password ``dba``."""
    port, sql_port = free_port(), free_port()
    settings = {
        "Database": {
            "DatabaseFile": "data.db",
            "TransactionFile": "data.trx",
            "xa_persistent_file": "data.pxa",
        }
        | {"ErrorLogFile": "log", "LockFile": "data.lck", "FileExtend": 200, "MaxCheckpointRemap": 2000},
        "TempDatabase": {"DatabaseFile": "temp.db", "TransactionFile": "temp.trx"},
        "Parameters": {"ServerPort": f"127.0.0.1:{sql_port}", "ServerThreads": 10, "DisableUnixSocket": 1}
        | {"NumberOfBuffers": 4000, "MaxDirtyBuffers": 3000, "CaseMode": 2},
        "HTTPServer": {"ServerPort": f"127.0.0.1:{port}", "ServerRoot": ".", "ServerThreads": 5},
    }
    text = "".join(
        f"[{part}]\n" + "".join(f"{name} = {value}\n" for name, value in given.items())
        for part, given in settings.items()
    )
    (folder / "virtuoso.ini").write_text(text)
    command = [_program("virtuoso-t"), "+foreground", "+configfile", "virtuoso.ini"]
    url = f"http://dba:{ESCAPED}@127.0.0.1:{port}/sparql-graph-crud-auth"
    return Server(command, folder, port, url, _listens(port))


def to_virtuoso(server: Server, *statements: str, password: str = PASSWORD) -> None:
    """Run statements of SQL as the user ``dba``."""
    settings = (server.folder / "virtuoso.ini").read_text()
    place = next(line.split(" = ")[1] for line in settings.splitlines() if line.startswith("ServerPort"))
    script = server.folder / "script.sql"
    script.write_text("".join(f"{statement};\n" for statement in statements))
    command = [_program("isql-vt"), place, "dba", password, "ERRORS=STDOUT", str(script)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=PATIENCE_S)
    if done.returncode or "*** Error" in done.stdout:
        raise RuntimeError(done.stdout + done.stderr)


POSTGRESQL = sorted(Path("/").glob("usr/lib/postgresql/*/bin"))
"""The folders of PostgreSQL's programs, the newest version's last."""


def postgresql(folder: Path) -> Server:
    """A server of PostgreSQL, with the database ``postgres`` in it; it refuses to be root's."""
    owner: dict[str, Any] = {}
    folder = Path(tempfile.mkdtemp(prefix="m2p-postgresql-"))  # which the server's user can reach
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres")
        owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        os.chown(folder, user.pw_uid, user.pw_gid)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    secret, port = folder / "secret", free_port()
    secret.write_text(PASSWORD)
    command = [
        str(POSTGRESQL[-1] / "initdb"),
        "-D",
        str(folder / "data"),
        "-U",
        "root",
        "--no-sync",
        "--wal-segsize=1",
    ]
    command += ["-A", "scram-sha-256", "-E", "UTF8", "--locale=C", f"--pwfile={secret}"]
    subprocess.run(command, check=True, capture_output=True, cwd=folder, **owner)
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": folder,
        "fsync": "off",
        "lc_messages": "C",
        "timezone": "Asia/Kathmandu",
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    server = [str(POSTGRESQL[-1] / "postgres"), "-D", str(folder / "data"), *options]
    url = f"postgresql://root:{ESCAPED}@127.0.0.1:{port}/postgres"
    return Server(server, folder, port, url, lambda: connection(port).close(), owner)


def connection(port: int, user: str = "root") -> Any:
    """A connection to PostgreSQL by a driver that is not the one under test."""
    import psycopg2

    found = psycopg2.connect(
        host="127.0.0.1", port=port, user=user, password=PASSWORD, dbname="postgres", connect_timeout=5
    )
    found.autocommit = True
    return found


class File(Server):
    """A file of DuckDB, which no server is needed for."""

    def start(self) -> None:
        """Do nothing."""


def duckdb_file(folder: Path) -> Server:
    """A file of DuckDB that is not there yet."""
    return File([], folder, 0, f"duckdb://{folder / 'graphs.duckdb'}", lambda: None)


MAKERS: dict[str, Callable[[Path], Server]] = {
    "neo4j": arcadedb,
    "mongodb": secantus,
    "sparql": oxigraph,
    "postgresql": postgresql,
    "duckdb": duckdb_file,
}
"""What makes a server, by the name of the sink."""


@contextmanager
def running(name: str, folder: Path) -> Iterator[Server]:
    """A server of a sink, in an empty folder."""
    with MAKERS[name](folder) as server:
        yield server


NEEDED = {
    "postgresql": [
        pytest.mark.system("postgresql"),
        pytest.mark.skipif(not POSTGRESQL, reason="initdb is missing: apt-get install postgresql"),
    ]
}
SERVERS = [pytest.param(name, marks=NEEDED.get(name, [])) for name in MAKERS if name != "duckdb"]
"""The names of the sinks that are servers, for tests of them all."""

NAMES = [*SERVERS, pytest.param("duckdb")]
"""The names of all sinks."""
