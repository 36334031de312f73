"""Extraction: the one place that joins sources and model to a graph."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow2prov import __version__
from mlflow2prov.errors import UsageError
from mlflow2prov.graph.files import whole_file
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.replacing import check_apart, check_only_a_graph
from mlflow2prov.graph.store import Store, create_tables, default_store
from mlflow2prov.progress import Report, watched_batches, watched_items
from mlflow2prov.sources.git_wanted import GitWanted
from mlflow2prov.store_ways import PLUGINS, Ways, changes, resolved_url, store_batches, way_into
from mlflow2prov.surroundings import Surroundings, say_size
from mlflow2prov.surroundings import repository_cache as default_clones

if TYPE_CHECKING:
    from mlflow2prov.cache.extraction import Sources
    from mlflow2prov.model.expand import Names
    from mlflow2prov.sources.git_given import AtHand, Given
    from mlflow2prov.sources.git_remembered import Memory
    from mlflow2prov.sources.mlflow.known import Finished, Known
    from mlflow2prov.sources.mlflow.parts import Wanted
    from mlflow2prov.sources.mlflow.selection import Selection
    from mlflow2prov.sources.tables import Batches

log = logging.getLogger(__name__)


def extract(
    repository_path: str | Path | Sequence[str | Path] | None = None,
    mlflow_url: str | None = None,
    *,
    mlflow_namespace: str | None = None,
    repository_namespace: str | Sequence[str] | None = None,
    repository_cache: str | Path | None = None,
    refs: Sequence[str] = (),
    paths: Sequence[str] = (),
    commits_since: str | None = None,
    commits_until: str | None = None,
    find_copies: bool = False,
    tree_members: bool = False,
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
    follow_imports: bool = False,
    database: str | Path | None = None,
    cache: str | Path | None = None,
    surroundings: Surroundings | None = None,
) -> Graph:
    """Return the provenance of Git repositories, of an MLflow store, or of both, linked.

    Args:
        repository_path: a work tree, a bare repository, or a URL (``https``, ``ssh``, ``git``, ``file``,
            ``host:path``), which is cloned without a checkout, or brought up to date; a list of several.
        mlflow_url: ``http(s)://…`` of a tracking server, or, which are only ever read, the path of a file
            store such as ``./mlruns`` or the URI of a database: ``sqlite:///…``, ``postgresql://…``,
            ``mysql://…``, ``mssql://…``.
        mlflow_namespace: the IRI in which the store's things are named; by default it derives from
            the URL without credentials, and for a local store from the host name and path.
        repository_namespace: the IRI in which branches and tags are named; by default it derives
            from the URL of ``origin``, else from the host name and path; one for each of several.
        repository_cache: the folder of the clones; by default that of
            :func:`mlflow2prov.surroundings.repository_cache`.
        refs: shell patterns of the branches and tags to read; commits that runs name are read as well.
        paths: pathspecs; files only that ever stood there are told of, and entry points of runs.
        commits_since: ISO 8601: commits that were committed then or later, and what they need
            (see :mod:`mlflow2prov.sources.git_narrowing`).
        commits_until: likewise: commits that were committed before.
        find_copies: also find files that were copied from one that the same commit changed.
        tree_members: list every file of the source trees that runs' commits have.
        skip: parts of the store to leave out, such as ``metric_history``.
        traces: tell traces one by one, with spans and assessments, instead of only counting them.
        experiment: names or identifiers of experiments; with any of these arguments only a part of the store
            is read, which they choose together (see :mod:`mlflow2prov.sources.mlflow.selection`).
        run: identifiers or names of runs.
        model: names of registered models or prompts.
        since: ISO 8601: runs that started then or later; of a repository alone, as ``commits_since``.
        until: likewise: runs that started before; of a repository alone, as ``commits_until``.
        filter: a filter of runs as MLflow's ``search_runs`` takes it.
        artifact_digests: read every artifact for its SHA-256.
        artifact_server: the URL of the tracking server that hands out artifacts at ``mlflow-artifacts:``,
            where ``mlflow_url`` is a database or a file store.
        follow_imports: find the files of the repository that runs' entry points import, too.
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
    check_apart(database, cache)
    from mlflow2prov.model.ids import check_namespaces
    from mlflow2prov.sources.git_clone import Clones
    from mlflow2prov.sources.git_given import Given, check_given, listed
    from mlflow2prov.sources.git_narrowing import Narrowing, Times
    from mlflow2prov.sources.mlflow.parts import Wanted, parts_to_skip
    from mlflow2prov.sources.mlflow.selection import Selection

    namespaces = (
        [repository_namespace] if isinstance(repository_namespace, str) else [*(repository_namespace or ())]
    )
    check_given(listed(repository_path), namespaces)
    check_namespaces(mlflow_namespace, namespaces)
    times = Times(since, until, commits_since, commits_until).read_with(mlflow_url)
    selection = Selection.of(
        experiments=experiment, runs=run, models=model, since=times.since, until=times.until, filter=filter
    )
    if not mlflow_url and not selection.is_everything:
        raise UsageError(f"there is no MLflow store to select from ({selection.shown}): give its URL")
    if tree_members and not (repository_path and mlflow_url):
        raise UsageError("tree members are those of the trees that runs name: give a repository and a store")
    surroundings = surroundings or Surroundings()
    wanted = Wanted(
        skip=parts_to_skip(frozenset(skip), traces=traces),
        selection=selection,
        artifact_digests=artifact_digests,
    )
    if follow_imports and not (repository_path and mlflow_url):
        raise UsageError(
            "imports of runs' code are followed where there are both a repository and an MLflow store"
        )
    ways = Ways(surroundings, artifact_server, concurrency)
    iris = mlflow_namespace, tuple(namespaces)
    clones = Clones(
        folder=Path(repository_cache or default_clones(surroundings.environment)),
        environment=surroundings.environment,
    )
    narrowing = Narrowing.of(refs, paths, times.commits_since, times.commits_until)
    narrowing.check_tree_members(tree_members)
    history = GitWanted(
        find_copies=find_copies,
        tree_members=tree_members,
        follow_imports=follow_imports,
        narrowing=narrowing,
    )
    given = Given(paths=listed(repository_path), wanted=history, clones=clones)
    if cache is not None:
        store = surroundings.store or default_store()
        if database is not None:
            check_only_a_graph(store, Path(database))
        made = _extract_with_cache(Path(cache), given, mlflow_url, iris, wanted, ways)
        made = made if database is None else Graph.open(made.keep(database), store)
        made.origin = f"the extract of {_sources_shown(given, mlflow_url)}"
        return made
    with ExitStack() as stack:
        # Git begins while the engine starts, where no run tells what to look for.
        begun = stack.enter_context(_reading(given)) if given.paths and not mlflow_url else None
        store = surroundings.store or default_store()
        if database is None:
            graph = Graph.empty(store)
        else:
            check_only_a_graph(store, Path(database))
            unfinished = stack.enter_context(whole_file(Path(database)))
            graph = Graph(store, store.attach(unfinished, read_only=False, is_unfinished=True))
            stack.callback(store.detach, graph.schema)
            create_tables(store, graph.schema)
        sources = stack.enter_context(store.scratch("sources"))
        batches = store_batches(mlflow_url, wanted, ways) if mlflow_url else None
        with _room(store, sources, mlflow_url):
            names = _take_in_sources(
                store, sources, given, begun, mlflow_url, batches, selection, surroundings
            )
        with _room(store, sources, mlflow_url):
            _expand(graph, sources, _names(names, iris, wanted, history), surroundings.report)
            if database is not None:
                store.write_out(graph.schema)  # with no more memory than there is room
    made = graph if database is None else Graph.open(database, store)
    made.origin = f"the extract of {_sources_shown(given, mlflow_url)}"
    return made


def _sources_shown(given: Given, mlflow_url: str | None) -> str:
    from mlflow2prov.prov.credentials import shown_url
    from mlflow2prov.sources.git_clone import is_url

    repositories = [shown_url(str(path)) if is_url(path) else str(path) for path in given.paths]
    return " and ".join(source for source in (*repositories, shown_url(mlflow_url or "")) if source)


def _settings_shown(wanted: Wanted, history: GitWanted) -> str:
    """What an extraction's result depends on besides its sources."""
    from mlflow2prov.prov.credentials import without_credentials
    from mlflow2prov.sources.mlflow.parts import TRACE_DETAILS

    skipped, selection = sorted(wanted.skip - {TRACE_DETAILS}), wanted.selection
    asked = {
        "traces": TRACE_DETAILS not in wanted.skip,
        "artifact digests": wanted.artifact_digests,
        "imports": history.follow_imports,
    }
    more = [name for name, is_on in asked.items() if is_on]
    settings = ["renames: 50 %, limit 1000", "history: branches and tags"]
    settings += [f"without: {', '.join(skipped)}"] if skipped else []
    settings += [f"with: {', '.join(more)}"] if more else []
    settings += [f"only: {without_credentials(selection.shown)}"] if not selection.is_everything else []
    return "; ".join(settings)


_Iris = tuple[str | None, tuple[str, ...]]
"""The namespaces that a person gives: the store's, and those of the repositories."""


@dataclass(frozen=True, slots=True)
class _Namespaces:
    repositories: tuple[str, ...]
    store: str | None


def _take_in_sources(
    store: Store,
    sources: str,
    given: Given,
    history: Batches | None,
    mlflow_url: str | None,
    batches: Batches | None,
    selection: Selection,
    surroundings: Surroundings,
) -> _Namespaces:
    """Fill the source tables; the store comes first, since its runs name commits and files.

    A ``history`` is one that is being read already.
    """
    from mlflow2prov.model.ids import store_namespace
    from mlflow2prov.prov.credentials import redaction_sql
    from mlflow2prov.sources.intake import create_source_tables, keep_one_of_each_name, take_in
    from mlflow2prov.sources.mlflow.selected import keep_selected

    create_source_tables(store, sources)
    repository_iris: tuple[str, ...] = ()
    store_iri = None
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
        say_size(counts["mlflow_metric"] * 120, store.folder, "the graph takes")
        store_iri = store_namespace(resolved_url(mlflow_url, surroundings.environment), surroundings.host)
    if given.paths:
        import pyarrow

        with nullcontext(history) if history is not None else _reading(given, store, sources) as told:
            watched = watched_batches("Git history", told, surroundings.report)
            counts = take_in(store, sources, watched, redaction_sql)
        pyarrow.default_memory_pool().release_unused()
        log.info(
            "read the Git history: %s commits, %s revisions", *_counts(counts, "git_commit", "git_revision")
        )
        found = f"SELECT remote, path FROM {sources}.git_repository ORDER BY repository"
        repository_iris = _repository_iris(store.run(found), surroundings.host)
    return _Namespaces(repository_iris, store_iri)


@contextmanager
def _reading(given: Given, store: Store | None = None, sources: str = "") -> Iterator[Batches]:
    """The source tables of repositories, which are being read; what runs of a store name is looked for."""
    from mlflow2prov.cache.ahead import Ahead
    from mlflow2prov.sources.git_points import datasets_of_runs_sql, points_sql

    points: Sequence[tuple[str, ...]] = ()
    datasets: Sequence[tuple[str, str, str, str]] = ()
    if store is not None:
        asked = points_sql(f"{sources}.mlflow_tag", f"{sources}.mlflow_logged_model_tag")
        points = store.run(f"{asked} ORDER BY ALL")
        tables = (f"{sources}.{name}" for name in ("mlflow_tag", "mlflow_dataset_input", "mlflow_dataset"))
        datasets = store.run(f"{datasets_of_runs_sql(*tables)} ORDER BY ALL")
    with given.at_hand() as repositories, Ahead() as ahead:
        yield ahead.batches(repositories.read(points, datasets))


def _repository_iris(found: Sequence[tuple[str | None, str]], host: str) -> tuple[str, ...]:
    """The namespaces of repositories, by their remotes and paths."""
    from mlflow2prov.model.ids import repository_namespace

    return tuple(repository_namespace(remote, path, host) for remote, path in found)


def _counts(counts: Mapping[str, int], *tables: str) -> list[str]:
    return [f"{counts[table]:,}" for table in tables]


def _names(found: _Namespaces, iris: _Iris, wanted: Wanted, history: GitWanted) -> Names:
    """The namespaces of a document, those that a person gave before those that were found, and its settings."""
    from mlflow2prov.model.expand import Names
    from mlflow2prov.prov.credentials import without_credentials

    store_iri, repository_iris = iris
    given = tuple(map(without_credentials, repository_iris)) or found.repositories
    return Names(
        repository=given[0] if given else None,
        more_repositories=given[1:],
        store=without_credentials(store_iri or "") or found.store,
        version=__version__,
        settings=_settings_shown(wanted, history),
        is_whole=wanted.selection.is_everything
        and wanted.skip.isdisjoint({"registered_models", "logged_models"}),
    )


def _room(store: Store, sources: str, mlflow_url: str | None) -> AbstractContextManager[None]:
    """Where a history alone is read, give no more memory than its rows need."""
    from mlflow2prov.sources.intake import rows_there

    return nullcontext() if mlflow_url else store.frugal(rows_there(store, sources))


def _expand(graph: Graph, sources: str, names: Names, report: Report) -> None:
    from mlflow2prov.model.emptiness import Empty, without_rows
    from mlflow2prov.model.events import EVENTS
    from mlflow2prov.model.expand import expand
    from mlflow2prov.model.unmapped import READ_BY_COUNTS, report_unmapped

    events = watched_items("events", "kinds of events", EVENTS, report)
    asked = READ_BY_COUNTS if names.store else ""
    empty = Empty(without_rows(graph.store, sources), is_frugal=True, asked=asked)
    expand(graph, sources, names, events, empty=empty)
    if names.store:
        report_unmapped(graph.store, sources)


def _refuse_cache(mlflow_url: str | None, wanted: Wanted) -> None:
    """Raise an error if what is read can't be read with a cache."""
    if not wanted.selection.is_everything:
        raise UsageError(
            f"a cache is of a whole store, and only a part is selected ({wanted.selection.shown}): leave out one of the two"
        )
    if mlflow_url and way_into(mlflow_url) == PLUGINS:
        raise UsageError(
            "a store that MLflow's own client reads can't be read with a cache: leave the cache out"
        )


def _extract_with_cache(
    cache: Path,
    given: Given,
    mlflow_url: str | None,
    iris: _Iris,
    wanted: Wanted,
    ways: Ways,
) -> Graph:
    """The graph of a cache, brought up to date."""
    from mlflow2prov.cache.extraction import extract_with_cache
    from mlflow2prov.model.ids import store_namespace
    from mlflow2prov.prov.credentials import without_credentials

    _refuse_cache(mlflow_url, wanted)
    around = ways.surroundings
    resolved = resolved_url(mlflow_url, around.environment) if mlflow_url else ""
    store_iri = store_namespace(resolved, around.host) if mlflow_url else None
    identity = {
        "MLflow_store": store_iri or "",
        "Git_repository": ", ".join(given.names),
        "namespace": " ".join(without_credentials(iri) for iri in (iris[0], *iris[1]) if iri),
        "choice_of_parts": _settings_shown(wanted, given.wanted),
        "choice_of_history": "; ".join(filter(None, [given.wanted.shown, *given.wanted.narrowing.shown])),
        "artifact_server": without_credentials(ways.artifact_server or ""),
    }
    with given.at_hand() as repositories:
        sources = _cached_sources(mlflow_url, repositories, (store_iri, iris), wanted, ways)
        return extract_with_cache(around.store or default_store(), cache, identity, sources)


def _cached_sources(
    mlflow_url: str | None,
    repositories: AtHand,
    names_given: tuple[str | None, _Iris],
    wanted: Wanted,
    ways: Ways,
) -> Sources:
    """What an extraction with a cache reads from."""
    from mlflow2prov.cache.extraction import Sources
    from mlflow2prov.prov.credentials import redaction_sql

    store_iri, iris = names_given
    around = ways.surroundings

    def names(found: list[tuple[str | None, str]]) -> Names:
        return _names(
            _Namespaces(_repository_iris(found, around.host), store_iri), iris, wanted, repositories.wanted
        )

    def watched(name: str, batches: Batches) -> Batches:
        return watched_batches(name, batches, around.report)

    def everything(url: str) -> Callable[[Finished], Batches]:
        return lambda done: watched("MLflow store", store_batches(url, wanted, ways, done))

    def new(url: str) -> Callable[[Known], Batches]:
        return lambda known: watched("MLflow store", changes(url, wanted, ways, known))

    def history(
        points: list[tuple[str, ...]], datasets: list[tuple[str, str, str, str]], memory: Memory
    ) -> Batches:
        return watched("Git history", repositories.read(points, datasets, memory))

    return Sources(
        store=everything(mlflow_url) if mlflow_url else None,
        at_once=not mlflow_url or way_into(mlflow_url)[1] != "read_server",
        changes=new(mlflow_url) if mlflow_url else None,
        repository=history if repositories.paths else None,
        state=repositories.state if repositories.paths else None,
        redaction=redaction_sql,
        names=names,
        now_ms=around.now_ms,
    )
