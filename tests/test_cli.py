"""The command line, as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from heeding import heed_signals
from mlflow2prov.commands import COMMANDS

SMALL = (
    '{"prefix": {"ex": "http://example.org/"}, "entity": {"ex:e": {"prov:type": "t"}}, "agent": {"ex:a": {}}}'
)


def run(
    *arguments: str, stdin: bytes = b"", cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "mlflow2prov", *arguments],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env=os.environ | environment,
    )


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.json"
    path.write_text(SMALL)
    return path


def test_help_answers_in_under_300_ms() -> None:
    """The fastest of some, for what else the machine has to do is not the program's."""
    fastest = 1.0
    for _ in range(20):
        start = time.perf_counter()
        assert run("--help").returncode == 0
        fastest = min(fastest, time.perf_counter() - start)
        if fastest < 0.3:
            break
    assert fastest < 0.3


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_help_with_an_example_and_both_spellings(command: object) -> None:
    from mlflow2prov.commands.declared import Command

    assert isinstance(command, Command)
    shown = run(command.name, "--help").stdout.decode()
    assert "Example:" in shown
    for option in command.options:
        assert f"--{option.name}" in shown
        assert f"--{option.name.replace('_', '-')}" in shown


def test_commands_chain_and_documents_are_numbered(small: Path, tmp_path: Path) -> None:
    done = run("load", "--input", str(small), "--input", str(small), "save", "--output", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out-1.json", "out-2.json", "small.json"]
    done = run(
        "load", "--input", "out-1.json", "--input", "out-2.json", "merge", "save", "--output", "one", "statistics",
        "--format", "csv", cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout.decode().splitlines() == [
        "what,name,count", "element,entity,1", "element,activity,0", "element,agent,1", "relation,all,0",
    ]  # fmt: skip
    assert json.loads((tmp_path / "one.json").read_text())["entity"].keys() == {"ex:e"}


def test_a_dash_is_standard_input_and_output() -> None:
    done = run("load", "--input", "-", "save", "--output", "-", stdin=SMALL.encode())
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["agent"] == {"ex:a": {}}


def test_a_chain_does_the_same_from_the_command_line_and_from_a_configuration(
    small: Path, tmp_path: Path
) -> None:
    (tmp_path / "c.yaml").write_text(
        "- load: {input: '${NAME}'}\n- transform: {eliminate_duplicates: true}\n- save: {output: b}\n"
        "- statistics: {fine: true}\n"
    )
    by_file = run("--config", "c.yaml", cwd=tmp_path, NAME="small.json")
    assert by_file.returncode == 0, by_file.stderr
    by_words = run(
        "load", "--input", "small.json", "transform", "--eliminate-duplicates", "save", "--output", "a",
        "statistics", "--resolution", "fine", cwd=tmp_path,
    )  # fmt: skip
    assert by_file.stdout == by_words.stdout
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_validate_exits_with_0_or_2(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("- extract: {repository_path: .}\n- save: {output: x}\n")
    bad.write_text("- extract:\n- save: {outptu: x}\n")
    assert run("--validate", str(good)).returncode == 0
    done = run("--validate", str(bad))
    assert done.returncode == 2
    assert [line.split(":")[1] for line in done.stderr.decode().splitlines()] == ["1", "2", "2"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["extract"], 2, "--repository_path or --mlflow_url"),
        (["extract", "--repository_path", "/nowhere/at/all"], 1, "/nowhere/at/all"),
        (["extract", "--mlflow_url", "sqlite:////nowhere/mlflow.db"], 1, "/nowhere/mlflow.db"),
        (["extract", "--mlflow_url", "ftp://user:secret@example.org"], 2, "ftp://example.org"),
        (["extract", "--mlflow_url", "http://127.0.0.1:9", "statistics"], 1, "http://127.0.0.1:9"),
        (["extract", "--repository_path", ".", "--skip", "nothing"], 2, "metric_history"),
        (["load"], 2, "--input"),
        (["load", "--input", "missing.json"], 1, "missing.json"),
        (["load", "--input", "x.unknown"], 1, "x.unknown"),
        (["save", "--output", "x"], 2, "save has no document"),
        (["merge"], 2, "merge has no document"),
        (["frobnicate"], 2, "frobnicate"),
        (["load", "--input", "-", "save", "--output", "no/such/folder/x"], 1, "no/such/folder"),
        (["load", "--input", "-", "save", "--output", "x", "--format", "docx"], 2, "docx"),
        (["--config", "none.yaml"], 2, "none.yaml"),
        (["--verbose", "--quiet", "merge"], 2, "exclude each other"),
        (["load", "--input", "-"], 1, "it is empty"),
        (["extract", "--repository_path", ".", "--mlflow_url", ""], 2, "--mlflow_url is empty"),
        (
            ["extract", "--mlflow_url", ".", "--mlflow-url", ".."],
            2,
            "--mlflow_url is given twice",
        ),
        (["load", "--input", "-", "save", "--output", "."], 2, "no name of a file"),
        (["load", "--input", "-", "save", "--output", ""], 2, "--output is empty"),
        (
            ["load", "--input", "-", "load", "--input", "s.json", "save", "--output", "-"],
            2,
            "one document only",
        ),
        (["extract", "--repository_path", ".", "--database", "s.json"], 1, "no DuckDB database"),
    ],
)
def test_bad_input_gets_one_clear_sentence_and_the_documented_code(
    arguments: list[str], code: int, says: str, tmp_path: Path
) -> None:
    (tmp_path / "x.unknown").write_bytes(b"\x00\x01\x02")
    (tmp_path / "s.json").write_text(SMALL)
    done = run(*arguments, cwd=tmp_path, stdin=SMALL.encode() if "save" in arguments else b"")
    shown = done.stderr.decode()
    assert done.returncode == code, shown
    assert says in shown
    assert "Traceback" not in shown
    assert "secret" not in shown
    assert done.stdout == b""


def test_the_log_can_be_json(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "r"], cwd=tmp_path, check=True)
    done = run("--log_format", "json", "extract", "--repository_path", "r", cwd=tmp_path)
    assert done.returncode == 0
    (line,) = done.stderr.decode().splitlines()
    assert json.loads(line)["level"] == "warning"
    assert "no commits" in json.loads(line)["message"]


def test_quiet_says_nothing_but_errors(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "r"], cwd=tmp_path, check=True)
    assert run("--quiet", "extract", "--repository_path", "r", cwd=tmp_path).stderr == b""


def test_a_reader_that_goes_away_is_no_traceback(small: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "mlflow2prov", "load", "--input", str(small), "save", "--output", "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


def test_a_graph_kept_in_a_file_is_loaded_again(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "r"], cwd=tmp_path, check=True)
    subprocess.run(
        ["git", "-c", "user.name=A", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "m"],
        cwd=tmp_path / "r",
        check=True,
    )
    done = run(
        "extract", "--repository_path", "r", "--database", "g.duckdb", "save", "--output", "a", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    done = run("load", "--input", "g.duckdb", "save", "--output", "b", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json", "g.duckdb", "r"]


def test_markup_and_control_characters_are_shown_as_they_are(tmp_path: Path) -> None:
    odd = ["[/x]", "[red]", ":smile:", "\x1b[31mred", "x" * 300]
    document = {"prefix": {"ex": "http://e/"}, "entity": {"ex:e": {"prov:type": odd}}}
    (tmp_path / "odd.json").write_text(json.dumps(document))
    done = run("load", "--input", "odd.json", "statistics", "--resolution", "fine", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    shown = done.stdout.decode().replace("\n", "").replace(" ", "")
    for text in ("[/x]", "[red]", ":smile:", "\\x1b[31mred"):
        assert text in shown
    assert shown.count("x") > 300
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_an_interruption_leaves_nothing_behind(sent: signal.Signals, code: int, tmp_path: Path) -> None:
    records = ",".join(f'"ex:e{number}": {{"prov:label": "x"}}' for number in range(300_000))
    (tmp_path / "big.json").write_text(f'{{"prefix": {{"ex": "http://e/"}}, "entity": {{{records}}}}}')
    folder = tmp_path / "temporary"
    folder.mkdir()
    command = [sys.executable, "-m", "mlflow2prov", "load", "--input", "big.json"]
    with subprocess.Popen(
        [*command, *(["save", "--output", "r"] * 50)],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(folder)},
        preexec_fn=heed_signals,
    ) as process:
        while not list(tmp_path.glob(".r.json.*.part")):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(sent)
        time.sleep(0.01)
        process.send_signal(signal.SIGINT)  # a second one disturbs nothing
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert process.returncode in {code, 130}, said  # 130 where both arrived at once
    assert said == "mlflow2prov: error: interrupted\n"
    assert not list(tmp_path.glob(".r.*")) + list(folder.iterdir())


@pytest.mark.parametrize("arguments", [["--nonsense"], ["load", "--input", "none.json"], ["merge"]])
def test_errors_are_json_too_where_the_log_is(arguments: list[str], tmp_path: Path) -> None:
    done = run("--log_format", "json", *arguments, cwd=tmp_path)
    assert done.returncode
    if arguments != ["--nonsense"]:  # which is found before the log is set up
        assert [json.loads(line)["level"] for line in done.stderr.decode().splitlines()] == ["error"]


def test_closed_standard_streams_are_said(small: Path) -> None:
    module = f"{sys.executable} -m mlflow2prov"
    for command, stream in (
        (f"load --input {small} save --output - >&-", "output"),
        (f"load --input {small} statistics >&-", "output"),
        (f"load --input {small} statistics --format csv >&-", "output"),
        ("load --input - <&-", "input"),
    ):
        done = subprocess.run(["sh", "-c", f"{module} {command}"], capture_output=True, check=False)
        assert done.returncode == 2
        assert f"standard {stream} is closed" in done.stderr.decode()


def test_a_conflict_is_said_with_both_files(tmp_path: Path) -> None:
    for name, year in (("one", 2020), ("two", 2021)):
        start = {"prov:startTime": f"{year}-01-01T00:00:00Z"}
        document = {"prefix": {"ex": "http://e/"}, "activity": {"ex:a": start}}
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    transform = ("transform", "--eliminate_duplicates")
    done = run(
        *("load", "--input", "one.json", "--input", "two.json", *transform, "merge", "save", "--output", "r"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    said = done.stderr.decode()
    assert "2020-01-01T00:00:00Z (in one.json)" in said
    assert "2021-01-01T00:00:00Z (in two.json)" in said
    records = json.loads((tmp_path / "r.json").read_text())["activity"]["ex:a"]
    assert [one["prov:startTime"][:4] for one in records] == ["2020", "2021"]


def test_a_closed_standard_error_keeps_nothing_from_being_done(small: Path) -> None:
    command = f"{sys.executable} -m mlflow2prov load --input {small} statistics --format csv 2>&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith(b"what,name,count")


@pytest.mark.parametrize("option", ["--config", "--validate", "--log_format"])
def test_a_global_option_given_twice_is_an_error(option: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("- load: {input: a.json}\n")
    done = run(option, "text", option, "text", cwd=tmp_path)
    assert done.returncode == 2
    assert "given twice" in done.stderr.decode()


def test_a_configuration_is_validated_alone_and_said_in_the_format_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("- load: {input: a.json}\n- foo\n- bar\n")
    done = run("--validate", "bad.yaml", "--log_format", "json", cwd=tmp_path)
    assert done.returncode == 2
    assert ["bad.yaml:2" in line and json.loads(line)["level"] == "error" for line in done.stderr.decode().splitlines()] \
        == [True, False]  # fmt: skip
    for others in (["merge"], ["--config", "bad.yaml"]):
        done = run("--validate", "bad.yaml", *others, cwd=tmp_path)
        assert done.returncode == 2
        assert "not several" in done.stderr.decode()


@pytest.mark.parametrize(
    ("chain", "sentence"),
    [
        (["transform", "--pseudonym_key", "k"], "--pseudonym_key does nothing without --use_pseudonyms"),
        (["transform", "--keep_free_text"], "--keep_free_text does nothing without --use_pseudonyms"),
        (["transform", "--types", ""], "a value is empty"),
        (["transform", "--exclude_types", " , "], "a value is empty"),
        (["transform", "--since", "2020-W01"], "which is no date or instant"),
        (["statistics", "--plot", "x.png"], "counts are drawn as SVG, into a file like counts.svg"),
        (["statistics", "--plot", "-"], "counts are drawn as SVG, into a file like counts.svg"),
        (["save", "--output", "-", "--format", "json", "--format", "nt"], "takes one format only"),
        (
            ["save", "--output", "o.ttl", "--format", "json"],
            "o.ttl has the suffix of ttl, but the format is json",
        ),
        (["save", "--output", "o.json.gz.zst"], "it would be compressed twice"),
        (["save", "--output", "sub/"], "that is no name of a file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_would_do_nothing_or_something_else_is_refused(
    chain: list[str], sentence: str, small: Path, tmp_path: Path
) -> None:
    made = run("load", "--input", str(small), *chain, cwd=tmp_path)
    assert made.returncode == 2
    assert sentence in made.stderr.decode()
    assert made.stdout == b""
    assert [path.name for path in tmp_path.iterdir()] == [small.name]


def test_standard_input_is_read_once_only() -> None:
    made = run("load", "--input", "-", "--input", "-", stdin=SMALL.encode())
    assert made.returncode == 2
    assert b"standard input can be read once only" in made.stderr


def test_suffixes_of_formats_that_are_asked_for_are_exchanged(small: Path, tmp_path: Path) -> None:
    formats = [word for name in ("ttl", "xml") for word in ("--format", name)]
    chain = ["save", "--output", "o.ttl.gz", *formats, "save", "--output", "p.provx"]
    assert run("load", "--input", str(small), *chain, cwd=tmp_path).returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.ttl.gz", "o.xml.gz", "p.provx", small.name]
    assert b"<prov:document" in (tmp_path / "p.provx").read_bytes()


def test_a_missing_graphviz_is_said_before_anything_is_written(small: Path, tmp_path: Path) -> None:
    chain = ["save", "--output", "o", "--format", "json", "--format", "svg"]
    made = run("load", "--input", str(small), *chain, cwd=tmp_path, PATH=str(tmp_path))
    assert made.returncode == 1
    assert b"program dot is not found" in made.stderr
    assert [path.name for path in tmp_path.iterdir()] == [small.name]


def test_counts_of_several_documents_say_whose_they_are(small: Path) -> None:
    both = ["load", "--input", str(small), "--input", str(small), "statistics", "--format"]
    lines = run(*both, "csv").stdout.decode().splitlines()
    assert lines[0] == "document,what,name,count"
    assert lines[1::4] == [f"1: {small},element,entity,1", f"2: {small},element,entity,1"]
    decoder, text, found = json.JSONDecoder(), run(*both, "json").stdout.decode(), []
    while text:
        value, end = decoder.raw_decode(text)
        found.append(value["document"])
        text = text[end:].lstrip()
    assert found == [f"1: {small}", f"2: {small}"]
    odd = small.with_name(os.fsdecode(b"b\xff.json"))
    odd.write_text(SMALL)
    made = run("load", "--input", str(odd), "--input", str(small), "statistics", "--format", "csv")
    assert made.returncode == 0 and b"b\\udcff.json" in made.stdout
    assert f"### 2: {small}\n" in run(*both, "markdown").stdout.decode()
    assert f"2: {small}\n" in run(*both, "table").stdout.decode()


def test_standard_input_is_read_by_one_step_only(tmp_path: Path) -> None:
    chain = ["load", "--input", "-", "load", "--input", "-", "save", "--output", "out"]
    made = run(*chain, stdin=SMALL.encode(), cwd=tmp_path)
    (tmp_path / "chain.yaml").write_text("- load: {input: ['-']}\n- load: {input: ['-']}\n- merge\n")
    configured = run("--config", "chain.yaml", stdin=SMALL.encode(), cwd=tmp_path)
    for done in (made, configured):
        assert done.returncode == 2
        assert b"standard input can be read once only: --input - is given in 2 load steps" in done.stderr
    assert not (tmp_path / "out.json").exists()


def test_attributes_are_for_drawings(small: Path) -> None:
    save = ["load", "--input", "small.json", "save", "--output", "out", "--show_attributes"]
    done = run(*save, "--format", "json", "--format", "provn", cwd=small.parent)
    assert done.returncode == 2
    assert b"--show_attributes does nothing without a drawing, and json, provn is none" in done.stderr
    assert not (small.parent / "out.json").exists()
    assert run(*save, "--format", "json", "--format", "dot", cwd=small.parent).returncode == 0


def test_an_interruption_while_starting_is_no_traceback(tmp_path: Path) -> None:
    """Whatever is imported first is interrupted, as Ctrl-C would do."""
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt\n")
    done = run("--help", PYTHONPATH=os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    assert (done.returncode, done.stdout) == (130, b"")
    assert done.stderr.decode() == "mlflow2prov: error: interrupted\n"


@pytest.mark.parametrize("sent", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("runner", ["store.connection", "store.cursor()"])
def test_a_statement_that_is_interrupted_is_no_traceback(sent: str, runner: str) -> None:
    """The threads of the engine are all busy with parts of the statement that take for ever."""
    script = (
        "import os, signal, threading\n"
        "from mlflow2prov import cli\n"
        "from mlflow2prov.graph.store import Store\n"
        "def endless(**_):\n"
        "    store = Store()\n"
        f"    threading.Timer(0.2, os.kill, (os.getpid(), signal.{sent})).start()\n"
        f"    {runner}.execute("
        "'CREATE TABLE memory.t AS SELECT sum(a.range) FROM range(100_000) a, range(1_000_000_000)')\n"
        "cli.group.main = endless\n"
        "cli.main([])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 128 + getattr(signal, sent)
    assert done.stderr.strip() == "mlflow2prov: error: interrupted"


@pytest.mark.parametrize(
    "last",
    [
        ("save", "--output", "-"),
        ("statistics",),
        ("statistics", "--format", "csv"),
        ("query", "--sql", "FROM entity"),
        ("why", "ex:e"),
    ],
)
def test_a_full_standard_output_is_told(last: tuple[str, ...], small: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mlflow2prov", "load", "--input", str(small), *last],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == b"mlflow2prov: error: can't write to standard output: No space left on device\n"


def test_a_file_in_the_place_of_a_command_is_told(small: Path) -> None:
    done = run("load", "--input", "small.json", "small.json", cwd=small.parent)
    assert done.returncode == 2
    assert b"Error: 'small.json' is a file, where a command is expected: give each file" in done.stderr


def test_a_library_that_does_not_load_is_no_traceback(small: Path, tmp_path: Path) -> None:
    """As where the memory of a process is limited."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "duckdb.py").write_text("raise ImportError('lib.so: failed to map segment')\n")
    paths = os.pathsep.join([str(broken), os.environ.get("PYTHONPATH", "")])
    done = run("load", "--input", str(small), "statistics", PYTHONPATH=paths)
    assert done.returncode == 1
    assert done.stderr.startswith(
        b"mlflow2prov: error: a part of the program can't be loaded: lib.so: failed"
    )
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("given", ["not an iri", "wine", "https://w3id.org/mlflow2prov#mine"])
@pytest.mark.parametrize("option", ["--mlflow_namespace", "--repository_namespace"])
def test_what_can_be_no_namespace_is_refused(option: str, given: str, tmp_path: Path) -> None:
    done = run(
        "extract", "--repository_path", ".", "--mlflow_url", "sqlite:///none.db", option, given, cwd=tmp_path
    )
    assert done.returncode == 2
    assert f"Error: {option}: {given!r} ".encode() in done.stderr
