"""The steps of a chain: the one place that joins sources, model, graph and formats.

A stream of documents flows through the steps; each step is a function from an iterator of graphs and
its options to an iterator of graphs.
"""

from __future__ import annotations

import logging
import os
import platform
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from mlflow2prov import __version__
from mlflow2prov.checks import formats_to_save, targets
from mlflow2prov.commands import Step
from mlflow2prov.errors import UsageError
from mlflow2prov.graph.files import (
    refuse_existing,
    require_folder,
    unfinished_pattern,
    whole_file,
)
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.store import Store, check_replaceable, create_tables, default_store
from mlflow2prov.progress import Report, bytes_of_unfinished, silent, watched_batches, watched_items
from mlflow2prov.prov.database_uris import ENGINES
from mlflow2prov.sources.tables import SOURCE_TABLES

if TYPE_CHECKING:
    from mlflow2prov.cache.extraction import Sources
    from mlflow2prov.graph.agents import Person
    from mlflow2prov.graph.statistics import Statistics
    from mlflow2prov.model.expand import Names
    from mlflow2prov.sources.mlflow.known import Known
    from mlflow2prov.sources.mlflow.parts import Wanted
    from mlflow2prov.sources.mlflow.selection import Selection
    from mlflow2prov.sources.mlflow.server import Finished
    from mlflow2prov.sources.tables import Batches

log = logging.getLogger(__name__)

LARGE_BYTES = 500 * 2**20
"""From this size on, what will be written is said beforehand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a run is given by its surroundings: by default, those of this process.

    Attributes:
        environment: environment variables, for MLflow's own settings such as credentials.
        host: this machine's name, which the namespaces of local stores carry.
        stdin, stdout: binary, for the file name ``-``.
        show: prints statistics for a person.
        report: is told how far the work is.
        store: where graphs live; None is the default one.
        now_ms: the clock, in milliseconds since 1970, for caches.
        random_key: of pseudonyms, where no key is given.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    host: str = field(default_factory=platform.node)
    # A notebook's streams have no buffer; only a chain that names `-` or prints counts needs one.
    stdin: BinaryIO = field(default_factory=lambda: cast("BinaryIO", getattr(sys.stdin, "buffer", sys.stdin)))
    stdout: BinaryIO = field(
        default_factory=lambda: cast("BinaryIO", getattr(sys.stdout, "buffer", sys.stdout))
    )
    show: Callable[[Statistics], None] | None = None
    report: Report = silent
    store: Store | None = None
    now_ms: Callable[[], int] = field(default=lambda: time.time_ns() // 1_000_000)
    random_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)


def run(steps: Iterable[Step], surroundings: Surroundings) -> int:
    """Run a chain of steps; return how many documents came out of it."""
    documents: Iterator[Graph] = iter(())
    for step in steps:
        documents = STEPS[step.command.name](documents, step.options, surroundings)
    return sum(1 for _ in documents)


def extract(
    repository_path: str | Path | None = None,
    mlflow_url: str | None = None,
    *,
    mlflow_namespace: str | None = None,
    repository_namespace: str | None = None,
    skip: Sequence[str] = (),
    traces: bool = False,
    experiment: Sequence[str] = (),
    run: Sequence[str] = (),
    model: Sequence[str] = (),
    since: str | None = None,
    until: str | None = None,
    filter: str | None = None,  # noqa: A002
    artifact_digests: bool = False,
    artifact_server: str | None = None,
    concurrency: int | None = None,
    database: str | Path | None = None,
    cache: str | Path | None = None,
    surroundings: Surroundings | None = None,
) -> Graph:
    """Return the provenance of a Git repository, of an MLflow store, or of both, linked.

    Args:
        repository_path: a work tree or a bare repository.
        mlflow_url: ``http(s)://…`` of a tracking server, or, which are only ever read, the path of a file
            store such as ``./mlruns`` or the URI of a database: ``sqlite:///…``, ``postgresql://…``,
            ``mysql://…``, ``mssql://…``.
        mlflow_namespace: the IRI in which the store's things are named; by default it derives from
            the URL without credentials, and for a local store from the host name and path.
        repository_namespace: the IRI in which branches and tags are named; by default it derives
            from the URL of ``origin``, else from the host name and path.
        skip: parts of the store to leave out, such as ``metric_history``.
        traces: tell traces one by one, with spans and assessments, instead of only counting them.
        experiment: names or identifiers of experiments; with any of these arguments only a part of the store
            is read, which they choose together (see :mod:`mlflow2prov.sources.mlflow.selection`).
        run: identifiers or names of runs.
        model: names of registered models or prompts.
        since: ISO 8601: runs that started then or later.
        until: likewise: runs that started before.
        filter: a filter of runs as MLflow's ``search_runs`` takes it.
        artifact_digests: read every artifact for its SHA-256.
        artifact_server: the URL of the tracking server that hands out artifacts at ``mlflow-artifacts:``,
            where ``mlflow_url`` is a database or a file store.
        concurrency: how many requests to a server may be under way at once.
        database: keep the graph in this DuckDB file.
        cache: remember in this file what was read, and read only what changed since; the graph stands in
            it, and changes with the next extraction. What the store has forgotten since stays in both.
        surroundings: environment variables and the like.

    Raises:
        UsageError: neither source is given, a part, URL, experiment, run or model is unknown, a filter is wrong,
            or a cache was made with others or can't be used.
        SourceError: a source can't be read.
    """
    if not repository_path and not mlflow_url:
        raise UsageError("extract needs a repository path or an MLflow URL, or both")
    from mlflow2prov.sources.mlflow.parts import Wanted, parts_to_skip
    from mlflow2prov.sources.mlflow.selection import Selection

    selection = Selection.of(
        experiments=experiment, runs=run, models=model, since=since, until=until, filter=filter
    )
    if not mlflow_url and not selection.is_everything:
        raise UsageError(f"there is no MLflow store to select from ({selection.shown}): give its URL")
    surroundings = surroundings or Surroundings()
    store = surroundings.store or default_store()
    wanted = Wanted(
        skip=parts_to_skip(frozenset(skip), traces=traces),
        selection=selection,
        artifact_digests=artifact_digests,
    )
    ways = _Ways(surroundings, artifact_server, concurrency)
    iris = mlflow_namespace, repository_namespace
    if cache is not None:
        made = _extract_with_cache(Path(cache), repository_path, mlflow_url, iris, wanted, ways)
        made = made if database is None else Graph.open(made.keep(database), store)
        made.origin = f"the extract of {_sources_shown(repository_path, mlflow_url)}"
        return made
    with ExitStack() as stack:
        if database is None:
            graph = Graph.empty(store)
        else:
            check_replaceable(Path(database))
            unfinished = stack.enter_context(whole_file(Path(database)))
            graph = Graph(store, store.attach(unfinished, read_only=False))
            stack.callback(store.detach, graph.schema)
            create_tables(store, graph.schema)
        sources = stack.enter_context(store.scratch("sources"))
        batches = _store_batches(mlflow_url, wanted, ways) if mlflow_url else None
        names = _take_in_sources(
            store, sources, repository_path, mlflow_url, batches, selection, surroundings
        )
        _expand(graph, sources, _names(names, iris, wanted), surroundings.report)
    made = graph if database is None else Graph.open(database, store)
    made.origin = f"the extract of {_sources_shown(repository_path, mlflow_url)}"
    return made


def _sources_shown(repository_path: str | Path | None, mlflow_url: str | None) -> str:
    from mlflow2prov.prov.credentials import shown_url

    return " and ".join(str(source) for source in (repository_path, shown_url(mlflow_url or "")) if source)


def _settings_shown(wanted: Wanted) -> str:
    """What an extraction's result depends on besides its sources."""
    from mlflow2prov.prov.credentials import without_credentials
    from mlflow2prov.sources.mlflow.parts import TRACE_DETAILS

    skipped, selection = sorted(wanted.skip - {TRACE_DETAILS}), wanted.selection
    asked = ("traces", TRACE_DETAILS not in wanted.skip), ("artifact digests", wanted.artifact_digests)
    more = [name for name, is_on in asked if is_on]
    settings = ["renames: 50 %, limit 1000", "history: branches and tags"]
    settings += [f"without: {', '.join(skipped)}"] if skipped else []
    settings += [f"with: {', '.join(more)}"] if more else []
    settings += [f"only: {without_credentials(selection.shown)}"] if not selection.is_everything else []
    return "; ".join(settings)


@dataclass(frozen=True, slots=True)
class _Namespaces:
    repository: str | None
    store: str | None


def _take_in_sources(
    store: Store,
    sources: str,
    repository_path: str | Path | None,
    mlflow_url: str | None,
    batches: Batches | None,
    selection: Selection,
    surroundings: Surroundings,
) -> _Namespaces:
    """Fill the source tables; the store comes first, since its runs name commits and files."""
    from mlflow2prov.model.ids import repository_namespace, store_namespace
    from mlflow2prov.prov.credentials import redaction_sql
    from mlflow2prov.sources.intake import create_source_tables, keep_one_of_each_name, take_in
    from mlflow2prov.sources.mlflow.selected import keep_selected

    create_source_tables(store, sources)
    repository_iri = store_iri = None
    if mlflow_url and batches is not None:
        watched = watched_batches("MLflow store", batches, surroundings.report)
        counts = take_in(store, sources, watched, redaction_sql)
        keep_one_of_each_name(store, sources)
        if not selection.is_everything:
            keep_selected(store, sources, selection)
        log.info(
            "read the MLflow store: %s runs, %s metric points",
            *_counts(counts, "mlflow_run", "mlflow_metric"),
        )
        _say_size(counts["mlflow_metric"] * 120, store.folder, "the graph takes")
        store_iri = store_namespace(_resolved(mlflow_url, surroundings.environment), surroundings.host)
    if repository_path:
        from mlflow2prov.sources.git import read_repository

        points = store.run(
            f"SELECT DISTINCT c.value, coalesce(s.value, '') FROM {sources}.mlflow_tag c "
            f"LEFT JOIN {sources}.mlflow_tag s ON s.run_id = c.run_id AND s.key = 'mlflow.source.name' "
            "WHERE c.key = 'mlflow.source.git.commit' AND c.value <> '' "
            f"UNION SELECT value, '' FROM {sources}.mlflow_tag "
            "WHERE key = 'mlflow.databricks.gitRepoCommit' AND value <> '' ORDER BY ALL"
        )
        history = read_repository(repository_path, entry_points=points)
        watched = watched_batches("Git history", history, surroundings.report)
        counts = take_in(store, sources, watched, redaction_sql)
        log.info(
            "read the Git history: %s commits, %s revisions", *_counts(counts, "git_commit", "git_revision")
        )
        ((remote, path),) = store.run(f"SELECT remote, path FROM {sources}.git_repository")
        repository_iri = repository_namespace(remote, path, surroundings.host)
    return _Namespaces(repository_iri, store_iri)


def _counts(counts: Mapping[str, int], *tables: str) -> list[str]:
    return [f"{counts[table]:,}" for table in tables]


_WAYS: Mapping[str, tuple[str, str]] = {
    "http": ("server", "read_server"),
    "https": ("server", "read_server"),
    "sqlite": ("database", "read_database"),
    **dict.fromkeys(ENGINES, ("database", "read_database_server")),
}
"""The way into an MLflow store by the scheme of its URL: a module of the source, and its function."""

_FILES = ("file_store", "read_file_store")
"""The way into one whose URL is the path of a folder, or a ``file:`` URI."""

_PLUGINS = ("client", "read_client")
"""The way into one of any other scheme: MLflow's own client, where a plugin of it understands the URL."""


@dataclass(frozen=True, slots=True)
class _Ways:
    """What a way into a store needs to know besides what is wanted."""

    surroundings: Surroundings
    artifact_server: str | None = None
    concurrency: int | None = None

    def settings(self, function: str) -> dict[str, Any]:
        """The arguments of the function of a way: how to reach artifacts, and how to talk to a server."""
        from mlflow2prov.sources.mlflow.artifact_stores import ArtifactAccess

        environment = self.surroundings.environment
        http: dict[str, Any] = {}
        if function == "read_server" or self.artifact_server:
            from mlflow2prov.sources.mlflow.http_settings import HttpSettings

            http = {"settings": HttpSettings.from_environment(environment, self.concurrency)}
        given = {} if self.concurrency is None else {"concurrency": self.concurrency}
        artifacts = ArtifactAccess(
            environment=environment, server=self.artifact_server, http=http.get("settings"), **given
        )
        return {"artifacts": artifacts, **(http if function == "read_server" else {})}


def _store_batches(url: str, wanted: Wanted, ways: _Ways, finished: Finished | None = None) -> Batches:
    """What is wanted of an MLflow store, by the way in that its URL asks for."""
    module, function = _way_into(url)
    settings = ways.settings(function)
    if function == "read_server" and finished is not None:
        settings["finished"] = finished
    read: Callable[..., Batches] = getattr(import_module(f"mlflow2prov.sources.mlflow.{module}"), function)
    return read(url, wanted, **settings)


def _way_into(url: str) -> tuple[str, str]:
    """The module and the function that read the MLflow store at a URL."""
    from mlflow2prov.sources.mlflow.file_store import is_file_store

    scheme = url.split(":", 1)[0].split("+", 1)[0].lower() if ":" in url else ""
    return _FILES if is_file_store(url) else _WAYS.get(scheme, _PLUGINS)


_CHANGES = {
    "read_database": ("database", "read_database_again"),
    "read_database_server": ("database", "read_database_again"),
    "read_server": ("server_changes", "read_server_again"),
}
"""The modules and functions that read what may be new in a store, by those that read all of it."""


def _changes(url: str, wanted: Wanted, ways: _Ways, known: Known) -> Batches:
    """What may be new in an MLflow store since an earlier reading; all of it where no more is known."""
    _, function = _way_into(url)
    if function not in _CHANGES:
        for table in SOURCE_TABLES:
            if table.startswith("mlflow_"):
                known.all_of(table)
        return _store_batches(url, wanted, ways)
    module, name = _CHANGES[function]
    read: Callable[..., Batches] = getattr(import_module(f"mlflow2prov.sources.mlflow.{module}"), name)
    return read(url, wanted, known, **ways.settings(function))


def _resolved(url: str, environment: Mapping[str, str]) -> str:
    """The URL of a store; that of a local one by its real path, so that each file and folder has one spelling."""
    if url.lower().startswith("sqlite:"):
        from mlflow2prov.sources.mlflow.database_file import database_path

        return f"sqlite:///{database_path(url).resolve()}"
    from mlflow2prov.sources.mlflow.file_store import file_store_path, is_file_store

    if is_file_store(url):
        return f"file://{file_store_path(url)}"
    if ":" in url:
        return url
    from mlflow2prov.sources.mlflow.client import client_store

    return client_store(url, environment)


def _names(found: _Namespaces, iris: tuple[str | None, str | None], wanted: Wanted) -> Names:
    """The namespaces of a document, those that a person gave before those that were found, and its settings."""
    from mlflow2prov.model.expand import Names
    from mlflow2prov.prov.credentials import without_credentials

    store_iri, repository_iri = iris
    return Names(
        repository=without_credentials(repository_iri or "") or found.repository,
        store=without_credentials(store_iri or "") or found.store,
        version=__version__,
        settings=_settings_shown(wanted),
        is_whole=wanted.selection.is_everything
        and wanted.skip.isdisjoint({"registered_models", "logged_models"}),
    )


def _expand(graph: Graph, sources: str, names: Names, report: Report) -> None:
    from mlflow2prov.model.expand import EVENTS, expand
    from mlflow2prov.model.unmapped import report_unmapped

    expand(graph, sources, names, watched_items("events", "kinds of events", EVENTS, report))
    report_unmapped(graph.store, sources)


def _refuse_cache(mlflow_url: str | None, wanted: Wanted) -> None:
    """Raise an error if what is read can't be read with a cache."""
    if not wanted.selection.is_everything:
        raise UsageError(
            f"a cache is of a whole store, and only a part is selected ({wanted.selection.shown}): leave out one of the two"
        )
    if mlflow_url and _way_into(mlflow_url) == _PLUGINS:
        raise UsageError(
            "a store that MLflow's own client reads can't be read with a cache: leave the cache out"
        )


def _extract_with_cache(
    cache: Path,
    repository_path: str | Path | None,
    mlflow_url: str | None,
    iris: tuple[str | None, str | None],
    wanted: Wanted,
    ways: _Ways,
) -> Graph:
    """The graph of a cache, brought up to date."""
    from mlflow2prov.cache.extraction import extract_with_cache
    from mlflow2prov.model.ids import store_namespace
    from mlflow2prov.prov.credentials import without_credentials

    _refuse_cache(mlflow_url, wanted)
    around = ways.surroundings
    resolved = _resolved(mlflow_url, around.environment) if mlflow_url else ""
    store_iri = store_namespace(resolved, around.host) if mlflow_url else None
    path = str(Path(repository_path).resolve()) if repository_path else None
    identity = {
        "MLflow_store": store_iri or "",
        "Git_repository": path or "",
        "namespace": " ".join(without_credentials(iri) for iri in iris if iri),
        "choice_of_parts": _settings_shown(wanted),
        "artifact_server": without_credentials(ways.artifact_server or ""),
    }
    sources = _cached_sources(mlflow_url, path, (store_iri, iris), wanted, ways)
    return extract_with_cache(around.store or default_store(), cache, identity, sources)


def _cached_sources(
    mlflow_url: str | None,
    path: str | None,
    names_given: tuple[str | None, tuple[str | None, str | None]],
    wanted: Wanted,
    ways: _Ways,
) -> Sources:
    """What an extraction with a cache reads from."""
    from mlflow2prov.cache.extraction import Sources
    from mlflow2prov.model.ids import repository_namespace
    from mlflow2prov.prov.credentials import redaction_sql
    from mlflow2prov.sources.git import read_repository, repository_state

    store_iri, iris = names_given
    around = ways.surroundings

    def names(remote: str | None, found: str) -> Names:
        repository = repository_namespace(remote, found, around.host) if path else None
        return _names(_Namespaces(repository, store_iri), iris, wanted)

    def watched(name: str, batches: Batches) -> Batches:
        return watched_batches(name, batches, around.report)

    def everything(url: str) -> Callable[[Finished], Batches]:
        return lambda done: watched("MLflow store", _store_batches(url, wanted, ways, done))

    def changes(url: str) -> Callable[[Known], Batches]:
        return lambda known: watched("MLflow store", _changes(url, wanted, ways, known))

    def history(path: str) -> Callable[[list[tuple[str, str]]], Batches]:
        return lambda points: watched("Git history", read_repository(path, entry_points=points))

    return Sources(
        store=everything(mlflow_url) if mlflow_url else None,
        at_once=not mlflow_url or _way_into(mlflow_url)[1] != "read_server",
        changes=changes(mlflow_url) if mlflow_url else None,
        repository=history(path) if path else None,
        state=(lambda: repository_state(path)) if path else None,
        redaction=redaction_sql,
        names=names,
        now_ms=around.now_ms,
    )


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
        _say_size(formats.expected_bytes(graph, name), target.parent, f"writing {target} takes")
        formats.write(graph, target, name, overwrite=overwrite, **settings)
        log.info("wrote %s", target)


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


def _say_size(needed_bytes: int, folder: Path, what: str) -> None:
    """Say beforehand what a large output needs, and what there is."""
    if needed_bytes < LARGE_BYTES or not folder.is_dir():
        return
    free = shutil.disk_usage(folder).free
    log.warning("%s about %.1f GB; %.1f GB are free there", what, needed_bytes / 1e9, free / 1e9)


STEPS: dict[str, Callable[[Iterator[Graph], dict[str, Any], Surroundings], Iterator[Graph]]] = {
    "extract": _extract_step,
    "load": _load_step,
    "merge": _merge_step,
    "transform": _transform_step,
    "save": _save_step,
    "statistics": _statistics_step,
}
"""A step for each command."""
