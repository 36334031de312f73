"""What of a command's options can be wrong whatever the input is: looked at before any work is done.

The command line, configurations and their validation all run these (see :func:`mlflow2prov.commands.step`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlflow2prov.errors import UsageError

Options = dict[str, Any]

ANSWER_FORMATS = ("table", "csv", "json", "parquet")
"""The forms of answers to queries."""

TABLE_FORMATS = ("table", "csv", "json", "markdown")
"""The forms of answers to questions."""

PAGE_FORMATS = ("markdown", "html", "json", "table")
"""The forms of pages."""

SUFFIXES = {"md": "markdown", "htm": "html", "txt": "table"}
"""What suffixes tell that are no names of forms."""

_OTHERS = frozenset(
    {*ANSWER_FORMATS, *TABLE_FORMATS, *PAGE_FORMATS, "pdf", "png", "svg", "xls", "xlsx", "docx", "xml"}
)
"""What a suffix may tell that not every page or answer can be."""


def check_extract(options: Options) -> None:
    """Raise an error if options of ``extract`` can't be understood, or don't go together.

    Raises:
        UsageError: a time can't be read, there is no store to select from, a URL is none of Git's, one file is to
            be both a cache and a graph.
    """
    from mlflow2prov.graph.replacing import check_apart
    from mlflow2prov.model.ids import check_namespaces
    from mlflow2prov.sources.git_given import check_given
    from mlflow2prov.sources.git_narrowing import Narrowing, Times
    from mlflow2prov.sources.mlflow.selection import Selection

    check_apart(options["database"], options["cache"])
    check_given(options["repository_path"], options["repository_namespace"])
    check_namespaces(options["mlflow_namespace"], options["repository_namespace"])
    times = Times(*(options[name] for name in Times._fields)).read_with(options["mlflow_url"])
    narrowing = Narrowing.of(options["refs"], options["paths"], times.commits_since, times.commits_until)
    narrowing.check_tree_members(options["tree_members"])
    selection = Selection.of(
        experiments=options["experiment"],
        runs=options["run"],
        models=options["model"],
        since=times.since,
        until=times.until,
        filter=options["filter"],
    )
    if not options["mlflow_url"] and not selection.is_everything:
        raise UsageError(f"there is no MLflow store to select from ({selection.shown}): give its URL")
    if options["tree_members"] and not options["mlflow_url"]:
        raise UsageError(
            "extract --tree_members does nothing without --mlflow_url: it lists the trees of runs"
        )
    if options["follow_imports"] and not (options["repository_path"] and options["mlflow_url"]):
        raise UsageError(
            "extract --follow_imports does nothing without both --repository_path and --mlflow_url: give them"
        )


def check_load(options: Options) -> None:
    """Raise an error if standard input is named twice.

    Raises:
        UsageError: it is.
    """
    if options["input"].count("-") > 1:
        raise UsageError("standard input can be read once only: --input - is given twice")


def check_transform(options: Options) -> None:
    """Raise an error if times can't be read, or are in the wrong order.

    Raises:
        UsageError: so it is.
    """
    from mlflow2prov.prov.instants import window_of

    window_of(options["since"], options["until"])


def check_query(options: Options) -> None:
    """Raise an error if there are two questions, one can't be read, or its answer has no place to go to.

    Raises:
        UsageError: so it is.
    """
    if options["sql"] and options["sparql"]:
        raise UsageError("query takes one question: --sql or --sparql, not both")
    question(options)
    answer_format(options)


def question(options: Options) -> str:
    """Return the question that is asked: the text itself, or that of the file that it names.

    Raises:
        UsageError: the file can't be read.
    """
    given = str(options["sql"] or options["sparql"])
    is_name = not any(char.isspace() for char in given) and Path(given).suffix in (".sql", ".rq", ".sparql")
    try:
        if not is_name and not Path(given).is_file():
            return given
        return Path(given).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        if not is_name:  # a long question is no name of a file
            return given
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"can't read the question in {given}: {reason}") from error


def answer_format(options: Options) -> str:
    """Return the format to write an answer in: the one asked for, else the one that the suffix tells.

    Raises:
        UsageError: the suffix tells another one, or it can't be shown on a screen.

    >>> answer_format({"format": None, "output": "runs.csv"}), answer_format({"format": None, "output": None})
    ('csv', 'table')
    """
    if options["format"] == "parquet" and options["output"] is None:
        raise UsageError("--format parquet needs --output: it is nothing to look at")
    return form_of(options, ANSWER_FORMATS)


def check_ask(options: Options) -> None:
    """Raise an error if there is no such question, or its parameters are not what it takes.

    Raises:
        UsageError: so it is.
    """
    from mlflow2prov.graph.questions import checked, named

    form_of(options, TABLE_FORMATS)
    given = parameters_of(options["param"])
    if options["list"] and options["name"]:
        raise UsageError("ask --list lists the questions: leave the name out")
    if options["name"]:
        checked(named(options["name"]), given)


def check_page(options: Options) -> None:
    """Raise an error if the form of a page is not that of its file.

    Raises:
        UsageError: so it is.
    """
    form_of(options, PAGE_FORMATS)


def check_compare(options: Options) -> None:
    """Raise an error if there is one thing to compare, or more than two.

    Raises:
        UsageError: so it is.
    """
    form_of(options, PAGE_FORMATS)
    if len(options["of"]) not in (0, 2):
        raise UsageError(
            f"compare takes two references, or none for two documents; there are {len(options['of'])}"
        )


def parameters_of(given: Sequence[str]) -> dict[str, str]:
    """Return the names and values of parameters.

    Raises:
        UsageError: one has no name, or is given twice.

    >>> parameters_of(["model=models:/wine/3"])
    {'model': 'models:/wine/3'}
    """
    found: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--param is {one!r}, but has to be NAME=VALUE")
        if name.strip() in found:
            raise UsageError(f"the parameter {name.strip()} is given twice")
        found[name.strip()] = value
    return found


def form_of(options: Options, forms: Sequence[str]) -> str:
    """Return the form of a page or an answer: the one asked for, else what the suffix tells, else the first.

    Raises:
        UsageError: the suffix tells another one, or one that there is not.

    >>> form_of({"format": None, "output": "a.md"}, TABLE_FORMATS)
    'markdown'
    """
    output, asked = options["output"], options["format"]
    suffix = Path(output).suffix[1:].lower() if output and output != "-" else ""
    told = SUFFIXES.get(suffix, suffix)
    if asked and told in forms and told != asked:
        raise UsageError(f"{output} has the suffix of {told}, but --format is {asked}")
    if not asked and told in _OTHERS and told not in forms:
        raise UsageError(
            f"{output} has the suffix of {told}, which this can't be; there is: {', '.join(forms)}"
        )
    return str(asked or (told if told in forms else forms[0]))


def check_save(options: Options) -> None:
    """Raise an error if what is asked for can't be written to where it is asked for.

    Raises:
        UsageError: it can't.
    """
    from mlflow2prov import formats

    names = formats_to_save(options["output"], options["format"])
    targets(options["output"], names)
    if options["show_attributes"] and not any(map(formats.draws, names)):
        raise UsageError(
            f"save --show_attributes does nothing without a drawing, and {', '.join(names)} is none: "
            "leave it out, or add a format such as dot or svg"
        )


def check_statistics(options: Options) -> None:
    """Raise an error if a picture has a name that is none of an SVG.

    Raises:
        UsageError: it has.
    """
    from mlflow2prov.graph.files import require_svg

    if options["plot"]:
        require_svg(options["plot"])


def check_push(options: Options) -> None:
    """Raise an error if there is no sink of such a URL, or it does not take what is asked for.

    Raises:
        UsageError: so it is.
    """
    from mlflow2prov.sinks import Settings, check
    from mlflow2prov.sinks.address import Address

    check(Address.parse(options["to"]), Settings(graph=options["graph"], replace=options["replace"]))


def formats_to_save(output: str, asked: Sequence[str]) -> Sequence[str]:
    """Return the formats to write: those that are asked for, each once, else the one that the suffix tells.

    Raises:
        UsageError: standard output does not take them.
    """
    from mlflow2prov import formats

    told = None if output == "-" else formats.format_of(output)
    names = list(dict.fromkeys(asked)) or [told or "json"]
    if output == "-":
        if len(names) > 1:
            raise UsageError("standard output takes one format only: save the others to files")
        formats.require_stream(names[0])
    return names


def targets(output: str, names: Sequence[str], number: int = 0) -> list[Path]:
    """Return the path to write each of several formats to; there is none for standard output.

    Raises:
        UsageError: a path is none of a file, or does not fit its format.

    >>> [str(path) for path in targets("a.json", ["json", "provn"])]
    ['a.json', 'a.provn']
    """
    from mlflow2prov import formats

    if output == "-":
        return []
    return [formats.target_of(_of_format(output, name, names), name, number) for name in names]


def _of_format(output: str, name: str, names: Sequence[str]) -> str:
    """The name to write one of several formats to: the suffix of another one of them is none of its name."""
    from mlflow2prov.formats import format_of
    from mlflow2prov.formats.compression import compression_of

    told = format_of(output)
    if told in (None, name) or told not in names:
        return output
    stem = output[: len(output) - len(compression_of(output))]
    return str(Path(stem).with_suffix("")) + output[len(stem) :]
