"""Real PostgreSQL and MariaDB servers for tests, on loopback, with what MLflow itself makes in them."""

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
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
import pymysql

PASSWORD = "p@ss/w:rd"
QUOTED_PASSWORD = "p%40ss%2Fw%3Ard"
_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet", "PYTHONWARNINGS": "ignore"}
_INITIALISE = """
import sys
from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine_with_retry
_initialize_tables(create_sqlalchemy_engine_with_retry(sys.argv[1]))
"""
_PATIENCE_S = 60


@dataclass(frozen=True, slots=True)
class Engine:
    """What differs between the servers.

    Attributes:
        name: of its scheme.
        driver: MLflow's name for the driver that fills it.
        folders: where its programs may be.
        quote: stands around names.
        user: who runs it, where the tests are root.
    """

    name: str
    driver: str
    folders: tuple[str, ...]
    quote: str
    user: str


POSTGRESQL = Engine("postgresql", "psycopg2", ("/usr/lib/postgresql/*/bin",), '"', "postgres")
MARIADB = Engine("mysql", "pymysql", ("/usr/sbin", "/usr/bin"), "`", "mysql")


def program(engine: Engine, name: str) -> str | None:
    """The path of one of the server's programs, of its newest version."""
    found = sorted(path for folder in engine.folders for path in Path("/").glob(f"{folder[1:]}/{name}"))
    return str(found[-1]) if found else shutil.which(name)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; its superuser is ``boss``."""

    engine: Engine
    port: int
    process: subprocess.Popen[bytes]

    def uri(self, database: str, user: str = "boss", *, driver: bool = False, query: str = "") -> str:
        """The URI of a database, as MLflow is given it."""
        scheme = f"{self.engine.name}+{self.engine.driver}" if driver else self.engine.name
        return f"{scheme}://{user}:{QUOTED_PASSWORD}@127.0.0.1:{self.port}/{database}{query}"

    def connect(self, database: str, user: str = "boss") -> Any:
        """A connection of a driver that is not the one under test."""
        settings: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": user,
            "password": PASSWORD,
        }
        if self.engine is POSTGRESQL:
            return psycopg2.connect(dbname=database, **settings)
        return pymysql.connect(database=database, charset="utf8mb4", **settings)

    def run(self, database: str, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements, each on its own, and return the rows of the last one, if it has any."""
        with closing(self.connect(database)) as connection:
            if self.engine is POSTGRESQL:
                connection.autocommit = True
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            connection.commit()
            return list(cursor.fetchall()) if cursor.description else []

    def create(self, database: str) -> None:
        """Make an empty database."""
        if self.engine is POSTGRESQL:
            self.run("postgres", f"CREATE DATABASE {database}")
        else:
            self.run("mysql", f"CREATE DATABASE {database} CHARACTER SET utf8mb4")

    def create_mlflow(self, database: str) -> None:
        """Make a database and let MLflow make its tables in it."""
        self.create(database)
        command = [sys.executable, "-c", _INITIALISE, self.uri(database, driver=True)]
        done = subprocess.run(command, env=os.environ | _QUIET, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def create_like(self, database: str, source: Path, **types: str) -> None:
        """Make a database with the tables of a SQLite store and its rows, as MLflow's types are spelled here.

        ``types`` are spelled in another way than that.
        """
        self.create(database)
        statements = []
        with closing(sqlite3.connect(source)) as store:
            names = [name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in names:
                quote = self.engine.quote
                columns = [
                    f"{quote}{name}{quote} {types.get(kind) or self._type(kind)}{' NOT NULL' * is_not_null}"
                    for _, name, kind, is_not_null, *_ in store.execute(f"PRAGMA table_info({table})")
                ]
                statements.append(f"CREATE TABLE {table} ({', '.join(columns)})")
        self.run(database, *statements)
        self.fill(database, source)

    def _type(self, kind: str) -> str:
        if kind.startswith("FLOAT"):
            return "DOUBLE PRECISION"
        if self.engine is POSTGRESQL:
            # a store that was migrated from files has identifiers that no INTEGER of PostgreSQL holds
            return {"DATETIME": "TIMESTAMP", "BLOB": "BYTEA", "INTEGER": "BIGINT"}.get(kind, kind)
        return {"TEXT": "MEDIUMTEXT"}.get(kind, kind)

    def fill(self, database: str, source: Path) -> None:
        """Replace what the tables hold by the rows of a SQLite store; those that this one lacks are left."""
        with (
            closing(sqlite3.connect(source)) as rows,
            closing(self.connect(database)) as connection,
        ):
            cursor = connection.cursor()
            is_postgresql = self.engine is POSTGRESQL
            cursor.execute(
                "SET session_replication_role = replica"
                if is_postgresql
                else "SET foreign_key_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO,STRICT_ALL_TABLES'"
            )
            types = _types(cursor, database, is_postgresql)
            for table in sorted(types):
                _copy(rows, cursor, table, types[table], self.engine)
            connection.commit()

    def role(self, database: str, user: str, *, tables: tuple[str, ...] = ()) -> None:
        """Make a user who may read a database, or only some of its tables, and nothing else."""
        if self.engine is POSTGRESQL:
            named = ", ".join(tables) or "ALL TABLES IN SCHEMA public"
            self.run(
                database,
                f"CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}'",
                f"GRANT SELECT ON {named} TO {user}",
            )
            return
        self.run(
            database,
            f"CREATE USER {user}@'%' IDENTIFIED BY '{PASSWORD}'",
            *(f"GRANT SELECT ON {database}.{table} TO {user}@'%'" for table in tables or ("*",)),
        )


def _types(cursor: Any, database: str, is_postgresql: bool) -> dict[str, dict[str, str]]:
    """The columns of each table and their types."""
    cursor.execute(
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = %s",
        ["public" if is_postgresql else database],
    )
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in cursor.fetchall():
        found.setdefault(table, {})[column] = kind
    return found


def _copy(rows: sqlite3.Connection, cursor: Any, table: str, types: dict[str, str], engine: Engine) -> None:
    there = {name for (name,) in rows.execute("SELECT name FROM pragma_table_info(?)", [table])}
    columns = [name for name in types if name in there]
    quoted = f"{engine.quote}{table}{engine.quote}"
    cursor.execute(f"DELETE FROM {quoted}")
    if not columns:
        return
    names = ", ".join(f"{engine.quote}{name}{engine.quote}" for name in columns)
    is_flag = [types[name] == "boolean" for name in columns]
    selected = ", ".join(f'"{name}"' for name in columns)
    found = rows.execute(f"SELECT {selected} FROM {table}")
    insert = f"INSERT INTO {quoted} ({names}) VALUES "
    for chunk in iter(lambda: found.fetchmany(5_000), []):
        values = [
            tuple(
                bool(value) if flag and value is not None else value
                for value, flag in zip(row, is_flag, strict=True)
            )
            for row in chunk
        ]
        if engine is POSTGRESQL:
            psycopg2.extras.execute_values(cursor, f"{insert}%s", values, page_size=1_000)
        else:
            cursor.executemany(f"{insert}({', '.join(['%s'] * len(columns))})", values)


# ---- Starting and stopping -----------------------------------------------------------------------


@contextmanager
def running(engine: Engine) -> Iterator[Server]:
    """A server of one's own, which is gone afterwards; takes a second or two."""
    with tempfile.TemporaryDirectory(prefix=f"m2p-{engine.name}-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        _give_away(folder, engine)
        port = _free_port()
        start = _prepare_postgresql if engine is POSTGRESQL else _prepare_mariadb
        command = start(folder, port)
        log = folder / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, cwd=folder, **_as(engine))
        server = Server(engine, port, process)
        try:
            _await(server, log)
            yield server
        finally:
            process.send_signal(signal.SIGINT if engine is POSTGRESQL else signal.SIGTERM)
            try:
                process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _as(engine: Engine) -> dict[str, Any]:
    """Servers refuse to be root: where this process is, they run as their package's own user."""
    if os.getuid() != 0:
        return {}
    user = pwd.getpwnam(engine.user)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _give_away(folder: Path, engine: Engine) -> None:
    if os.getuid() == 0:
        user = pwd.getpwnam(engine.user)
        os.chown(folder, user.pw_uid, user.pw_gid)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _run(command: list[str], folder: Path, engine: Engine) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, **_as(engine))
    assert done.returncode == 0, done.stdout + done.stderr


def _prepare_postgresql(folder: Path, port: int) -> list[str]:
    secret = folder / "secret"
    secret.write_text(PASSWORD, "utf-8")
    made = [str(program(POSTGRESQL, "initdb")), "-D", str(folder / "data"), "-U", "boss", "--no-sync"]
    _run([*made, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", f"--pwfile={secret}"], folder, POSTGRESQL)
    with (folder / "data" / "pg_hba.conf").open("a+", encoding="utf-8") as rules:
        rules.seek(0)
        given = rules.read()
        rules.truncate(0)
        rules.write(f"hostssl all with_tls all scram-sha-256\nhost all with_tls all reject\n{given}")
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(folder),
        "fsync": "off",
        "lc_messages": "C",
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return [str(program(POSTGRESQL, "postgres")), "-D", str(folder / "data"), "-p", str(port), *options]


def _prepare_mariadb(folder: Path, port: int) -> list[str]:
    base = ["--no-defaults", f"--datadir={folder / 'data'}"]
    users = folder / "users.sql"
    users.write_text(
        f"CREATE OR REPLACE USER boss@'%' IDENTIFIED BY '{PASSWORD}';\n"
        "GRANT ALL ON *.* TO boss@'%' WITH GRANT OPTION;\n",
        "utf-8",
    )
    install = str(program(MARIADB, "mariadb-install-db"))
    _run([install, *base, "--skip-test-db", "--auth-root-authentication-method=normal"], folder, MARIADB)
    return [
        str(program(MARIADB, "mariadbd")),
        *base,
        f"--socket={folder / 'socket'}",
        f"--port={port}",
        "--max-allowed-packet=64M",
        "--bind-address=127.0.0.1",
        f"--init-file={users}",
        "--skip-name-resolve",
        "--innodb-flush-log-at-trx-commit=0",
    ]


def _await(server: Server, log: Path) -> None:
    """Wait until the server takes connections."""
    database = "postgres" if server.engine is POSTGRESQL else "mysql"
    give_up = time.monotonic() + _PATIENCE_S
    attempt: Callable[[], Any] = lambda: server.connect(database).close()  # noqa: E731
    while True:
        try:
            return attempt()
        except (psycopg2.OperationalError, pymysql.err.OperationalError) as error:
            said = log.read_text("utf-8", "replace")[-2000:]
            assert server.process.poll() is None, said
            assert time.monotonic() < give_up, f"{error}\n{said}"
            time.sleep(0.05)
