"""The way into MLflow through databases on servers: real ones, with the rows of a SQLite store."""

from __future__ import annotations

import math
import re
import socket
import sqlite3
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from stores import HUGE, REVISIONS, SCHEMAS, fill_schema, insert
from tests.cache.test_cache import told
from tests.conftest import DemoProject
from tests.contents import contents

from mlflow2prov import Graph, extract
from mlflow2prov.errors import SourceError, UsageError
from mlflow2prov.model.ids import store_namespace
from mlflow2prov.prov.database_uris import ENGINES, DatabaseUri
from mlflow2prov.sources.mlflow.database import _ENGINES, read_database, read_database_server
from mlflow2prov.sources.mlflow.database_dialects import MSSQL, MYSQL, SQLITE, Dialect
from mlflow2prov.sources.mlflow.database_dialects import POSTGRESQL as POSTGRESQL_DIALECT
from mlflow2prov.sources.mlflow.database_tables import READINGS
from mlflow2prov.sources.mlflow.parts import Wanted
from mlflow2prov.sources.tables import SOURCE_TABLES, Batches
from sql_servers import MARIADB, PASSWORD, POSTGRESQL, QUOTED_PASSWORD, Server, program, running

Rows = list[dict[str, Any]]
NO_ARTIFACTS = frozenset({"artifacts"})
ROOT = Path(__file__).parents[3]

schemas = pytest.mark.skipif(not SCHEMAS.exists(), reason="the schemas of MLflow's versions are not here")


def needs(engine: Any, package: str, server: str) -> Any:
    return pytest.param(
        engine,
        id=engine.name,
        marks=[
            pytest.mark.system(package),
            pytest.mark.skipif(
                program(engine, server) is None, reason=f"{server} is missing: apt-get install {package}"
            ),
        ],
    )


SERVERS = [needs(POSTGRESQL, "postgresql", "initdb"), needs(MARIADB, "mariadb-server", "mariadbd")]


@pytest.fixture(scope="session", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with running(request.param) as started:
        yield started


@pytest.fixture(scope="session")
def hand_made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """SQLite stores of several versions, with rows that are easily lost on the way."""
    folder = tmp_path_factory.mktemp("hand-made")
    for version in REVISIONS:
        with closing(fill_schema(version, folder / f"{version}.db")) as store:
            odd(store)
    return {version: folder / f"{version}.db" for version in REVISIONS}


def odd(store: sqlite3.Connection) -> None:
    """Add what engines take differently: blanks, capitals, signs of many bytes, bounds of numbers, long texts."""
    run = {
        "run_uuid": "r3",
        "name": "ü 名前 😀",
        "user_id": "  ",
        "lifecycle_stage": "active",
        "experiment_id": 8,
    }
    insert(store, "runs", run | {"start_time": 2**53 + 1, "end_time": -1, "artifact_uri": "s3://b/é"})
    for number, size in enumerate((2, 250, 251, 252, 4_000, 65_535, 65_536, 70_000)):
        dataset = {"dataset_uuid": f"l{number}", "experiment_id": 8, "name": f"long {number}", "digest": "é"}
        source = {"dataset_source_type": "local", "dataset_source": "é" + "x" * (size - 2)}
        insert(store, "datasets", dataset | source)
    for key, value in (("MLFLOW.RUNNAME", "no"), ("quote", 'it\'s \\ "1";\n\t%s'), ("@known(r.x)", "a.b")):
        insert(store, "tags", {"run_uuid": "r2", "key": key, "value": value})
    for step, value in ((-(2**63), 5e-324), (2**63 - 1, 0.1 + 0.2), (0, -0.0), (7, HUGE), (8, -HUGE)):
        point = {"run_uuid": "r3", "key": "é", "step": step, "timestamp": 1, "value": value, "is_nan": 0}
        insert(store, "metrics", point)
    insert(
        store, "metrics", {"run_uuid": "r3", "key": "é", "step": 9, "timestamp": 1, "value": 0.0, "is_nan": 1}
    )
    for number, source in enumerate(
        (
            "models:/m-12ab",
            "models:/m-12ab//",
            "models:/m-12ab/x",
            "models:/m-",
            "models:/M-12AB",
            "models:/m-12AB",
        )
    ):
        version = {
            "name": "w",
            "version": 10 + number,
            "current_stage": "deleted_internal ",
            "source": source,
        }
        insert(store, "model_versions", version)
    store.commit()


def tables_of(batches: Batches) -> dict[str, Rows]:
    found: dict[str, Rows] = {}
    for name, batch in batches:
        assert batch.schema.equals(SOURCE_TABLES[name].schema())
        assert batch.num_rows > 0
        batch.validate(full=True)
        found.setdefault(name, []).extend(batch.to_pylist())
    return found


def in_order(tables: dict[str, Rows]) -> dict[str, list[str]]:
    """The rows but for the store's own, in an order of their own."""
    return {name: sorted(map(repr, rows)) for name, rows in tables.items() if name != "mlflow_store"}


def read(server: Server, database: str, user: str = "boss", *, query: str = "") -> dict[str, Rows]:
    return tables_of(read_database_server(server.uri(database, user, query=query), Wanted(skip=NO_ARTIFACTS)))


def failure(uri: str) -> str:
    with pytest.raises(SourceError) as raised:
        list(read_database_server(uri, Wanted(skip=NO_ARTIFACTS)))
    said = str(raised.value)
    assert PASSWORD not in said
    assert QUOTED_PASSWORD not in said
    assert "\n" not in said
    assert PASSWORD not in repr(raised.value.__cause__)
    return said


# ---- The same store ------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def made_by_mlflow(server: Server, demo_project: DemoProject) -> str:
    server.create_mlflow("made_by_mlflow")
    server.fill("made_by_mlflow", demo_project.database)
    return "made_by_mlflow"


def test_a_store_gives_the_same_graph_as_from_sqlite(
    server: Server, made_by_mlflow: str, demo_project: DemoProject
) -> None:
    namespace = "https://example.org/store#"
    uris = [f"sqlite:///{demo_project.database}", server.uri(made_by_mlflow, driver=True)]
    here, there = (said_by(extract(mlflow_url=uri, mlflow_namespace=namespace)) for uri in uris)
    assert len(here) > 500
    assert there == here


def said_by(graph: Graph) -> Counter[str]:
    """What a graph says, but for the URI of the store, and the names that derive from it."""
    store = r"sqlite:///[^'\"]*mlflow.db|(?:postgresql|mysql)://127.0.0.1:\d+/made_by_mlflow"
    state = r"(TrackingStore|Extraction)\.[0-9a-f]{16}"
    shown = [(repr(record), count) for record, count in contents(graph).items()]
    assert not [text for text, _ in shown if PASSWORD in text or QUOTED_PASSWORD in text]
    return Counter({re.sub(state, r"\1.…", re.sub(store, "STORE", text)): count for text, count in shown})


@schemas
@pytest.mark.parametrize("version", REVISIONS)
def test_each_version_of_the_schema_gives_the_rows_of_sqlite(
    server: Server, hand_made: dict[str, Path], version: str
) -> None:
    database = f"v{version.replace('.', '_')}"
    server.create_like(database, hand_made[version])
    found = read(server, database)
    expected = tables_of(read_database(f"sqlite:///{hand_made[version]}", Wanted(skip=NO_ARTIFACTS)))
    assert in_order(found) == in_order(expected)
    assert found["mlflow_store"] == [
        {
            "uri": f"{server.engine.name}://127.0.0.1:{server.port}/{database}",
            "mlflow_version": None,
            "schema_version": REVISIONS[version],
        }
    ]
    values = {row["step"]: row["value"] for row in found["mlflow_metric"] if row["run_id"] == "r3"}
    assert [values[7], values[8]] == [math.inf, -math.inf]
    assert math.isnan(values[9])
    assert "  " in {row["user_id"] for row in found["mlflow_run"]}


@schemas
def test_without_histories_the_latest_points_are_read(
    server: Server, store: str, hand_made: dict[str, Path]
) -> None:
    skip = frozenset({"artifacts", "metric_history", "logged_models"})
    found = tables_of(read_database_server(server.uri(store), Wanted(skip=skip)))
    assert in_order(found) == in_order(
        tables_of(read_database(f"sqlite:///{hand_made['3.18.0']}", Wanted(skip=skip)))
    )


@pytest.fixture(scope="session")
def store(server: Server, hand_made: dict[str, Path]) -> str:
    """A store of the newest version; do not change it."""
    server.create_like("newest", hand_made["3.18.0"])
    return "newest"


@schemas
def test_rows_of_many_megabytes_are_read(server: Server, hand_made: dict[str, Path]) -> None:
    server.create_like("wide", hand_made["3.18.0"])
    sizes = {"dataset_schema": 9_000_000, "dataset_profile": 12_000_000}
    repeated = ", ".join(f"{name} = repeat('é', {size // 2})" for name, size in sizes.items())
    columns = "dataset_uuid, experiment_id, name, digest, dataset_source_type, dataset_source"
    copies = [
        f"INSERT INTO datasets ({columns}) SELECT 'd{n}', 7, 'copy {n}', 'abc', 'local', '{{}}'"
        for n in range(2, 5)
    ]
    server.run("wide", *copies, f"UPDATE datasets SET {repeated} WHERE name IN ('wine', 'copy 3')")
    found = {row["name"]: row for row in read(server, "wide")["mlflow_dataset"]}
    assert {"copy 2", "copy 3", "copy 4", "wine"} < set(found)
    for name in ("wine", "copy 3"):
        assert {
            key: found[name][key.removeprefix("dataset_")] == "é" * (size // 2) for key, size in sizes.items()
        } == {
            "dataset_schema": True,
            "dataset_profile": True,
        }
    assert found["copy 4"]["profile"] is None


@schemas
def test_older_character_sets_are_read(server: Server, hand_made: dict[str, Path]) -> None:
    server.create_like("latin", hand_made["2.5.0"])
    if server.engine is MARIADB:
        server.run("latin", "ALTER TABLE params CONVERT TO CHARACTER SET latin1")
    server.run("latin", "UPDATE params SET value = 'façade'")
    assert [row["value"] for row in read(server, "latin")["mlflow_param"]] == ["façade"]


@schemas
@pytest.mark.parametrize("server", SERVERS[:1], indirect=True)
def test_the_search_path_says_where_the_tables_are(server: Server, hand_made: dict[str, Path]) -> None:
    server.create_like("shared", hand_made["2.5.0"])
    server.run("shared", "ALTER SCHEMA public RENAME TO team", "CREATE SCHEMA public")
    assert "is not an MLflow store" in failure(server.uri("shared"))
    found = read(server, "shared", query="?options=-csearch_path%3Dteam")
    assert len(found["mlflow_run"]) == 3
    assert found["mlflow_store"][0]["uri"].endswith("/shared?search_path=team")


@schemas
def test_columns_of_another_type_are_told(server: Server, hand_made: dict[str, Path]) -> None:
    server.create_like("changed", hand_made["2.5.0"])
    server.run(
        "changed", "ALTER TABLE runs DROP COLUMN end_time", "ALTER TABLE runs ADD COLUMN end_time varchar(9)"
    )
    assert len(read(server, "changed")["mlflow_run"]) == 3
    server.run("changed", "UPDATE runs SET end_time = 'soon'")
    assert "is not as MLflow makes it: end_ms is of type" in failure(server.uri("changed"))


@schemas
def test_a_password_is_found_where_the_driver_looks(
    server: Server, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = server.uri(store).replace(f":{QUOTED_PASSWORD}", "")
    if server.engine is POSTGRESQL:
        assert "asks for a password" in failure(uri)
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
        assert tables_of(read_database_server(uri, Wanted(skip=NO_ARTIFACTS)))
        monkeypatch.delenv("PGPASSWORD")
        secrets = tmp_path / "pgpass"
        secrets.write_text("*:*:*:*:" + PASSWORD.replace(":", "\\:"), "utf-8")
        secrets.chmod(0o600)
        uri += f"?passfile={secrets}"
    else:
        assert "refuses the user or the password" in failure(uri)
        (tmp_path / "my.cnf").write_text(f"[client]\nuser = boss\npassword = {PASSWORD}\n", "utf-8")
        uri = uri.replace("boss@", "") + f"?read_default_file={tmp_path}/my.cnf"
    assert tables_of(read_database_server(uri, Wanted(skip=NO_ARTIFACTS)))


# ---- Reading leaves no trace ---------------------------------------------------------------------


def test_a_user_who_may_only_read_suffices_and_nothing_is_migrated(
    server: Server, hand_made: dict[str, Path]
) -> None:
    server.create_like("closed", hand_made["2.5.0"])
    server.role("closed", "reader")
    assert len(read(server, "closed", "reader")["mlflow_run"]) == 3
    assert read(server, "closed")["mlflow_run"] == read(server, "closed", "reader")["mlflow_run"]
    assert server.run("closed", "SELECT version_num FROM alembic_version") == [(REVISIONS["2.5.0"],)]
    with pytest.raises(Exception, match="denied"), closing(server.connect("closed", "reader")) as connection:
        connection.cursor().execute("DELETE FROM runs")


def test_a_store_that_is_written_to_is_seen_as_it_was(server: Server, hand_made: dict[str, Path]) -> None:
    server.create_like("busy", hand_made["3.18.0"])
    before = in_order(read(server, "busy"))
    reading = read_database_server(server.uri("busy"), Wanted(skip=NO_ARTIFACTS))
    assert next(reading)[0] == "mlflow_store"
    server.run("busy", "UPDATE runs SET name = 'new'", "DELETE FROM metrics")
    assert in_order(tables_of(reading)) == before
    assert "mlflow_metric" not in read(server, "busy")


def test_a_reading_that_is_given_up_lets_the_server_go(server: Server, big: str) -> None:
    reading = read_database_server(server.uri(big), Wanted(skip=NO_ARTIFACTS))
    assert "mlflow_metric" in (name for name, _ in reading)
    assert connections(server, big) == 1
    reading.close()  # type: ignore[attr-defined]
    for _ in range(200):
        if connections(server, big) == 0:
            break
    assert connections(server, big) == 0


def connections(server: Server, database: str) -> int:
    return len(sessions(server, database))


def sessions(server: Server, database: str) -> list[int]:
    """The other connections to a database."""
    if server.engine is POSTGRESQL:
        query = f"SELECT pid FROM pg_stat_activity WHERE datname = '{database}'"
        return [number for (number,) in server.run("postgres", query)]
    query = f"SELECT id FROM information_schema.processlist WHERE db = '{database}'"
    return [number for (number,) in server.run("mysql", query)]


@pytest.fixture(scope="session")
def big(server: Server, hand_made: dict[str, Path]) -> str:
    """A store with more points than any buffer holds."""
    server.create_like("big", hand_made["3.18.0"])
    numbers = (
        "generate_series(1, 600000) AS s(n)"
        if server.engine is POSTGRESQL
        else "(SELECT seq AS n FROM seq_1_to_600000) AS s"
    )
    no = "false" if server.engine is POSTGRESQL else "0"
    columns = ", ".join(
        f"{server.engine.quote}{name}{server.engine.quote}"
        for name in ("run_uuid", "key", "step", "timestamp", "value", "is_nan")
    )
    server.run(
        "big",
        f"INSERT INTO metrics ({columns}) SELECT 'r1', 'a long name of a metric', n, n, n, {no} FROM {numbers}",
    )
    return "big"


# ---- What goes wrong -----------------------------------------------------------------------------


def test_a_wrong_password_is_told_without_it(server: Server, store: str) -> None:
    uri = server.uri(store).replace("boss", "b%6fss").replace(QUOTED_PASSWORD, "wr%40ng")
    said = failure(uri)
    assert "refuses the user or the password" in said
    assert "wr@ng" not in said


def test_a_database_that_is_not_there_is_told(server: Server) -> None:
    assert "a database that the server does not have" in failure(server.uri("nowhere"))


def test_a_database_of_something_else_is_told(server: Server) -> None:
    server.create("other")
    assert "is not an MLflow store: it has no experiments.experiment_id and no runs.run_uuid" in failure(
        server.uri("other")
    )


def test_a_server_that_is_down_is_told(server: Server) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        said = failure(server.uri("mlflow").replace(f":{server.port}/", f":{port}/"))
    assert "can't be reached: nothing listens at this host and port" in said
    assert f"127.0.0.1:{port}" in said


def test_a_host_that_is_unknown_is_told(server: Server) -> None:
    said = failure(server.uri("mlflow").replace("127.0.0.1", "no-such-host.invalid"))
    assert "can't be reached: the host name is unknown" in said


@schemas
def test_a_table_that_may_not_be_read_is_told(server: Server, store: str) -> None:
    server.role(store, "halfway", tables=("experiments", "runs", "alembic_version"))
    said = failure(server.uri(store, "halfway"))
    assert "may not" in said and "experiment_tags" in said and "GRANT SELECT" in said


@schemas
def test_a_connection_that_is_lost_in_mid_read_is_told(server: Server, big: str) -> None:
    reading = read_database_server(server.uri(big), Wanted(skip=NO_ARTIFACTS))
    assert "mlflow_metric" in (name for name, _ in reading)
    (session,) = sessions(server, big)
    end = (
        f"SELECT pg_terminate_backend({session})"
        if server.engine is POSTGRESQL
        else f"KILL CONNECTION {session}"
    )
    server.run("postgres" if server.engine is POSTGRESQL else "mysql", end)
    with pytest.raises(SourceError, match="ended the connection in mid-read; read it again"):
        list(reading)


@schemas
def test_a_query_that_takes_too_long_is_told(server: Server, big: str) -> None:
    server.role(big, "hasty")
    if server.engine is POSTGRESQL:
        said = failure(server.uri(big, "hasty", query="?options=-c%20statement_timeout%3D40"))
    else:
        server.run(big, "GRANT USAGE ON *.* TO hasty@'%' WITH MAX_STATEMENT_TIME 0.04")
        said = failure(server.uri(big, "hasty"))
    assert "broke a query off after its" in said


@schemas
def test_ssl_that_one_side_lacks_is_told(server: Server, store: str) -> None:
    server.role(store, "with_tls")
    query = "?sslmode=require" if server.engine is POSTGRESQL else "?ssl_mode=REQUIRED"
    if server.engine is POSTGRESQL:
        assert "has no SSL, which sslmode asks for" in failure(server.uri(store, query=query))
        assert "takes no connection" in failure(server.uri(store, "with_tls"))
    else:
        server.run(store, "ALTER USER with_tls@'%' REQUIRE SSL")
        assert "can't be spoken to by SSL" in failure(server.uri(store, query=query))
        assert "must use SSL" in failure(server.uri(store, "with_tls"))


@pytest.mark.parametrize(
    ("scheme", "modules", "extra"),
    [
        ("postgresql", ["adbc_driver_postgresql", "adbc_driver_postgresql.dbapi"], "postgresql"),
        ("mysql", ["pymysql"], "mysql"),
        ("mssql+pymssql", ["pymssql"], "mssql"),
    ],
)
def test_a_driver_that_is_missing_is_told_with_the_command(
    scheme: str, modules: list[str], extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    assert f'pip install "mlflow2prov[{extra}]"' in failure(
        f"{scheme}://ada:{QUOTED_PASSWORD}@localhost/mlflow"
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert extra in project["optional-dependencies"]


@schemas
def test_drivers_of_servers_are_imported_on_use_only(hand_made: dict[str, Path]) -> None:
    code = (
        "import sys; from mlflow2prov.sources.mlflow.database import read_database;"
        "from mlflow2prov.sources.mlflow.parts import Wanted; wanted = Wanted(skip=frozenset({'artifacts'}));"
        " assert sum(batch.num_rows for _, batch in read_database(sys.argv[1], wanted));"
        " print(*{'adbc_driver_postgresql', 'pymysql', 'pymssql'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, f"sqlite:///{hand_made['3.18.0']}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_command_line_says_it_and_ends_with_code_1() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        uri = f"postgresql+psycopg2://ada:{QUOTED_PASSWORD}@127.0.0.1:{taken.getsockname()[1]}/mlflow"
        command = [sys.executable, "-m", "mlflow2prov", "extract", "--mlflow_url", uri]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "can't be reached" in said
    assert PASSWORD not in said and QUOTED_PASSWORD not in said


# ---- URIs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "namespace"),
    [
        ("postgresql://h/mlflow", "postgresql://h/mlflow#"),
        ("postgres://H:5432/mlflow", "postgresql://h/mlflow#"),
        ("postgresql+psycopg2://ada:p%40ss@h/mlflow?sslmode=require&password=x", "postgresql://h/mlflow#"),
        ("postgresql+asyncpg://ada@h:5433/my%20flow", "postgresql://h:5433/my%20flow#"),
        ("postgresql://a:5432,b:5433/mlflow", "postgresql://a,b:5433/mlflow#"),
        ("postgresql://ada@/mlflow?host=/run/postgresql", "postgresql://box/mlflow#"),
        ("postgresql:///mlflow?host=h&port=5432", "postgresql://h/mlflow#"),
        ("postgresql://h/mlflow?options=-csearch_path%3Dteam", "postgresql://h/mlflow?search_path=team#"),
        ("postgresql:///?service=prod", "postgresql://box/?service=prod#"),
        ("mysql+pymysql://ada:a/b@h:3306/mlflow?charset=utf8mb4", "mysql://h/mlflow#"),
        ("mariadb+mariadbconnector://h/mlflow", "mysql://h/mlflow#"),
        ("mssql+pyodbc://ada:s@h:1433/mlflow?driver=ODBC+Driver+18", "mssql://h/mlflow#"),
    ],
)
def test_all_spellings_of_a_database_have_one_namespace(uri: str, namespace: str) -> None:
    assert store_namespace(uri, "box") == namespace


@pytest.mark.parametrize(
    "uri", ["postgresql:h/db", "mysql://u:secret@a@b/c", "oracle://u:secret@h/db", "mlruns"]
)
def test_a_uri_that_can_not_be_read_is_refused_without_credentials(uri: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_database_server(uri)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "dialect", [SQLITE, POSTGRESQL_DIALECT, MYSQL, MSSQL], ids=lambda dialect: dialect.name
)
def test_every_declaration_has_sql_in_every_dialect(dialect: Dialect) -> None:
    before, after = dialect.quotes
    for reading in READINGS:
        texts = [reading.source, *(sql for expressions in reading.columns.values() for sql in expressions)]
        for text in texts:
            sql = re.sub(r"'[^']*'", "''", dialect.sql(text))
            assert "@" not in sql and "{" not in sql
            assert sql.count("(") == sql.count(")")
            for alias, name in re.findall(r"\b([a-z])\.\W?(\w+)", sql):
                assert f"{alias}.{before}{name}{after}" in sql


def test_every_scheme_has_an_engine() -> None:
    assert {engine for engine, _ in ENGINES.values()} == set(_ENGINES)
    address = DatabaseUri.parse("mysql://ada:p%40ss@h/db?ssl_ca=/x&ssl_key_password=hush")
    assert address.hidden("for ada with p@ss, p%40ss or hush") == "for ada with …, … or …"


@schemas
def test_a_cache_follows_a_database_on_a_server(
    server: Server, hand_made: dict[str, Path], tmp_path: Path
) -> None:
    server.create_like("followed", hand_made["3.17.2"])
    uri, options = (
        server.uri("followed"),
        {"skip": ["artifacts"], "mlflow_namespace": "http://m.example.org/#"},
    )

    def both() -> tuple[Any, Any]:
        full = extract(mlflow_url=uri, **options)
        return told(extract(mlflow_url=uri, cache=tmp_path / "c.duckdb", **options)), told(full)

    cached, full = both()
    assert cached == full
    assert both() == (full, full)
    false = "false" if server.engine is POSTGRESQL else "0"
    server.run(
        "followed",
        "INSERT INTO runs (run_uuid, name, experiment_id, lifecycle_stage, status, start_time, end_time) "
        "VALUES ('later', 'one more', 8, 'active', 'FINISHED', 7, 8)",
        *(
            "INSERT INTO metrics (run_uuid, key, value, timestamp, step, is_nan) "
            f"VALUES ('{run_id}', 'late', 0.5, 9, 9, {false})".replace(
                " key,", ' "key",' if server.engine is POSTGRESQL else " `key`,"
            )
            for run_id in ("later", "r3")
        ),
        "UPDATE tags SET value = 'another' WHERE run_uuid = 'r2'",
    )
    cached, later = both()
    assert later != full
    assert later.keys() <= cached.keys()
    assert {
        word
        for record in cached.keys() - later.keys()
        for word in ("Change", "FormerState")
        if word in str(record)
    }
    for table in ("tags", "metrics", "runs"):
        server.run("followed", f"DELETE FROM {table} WHERE run_uuid = 'later'")
    cached, full = both()
    assert not any("late" in str(record) and "Run.later" in str(record) for record in full)
    assert any("Deletion.run--later" in str(record) for record in cached)
