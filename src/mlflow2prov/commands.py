"""The commands and their options, declared once.

The command line (``cli``), the YAML configuration and its JSON Schema (``config``) are all made from
this table, so that they can't drift apart; ``pipeline`` has a step of the same name for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from mlflow2prov import checks
from mlflow2prov.checks import ANSWER_FORMATS, PAGE_FORMATS, TABLE_FORMATS
from mlflow2prov.errors import UsageError
from mlflow2prov.formats import readable, writable
from mlflow2prov.graph.statistics import RESOLUTIONS
from mlflow2prov.graph.steps import WAYS
from mlflow2prov.sinks import addresses
from mlflow2prov.sources.mlflow.parts import CONCURRENCY, PARTS
from mlflow2prov.validation.report import REPORT_FORMATS


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a command.

    Attributes:
        name: with underscores; the command line takes hyphens as well.
        help: one sentence.
        kind: ``text``, ``number`` (a whole one, from 1 on), ``flag`` or ``choice``.
        choices: of a choice.
        default: where it is not given; a tuple for one that can be repeated.
        repeatable: can be given several times; a list in the configuration.
        separated: its values may also stand in one text, with commas between them.
        required: has to be given.
        metavar: what help shows for the value.
        shown_default: what help says where no default can be shown.
        shorthands: words of the configuration that stand for a value, such as ``fine: true``.
        needs: another option, without which this one would do nothing.
    positional: how many of its values the command line also takes without its name.
    """

    name: str
    help: str
    kind: str = "text"
    choices: tuple[str, ...] = ()
    default: Any = None
    repeatable: bool = False
    separated: bool = False
    required: bool = False
    metavar: str | None = None
    shown_default: str | None = None
    shorthands: tuple[str, ...] = ()
    needs: str | None = None
    positional: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of the chain: its name, what it does, an example, and its options."""

    name: str
    help: str
    example: str
    options: tuple[Option, ...] = ()
    one_of: tuple[str, ...] = ()
    """Options of which at least one has to be given."""
    only_one: bool = False
    """Whether two of these are too many, which ``check`` says."""
    brings: bool = False
    """Whether it adds documents, rather than work on those that are there."""
    check: Callable[[dict[str, Any]], None] | None = None
    """Raises a ``UsageError`` where its options can't do, whatever the input."""


_SELECTION = (
    Option(
        name="experiment",
        help="Read this experiment of the store only, with what it needs to be understood.",
        default=(),
        repeatable=True,
        metavar="NAME|ID",
    ),
    Option(name="run", help="Read this run only.", default=(), repeatable=True, metavar="ID|NAME"),
    Option(
        name="model",
        help="Read this registered model or prompt only, and the runs that made its versions.",
        default=(),
        repeatable=True,
        metavar="NAME",
    ),
    Option(
        name="since",
        help="Read runs only that started then or later, ISO 8601; of a repository alone, as --commits_since.",
        metavar="TIME",
    ),
    Option(
        name="until",
        help="Read runs only that started before, ISO 8601; of a repository alone, as --commits_until.",
        metavar="TIME",
    ),
    Option(
        name="filter",
        help="Read runs only that fit, in MLflow's search syntax, such as metrics.r2 > 0.5.",
        metavar="FILTER",
    ),
)
"""The options that choose a part of an MLflow store."""

_HISTORY = (
    Option(
        name="repository_cache",
        help="Keep clones of repositories that URLs name in this folder.",
        metavar="DIR",
        needs="repository_path",
        shown_default="the variable MLFLOW2PROV_REPOSITORY_CACHE, else mlflow2prov/repositories in the user's cache",
    ),
    Option(
        name="refs",
        help="Read these branches and tags only, such as main or v1.*, and what runs name.",
        default=(),
        repeatable=True,
        metavar="PATTERN",
        needs="repository_path",
    ),
    Option(
        name="paths",
        help="Tell of files only that ever stood here, as Git's pathspecs say it, and of entry points.",
        default=(),
        repeatable=True,
        metavar="PATHSPEC",
        needs="repository_path",
    ),
    Option(
        name="commits_since",
        help="Tell of commits only that were committed then or later, ISO 8601, and of what they need.",
        metavar="TIME",
        needs="repository_path",
    ),
    Option(
        name="commits_until",
        help="Likewise, before.",
        metavar="TIME",
        needs="repository_path",
    ),
)
"""The options of where repositories are kept, and of which part of a history is told."""

_PAGE = (
    Option(
        name="format",
        help="How to write the page.",
        kind="choice",
        choices=PAGE_FORMATS,
        shown_default="by the suffix of FILE, else markdown",
    ),
    Option(name="output", help="Write the page to this file; - is standard output.", metavar="FILE"),
)
"""The options of commands that write pages."""

COMMANDS: tuple[Command, ...] = (
    Command(
        name="extract",
        check=checks.check_extract,
        brings=True,
        help="Add the provenance of a Git repository and an MLflow store as one document.",
        example="mlflow2prov extract --repository_path . --mlflow_url sqlite:///mlflow.db save --output result",
        one_of=("repository_path", "mlflow_url"),
        options=(
            Option(
                name="repository_path",
                help="A Git repository: a work tree, a bare one, or a URL (https, ssh, git, file, host:path).",
                default=(),
                repeatable=True,
                metavar="PATH|URL",
            ),
            Option(
                name="mlflow_url",
                help="An MLflow store: http(s)://HOST of a server, or, only read, the PATH of a folder such as ./mlruns or"
                " a database: sqlite:///FILE, postgresql://USER@HOST/DATABASE, mysql://USER@HOST/DATABASE; or databricks,"
                " or what a plugin of MLflow understands.",
                metavar="URL",
            ),
            Option(
                name="mlflow_namespace", help="Names the store's things in this namespace.", metavar="IRI"
            ),
            Option(
                name="repository_namespace",
                help="Names the repository's branches and tags in this namespace; one for each of several.",
                default=(),
                repeatable=True,
                metavar="IRI",
            ),
            *_HISTORY,
            Option(
                name="find_copies",
                help="Also find files of the repository that were copied from one that the same commit changed.",
                kind="flag",
                default=False,
                needs="repository_path",
            ),
            Option(
                name="tree_members",
                help="List every file of the source trees that runs' commits have.",
                kind="flag",
                default=False,
                needs="repository_path",
            ),
            Option(
                name="skip",
                help=f"Parts of the store to leave out: {', '.join(PARTS)}.",
                kind="choice",
                choices=PARTS,
                default=(),
                repeatable=True,
                separated=True,
                metavar="PART,…",
            ),
            Option(
                name="traces",
                help="Tell traces one by one, with spans and assessments, instead of only counting them.",
                kind="flag",
                default=False,
            ),
            *_SELECTION,
            Option(
                name="artifact_digests",
                help="Read every artifact for its SHA-256.",
                kind="flag",
                default=False,
            ),
            Option(
                name="artifact_server",
                help="The tracking server that hands out artifacts at mlflow-artifacts:, where the store is a database"
                " or a folder.",
                metavar="URL",
            ),
            Option(
                name="concurrency",
                help="How many requests to a server may be under way at once.",
                kind="number",
                metavar="N",
                shown_default=str(CONCURRENCY),
            ),
            Option(
                name="follow_imports",
                help="Find the files of the repository that runs' code imports, too.",
                kind="flag",
                default=False,
            ),
            Option(
                name="database",
                help="Keep the graph in this DuckDB file, which load reads.",
                metavar="FILE",
            ),
            Option(
                name="cache",
                help="Remember in this file what was read; the next time, read only what changed since.",
                metavar="FILE",
            ),
        ),
    ),
    Command(
        name="load",
        check=checks.check_load,
        brings=True,
        help="Add one document for each file.",
        example="mlflow2prov load --input a.json --input b.json merge save --output both",
        options=(
            Option(
                name="input",
                help="A file to read; - is standard input.",
                repeatable=True,
                required=True,
                default=(),
                metavar="FILE",
            ),
            Option(
                name="format",
                help="The format of the files, where neither their names nor their contents tell.",
                kind="choice",
                choices=readable(),
            ),
        ),
    ),
    Command(
        name="merge",
        help="Reduce all documents so far to one, unified by identifier.",
        example="mlflow2prov load --input a.json --input b.json merge statistics",
    ),
    Command(
        name="transform",
        check=checks.check_transform,
        help="Change each document: link, select, join aliased agents, use pseudonyms, eliminate duplicates, in that order.",
        example="mlflow2prov load --input a.json transform --eliminate_duplicates save --output b",
        options=(
            Option(
                name="link",
                help="Link runs to commits, trees, files and data, where Git and MLflow were extracted apart and merged.",
                kind="flag",
                default=False,
            ),
            Option(
                name="types",
                help="Keep elements of these types only, such as Metric, m2p:Run, activity.",
                default=(),
                repeatable=True,
                separated=True,
                metavar="TYPE,…",
            ),
            Option(
                name="exclude_types",
                help="Leave elements of these types out.",
                default=(),
                repeatable=True,
                separated=True,
                metavar="TYPE,…",
            ),
            Option(
                name="since", help="Keep what happened at this instant or later, ISO 8601.", metavar="TIME"
            ),
            Option(name="until", help="Keep what happened before this instant, ISO 8601.", metavar="TIME"),
            Option(
                name="merge_aliased_agents",
                help="Make one agent of those that this YAML file gives one name.",
                metavar="FILE",
            ),
            Option(name="mailmap", help="Likewise, from a .mailmap file as Git reads it.", metavar="FILE"),
            Option(
                name="use_pseudonyms",
                help="Put pseudonyms in the place of people's names, wherever they stand.",
                kind="flag",
                default=False,
            ),
            Option(
                name="pseudonym_key",
                help="The file with the secret key of the pseudonyms; else the variable "
                "MLFLOW2PROV_PSEUDONYM_KEY, else a random key.",
                metavar="FILE",
                needs="use_pseudonyms",
            ),
            Option(
                name="keep_free_text",
                help="Leave messages, notes and descriptions as they are.",
                kind="flag",
                default=False,
                needs="use_pseudonyms",
            ),
            Option(
                name="eliminate_duplicates",
                help="Keep identical elements and relations once.",
                kind="flag",
                default=False,
            ),
        ),
    ),
    Command(
        name="save",
        check=checks.check_save,
        help="Write each document, and pass it on: NAME.json, or NAME-1.json, NAME-2.json, … where several pass.",
        example="mlflow2prov extract --repository_path . save --output result --format json",
        options=(
            Option(
                name="output",
                help="The path to write to, with or without suffix; a further .gz or .zst compresses; - is standard output.",
                required=True,
                metavar="NAME",
            ),
            Option(
                name="format",
                help="The format to write.",
                kind="choice",
                choices=writable(),
                default=(),
                repeatable=True,
                shown_default="by the suffix of NAME, else json",
            ),
            Option(
                name="no_overwrite",
                help="Refuse to replace a file that is there.",
                kind="flag",
                default=False,
            ),
            Option(
                name="show_attributes",
                help="Show attributes in drawings (dot, svg, png, pdf).",
                kind="flag",
                default=False,
            ),
        ),
    ),
    Command(
        name="push",
        check=checks.check_push,
        help="Add each document to a database, and pass it on; pushing twice changes nothing.",
        example="mlflow2prov load --input a.json push --to http://localhost:3030/prov/data",
        options=(
            Option(
                name="to",
                help=f"The URL of the database, one of {', '.join(addresses())}"
                " (SPARQL stores: of the Graph Store Protocol end point).",
                required=True,
                metavar="URL",
            ),
            Option(
                name="graph",
                help="The named graph of a SPARQL store to push into; else the default graph.",
                metavar="IRI",
            ),
            Option(
                name="replace",
                help="Remove first what is there.",
                kind="flag",
                default=False,
            ),
        ),
    ),
    Command(
        name="statistics",
        check=checks.check_statistics,
        help="Print how much each document holds, and pass it on.",
        example="mlflow2prov load --input a.json statistics --resolution fine --format csv",
        options=(
            Option(
                name="resolution",
                help="coarse counts elements by kind; fine counts relations and types, too.",
                kind="choice",
                choices=RESOLUTIONS,
                default="coarse",
                shorthands=RESOLUTIONS,
            ),
            Option(
                name="format",
                help="How to print the counts.",
                kind="choice",
                choices=("table", "csv", "json", "markdown"),
                default="table",
            ),
            Option(name="plot", help="Draw counts over time into this SVG file.", metavar="FILE"),
        ),
    ),
    Command(
        name="validate",
        help="Print what violates PROV-CONSTRAINTS in each document, and pass it on: exit code 1 in the end if any does.",
        example="mlflow2prov load --input a.json validate --format json",
        options=(
            Option(
                name="format",
                help="How to print the violations.",
                kind="choice",
                choices=REPORT_FORMATS,
                default=REPORT_FORMATS[0],
            ),
            Option(
                name="shapes",
                help="Check against the SHACL shapes of the vocabulary as well (extra shacl; for small graphs).",
                kind="flag",
                default=False,
            ),
        ),
    ),
    Command(
        name="lineage",
        help="Reduce each document to where a thing came from, or what came of it, and pass that on.",
        example="mlflow2prov load --input a.json lineage --of models:/wine/3 --print save --output wine.svg",
        options=(
            Option(
                name="of",
                help="The thing: models:/NAME/VERSION, runs:/ID, a commit, a file, a dataset, an e-mail, an identifier, …",
                required=True,
                metavar="REF",
            ),
            Option(
                name="direction",
                help="Where it came from, what came of it, or both.",
                kind="choice",
                choices=WAYS,
                default="upstream",
            ),
            Option(name="depth", help="Go so many steps at most.", kind="number", metavar="N"),
            Option(
                name="through",
                help="Go on only from elements of these types, such as Run, m2p:Commit, activity.",
                default=(),
                repeatable=True,
                separated=True,
                metavar="TYPE,…",
            ),
            Option(
                name="stop_at",
                help="Don't go on from elements of these types.",
                default=(),
                repeatable=True,
                separated=True,
                metavar="TYPE,…",
            ),
            Option(
                name="history",
                help="Go upstream from a commit to all commits before it, too.",
                kind="flag",
                default=False,
            ),
            Option(
                name="with_details",
                help="With metrics, params, tags, traces, and what leads to nothing.",
                kind="flag",
                default=False,
            ),
            Option(name="print", help="Print it as a tree.", kind="flag", default=False),
        ),
    ),
    Command(
        name="query",
        check=checks.check_query,
        help="Answer a question to each document in SQL or SPARQL that can only read, and pass the document on.",
        example='mlflow2prov load --input a.json query --sql "SELECT name, count(*) FROM Run GROUP BY name"',
        one_of=("sql", "sparql"),
        only_one=True,
        options=(
            Option(
                name="sql",
                help="The question in DuckDB's SQL over documented views, or the name of a file that holds it.",
                metavar="TEXT|FILE",
            ),
            Option(
                name="sparql",
                help="The question in SPARQL over the document as PROV-O, or the name of a file that holds it.",
                metavar="TEXT|FILE",
            ),
            Option(
                name="format",
                help="How to write the answer.",
                kind="choice",
                choices=ANSWER_FORMATS,
                shown_default="by the suffix of FILE, else table",
            ),
            Option(
                name="output", help="Write the answer to this file; - is standard output.", metavar="FILE"
            ),
            Option(
                name="timeout",
                help="Give a query up that was waited for so many seconds.",
                kind="number",
                metavar="SECONDS",
                shown_default="none",
            ),
        ),
    ),
    Command(
        name="ask",
        check=checks.check_ask,
        help="Answer one of the shipped questions about each document, and pass the document on; alone, list them.",
        example="mlflow2prov load --input a.json ask models-of-dataset --param dataset=wine-train",
        options=(
            Option(name="name", help="The question, by its name.", metavar="NAME", positional=1),
            Option(
                name="param",
                help="A parameter of the question, such as model=models:/wine/3.",
                default=(),
                repeatable=True,
                metavar="NAME=VALUE",
                needs="name",
            ),
            Option(name="list", help="List the questions.", kind="flag", default=False),
            Option(
                name="format",
                help="How to write the answer.",
                kind="choice",
                choices=TABLE_FORMATS,
                shown_default="by the suffix of FILE, else table",
            ),
            Option(
                name="output", help="Write the answer to this file; - is standard output.", metavar="FILE"
            ),
        ),
    ),
    Command(
        name="why",
        check=checks.check_page,
        help="Tell about each document why a thing is as it is, on a page with what is missing, and pass the document on.",
        example="mlflow2prov load --input a.json why models:/wine@champion --output why.html",
        options=(
            Option(
                name="of",
                help="The thing: models:/NAME/VERSION, models:/NAME@ALIAS, runs:/ID, a run's name, an identifier, …",
                required=True,
                metavar="REF",
                positional=1,
            ),
            Option(
                name="repository_path",
                help="The Git repository, for the text of what changed since the version before.",
                metavar="PATH",
            ),
            *_PAGE,
        ),
    ),
    Command(
        name="impact",
        check=checks.check_page,
        help="Tell what is affected if a thing was wrong, live models first, and pass the document on.",
        example="mlflow2prov load --input a.json impact 4c30775",
        options=(
            Option(
                name="of",
                help="The thing: a commit, a file, a dataset, an e-mail, package:NAME==VERSION, an identifier, …",
                required=True,
                metavar="REF",
                positional=1,
            ),
            *_PAGE,
        ),
    ),
    Command(
        name="compare",
        check=checks.check_compare,
        help="Tell what differs between two runs or model versions, and what is the same; or between two documents.",
        example="mlflow2prov load --input a.json compare models:/wine/2 models:/wine/3",
        options=(
            Option(
                name="of",
                help="A run, a model version or a model; two of them, or none to compare two documents.",
                default=(),
                repeatable=True,
                metavar="REF",
                positional=2,
            ),
            *_PAGE,
        ),
    ),
)
"""Every command, in the order in which help lists them."""

COMMAND_BY_NAME: dict[str, Command] = {command.name: command for command in COMMANDS}


@dataclass(frozen=True, slots=True)
class Step:
    """A command with a value for each of its options."""

    command: Command
    options: dict[str, Any]


def step(command: Command, given: dict[str, Any], *, checked: bool = True) -> Step:
    """Return the step for a command with the options that were given; the others get their defaults.

    Args:
        command: what to do.
        given: values by the names of options.
        checked: whether the command's own check looks at them, too; not where some of them are known to be wrong.

    Raises:
        UsageError: one that is needed is missing, or what is given can't do.

    >>> step(COMMAND_BY_NAME["statistics"], {"resolution": "fine"}).options
    {'resolution': 'fine', 'format': 'table', 'plot': None}
    """
    options = {option.name: option.default for option in command.options} | {
        name: value for name, value in given.items() if value is not None and value != ()
    }
    for option in command.options:
        given_values = options[option.name] if option.repeatable else (options[option.name],)
        if any(value == "" or "\0" in str(value) for value in given_values):
            raise UsageError(f"{command.name} --{option.name} is empty, or has a character that no text has")
        if option.required and options[option.name] in (None, ()):
            raise UsageError(f"{command.name} needs --{option.name}")
        if option.needs and options[option.name] not in (None, (), False) and not options[option.needs]:
            raise UsageError(f"{command.name} --{option.name} does nothing without --{option.needs}")
        if option.kind == "number" and options[option.name] is not None:
            options[option.name] = _number(command, option, str(options[option.name]))
    if command.one_of and not any(options[name] for name in command.one_of):
        both = "" if command.only_one else ", or both"
        raise UsageError(f"{command.name} needs {' or '.join(f'--{name}' for name in command.one_of)}{both}")
    if command.check is not None and checked:
        command.check(options)
    return Step(command, options)


def check_chain(steps: Iterable[Step]) -> None:
    """Raise an error if steps together can't do what each of them can: two read standard input.

    Raises:
        UsageError: so it is.
    """
    reading = [step for step in steps if step.command.name == "load" and "-" in step.options["input"]]
    if len(reading) > 1:
        raise UsageError(
            f"standard input can be read once only: --input - is given in {len(reading)} load steps"
        )


def _number(command: Command, option: Option, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < _MOST_DIGITS and int(text)):
        raise UsageError(
            f"{command.name} --{option.name} is {text!r}, but it has to be a whole number from 1 on"
        )
    return int(text)


_MOST_DIGITS = 10
