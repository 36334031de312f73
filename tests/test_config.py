"""The YAML configuration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from mlflow2prov import cli, config
from mlflow2prov.commands import COMMANDS
from mlflow2prov.errors import ConfigurationError

FULL = """\
- extract: {repository_path: ".", mlflow_url: "http://localhost:5000"}
- transform: {eliminate_duplicates: true}
- merge:
- save: {output: result, format: [json]}
- statistics: {resolution: fine, format: table}
"""


def problems(text: str, **environment: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        config.parse(text, "c.yaml", environment)
    return caught.value.problems


def test_it_has_the_words_of_the_command_line() -> None:
    steps = config.parse(FULL, "c.yaml", {})
    assert [step.command.name for step in steps] == ["extract", "transform", "merge", "save", "statistics"]
    assert steps[0].options["mlflow_url"] == "http://localhost:5000"
    assert steps[3].options["output"] == "result"
    assert steps[3].options["format"] == ("json",)


@pytest.mark.parametrize(
    ("text", "option", "value"),
    [
        ("- statistics: {fine: true}", "resolution", "fine"),
        ("- statistics: {fine: false}", "resolution", "coarse"),
        ("- statistics", "resolution", "coarse"),
        ("- save: {output: x, format: json}", "format", ("json",)),
        ("- load: {input: a.json}", "input", ("a.json",)),
        ("- extract: {repository-path: r}", "repository_path", ("r",)),
        ("- extract: {repository_path: r, skip: 'artifacts, datasets'}", "skip", ("artifacts", "datasets")),
        ("- extract: {repository_path: r, skip: [artifacts]}", "skip", ("artifacts",)),
        ("- save: {output: '${HERE}/x'}", "output", "/there/x"),
        ("- save: {output: '${NOWHERE:-/else}/x'}", "output", "/else/x"),
        ("- save: {output: 'a$$b'}", "output", "a$b"),
        ("- transform: {eliminate_duplicates: '${YES:-true}'}", "eliminate_duplicates", True),
        ("- save: {output: 5}", "output", "5"),
    ],
)
def test_values(text: str, option: str, value: object) -> None:
    *_, step = config.parse(f"- load: {{input: a}}\n{text}", "c.yaml", {"HERE": "/there"})
    assert step.options[option] == value


def test_every_problem_is_found_with_its_line() -> None:
    text = "- extract: {repo: 1}\n- save: {format: [json, foo]}\n- mrege:\n- statistics: [1]\n- save: {output: '${NOPE}'}\n"
    found = problems(text)
    assert [problem.split(":")[1] for problem in found] == ["1", "1", "2", "2", "3", "4", "5"]
    for word in (
        "'repo'",
        "repository_path or mlflow_url",
        "'foo'",
        "needs output",
        "'mrege'",
        "mapping",
        "NOPE",
    ):
        assert any(word in problem for problem in found), word


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("extract: {}", "c.yaml:1: the configuration has to be a list"),
        ("- save: {output: x, output: y}", "twice"),
        ("- {save: {output: x}, merge: }", "one command"),
        ("- [save]", "one command"),
        ("- save: {output: [a, b]}", "output has to be a text"),
        ("- transform: {eliminate_duplicates: maybe}", "true or false"),
        ("- save: {output: '${1x}'}", "no variable"),
        ("- save: {output: x", "c.yaml:1: not YAML"),
        ("- &a [*a]", "one command"),
        ("\t- x", "not YAML"),
        ("- ? [a, b]\n  : c", "no command 'a list'"),
        (
            "- load: {input: !!python/object/apply:os.system [touch]}",
            "the type 'os.system' has no place",
        ),
        ("- save: {output: '${EMPTY}/x'}", "the environment has no variable EMPTY"),
        ("- save: !!python/object/apply:os.system [echo]", "options of save have to be a mapping"),
    ],
)
def test_problems(text: str, says: str) -> None:
    assert any(says in problem for problem in problems(text))


def test_what_is_nested_too_deeply_is_told() -> None:
    assert [said.partition(": ")[2] for said in problems("[" * 100_000)] == ["it is nested too deeply"]


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        config.read(tmp_path / "none.yaml", {})
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        config.read(tmp_path / "bytes.yaml", {})


def test_the_shipped_schema_is_the_one_that_the_declarations_give() -> None:
    assert json.loads(cli.schema_file().read_text()) == config.schema()


def test_the_schema_knows_every_command_and_option() -> None:
    text = json.dumps(config.schema())
    for command in COMMANDS:
        for option in command.options:
            assert f'"{option.name}"' in text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- save: {output: x}", "save has no document to work on: put extract or load before it"),
        ("- load: {input: [null]}", "input has a value that is missing"),
        ("- load: {input: ''}", "--input is empty".replace("--", "")),
        ("- load: {input: a}\n- save: {output: ''}", "save output is empty"),
        ('- load: {input: "a\\0b"}', "load input is empty, or has a character that no text has"),
        ("- load: {input: '${X:-${HOME}}'}", "a default can't hold another variable"),
    ],
)
def test_what_could_not_run_is_not_valid(text: str, says: str) -> None:
    assert any(says in problem for problem in problems(text, HOME="/h")), problems(text, HOME="/h")


def test_variables_are_expanded_before_lists_are_split_and_may_be_empty() -> None:
    text = "- extract: {repository_path: ., skip: '${PARTS}'}\n- load: {input: '${S:-a.json}'}"
    extract, load = config.parse(text, "c.yaml", {"PARTS": "artifacts,datasets", "S": ""})
    assert extract.options["skip"] == ("artifacts", "datasets")
    assert load.options["input"] == ("a.json",)
    assert "no variable S, or an empty one," in problems("- load: {input: a, format: '${S}'}", S="")[0]


IMPOSSIBLE = {
    "statistics: {plot: x.png}": "can't draw into x.png",
    "save: {output: o.ttl, format: json}": "o.ttl has the suffix of ttl, but the format is json",
    "save: {output: '-', format: [json, nt]}": "standard output takes one format only",
    "save: {output: '-', format: parquet}": "parquet is a folder of files",
    "save: {output: o.gz, format: parquet}": "parquet is a folder, which can't be compressed: leave out .gz",
    "save: {output: o.gz, format: [json, parquet]}": "can't be compressed",
    "save: {output: o.json.gz.zst}": "compressed twice",
    "save: {output: o/}": "no name of a file",
    "load: {input: ['-', '-']}": "standard input can be read once only",
    "transform: {since: yesterday}": "since is 'yesterday', which is no date or instant",
    "transform: {since: '2024-01-02', until: '2024-01-01'}": "has to be before until",
    "extract: {mlflow_url: m, until: 12}": "until is '12', which is no date or instant",
    "extract: {mlflow_url: m, since: '2024-01-02', until: '2024-01-02'}": "has to be before until",
    "extract: {repository_path: ., run: r}": "there is no MLflow store to select from (run r)",
}


@pytest.mark.parametrize("text", IMPOSSIBLE)
def test_what_no_input_can_mend_is_not_valid(text: str) -> None:
    found = problems(f"- load: {{input: a.json}}\n- merge\n- {text}")
    assert len(found) == 1
    assert found[0].startswith("c.yaml:3: ")
    assert IMPOSSIBLE[text] in found[0]


def test_one_problem_is_not_told_twice() -> None:
    found = problems(
        "- load: {input: a}\n- transform: {since: [1], until: yesterday}\n- save: {output: o.ttl, format: x}"
    )
    assert [problem.split(":")[1] for problem in found] == ["2", "3"]


@pytest.mark.parametrize("text", IMPOSSIBLE)
def test_the_command_line_says_the_same(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Before it reads anything: there is no file to load."""
    monkeypatch.chdir(tmp_path)
    ((command, options),) = yaml.safe_load(text).items()
    words = [command]
    for name, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            words += [f"--{name}", str(one)]
    assert cli.run(["load", "--input", "none.json", *words]) == 2
    said = " ".join(capfd.readouterr().err.split())
    assert IMPOSSIBLE[text] in said
    assert "none.json" not in said
    (tmp_path / "c.yaml").write_text(f"- load: {{input: none.json}}\n- {text}\n")
    for option in ("--validate", "--config"):
        assert cli.run([option, "c.yaml"]) == 2
        said = capfd.readouterr().err
        assert said.startswith("c.yaml:2: ") and IMPOSSIBLE[text] in said
