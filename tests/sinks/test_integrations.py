"""The examples for databases: each gives the declared answers, on a real server, as its page prints it."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from databases import NAMES, NEEDED, Server, connection

from mlflow2prov import Graph
from pages import blocks, broken_links, check_commands

EXAMPLES = Path(__file__).parents[2] / "examples" / "integrations"
PAGES = sorted(EXAMPLES.rglob("*.md"))
QUESTIONS: list[dict[str, Any]] = yaml.safe_load((EXAMPLES / "questions.yaml").read_text("utf-8"))
IDS = [question["name"] for question in QUESTIONS]
NOT_RUN = {f"needs {what}" for what in ("a container", "a network", "a server", "DuckDB", "MongoDB", "Neo4j")}
QUESTION_FILE = re.compile(r"examples/integrations/(\S+/\S+\.(?:cypher|json|rq|sql))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A folder of the examples, whose name is that of a sink.

    Attributes:
        questions: their folder and suffix.
        printed: the URL of a server, as its page prints it; nothing, where no server is needed.
        path: what the URL to push to has at its end, where that is not all that is printed.
    """

    questions: str
    printed: str = ""
    path: str = ""

    def url(self, server: Server) -> str:
        """What stands for the printed URL."""
        return server.url.removesuffix(self.path)


DATABASES = {
    "duckdb": Example(questions="sql/*.sql"),
    "mongodb": Example(questions="mongodb/*.json", printed="mongodb://localhost:27017/prov"),
    "neo4j": Example(questions="neo4j/*.cypher", printed="bolt://neo4j:wine-quality@localhost:7687"),
    "postgresql": Example(
        questions="sql/*.sql", printed="postgresql://postgres:wine-quality@localhost:5432/postgres"
    ),
    "sparql": Example(questions="sparql/*.rq", printed="http://localhost:7878", path="/store"),
}


@pytest.fixture(scope="module")
def checkout(demo: Graph, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like a checkout after ``make demo``, as far as the examples go."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "demo").mkdir()
    demo.save(folder / "demo" / "provenance", "json")
    (folder / "examples").symlink_to(EXAMPLES.parent)
    return folder


def declared(question: dict[str, Any]) -> list[list[str]]:
    return [question["columns"], *([str(value) for value in row] for row in question["rows"])]


def told(rows: list[dict[str, Any]]) -> list[list[str]]:
    assert rows
    return [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]


def check_page(page: Path, checkout: Path, instead: tuple[str, str] = ("", "")) -> None:
    """Run the commands of a page, with something in place of what it prints."""
    for block in blocks(page):
        if block.language == "console" and "not run" not in block.marks:
            text = block.text.replace(*instead) if instead[0] else block.text
            check_commands(replace(block, text=text), checkout, f"{page.parent.name}:{block.line + 1}")


@pytest.mark.parametrize("name", NAMES)
def test_a_database_gives_the_declared_answers_as_its_page_prints_them(
    name: str, started: Callable[[str], Server], checkout: Path
) -> None:
    example, page = DATABASES[name], EXAMPLES / name / "README.md"
    assert answers_on(page) == {
        example.questions.replace("*", question["name"]): declared(question) for question in QUESTIONS
    }
    check_page(page, checkout, (example.printed, example.url(started(name))))


@pytest.mark.parametrize("server", [pytest.param("postgresql", marks=NEEDED["postgresql"])])
def test_the_planner_takes_no_question_for_so_dear_that_it_compiles_it(
    server: str, started: Callable[[str], Server], demo: Graph
) -> None:
    demo.push(f"{started(server).url}?schema=dear")
    with closing(connection(started(server).port)) as opened, opened.cursor() as cursor:
        cursor.execute("SET search_path = dear")
        cursor.execute("SHOW jit_above_cost")
        ((most,),) = cursor.fetchall()
        for question in QUESTIONS:
            sql = (EXAMPLES / "sql" / f"{question['name']}.sql").read_text("utf-8")
            cursor.execute(f"EXPLAIN (FORMAT json) {sql}")
            (([explained],),) = cursor.fetchall()
            assert 0 < explained["Plan"]["Total Cost"] < float(most), question["name"]
        cursor.execute("DROP SCHEMA dear CASCADE")


def answers_on(page: Path) -> dict[str, list[list[str]]]:
    """The answers in CSV that a page prints below the commands that ask a database, by the files of the questions."""
    commands = [command for block in blocks(page) for command in block.commands()]
    asked = [
        (QUESTION_FILE.search(command), output)
        for command, output in commands
        if "load --input" not in command
    ]
    return {found[1]: list(csv.reader(io.StringIO(output))) for found, output in asked if found and output}


@pytest.mark.parametrize("question", QUESTIONS, ids=IDS)
def test_the_shipped_questions_give_the_declared_answers(question: dict[str, Any], demo: Graph) -> None:
    assert {column for same in question["same_as"] for column in same["columns"]} == set(question["columns"])
    for same in question["same_as"]:
        parameters = {name: str(value) for name, value in same["parameters"].items()}
        rows = demo.ask(same["ask"], **parameters).to_pylist()
        places = [question["columns"].index(column) for column in same["columns"]]
        expected = [tuple(row[place] for place in places) for row in question["rows"]]
        found = [tuple(row[column] for column in same["columns"].values()) for row in rows]
        assert list(dict.fromkeys(found)) == list(dict.fromkeys(expected))


@pytest.mark.parametrize("question", QUESTIONS, ids=IDS)
def test_the_graph_itself_gives_the_declared_answers_in_sql_and_sparql(
    question: dict[str, Any], demo: Graph
) -> None:
    sql = (EXAMPLES / "sql" / f"{question['name']}.sql").read_text("utf-8")
    assert told(demo.sql(sql).to_pylist()) == declared(question)
    sparql = (EXAMPLES / "sparql" / f"{question['name']}.rq").read_text("utf-8")
    assert told(demo.sparql(sparql).to_pylist()) == declared(question)


def test_the_page_on_all_of_them_runs_as_printed(checkout: Path) -> None:
    check_page(EXAMPLES / "README.md", checkout)


SVG = "{http://www.w3.org/2000/svg}"
MOST = {"model": (40, 60), "run": (25, 45), "project": (65, 80), "family": (15, 20)}
"""How many nodes and edges each picture has at most."""


@pytest.mark.system("graphviz")
@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed: apt-get install graphviz")
def test_the_pictures_show_what_they_are_of_and_no_more_than_can_be_read(
    checkout: Path, demo_project: Any
) -> None:
    check_page(EXAMPLES / "graphviz" / "README.md", checkout)
    texts = {}
    for name, (nodes, edges) in MOST.items():
        picture = ElementTree.parse(checkout / f"{name}.svg")
        classes = Counter(group.get("class") for group in picture.iter(f"{SVG}g"))
        assert 5 < classes["node"] <= nodes, name
        assert 5 < classes["edge"] <= edges, name
        lines = [(text.text or "", float(text.get("font-size", 0))) for text in picture.iter(f"{SVG}text")]
        assert max(len(line) for line, _ in lines) <= 60, name
        assert min(size for _, size in lines) >= 8, name
        texts[name] = " ".join(line.replace("\N{NO-BREAK SPACE}", " ").strip() for line, _ in lines)
    for words in (
        "wine-candidate v3",
        "train.py @ a39dc48",
        "wine-train",
        "linear",
        "Chloé Durand",
        "Environment",
    ):
        assert words in texts["model"]
    for words in ("grid of forests", "depth 4", "grid_search.py @ 987417a", "tree @ 987417a", "chloe"):
        assert words in texts["run"]
    commits = [commit["sha"][:7] for commit in demo_project.truth["git"]["commits"]]
    for words in (*commits, "wine-candidate v4", "wine-production@champion", "Ada Lindqvist"):
        assert words in texts["project"]
    assert not {"ada", "ben", "chloe"} & set(texts["project"].split())
    assert ElementTree.parse(checkout / "small.svg").getroot().tag == f"{SVG}svg"


def test_every_folder_asks_every_question_and_every_page_is_whole() -> None:
    for database in DATABASES.values():
        files = EXAMPLES.glob(database.questions)
        assert sorted(path.stem for path in files) == sorted(IDS), database.questions
    overview = (EXAMPLES / "README.md").read_text("utf-8")
    for question in QUESTIONS:
        assert question["title"].replace("`", "") in " ".join(overview.replace("`", "").split())
    for page in PAGES:
        assert not broken_links(page), page
        assert page.parent == EXAMPLES or f"({page.parent.name}/README.md)" in overview
        assert {block.marks["not run"] for block in blocks(page) if "not run" in block.marks} <= NOT_RUN
        assert not {block.language for block in blocks(page)} & {"bash", "sh", "shell", "python"}
