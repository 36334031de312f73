"""Database servers of one's own over a made store, for as long as they are measured."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import FailedError, processes, run
from benchmarks.store_tables import TABLES

_PATIENCE_S = 120


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """A running server.

    Attributes:
        uri: of its database, as we take it.
        client_uri: likewise, as MLflow's client takes it.
        process: its first process.
    """

    uri: str
    client_uri: str
    process: subprocess.Popen[bytes]

    def cpu_s(self) -> float:
        """The CPU time that it and its children have taken so far, those that ended included."""
        ticks = 0
        for identifier, fields in processes():
            if identifier == self.process.pid or int(fields[1]) == self.process.pid:
                ticks += sum(int(fields[place]) for place in (11, 12, 13, 14))
        return ticks / os.sysconf("SC_CLK_TCK")


def postgresql_programs() -> Path | None:
    """The folder with the programs of PostgreSQL, None where it is not installed."""
    found = sorted(Path("/").glob("usr/lib/postgresql/*/bin"))
    if found:
        return found[-1]
    initdb = shutil.which("initdb")
    return Path(initdb).parent if initdb else None


def has_mariadb() -> bool:
    """Whether MariaDB is installed."""
    return _mariadb("mariadbd") is not None and _mariadb("mariadb-install-db") is not None


def _mariadb(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin")


@contextmanager
def postgresql_server(programs: Path) -> Iterator[DatabaseServer]:
    """PostgreSQL, which listens at a socket in a temporary folder, with an empty database."""
    with _folder("postgres") as (folder, own):
        data = folder / "data"
        made = [programs / "initdb", "-D", data, "-U", "boss", "-A", "trust", "-E", "UTF8", "--locale=C"]
        subprocess.run([*made, "--no-sync"], check=True, capture_output=True, cwd=folder, **own)
        settings = {"listen_addresses": "", "unix_socket_directories": str(folder), "fsync": "off"}
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        command = [str(programs / "postgres"), "-D", str(data), *options]
        address = f"///postgres?host={folder}&user=boss"
        with _running(command, folder, own, signal.SIGINT) as process:
            server = DatabaseServer(f"postgresql:{address}", f"postgresql+psycopg2:{address}", process)
            _await(lambda: postgresql_connection(server).close(), process, folder)
            yield server


@contextmanager
def mariadb_server() -> Iterator[DatabaseServer]:
    """MariaDB, which listens on loopback, with an empty database."""
    with _folder("mysql") as (folder, own):
        base = ["--no-defaults", f"--datadir={folder / 'data'}"]
        first = folder / "first.sql"
        first.write_text(
            "CREATE OR REPLACE USER boss@'%';\nGRANT ALL ON *.* TO boss@'%';\n"
            "CREATE DATABASE IF NOT EXISTS mlflow CHARACTER SET utf8mb4;\n",
            "utf-8",
        )
        install = [str(_mariadb("mariadb-install-db")), *base, "--skip-test-db"]
        install.append("--auth-root-authentication-method=normal")
        subprocess.run(install, check=True, capture_output=True, cwd=folder, **own)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [str(_mariadb("mariadbd")), *base, f"--socket={folder / 'socket'}", f"--port={port}"]
        command += [
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            f"--init-file={first}",
            "--local-infile=1",
        ]
        command += ["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=1G", "--skip-log-bin"]
        address = f"//boss@127.0.0.1:{port}/mlflow"
        with _running(command, folder, own, signal.SIGTERM) as process:
            server = DatabaseServer(f"mysql:{address}", f"mysql+pymysql:{address}", process)
            _await(lambda: mariadb_connection(server).close(), process, folder)
            yield server


def postgresql_connection(server: DatabaseServer) -> Any:
    """A connection of a driver that ours does not use."""
    import psycopg2

    return psycopg2.connect(server.uri)


def mariadb_connection(server: DatabaseServer) -> Any:
    """Likewise."""
    import pymysql
    from sqlalchemy.engine import make_url

    url = make_url(server.client_uri)
    place: dict[str, Any] = {
        "host": url.host,
        "port": url.port,
        "user": url.username,
        "database": url.database,
    }
    return pymysql.connect(**place, charset="utf8mb4", local_infile=True)


@contextmanager
def _folder(user: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A temporary folder of the user that the server runs as: servers refuse to be root."""
    with tempfile.TemporaryDirectory(prefix="m2p-bench-", ignore_cleanup_errors=True) as name:
        own: dict[str, Any] = {}
        if os.getuid() == 0:
            found = pwd.getpwnam(user)
            os.chown(name, found.pw_uid, found.pw_gid)
            own = {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
        yield Path(name), own


@contextmanager
def _running(
    command: Sequence[str], folder: Path, own: dict[str, Any], end: signal.Signals
) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **own)
    try:
        yield process
    finally:
        process.send_signal(end)
        process.wait(_PATIENCE_S)


def _await(attempt: Any, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until the server takes connections."""
    give_up = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return attempt()
        except Exception as error:
            if process.poll() is not None or time.monotonic() > give_up:
                said = (folder / "log").read_text("utf-8", "replace")[-2000:]
                raise FailedError(f"the database server did not start: {error}\n{said}") from error
            time.sleep(0.05)


# ---- Filling -----------------------------------------------------------------------------------


def fill_postgresql(server: DatabaseServer, store: Path) -> None:
    """Let MLflow make its tables, and copy a SQLite store that it made the tables of."""
    _upgrade(server)
    with closing(postgresql_connection(server)) as connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for table, columns, lines in _tables(store):
            cursor.execute(f"DELETE FROM {table}")
            names = ", ".join(f'"{name}"' for name in columns)
            with lines.open(encoding="utf-8") as text:
                cursor.copy_expert(f"COPY {table} ({names}) FROM STDIN", text)
        connection.commit()
        connection.autocommit = True
        cursor.execute("ANALYZE")


def fill_mariadb(server: DatabaseServer, store: Path) -> None:
    """Likewise."""
    _upgrade(server)
    with closing(mariadb_connection(server)) as connection, connection.cursor() as cursor:
        cursor.execute("SET foreign_key_checks = 0, unique_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
        for table, columns, lines in _tables(store):
            cursor.execute(f"DELETE FROM {table}")
            names = ", ".join(f"`{name}`" for name in columns)
            cursor.execute(
                f"LOAD DATA LOCAL INFILE %s INTO TABLE {table} CHARACTER SET utf8mb4 ({names})", [str(lines)]
            )
            connection.commit()
            cursor.execute(f"ANALYZE TABLE {table}")


def _upgrade(server: DatabaseServer) -> None:
    run([sys.executable, "-m", "mlflow", "db", "upgrade", server.client_uri])


def _tables(store: Path) -> Iterator[tuple[str, list[str], Path]]:
    """Each table's columns, and its rows in the form of text that both servers copy from."""
    with (
        tempfile.TemporaryDirectory(prefix="m2p-bench-") as folder,
        closing(sqlite3.connect(f"{store.resolve().as_uri()}?mode=ro", uri=True)) as connection,
    ):
        lines = Path(folder) / "lines"
        for table in TABLES:
            if table == "alembic_version":
                continue
            rows = connection.execute(f"SELECT * FROM {table}")
            with lines.open("w", encoding="utf-8", newline="\n") as text:
                text.writelines("\t".join(map(word, row)) + "\n" for row in rows)
            yield table, [name for name, *_ in rows.description], lines


_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def word(value: object) -> str:
    """A value in the form of text that both servers copy from."""
    if value is None:
        return "\\N"
    return value.translate(_ESCAPES) if isinstance(value, str) else repr(value)
