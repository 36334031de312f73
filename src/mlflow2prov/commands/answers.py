"""The commands that answer questions about documents, and pass these on."""

from __future__ import annotations

from mlflow2prov import checks
from mlflow2prov.checks import ANSWER_FORMATS, PAGE_FORMATS, TABLE_FORMATS
from mlflow2prov.commands.declared import Command, Option
from mlflow2prov.graph.statistics import RESOLUTIONS
from mlflow2prov.graph.steps import WAYS
from mlflow2prov.validation.report import REPORT_FORMATS

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

ANSWER_COMMANDS: tuple[Command, ...] = (
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
"""In the order in which help lists them."""
