"""Queries: what they see, how answers are written, and that they can do nothing but read the graph."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from tests.conftest import DemoProject

from contents import contents
from documents import documents, graph_of
from mlflow2prov import Graph, Mlflow2ProvError, cli, extract
from mlflow2prov.errors import UsageError
from mlflow2prov.prov.records import ELEMENT_KINDS, RELATION_KINDS
from mlflow2prov.query.beside import beside
from mlflow2prov.query.sandbox import sql_answer
from mlflow2prov.query.views import views

DOCUMENT = {
    "prefix": {"ex": "http://example.org/", "m2p": "https://w3id.org/mlflow2prov#"},
    "entity": {
        "ex:m": {
            "prov:type": {"$": "m2p:Metric", "type": "xsd:QName"},
            "m2p:name": "loss",
            "m2p:value": {"$": "INF", "type": "xsd:double"},
            "m2p:step": {"$": "3", "type": "xsd:long"},
            "m2p:is_latest": {"$": "true", "type": "xsd:boolean"},
            "m2p:timestamp": {"$": "2024-03-01T12:00:00+02:00", "type": "xsd:dateTime"},
        },
    },
    "activity": {"ex:a": {"prov:startTime": "2024-03-01T00:00:00Z", "prov:label": "a \x1b[31m|\nb"}},
    "used": {"_:u": {"prov:activity": "ex:a", "prov:entity": "ex:m", "prov:role": "input"}},
    "bundle": {"ex:b": {"entity": {"ex:m": {"m2p:note": "again"}}}},
}


@pytest.fixture(scope="module")
def graph() -> Graph:
    return graph_of(json.dumps(DOCUMENT).encode())


def test_a_type_is_a_table_with_its_attributes_as_typed_columns(graph: Graph) -> None:
    (row,) = graph.sql("SELECT * FROM Metric").to_pylist()
    assert row["id"] == "ex:m" and row["name"] == "loss"
    assert (row["value"], row["step"], row["is_latest"]) == (float("inf"), 3, True)
    assert row["timestamp"].isoformat() == "2024-03-01T10:00:00+00:00"
    assert graph.sql("SELECT count(*) AS n FROM Run").to_pylist() == [{"n": 0}]


def test_records_are_tables_too(graph: Graph) -> None:
    assert graph.sql("SELECT activity, entity, role FROM used").to_pylist() == [
        {"activity": "ex:a", "entity": "ex:m", "role": "input"}
    ]
    assert graph.sql("SELECT kind, subject, object FROM edge").to_pylist() == [
        {"kind": "used", "subject": "ex:a", "object": "ex:m"}
    ]
    assert graph.sql("SELECT bundle FROM entity ORDER BY bundle NULLS FIRST").to_pylist() == [
        {"bundle": None},
        {"bundle": "ex:b"},
    ]
    found = graph.sql("SELECT attributes FROM entity WHERE bundle = 'ex:b'").to_pylist()
    assert found == [{"attributes": [{"name": "m2p:note", "value": "again"}]}]
    assert graph.sql("SELECT value, datatype FROM attribute WHERE name = 'm2p:step'").to_pylist() == [
        {"value": "3", "datatype": "xsd:long"}
    ]


def test_every_view_has_the_columns_that_it_declares(graph: Graph) -> None:
    every = " ".join(f'LEFT JOIN {view.schema}."{view.name}" ON false' for view in views().values())
    table = graph.sql(f"SELECT * FROM (SELECT 1 AS one) {every}")
    assert len(table.schema.names) == 1 + sum(len(view.columns) for view in views().values())
    described = graph.sql("SELECT table_schema || '.' || table_name AS n, list(column_name) AS c FROM "
                          "information_schema.columns GROUP BY 1").to_pylist()  # fmt: skip
    columns = {row["n"]: set(row["c"]) for row in described}
    assert all(columns[name] == set(view.columns) for name, view in views().items())


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents())
def test_the_views_have_every_record_of_any_document(raw: bytes) -> None:
    with graph_of(raw) as some:
        counted = contents(some)
        kinds = (*ELEMENT_KINDS, *RELATION_KINDS)
        every = " UNION ALL ".join(
            f"SELECT '{kind.name}' AS k, count(*) AS n FROM prov.{kind.name}" for kind in kinds
        )
        expected = {
            kind.name: sum(n for record, n in counted.items() if record[1] == kind.name) for kind in kinds
        }
        assert {row["k"]: row["n"] for row in some.sql(every).to_pylist()} == expected


def test_answers_are_the_demo_s(demo_project: DemoProject) -> None:
    demo = extract(demo_project.repository, f"sqlite:///{demo_project.database}")
    runs = demo_project.truth["mlflow"]["runs"]
    assert demo.sql("SELECT count(*) AS n FROM Run").to_pylist() == [{"n": len(runs)}]
    assert demo.to_arrow("run").num_rows == len(runs)
    assert demo.to_polars("Run").height == len(runs)
    commits = demo_project.truth["counts"]["git"]["commits"]
    asked = "SELECT (count(*) AS ?n) WHERE { ?c a m2p:Commit }"
    assert demo.sparql(asked).to_pylist() == [{"n": str(commits)}]
    champion = demo.lineage("models:/wine-production@champion")
    assert champion.sql("SELECT count(*) AS n FROM RegisteredModelVersion").to_pylist() == [{"n": 2}]
    network = champion.to_networkx()
    assert network.number_of_nodes() == champion.count("element")
    assert "m2p:Dataset" in champion._repr_html_()
    with pytest.raises(UsageError, match="no view 'Nothing'"):
        demo.to_arrow("Nothing")


# ---- breaking out ----------------------------------------------------------------------------------


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret.csv"
    file.write_text("password\nhunter2\n", encoding="utf-8")
    return file


SQL_ATTEMPTS = [
    "SELECT * FROM read_csv('{file}')",
    "SELECT * FROM read_csv_auto('{file}')",
    "SELECT * FROM read_text('{file}')",
    "SELECT * FROM read_blob('{file}')",
    "SELECT * FROM parquet_scan('{file}')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM sniff_csv('{file}')",
    "SELECT * FROM '{file}'",
    'SELECT * FROM "{file}"',
    "SELECT * FROM query('SELECT * FROM read_text(''{file}'')')",
    "SELECT * FROM query_table('{file}')",
    "SELECT (SELECT content FROM read_text('{file}'))",
    "WITH x AS (SELECT * FROM read_text('{file}')) SELECT * FROM x",
    "SELECT * FROM Run WHERE EXISTS (FROM read_text('{file}'))",
    "DESCRIBE SELECT * FROM read_csv('{file}')",
    "SUMMARIZE SELECT * FROM '{file}'",
    "FROM (PIVOT '{file}' ON password USING count(*))",
    "SELECT * FROM read_csv('http://127.0.0.1:9/x.csv')",
    "SELECT * FROM 'http://127.0.0.1:9/x.parquet'",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM which_secret('s3://x', 's3')",
    "SELECT getenv('HOME')",
    "SELECT * FROM secret",  # a variable of the calling program is no table
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "COPY Run FROM '{file}'",
    "ATTACH '{folder}/other.duckdb'",
    "ATTACH '{folder}/other.duckdb' AS o (TYPE sqlite)",
    "INSTALL httpfs",
    "LOAD httpfs",
    "EXPORT DATABASE '{folder}/out'",
    "IMPORT DATABASE '{folder}'",
    "CREATE TABLE t AS SELECT 1",
    "CREATE TEMP TABLE t AS SELECT * FROM '{file}'",
    "CREATE MACRO m() AS TABLE SELECT * FROM read_text('{file}')",
    "CREATE SECRET (TYPE s3)",
    "INSERT INTO Run (id) VALUES ('x')",
    "DELETE FROM Run",
    "DROP TABLE Run",
    "UPDATE Run SET id = 'x'",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "RESET memory_limit",
    "PRAGMA database_list",
    "PRAGMA enable_profiling",
    "CALL pragma_version()",
    "CHECKPOINT",
    "PREPARE x AS SELECT * FROM '{file}'",
    "EXPLAIN ANALYZE SELECT * FROM '{file}'",
    "SELECT 1; SELECT * FROM '{file}'",
    "SELECT 1; COPY (SELECT 1) TO '{folder}/out.csv'",
    "",
    "--",
    "nonsense",
]


@pytest.mark.parametrize("attempt", SQL_ATTEMPTS)
def test_sql_does_nothing_but_read_the_graph(attempt: str, graph: Graph, secret: Path) -> None:
    before = sorted(secret.parent.iterdir())
    with pytest.raises(Mlflow2ProvError) as raised:
        graph.sql(attempt.format(file=secret, folder=secret.parent))
    assert "hunter2" not in str(raised.value)
    assert sorted(secret.parent.iterdir()) == before
    assert graph.sql("SELECT count(*) AS n FROM Metric").to_pylist() == [{"n": 1}]


def test_the_engine_itself_reaches_no_file_whatever_passes_the_check(graph: Graph, secret: Path) -> None:
    from mlflow2prov.query.sandbox import _opened

    with _opened(graph, "SELECT 1") as cursor:
        for attempt in (
            "SELECT * FROM read_text('{file}')",
            "SELECT * FROM '{file}'",
            "COPY (SELECT 1) TO '{file}x'",
        ):
            with pytest.raises(Exception, match=r"(?i)disabled|not allowed|does not exist|read-only"):
                cursor.execute(attempt.format(file=secret)).fetchall()
        for setting in ("SET enable_external_access = true", "SET lock_configuration = false"):
            with pytest.raises(Exception, match=r"(?i)locked|cannot"):
                cursor.execute(setting)
        cursor.close()


SPARQL_ATTEMPTS = [
    "SELECT * { SERVICE <http://127.0.0.1:9999/> { ?s ?p ?o } }",
    "SELECT * { service silent ?x { ?s ?p ?o } }",
    "SELECT * { \\u0053ERVICE <http://127.0.0.1:9999/> { ?s ?p ?o } }",
    "SELECT * { ex:a\\' ?p ?o . SERVICE <http://127.0.0.1:9999/> { ?a ?b ?c } . ex:b\\' ?q ?r }",
    "SELECT * { ?s ?p '#' . SERVICE <http://127.0.0.1:9999/> { ?a ?b ?c } }",
    "SELECT * { ?s ?p ?o FILTER(?o<?p)SERVICE ex:x { ?a ?b ?c } FILTER(?p>?o) }",
    "LOAD <file:///etc/passwd>",
    "INSERT DATA { <http://a> <http://b> <http://c> }",
    "DELETE WHERE { ?s ?p ?o }",
    "DROP ALL",
    "nonsense",
    "SELECT (<http://example.org/f>(?s) AS ?x) { ?s ?p ?o }",
    "",
]


@pytest.mark.parametrize("attempt", SPARQL_ATTEMPTS)
def test_sparql_does_nothing_but_read_the_graph(attempt: str, graph: Graph) -> None:
    before = graph.sparql("SELECT (count(*) AS ?n) { ?s ?p ?o }").to_pylist()
    with pytest.raises(UsageError):
        graph.sparql(attempt)
    assert graph.sparql("SELECT (count(*) AS ?n) { ?s ?p ?o }").to_pylist() == before


def test_instants_that_python_has_not_are_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    times = {"prov:startTime": "-0044-03-15T12:00:00Z", "prov:endTime": "12012-01-01T00:00:00.5Z"}
    document = {"prefix": DOCUMENT["prefix"], "activity": {"ex:a": times}, "entity": {"ex:e": {}}}
    document["wasGeneratedBy"] = {"_:g": {"prov:entity": "ex:e", "prov:activity": "ex:a"}}
    file = tmp_path / "far.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    wanted = ("-0044-03-15T12:00:00Z", "12012-01-01T00:00:00.5Z")
    sql = "SELECT start_time, [end_time] AS ends, {'t': start_time} AS s FROM activity"
    for form in ("table", "csv", "json"):
        assert cli.run(["load", "--input", str(file), "query", "--sql", sql, "--format", form]) == 0
        shown = capsys.readouterr().out
        assert all(shown.count(one) == count for one, count in zip(wanted, (2, 1), strict=True))
    with graph_of(file.read_bytes()) as graph:
        assert wanted[0] in graph.why("ex:a").text()
        assert graph.to_networkx().nodes["ex:a"]["end_time"] == wanted[1]
        assert graph.to_networkx().number_of_edges() == 1


def test_what_parquet_can_not_hold_is_one_sentence(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    question = ["query", "--sql", "SELECT INTERVAL 1 DAY AS d", "--output", str(tmp_path / "d.parquet")]
    assert cli.run(["load", "--input", file, *question]) == 2
    assert "the answer can't be Parquet" in capsys.readouterr().err
    assert list(tmp_path.glob("d*")) == []


def test_an_update_is_told_to_be_one(graph: Graph) -> None:
    for update in ("PREFIX x: <http://x/> insert data { x:a x:b x:c }", "DROP ALL"):
        with pytest.raises(UsageError, match=r"can only read: .* not (INSERT|DROP)$"):
            graph.sparql(update)


def test_columns_of_one_name_are_told_apart(graph: Graph) -> None:
    rows = graph.sql("SELECT a.id, m.id, 1 AS id_1 FROM activity a, Metric m").to_pylist()
    assert rows == [{"id": "ex:a", "id_2": "ex:m", "id_1": 1}]


def test_from_chooses_among_the_bundles_and_fetches_nothing(graph: Graph, tmp_path: Path) -> None:
    file = tmp_path / "other.ttl"
    file.write_text("<http://a> <http://b> <http://c> .", encoding="utf-8")
    assert graph.sparql(f"SELECT * FROM <{file.as_uri()}> {{ ?s ?p ?o }}").num_rows == 0
    assert graph.sparql("SELECT * FROM ex:b { ?s m2p:note ?o }").to_pylist() == [
        {"s": "http://example.org/m", "o": "again"}
    ]
    assert (
        graph.sparql("SELECT ?service { ?service a prov:Activity . FILTER('SERVICE' != ?service) }").num_rows
        == 1
    )


# ---- the command -----------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(DOCUMENT), encoding="utf-8")
    return str(path)


def test_answers_are_written_as_tables_csv_json_and_parquet(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = "SELECT id, label, NULL AS value FROM activity UNION ALL SELECT id, label, value FROM Metric"
    load = ["load", "--input", file, "query", "--sql", sql]
    assert cli.run(load) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown and "a \\x1b[31m| b" in shown
    assert cli.run([*load, "--format", "csv"]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows == [["id", "label", "value"], ["ex:a", "a \x1b[31m|\nb", ""], ["ex:m", "", "INF"]]
    assert cli.run([*load, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)[1] == {"id": "ex:m", "label": None, "value": "INF"}
    assert cli.run([*load, "--output", str(tmp_path / "x.parquet"), "statistics"]) == 0
    assert pq.read_table(tmp_path / "x.parquet").column("id").to_pylist() == ["ex:a", "ex:m"]


def test_a_question_may_stand_in_a_file(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "q.sql").write_text("SELECT count(*) AS n FROM activity", encoding="utf-8")
    (tmp_path / "q.rq").write_text("ASK { ?s a prov:Activity }", encoding="utf-8")
    assert (
        cli.run(["load", "--input", file, "query", "--sql", str(tmp_path / "q.sql"), "--format", "csv"]) == 0
    )
    assert (
        cli.run(["load", "--input", file, "query", "--sparql", str(tmp_path / "q.rq"), "--format", "csv"])
        == 0
    )
    assert capsys.readouterr().out == "n\n1\nanswer\ntrue\n"


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--sql", "SELECT 1", "--sparql", "ASK {}"],
        ["--sql", "missing.sql"],
        ["--sql", "SELECT 1", "--format", "parquet"],
        ["--sql", "SELECT 1", "--format", "csv", "--output", "x.json"],
        ["--sql", "SELECT 1", "--output", "x.html"],
        ["--sql", "DROP TABLE Run"],
        ["--sql", "SELECT * FROM nothing"],
    ],
)
def test_wrong_questions_are_wrong_usage(options: list[str], file: str) -> None:
    assert cli.run(["load", "--input", file, "query", *options]) == 2


def test_a_question_is_one_of_two(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["load", "--input", file, "query"]) == 2
    assert "query needs --sql or --sparql\n" in capsys.readouterr().err


def test_several_documents_are_answered_one_by_one(file: str, tmp_path: Path) -> None:
    output = str(tmp_path / "n.csv")
    chain = ["load", "--input", file, "--input", file, "query", "--sql", "SELECT 1 AS n", "--output", output]
    assert cli.run(chain) == 0
    assert [(tmp_path / f"n-{n}.csv").read_text() for n in (1, 2)] == ["n\n1\n"] * 2


def test_an_answer_that_is_not_read_to_its_end_is_let_go_of(graph: Graph) -> None:
    with sql_answer(graph, "SELECT range AS n FROM range(100000000)") as answer:
        assert next(answer.rows()) == [0]
    assert graph.sql("SELECT 1 AS n").to_pylist() == [{"n": 1}]


def test_what_work_was_done_with_is_closed_once_and_never_stopped_afterwards() -> None:
    def called(pause_s: float) -> list[str]:
        calls: list[str] = []
        pieces = beside(lambda: iter([1, 2]), lambda: calls.append("stop"), lambda: calls.append("close"))
        assert next(pieces) == 1
        time.sleep(pause_s)
        pieces.close()
        return calls

    for n in range(150):
        assert called((n % 3) / 2000) in (["close"], ["stop", "close"])


_ENDLESS = [
    ("--sql", "SELECT count(*) FROM range(10000000000) a, range(1000000000) b"),
    ("--sparql", "SELECT (count(*) AS ?n) { VALUES ?a {0 1} VALUES ?b {0 1}" + "".join(
        f" VALUES ?v{n} {{0 1 2 3 4 5 6 7 8 9}}" for n in range(16)) + " }"),
]  # fmt: skip


@pytest.mark.parametrize("question", _ENDLESS, ids=["sql", "sparql"])
def test_an_endless_query_ends_when_it_is_interrupted(question: tuple[str, str], file: str) -> None:
    marker = (
        "import sys; from mlflow2prov import cli; from mlflow2prov.query.beside import _Patience as p\n"
        "n = p.next_of\ndef told(p, w):\n    print('waiting', flush=True)\n    return n(p, w)\n"
        "p.next_of = told\ncli.main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", marker, "load", "--input", file, "query", *question]
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert child.stdout
    assert child.stdout.readline() == "waiting\n"
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 130 and "interrupted" in said


@pytest.mark.parametrize("question", _ENDLESS, ids=["sql", "sparql"])
def test_an_endless_query_ends_after_its_time(question: tuple[str, str], file: str) -> None:
    script = "import sys; from mlflow2prov import cli; cli.main(sys.argv[1:])"
    options = ["query", *question, "--timeout", "1"]
    ended = subprocess.run(
        [sys.executable, "-c", script, "load", "--input", file, *options],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1 and ended.stdout == ""
    assert ended.stderr.startswith("mlflow2prov: error: no whole answer after 1 s")


def test_what_comes_in_time_is_not_hurt_by_a_timeout(graph: Graph) -> None:
    assert graph.sql("SELECT count(*) AS n FROM range(1000)", timeout_s=60).to_pylist() == [{"n": 1000}]
    assert graph.sparql("SELECT (1 AS ?n) {}", timeout_s=60).num_rows == 1
    with pytest.raises(Mlflow2ProvError, match=r"after 0\.3 s"):
        graph.sql(_ENDLESS[0][1], timeout_s=0.3)
    assert graph.sql("SELECT 1 AS n").to_pylist() == [{"n": 1}]
