"""The steps of a chain: the one place that joins extraction, graph and formats.

A stream of documents flows through the steps; each step is a function from an iterator of graphs and
its options to an iterator of graphs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow2prov.checks import (
    PAGE_FORMATS,
    TABLE_FORMATS,
    answer_format,
    form_of,
    formats_to_save,
    parameters_of,
    question,
    targets,
)
from mlflow2prov.commands import Step
from mlflow2prov.errors import InvalidError, UsageError
from mlflow2prov.extraction import extract
from mlflow2prov.graph.files import (
    refuse_existing,
    require_folder,
    unfinished_pattern,
)
from mlflow2prov.graph.graph import Graph
from mlflow2prov.progress import bytes_of_unfinished
from mlflow2prov.surroundings import Surroundings, say_size

if TYPE_CHECKING:
    from mlflow2prov.graph.agents import Person
    from mlflow2prov.graph.pages import Page
    from mlflow2prov.query.answers import Answer

log = logging.getLogger(__name__)


def run(steps: Iterable[Step], surroundings: Surroundings) -> int:
    """Run a chain of steps; return how many documents came out of it.

    Raises:
        InvalidError: ``validate`` found documents that are not valid; all steps have been carried out.
    """
    documents: Iterator[Graph] = iter(())
    for step in steps:
        documents = STEPS[step.command.name](documents, step.options, surroundings)
    count = sum(1 for _ in documents)
    if surroundings.invalid:
        raise InvalidError(f"not valid: {', '.join(surroundings.invalid)}")
    return count


def load(
    *inputs: str | Path,
    format: str | None = None,  # noqa: A002
    surroundings: Surroundings | None = None,
) -> Graph:
    """Return the document in a file as a graph; several files are merged into one.

    Args:
        inputs: paths; ``-`` is standard input. A DuckDB file that ``extract`` or ``Graph.keep`` made
            is opened as it is.
        format: the format, where the names don't tell.
        surroundings: what standard input is, and where graphs live.

    Raises:
        FormatError: a file can't be read.
    """
    surroundings = surroundings or Surroundings()
    if not inputs or not all(isinstance(name, str | Path) for name in inputs):
        raise UsageError("load takes the paths of one or more files")
    graphs = [_load_one(str(name), format, surroundings) for name in inputs]
    return graphs[0] if len(graphs) == 1 else merge(graphs)


def _load_one(name: str, format_name: str | None, surroundings: Surroundings) -> Graph:
    from mlflow2prov import formats

    if not name or "\0" in name:
        raise UsageError(f"{name!r} is no name of a file")
    surroundings.report(f"reading {name}", {})
    if name == "-":
        if surroundings.stdin is None:
            raise UsageError("standard input is closed")
        return formats.read_from(surroundings.stdin, "standard input", format_name, surroundings.store)
    if format_name is None and Path(name).suffix.lower() == ".duckdb":
        return Graph.open(name, surroundings.store)
    return formats.read(name, format_name, surroundings.store)


def merge(graphs: Iterable[Graph]) -> Graph:
    """Return the union of graphs, unified by identifier (see :mod:`mlflow2prov.graph.merge`).

    Raises:
        UsageError: there is none.
    """
    from mlflow2prov.graph.merge import merge as merge_graphs

    if isinstance(graphs, Graph):
        raise UsageError("merge takes several graphs, as a list")
    return merge_graphs(list(graphs))


def _extract_step(
    documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
) -> Iterator[Graph]:
    yield from documents
    yield extract(**options, surroundings=surroundings)


def _load_step(
    documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
) -> Iterator[Graph]:
    yield from documents
    for name in options["input"]:
        yield _load_one(name, options["format"], surroundings)


def _merge_step(
    documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
) -> Iterator[Graph]:
    graphs = list(documents)
    if not graphs:
        raise UsageError("merge has no document to work on: put extract or load before it")
    yield merge(graphs)


def _transform_step(
    documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
) -> Iterator[Graph]:
    transforms = list(_transforms(options, surroundings))
    for graph in _some(documents, "transform"):
        origin = graph.origin
        for transform in transforms:
            graph = transform(graph)
        graph.origin = origin
        yield graph


def _transforms(options: dict[str, Any], surroundings: Surroundings) -> Iterator[Callable[[Graph], Graph]]:
    """What a transform does, in its order; files that it needs are read first, and once."""
    selection = {word: options[word] for word in ("types", "exclude_types", "since", "until")}
    if options["link"]:
        yield lambda graph: graph.link()
    if any(selection.values()):
        yield lambda graph: graph.select(**selection)
    people = _people(options["merge_aliased_agents"], options["mailmap"])
    if people:
        yield lambda graph: graph.merge_aliased_agents(people)
    if options["use_pseudonyms"]:
        key = pseudonym_key(options["pseudonym_key"], surroundings)
        keep = options["keep_free_text"]
        yield lambda graph: graph.use_pseudonyms(key, keep_free_text=keep)
    if options["eliminate_duplicates"]:
        yield lambda graph: graph.eliminate_duplicates()


def _people(aliases: str | None, mailmap: str | None) -> list[Person]:
    from mlflow2prov.graph.agents import people_of_mailmap, people_of_yaml

    people = people_of_yaml(Path(aliases)) if aliases else []
    return [*people, *(people_of_mailmap(Path(mailmap)) if mailmap else [])]


def pseudonym_key(file: str | Path | None, surroundings: Surroundings) -> bytes:
    """Return the secret key of pseudonyms: from a file, else the environment, else a random one.

    Raises:
        UsageError: the file can't be read, or the key is shorter than 16 bytes.
    """
    from mlflow2prov.graph.masking import require_secret

    if file:
        try:
            key = Path(file).read_bytes().rstrip(b"\r\n")
        except OSError as error:
            raise UsageError(f"can't read the pseudonym key {file}: {error.strerror}") from error
    elif surroundings.environment.get(PSEUDONYM_KEY):
        key = surroundings.environment[PSEUDONYM_KEY].encode()
    else:
        log.warning(
            "no pseudonym key is given: a random one is used, and the next run will give other pseudonyms"
        )
        return surroundings.random_key
    require_secret(key)
    return key


PSEUDONYM_KEY = "MLFLOW2PROV_PSEUDONYM_KEY"
"""The environment variable that may hold the key of pseudonyms."""


def _save_step(
    documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
) -> Iterator[Graph]:
    output, numbered, waiting = options["output"], 0, _some(documents, "save")
    names = formats_to_save(output, options["format"])
    _check_surroundings_of_output(output, names)
    graph: Graph | None = next(waiting)
    while graph is not None:
        following = next(waiting, None)
        numbered += 1 if numbered or following is not None else 0
        if output == "-":
            _check_output(surroundings)
            if numbered:
                raise UsageError("standard output takes one document only: merge them, or save them to files")
        _save(graph, output, numbered, names, options, surroundings)
        yield graph
        graph = following


def _check_surroundings_of_output(output: str, names: Sequence[str]) -> None:
    """What stands in the way of writing is said before any work is done."""
    from mlflow2prov import formats

    for name in names:
        formats.require(name)
    for target in targets(output, names):
        require_folder(target)


def _save(
    graph: Graph,
    output: str,
    number: int,
    names: Sequence[str],
    options: dict[str, Any],
    surroundings: Surroundings,
) -> None:
    """Write one document in each of the formats asked for."""
    from mlflow2prov import formats

    overwrite = not options["no_overwrite"]
    paths = targets(output, names, number)
    if not overwrite:
        for target in paths:
            refuse_existing(target)
    for position, name in enumerate(names):
        settings = {"attributes": True} if options["show_attributes"] and formats.draws(name) else {}
        if output == "-":
            formats.write_to(graph, surroundings.stdout, name, **settings)
            surroundings.stdout.flush()
            continue
        target = paths[position]
        written = bytes_of_unfinished(target.parent, unfinished_pattern(target))
        surroundings.report(f"writing {target.name}", written)
        say_size(formats.expected_bytes(graph, name), target.parent, f"writing {target} takes")
        formats.write(graph, target, name, overwrite=overwrite, **settings)
        log.info("wrote %s", target)


def _push_step(
    documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
) -> Iterator[Graph]:
    from mlflow2prov import sinks
    from mlflow2prov.sinks.address import Address

    address = Address.parse(options["to"]).signed_in(surroundings.environment)
    if address.user and address.password is None and surroundings.ask_password is not None:
        password = surroundings.ask_password(f"Password of {address.user} at {address.shown}: ")
        address = replace(address, password=password)
    settings = sinks.Settings(
        graph=options["graph"],
        replace=options["replace"],
        environment=surroundings.environment,
        report=surroundings.report,
    )
    for graph in _some(documents, "push"):
        counts = sinks.push(graph, address, settings)
        shown = ", ".join(f"{count:,} {noun}" for noun, count in counts.items())
        log.info("pushed to %s: %s", address.shown, shown)
        settings = replace(settings, replace=False)
        yield graph


def _statistics_step(
    documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
) -> Iterator[Graph]:
    _check_output(surroundings)
    numbered, waiting = 0, _some(documents, "statistics")
    graph: Graph | None = next(waiting)
    while graph is not None:
        following = next(waiting, None)
        numbered += 1 if numbered or following is not None else 0
        counted = graph.statistics(options["resolution"])
        if numbered:
            counted = replace(counted, document=f"{numbered}: {graph.origin or 'a document'}")
        if options["format"] == "table" and surroundings.show is not None:
            surroundings.show(counted)
        else:
            text = counted.text(options["format"])
            if options["format"] == "csv" and numbered > 1:  # one header is enough
                text = text.partition("\n")[2]
            surroundings.stdout.write(text.encode(errors="backslashreplace"))
            surroundings.stdout.flush()
        if options["plot"]:
            graph.plot(_numbered(Path(options["plot"]), numbered))
        yield graph
        graph = following


def _validate_step(
    documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
) -> Iterator[Graph]:
    _check_output(surroundings)
    if options["shapes"]:
        from mlflow2prov.validation.shapes import require_shapes

        require_shapes()
    for graph, number in _numbering(_some(documents, "validate")):
        name = graph.origin or "the document"
        surroundings.report(f"validating {name}", {})
        report = graph.validate(shapes=options["shapes"])
        if number:
            report = replace(report, document=f"{number}: {name}")
        surroundings.stdout.write(report.text(options["format"]).encode(errors="backslashreplace"))
        surroundings.stdout.flush()
        if not report.is_valid:
            surroundings.invalid.append(report.document or name)
        yield graph


def _numbering(documents: Iterator[Graph]) -> Iterator[tuple[Graph, int]]:
    """Each document with its number, from 1 on; a single one has 0."""
    numbered = 0
    graph = next(documents, None)
    while graph is not None:
        following = next(documents, None)
        numbered += 1 if numbered or following is not None else 0
        yield graph, numbered
        graph = following


def _lineage_step(
    documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
) -> Iterator[Graph]:
    from mlflow2prov.graph.lineage import lineage

    is_shown, settings = options["print"], {name: options[name] for name in options if name != "print"}
    if is_shown:
        _check_output(surroundings)
    for graph in _some(documents, "lineage"):
        surroundings.report("lineage", {})
        found = lineage(graph, **settings)
        if is_shown:
            _print(found.tree(), surroundings)
        yield found.part()


def _query_step(
    documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
) -> Iterator[Graph]:
    text, format_name, output = question(options), answer_format(options), options["output"]
    if output in (None, "-"):
        _check_output(surroundings)
    else:
        require_folder(Path(output))
    numbered, waiting = 0, _some(documents, "query")
    graph: Graph | None = next(waiting)
    while graph is not None:
        following = next(waiting, None)
        numbered += 1 if numbered or following is not None else 0
        surroundings.report("answering a query", {})
        with _answer(graph, text, is_sql=bool(options["sql"]), timeout_s=options["timeout"]) as answer:
            _write_answer(answer, format_name, output, numbered, surroundings)
        yield graph
        graph = following


def _ask_step(
    documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
) -> Iterator[Graph]:
    from mlflow2prov.graph.questions import ask, missing_types, named
    from mlflow2prov.query.answers import Answer, table_of_questions

    form = form_of(options, TABLE_FORMATS)
    _check_place(options["output"], surroundings)
    if not options["name"]:
        yield from documents
        _write_answer(table_of_questions(), form, options["output"], 0, surroundings)
        return
    question_, given = named(options["name"]), parameters_of(options["param"])
    for graph, number in _counted(_some(documents, "ask")):
        surroundings.report(question_.title, {})
        if missing := missing_types(graph, question_):
            log.warning("nothing in %s is of type %s", graph.origin or "the document", ", ".join(missing))
        table = ask(graph, question_.name, given)
        answer = Answer(table.schema, iter(table.to_batches()))
        _write_answer(answer, form, options["output"], number, surroundings)
        yield graph


def _page_step(
    command: str, make: Callable[[Graph, dict[str, Any]], Page]
) -> Callable[[Iterator[Graph], dict[str, Any], Surroundings], Iterator[Graph]]:
    """A step that writes one page about each document."""

    def step(
        documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
    ) -> Iterator[Graph]:
        _check_place(options["output"], surroundings)
        for graph, number in _counted(_some(documents, command)):
            surroundings.report(command, {})
            _write_page(make(graph, options), options, number, surroundings)
            yield graph

    return step


def _compare_step(
    documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
) -> Iterator[Graph]:
    if options["of"]:
        make = _page_step("compare", lambda graph, given: graph.compare(*given["of"]))
        yield from make(documents, options, surroundings)
        return
    _check_place(options["output"], surroundings)
    graphs = list(_some(documents, "compare"))
    if len(graphs) != 2:
        raise UsageError(f"compare without references takes two documents; there is {len(graphs)}: load both")
    surroundings.report("compare", {})
    _write_page(graphs[0].compare(graphs[1]), options, 0, surroundings)
    yield from graphs


def _write_page(page: Page, options: dict[str, Any], number: int, surroundings: Surroundings) -> None:
    from mlflow2prov.graph.files import whole_file

    output, text = options["output"], page.text(form_of(options, PAGE_FORMATS))
    if output in (None, "-"):
        _print(text, surroundings)
        return
    with whole_file(_numbered(Path(output), number)) as unfinished:
        unfinished.write_bytes(text.encode(errors="backslashreplace"))


def _check_place(output: str | None, surroundings: Surroundings) -> None:
    if output in (None, "-"):
        _check_output(surroundings)
    else:
        require_folder(Path(str(output)))


def _counted(documents: Iterator[Graph]) -> Iterator[tuple[Graph, int]]:
    """The documents, numbered from 1 on where there are several, else 0."""
    number, graph = 0, next(documents, None)
    while graph is not None:
        following = next(documents, None)
        number += 1 if number or following is not None else 0
        yield graph, number
        graph = following


@contextmanager
def _answer(graph: Graph, text: str, *, is_sql: bool, timeout_s: float | None) -> Iterator[Answer]:
    from mlflow2prov.query.sandbox import sql_answer
    from mlflow2prov.query.sparql import sparql_answer

    if is_sql:
        with sql_answer(graph, text, timeout_s) as answer:
            yield answer
    else:
        yield sparql_answer(graph, text, timeout_s)


def _write_answer(
    answer: Answer, format_name: str, output: str | None, number: int, surroundings: Surroundings
) -> None:
    from mlflow2prov.graph.files import whole_file
    from mlflow2prov.query.answers import write

    if output in (None, "-"):
        write(answer, surroundings.stdout, format_name)
        surroundings.stdout.flush()
        return
    with whole_file(_numbered(Path(str(output)), number)) as unfinished, unfinished.open("wb") as file:
        write(answer, file, format_name)


def _print(text: str, surroundings: Surroundings) -> None:
    surroundings.stdout.write(text.encode(errors="backslashreplace"))
    surroundings.stdout.flush()


def _check_output(surroundings: Surroundings) -> None:
    if surroundings.stdout is None:
        raise UsageError("standard output is closed")


def _some(documents: Iterator[Graph], command: str) -> Iterator[Graph]:
    """The documents; a usage error where there is none."""
    first = next(documents, None)
    if first is None:
        raise UsageError(f"{command} has no document to work on: put extract or load before it")
    yield first
    yield from documents


def _numbered(path: Path, number: int) -> Path:
    """The path, with a number before its suffix where there are several documents."""
    return path.with_name(f"{path.stem}-{number}{path.suffix}") if number else path


STEPS: dict[str, Callable[[Iterator[Graph], dict[str, Any], Surroundings], Iterator[Graph]]] = {
    "extract": _extract_step,
    "load": _load_step,
    "merge": _merge_step,
    "transform": _transform_step,
    "save": _save_step,
    "push": _push_step,
    "statistics": _statistics_step,
    "validate": _validate_step,
    "lineage": _lineage_step,
    "query": _query_step,
    "ask": _ask_step,
    "why": _page_step("why", lambda graph, given: graph.why(given["of"], given["repository_path"])),
    "impact": _page_step("impact", lambda graph, given: graph.impact(given["of"])),
    "compare": _compare_step,
}
"""A step for each command."""
