"""Texts of a history in every encoding come through every format, and answers show them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contents import contents
from tests.sources.git_maker import ADA, Repository

from mlflow2prov import Graph, extract, formats
from mlflow2prov.cli import run as run_command
from mlflow2prov.formats import FORMATS

PATHS = {
    b"latin-\xe9.txt": "latin-\\xe9.txt",
    "übung/größe.txt".encode(): "übung/größe.txt",
    "übung/größe.txt".encode(): "übung/größe.txt",
    b"wide/" + "größe".encode("utf-16-le").replace(b"\0", b"\x01"): "",
    b"\xef\xbb\xbfmark.txt": "",
    b"surrogate-\xed\xa0\x80.txt": "surrogate-\\xed\\xa0\\x80.txt",
    b"overlong-\xc0\xafx": "overlong-\\xc0\\xafx",
    b"beyond-\xf4\x90\x80\x80": "beyond-\\xf4\\x90\\x80\\x80",
    "no character \uffff \ufffe \ufdd0 \U0001ffff".encode(): "",
    b"controls \x01\x07\x1b[31m \x7f \xc2\x85 \x0b": "",
    b"lines\n and\ttabs\rand more\r\n": "",
    "separators \u2028 \u2029 \u00a0 \u200b \u202e txt".encode(): "",
    b"quotes '\"`\\ <&>]]> %0a %ff ${x} {y} \\x41 \\u0041": "",
    b" blanks at the ends ": "",
    b"-option": "",
    "🍷/👩‍🔬.csv".encode(): "🍷/👩‍🔬.csv",
    b"long/" + b"/".join([b"x" * 200] * 15): "",
}
"""Paths of files, and how they are shown, where that is not as they are or to be looked at."""

MESSAGES: list[tuple[bytes, list[bytes]]] = [
    ("Größe\n".encode("latin-1"), [b"encoding ISO-8859-1"]),
    ("Größe\n".encode("latin-1"), []),
    ("大きさ\n".encode("shift_jis"), [b"encoding Shift_JIS"]),
    ("大きさ\n".encode("euc_jp"), [b"encoding EUC-JP"]),
    ("大きさ\n".encode("iso2022_jp"), [b"encoding ISO-2022-JP"]),
    ("размер\n".encode("koi8-r"), [b"encoding KOI8-R"]),
    ("“quoted” €\n".encode("cp1252"), [b"encoding windows-1252"]),
    ("Größe\n".encode("utf-16"), [b"encoding UTF-16"]),
    ("Größe\n".encode("utf-32-be"), [b"encoding UTF-32BE"]),
    (b"+AOQ-\n", [b"encoding UTF-7"]),
    (b"\xff\xfe odd\n", [b"encoding no-such-thing"]),
    ("Größe\n".encode(), [b"encoding latin-1"]),
    ("Größe\n".encode(), [b"encoding "]),
    (b"\xe9 in latin\n", [b"encoding UTF-8"]),
    (b"\xef\xbb\xbfbegins with a mark\n", []),
    (b"a\0b \x01\x02 \x1b[31mred\x1b[0m \x7f \xc2\x85\n", []),
    ("no character \uffff \ufffe \U0010ffff\n".encode(), []),
    (b"half \xed\xa0\xbd pair \xed\xb0\x80\n", []),
    (b"lines\r\nof\rall\n\nkinds\x0b\x0c\xe2\x80\xa8 and more\n", []),
    (b"]]> <!-- & --> %% @en^^xsd:x \\ \\\\ \"\"\" ''' {{x}}\n", []),
    ("e\u0301".encode() * 50_000, []),
    (b"x" * 1_000_000, []),
    (b"", []),
    (b"\n", []),
]
"""Messages of commits, and the lines before them."""

BRANCHES = [
    b"latin-\xe9",
    "größe/🍷".encode(),
    b"half-\xed\xa0\x80",
    "\u202emirror \u2028".replace(" ", "").encode(),
]


def make(folder: Path) -> Repository:
    made = Repository(folder)
    names = [b"plain", *PATHS]
    commit = ""
    for number, (message, headers) in enumerate(MESSAGES):
        some = {path: str(number) for path in names[: number + 1]}
        odd = [b"Andr\xe9 \xc3\xa9 <a\xe9@example.org>", "Zoë\u202e <zoë@example.org>".encode()]
        author = ADA if headers else odd[number % 2]
        parents = [commit] if commit else []
        commit = made.commit(some, *parents, message=message, author=author, headers=headers)
    for branch in BRANCHES:
        made.git("update-ref", b"refs/heads/" + branch, commit)
        made.git("tag", "-a", "-m", b"of \xe9 and \xc3\xa9", b"tag-" + branch, commit)
    return made


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return make(tmp_path_factory.mktemp("encodings") / "r")


@pytest.fixture(scope="module")
def graph(made: Repository) -> Iterator[Graph]:
    with extract(made.path) as found:
        yield found


def test_texts_are_shown_as_they_are_meant(graph: Graph) -> None:
    rows = graph.sql("SELECT message FROM Commit WHERE message IS NOT NULL").to_pylist()
    said = {row["message"] for row in rows}
    for text in (
        "Größe",
        "大きさ",
        "размер",
        "“quoted” €",
        "Gr\\xf6\\xdfe",
        "\\xff\\xfe odd",
        "\\xe9 in latin",
    ):
        assert text in said, text
    assert max(map(len, said)) == 1_000_000
    for (text,) in graph.query("SELECT local FROM {graph}.name"):
        text.encode()


@pytest.mark.parametrize("name", [row.name for row in FORMATS.values() if row.writes])
def test_every_format_brings_all_texts_back(graph: Graph, tmp_path: Path, name: str) -> None:
    row = FORMATS[name]
    if row.marker:
        again = formats.read(graph.save(tmp_path / "saved", name)) if row.reads else None
    else:
        file = io.BytesIO()
        formats.write_to(graph, file, name)
        again = formats.read_from(io.BytesIO(file.getvalue()), f"x.{name}", name) if row.reads else None
    if again is not None:
        with again:
            assert contents(again) == contents(graph)


@pytest.mark.parametrize(
    "question", [["ask", "history-of-file"], ["ask", "runs-of-file"], ["why"], ["impact"]]
)
def test_answers_show_all_texts(
    graph: Graph, tmp_path: Path, capsys: pytest.CaptureFixture[str], question: list[str]
) -> None:
    saved = graph.save(tmp_path / "saved.json", "json")
    paths = [row["path"] for row in graph.sql("SELECT DISTINCT path FROM FileRevision").to_pylist()]
    assert len(paths) == len(PATHS) + 1
    for path in paths:
        about = ["--param", f"file={path}"] if question[0] == "ask" else [f"--of={path}"]
        assert run_command(["load", "--input", str(saved), *question, *about]) == 0, path
        said = capsys.readouterr().out
        assert not set("\x00\x01\x07\x0b\x1b\x7f\x85\r\u202e\u2028\u200b") & set(said), path
        if question[0] != "ask":
            assert len(said.splitlines()[0]) < 10_000


def test_queries_give_all_texts(graph: Graph, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = graph.save(tmp_path / "saved.json", "json")
    sql = "SELECT DISTINCT path FROM FileRevision ORDER BY path"
    expected = [row["path"] for row in graph.sql(sql).to_pylist()]
    told = {}
    for form in ("json", "csv"):
        assert run_command(["load", "--input", str(saved), "query", f"--sql={sql}", "--format", form]) == 0
        told[form] = capsys.readouterr().out
    assert [row["path"] for row in json.loads(told["json"])] == expected
    assert [path for (path,) in csv.reader(io.StringIO(told["csv"], newline=""))][1:] == expected
    assert run_command(["load", "--input", str(saved), "query", f"--sql={sql}"]) == 0
    assert not set("\x00\x01\x07\x0b\x1b\x85\u202e") & set(capsys.readouterr().out)
