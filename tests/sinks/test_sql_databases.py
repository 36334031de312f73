"""What stands in SQL databases that graphs were pushed into: tables and views, of ours and of others."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from databases import NEEDED, Server, connection
from read_back import READERS, Content

from mlflow2prov import Graph, load
from mlflow2prov.errors import SinkError, UsageError
from mlflow2prov.query.dialects import DuckDb
from mlflow2prov.query.views import views

EX = {"ex": "http://example.org/", "m2p": "https://w3id.org/mlflow2prov#"}


class Database:
    """An SQL database to push into, and to look into by another program."""

    def __init__(self, server: Server, name: str) -> None:
        self.server, self.name, self.schema = server, name, f"test_{name}"

    @property
    def url(self) -> str:
        """Of a schema that is this test's own."""
        return f"{self.server.url}?schema={self.schema}"

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements; return the rows of the last one."""
        if self.server.process is None:
            with duckdb.connect(self.server.url.removeprefix("duckdb://")) as opened:
                opened.execute("SET TimeZone = 'UTC'")
                return [opened.execute(one).fetchall() for one in statements][-1]
        with closing(connection(self.server.port)) as opened, opened.cursor() as cursor:
            for one in statements:
                cursor.execute(one)
            return list(cursor.fetchall()) if cursor.description else []

    def rows(self, what: str, columns: str = "*") -> list[tuple[Any, ...]]:
        """The rows of a table or a view."""
        return self.run(f"SELECT {columns} FROM {self.schema}.{what}")


@pytest.fixture(scope="module", params=[pytest.param("postgresql", marks=NEEDED["postgresql"]), "duckdb"])
def server(request: pytest.FixtureRequest, started: Callable[[str], Server]) -> Server:
    """A server of PostgreSQL, or a file."""
    return started(request.param)


@pytest.fixture
def database(server: Server, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database with a schema that nothing is in; afterwards it is gone."""
    made = Database(server, str(abs(hash(request.node.name)) % 10**6))
    yield made
    made.run(f"DROP SCHEMA IF EXISTS {made.schema} CASCADE")


def document(folder: Path, **parts: Any) -> Graph:
    """A graph of a small document."""
    file = folder / f"{len(list(folder.iterdir()))}.json"
    file.write_text(json.dumps({"prefix": EX} | parts))
    return load(file)


def typed(type_: str, /, **attributes: Any) -> dict[str, Any]:
    """An element of a type of ours."""
    return {"prov:type": {"$": f"m2p:{type_}", "type": "prov:QUALIFIED_NAME"}} | {
        f"m2p:{attribute}": value for attribute, value in attributes.items()
    }


def alike(value: Any) -> Any:
    """A value in a form in which both engines' values are equal, and can be sorted."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, list):
        given = [alike(one) for one in value]
        return repr(sorted(given) if value and isinstance(value[0], dict) else given)
    return repr(value)


def test_every_view_shows_what_queries_of_the_graph_see(server: Server, demo: Graph) -> None:
    demo.push(server.url, replace=True)
    database, dialect = Database(server, "views"), DuckDb(demo)
    for name, view in views().items():
        columns = ", ".join(f'"{column}"' for column in view.columns)
        own = demo.store.arrow(f"SELECT {columns} FROM ({view.sql(dialect)})").to_pylist()
        found = database.run(f'SELECT {", ".join(view.columns)} FROM prov."{_folded(server, view.name)}"')
        assert sorted([alike(one) for one in row] for row in found) == sorted(
            [alike(one) for one in row.values()] for row in own
        ), name


def _folded(server: Server, name: str) -> str:
    return name if server.process is None else name.lower()


def test_columns_have_types_of_their_own(server: Server, demo: Graph) -> None:
    demo.push(server.url)
    database = Database(server, "views")
    ((value, step, at, is_latest, name),) = database.run(
        "SELECT value, step, timestamp, is_latest, name FROM prov.Metric WHERE step IS NOT NULL ORDER BY timestamp LIMIT 1"
    )
    assert [type(one) for one in (value, step, at, is_latest, name)] == [float, int, datetime, bool, str]


def test_a_question_has_one_answer_in_every_sql(server: Server, demo: Graph) -> None:
    demo.push(server.url)
    sql = (
        "SELECT u.name, count(*) AS commits FROM {0}wasAssociatedWith a JOIN {0}Commit c ON c.id = a.activity "
        "JOIN {1}User u ON u.id = a.agent WHERE a.role = 'm2p:CommitAuthor' GROUP BY u.name ORDER BY commits DESC, u.name"
    )
    own = [tuple(row.values()) for row in demo.sql(sql.format("", "m2p.")).to_pylist()]
    assert Database(server, "views").run(sql.format("prov.", "prov.")) == own
    assert len(own) > 1


def test_pushing_twice_changes_no_row(database: Database, demo: Graph) -> None:
    demo.push(database.url)
    tables = ("prefix", "name", "bundle", "element", "relation")
    before = [sorted(map(repr, database.rows(table))) for table in tables]
    places = _places(database)
    demo.push(database.url)
    assert [sorted(map(repr, database.rows(table))) for table in tables] == before
    assert _places(database) == places


def _places(database: Database) -> list[tuple[Any, ...]]:
    """Where the rows are, which changes when a row is written anew."""
    place = "rowid" if database.server.process is None else "ctid::text, xmin::text"
    return sorted(database.rows("element", place) + database.rows("relation", place))


def test_what_has_changed_has_its_new_values(database: Database, tmp_path: Path) -> None:
    run = typed("Run", name="first", status="RUNNING", note="kept")
    document(tmp_path, entity={"ex:run": run, "ex:other": typed("Run", name="other")}).push(database.url)
    news = typed("Run", name="second", status="FINISHED") | {"prov:label": "a run"}
    news["prov:type"] = [news["prov:type"], {"$": "ex:Thing", "type": "prov:QUALIFIED_NAME"}]
    document(tmp_path, entity={"ex:run": news}, activity={"ex:run": {}}).push(database.url)
    assert sorted(database.rows("Run", "name, status, note, label")) == [
        ("other", None, None, None),
        ("second", "FINISHED", "kept", "a run"),
    ]
    document(tmp_path, entity={"ex:run": {"prov:type": run["prov:type"]}}).push(database.url)
    types = database.run(f"SELECT types FROM {database.schema}.entity WHERE id = 'ex:run'")
    assert types == [(["m2p:Run", "ex:Thing"],)]


def test_times_of_an_activity_come_later(database: Database, tmp_path: Path) -> None:
    begun = {"prov:startTime": "2024-05-01T12:00:00.5+02:00"} | typed("Creation")
    document(tmp_path, activity={"ex:a": begun}).push(database.url)
    document(tmp_path, activity={"ex:a": {"prov:endTime": "2024-05-01T12:00:00Z"}}).push(database.url)
    ((start, end),) = database.rows("Creation", "start_time, end_time")
    assert start == datetime(2024, 5, 1, 10, 0, 0, 500_000, tzinfo=UTC)
    assert end == datetime(2024, 5, 1, 12, tzinfo=UTC)


def test_one_prefix_of_two_documents_names_two_things(database: Database, tmp_path: Path) -> None:
    document(tmp_path, entity={"ex:a": {"ex:colour": "red"}}).push(database.url)
    other = document(tmp_path, entity={"ex:a": {"ex:colour": "blue"}}, prefix={"ex": "http://other.example/"})
    other.push(database.url)
    spelled = document(
        tmp_path,
        entity={"mine:a": {"other:weight": {"$": "other:heavy", "type": "prov:QUALIFIED_NAME"}}},
        prefix={"mine": EX["ex"], "other": "http://other.example/"},
    )
    spelled.push(database.url)
    assert sorted(database.rows("entity", "id, iri")) == [
        ("ex2:a", "http://other.example/a"),
        ("ex:a", "http://example.org/a"),
    ]
    assert sorted(database.rows("attribute", "id, name, value")) == [
        ("ex2:a", "ex2:colour", "blue"),
        ("ex:a", "ex2:weight", "ex2:heavy"),
        ("ex:a", "ex:colour", "red"),
    ]


def test_a_blank_identifier_does_not_make_a_relation_another_one(database: Database, tmp_path: Path) -> None:
    used = {"prov:activity": "ex:a", "prov:entity": "ex:e", "prov:role": "reader"}
    derived = {"prov:generatedEntity": "ex:f", "prov:usedEntity": "ex:e", "prov:usage": "_:u"}
    things: dict[str, Any] = {"activity": {"ex:a": {}}, "entity": {"ex:e": {}, "ex:f": {}}}
    without = document(tmp_path, **things, used={"_:x": used})
    named = document(tmp_path, **things, used={"_:u": used}, wasDerivedFrom={"_:d": derived})
    things["entity"]["ex:new"] = {}
    grown = document(tmp_path, **things, used={"_:u": used}, wasDerivedFrom={"_:d": derived})
    for graph in (without, named, grown, without):
        graph.push(database.url)
    ((used_id, role),) = database.rows("used", "id, role")
    ((usage,),) = database.rows("wasDerivedFrom", "usage")
    assert used_id == usage != None  # noqa: E711
    assert role == "reader"


def test_relations_that_say_the_same_are_as_many_as_in_the_graph(database: Database, tmp_path: Path) -> None:
    said = {"prov:collection": "ex:c", "prov:entity": "ex:e"}
    members = {"_:1": said, "_:2": said, "_:3": said | {"prov:entity": "ex:d"}}
    graph = document(tmp_path, entity={"ex:c": {}, "ex:d": {}, "ex:e": {}}, hadMember=members)
    for _ in range(2):
        graph.push(database.url)
    assert len(database.rows("hadMember")) == graph.count("relation")


def test_bundles_stand_apart(database: Database, tmp_path: Path) -> None:
    inner = {"prefix": EX, "entity": {"ex:e": {"ex:colour": "red"}}}
    graph = document(tmp_path, entity={"ex:e": {"ex:colour": "blue"}}, bundle={"ex:b": inner})
    for _ in range(2):
        graph.push(database.url)
    rows = sorted(database.rows("attribute", "bundle, id, value"), key=repr)
    assert rows == [("ex:b", "ex:e", "red"), (None, "ex:e", "blue")]


VALUES: dict[str, dict[str, Any]] = {
    "0.5": {"value": 0.5},
    "1e-300": {"value": 1e-300},
    "-1.5E307": {"value": -1.5e307},
    "NaN": {"value": math.nan},
    "-INF": {"value": -math.inf},
    "1.7976931348623157e308": {"value": 1.7976931348623157e308},
    "four": {"value": None},
    "": {"value": None},
}
STEPS = {"9223372036854775807": 2**63 - 1, "-7": -7, "9223372036854775808": None, "x": None, "": None}
MOMENTS = {
    "2024-02-29T23:59:59.123456Z": datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=UTC),
    "2024-05-01T12:00:00": datetime(2024, 5, 1, 12, tzinfo=UTC),
    "2024-05-01T00:30:00-05:30": datetime(2024, 5, 1, 6, tzinfo=UTC),
    "2023-02-29T00:00:00Z": None,
    "soon": None,
}


def test_values_that_are_none_of_their_columns_are_missing_there(database: Database, tmp_path: Path) -> None:
    columns = {"value": [*VALUES], "step": [*STEPS], "timestamp": [*MOMENTS]}
    entities = {
        f"ex:{column}{number}": typed("Metric", name=text, **{column: text})
        for column, texts in columns.items()
        for number, text in enumerate(texts)
    }
    document(tmp_path, entity=entities).push(database.url)
    for column, meant in (
        ("value", {text: one["value"] for text, one in VALUES.items()}),
        ("step", STEPS),
        ("timestamp", MOMENTS),
    ):
        found = database.run(
            f"SELECT name, {column} FROM {database.schema}.Metric WHERE id LIKE 'ex:{column}%'"
        )
        assert {name: alike(value) for name, value in found} == {
            text: alike(value) for text, value in meant.items()
        }


def test_texts_of_every_kind_stay_as_they_are(database: Database, tmp_path: Path) -> None:
    texts = [
        'it\'s "so"',
        "back\\slash \\u0000 \\x00",
        "a\nb\tc",
        "日本 🎉",
        "{}",
        "$",
        "x" * 100_000,
        "[null]",
    ]
    entities = {f"ex:{number}": typed("Param", name=text) for number, text in enumerate(texts)}
    long = f"ex:{'long' * 2_000}"
    document(tmp_path, entity=entities | {long: {}}).push(database.url)
    assert sorted(name for (name,) in database.rows("Param", "name")) == sorted(texts)
    assert (long,) in database.rows("entity", "id")


def test_tables_of_others_are_left_alone(database: Database, demo: Graph) -> None:
    schema = database.schema
    database.run(
        f"CREATE SCHEMA {schema}",
        f"CREATE TABLE {schema}.mine AS SELECT 1 AS x",
        f"CREATE TABLE {schema}.run (x text)",
    )
    with pytest.raises(
        SinkError, match=r"'run'.*did not make: push into another one, such as .*\?schema="
    ) as caught:
        demo.push(database.url)
    assert "p@ss" not in str(caught.value)
    database.run(f"DROP TABLE {schema}.run")
    demo.push(database.url, replace=True)
    assert database.rows("mine") == [(1,)]
    assert database.rows("element", "count(*)") == [(demo.count("element"),)]


def test_names_of_schemas_are_what_they_are(server: Server, tmp_path: Path) -> None:
    graph = document(tmp_path, entity={"ex:e": {}})
    graph.push(f"{server.url}?schema=My%20%22odd%22%20one%3B")
    database = Database(server, "odd")
    assert database.run('SELECT id FROM "My ""odd"" one;".entity') == [("ex:e",)]
    database.run('DROP SCHEMA "My ""odd"" one;" CASCADE')
    with pytest.raises(UsageError, match="schema has to have a name"):
        graph.push(f"{server.url}?schema=pg_catalog")


@pytest.mark.parametrize("server", [pytest.param("postgresql", marks=NEEDED["postgresql"])], indirect=True)
def test_two_pushes_at_once_are_both_there(server: Server, tmp_path: Path) -> None:
    database = Database(server, "both")
    files = []
    for number in range(2):
        file = tmp_path / f"{number}.json"
        entities = {f"ex:{number}-{n}": {} for n in range(300)} | {"ex:shared": {"ex:n": str(number)}}
        file.write_text(json.dumps({"prefix": EX, "entity": entities}))
        files.append(file)
    command = [sys.executable, "-m", "mlflow2prov", "load", "--input"]
    children = [subprocess.Popen([*command, str(file), "push", "--to", database.url]) for file in files]
    assert [child.wait(120) for child in children] == [0, 0]
    assert database.rows("entity", "count(*)") == [(601,)]
    database.run(f"DROP SCHEMA {database.schema} CASCADE")


test_two_pushes_at_once_are_both_there = pytest.mark.system("postgresql")(
    test_two_pushes_at_once_are_both_there
)


KILLED = """
import os, signal, sys
from mlflow2prov import load
from mlflow2prov.graph.store import Store
run = Store.run
def run_until(self, sql, parameters=None):
    if sql.startswith("INSERT INTO") and ".relation SELECT" in sql:
        os.kill(os.getpid(), signal.SIGKILL)
    return run(self, sql, parameters)
Store.run = run_until
load(sys.argv[1]).push(sys.argv[2])
"""


def test_a_push_into_a_file_that_is_killed_leaves_nothing_and_the_next_one_completes(
    tmp_path: Path, demo: Graph
) -> None:
    few, all_ = tmp_path / "few.json", demo.save(tmp_path / "all")
    demo.select(exclude_types=["Metric"]).save(few)
    server = Server([], tmp_path, 0, f"duckdb://{tmp_path / 'a.duckdb'}", lambda: None)
    load(few).push(server.url)
    before = READERS["duckdb"](server)
    done = subprocess.run([sys.executable, "-c", KILLED, str(all_), server.url])
    assert done.returncode == -signal.SIGKILL
    assert READERS["duckdb"](server) == before == Content.of(load(few))
    demo.push(server.url)
    assert READERS["duckdb"](server) == Content.of(demo)


def test_a_file_that_was_pushed_into_is_loaded_again(tmp_path: Path, demo: Graph) -> None:
    demo.push(f"duckdb://{tmp_path / 'a.duckdb'}?schema=main")
    again = load(tmp_path / "a.duckdb")
    assert Content.of(again) == Content.of(demo)
    assert again.sql("SELECT count(*) FROM Metric") == demo.sql("SELECT count(*) FROM Metric")


def test_a_file_that_is_none_of_duckdb_stays(tmp_path: Path, demo: Graph) -> None:
    (tmp_path / "notes.txt").write_text("not a database at all")
    with pytest.raises(SinkError, match="is no DuckDB database"):
        demo.push(f"duckdb://{tmp_path / 'notes.txt'}")
    assert (tmp_path / "notes.txt").read_text() == "not a database at all"
    with pytest.raises(SinkError, match="can't be"):
        demo.push(f"duckdb://{tmp_path / 'no' / 'such' / 'folder.duckdb'}")
    with pytest.raises(UsageError, match="names no file"):
        demo.push("duckdb://")
