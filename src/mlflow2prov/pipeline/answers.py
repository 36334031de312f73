"""The steps that answer questions about documents, and pass these on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow2prov.checks import (
    PAGE_FORMATS,
    TABLE_FORMATS,
    answer_format,
    form_of,
    parameters_of,
    question,
)
from mlflow2prov.errors import UsageError
from mlflow2prov.graph.graph import Graph
from mlflow2prov.pipeline.stream import (
    StepFunction,
    check_output,
    check_place,
    numbered,
    numbering,
    print_text,
    some,
    standard_output,
)
from mlflow2prov.surroundings import Surroundings

if TYPE_CHECKING:
    from mlflow2prov.graph.pages import Page
    from mlflow2prov.query.answers import Answer

log = logging.getLogger(__name__)


def _statistics_step(
    documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
) -> Iterator[Graph]:
    check_output(surroundings)
    for graph, number in numbering(some(documents, "statistics")):
        counted = graph.statistics(options["resolution"])
        if number:
            counted = replace(counted, document=f"{number}: {graph.origin or 'a document'}")
        if options["format"] == "table" and surroundings.show is not None:
            with standard_output(surroundings):
                surroundings.show(counted)
        else:
            text = counted.text(options["format"])
            if options["format"] == "csv" and number > 1:  # one header is enough
                text = text.partition("\n")[2]
            print_text(text, surroundings)
        if options["plot"]:
            graph.plot(numbered(Path(options["plot"]), number))
        yield graph


def _validate_step(
    documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
) -> Iterator[Graph]:
    check_output(surroundings)
    if options["shapes"]:
        from mlflow2prov.validation.shapes import require_shapes

        require_shapes()
    for graph, number in numbering(some(documents, "validate")):
        name = graph.origin or "the document"
        surroundings.report(f"validating {name}", {})
        report = graph.validate(shapes=options["shapes"])
        if number:
            report = replace(report, document=f"{number}: {name}")
        print_text(report.text(options["format"]), surroundings)
        if not report.is_valid:
            surroundings.invalid.append(report.document or name)
        yield graph


def _lineage_step(
    documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
) -> Iterator[Graph]:
    from mlflow2prov.graph.lineage import lineage

    is_shown, settings = options["print"], {name: options[name] for name in options if name != "print"}
    if is_shown:
        check_output(surroundings)
    for graph in some(documents, "lineage"):
        surroundings.report("lineage", {})
        found = lineage(graph, **settings)
        if is_shown:
            print_text(found.tree(), surroundings)
        yield found.part()


def _query_step(
    documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
) -> Iterator[Graph]:
    text, format_name, output = question(options), answer_format(options), options["output"]
    check_place(output, surroundings)
    for graph, number in numbering(some(documents, "query")):
        surroundings.report("answering a query", {})
        with _answer(graph, text, is_sql=bool(options["sql"]), timeout_s=options["timeout"]) as answer:
            _write_answer(answer, format_name, output, number, surroundings)
        yield graph


@contextmanager
def _answer(graph: Graph, text: str, *, is_sql: bool, timeout_s: float | None) -> Iterator[Answer]:
    from mlflow2prov.query.sandbox import sql_answer
    from mlflow2prov.query.sparql import sparql_answer

    if is_sql:
        with sql_answer(graph, text, timeout_s) as answer:
            yield answer
    else:
        yield sparql_answer(graph, text, timeout_s)


def _ask_step(
    documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
) -> Iterator[Graph]:
    from mlflow2prov.graph.questions import ask, missing_types, named
    from mlflow2prov.query.answers import Answer, table_of_questions

    form = form_of(options, TABLE_FORMATS)
    check_place(options["output"], surroundings)
    if not options["name"]:
        yield from documents
        _write_answer(table_of_questions(), form, options["output"], 0, surroundings)
        return
    question_, given = named(options["name"]), parameters_of(options["param"])
    for graph, number in numbering(some(documents, "ask")):
        surroundings.report(question_.title, {})
        if missing := missing_types(graph, question_):
            log.warning("nothing in %s is of type %s", graph.origin or "the document", ", ".join(missing))
        table = ask(graph, question_.name, given)
        answer = Answer(table.schema, iter(table.to_batches()))
        _write_answer(answer, form, options["output"], number, surroundings)
        yield graph


def _page_step(command: str, make: Callable[[Graph, dict[str, Any]], Page]) -> StepFunction:
    """A step that writes one page about each document."""

    def step(
        documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
    ) -> Iterator[Graph]:
        check_place(options["output"], surroundings)
        for graph, number in numbering(some(documents, command)):
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
    check_place(options["output"], surroundings)
    graphs = list(some(documents, "compare"))
    if len(graphs) != 2:
        raise UsageError(f"compare without references takes two documents; there is {len(graphs)}: load both")
    surroundings.report("compare", {})
    _write_page(graphs[0].compare(graphs[1]), options, 0, surroundings)
    yield from graphs


def _write_page(page: Page, options: dict[str, Any], number: int, surroundings: Surroundings) -> None:
    from mlflow2prov.graph.files import whole_file

    output, text = options["output"], page.text(form_of(options, PAGE_FORMATS))
    if output in (None, "-"):
        print_text(text, surroundings)
        return
    with whole_file(numbered(Path(output), number)) as unfinished:
        unfinished.write_bytes(text.encode(errors="backslashreplace"))


def _write_answer(
    answer: Answer, format_name: str, output: str | None, number: int, surroundings: Surroundings
) -> None:
    from mlflow2prov.graph.files import whole_file
    from mlflow2prov.query.answers import write

    if output in (None, "-"):
        with standard_output(surroundings) as outgoing:
            write(answer, outgoing, format_name)
        return
    with whole_file(numbered(Path(str(output)), number)) as unfinished, unfinished.open("wb") as file:
        write(answer, file, format_name)


ANSWER_STEPS: dict[str, StepFunction] = {
    "statistics": _statistics_step,
    "validate": _validate_step,
    "lineage": _lineage_step,
    "query": _query_step,
    "ask": _ask_step,
    "why": _page_step("why", lambda graph, given: graph.why(given["of"], given["repository_path"])),
    "impact": _page_step("impact", lambda graph, given: graph.impact(given["of"])),
    "compare": _compare_step,
}
"""A step for each command of these."""
