"""Which runs and logged models of a server may be others than an earlier reading had them.

A server has no list of what changed. So these are asked for, in a few requests however many are known: the
newest ones, back to where a whole page is known; runs that had not ended, that ended since, and that go on
again; runs that were deleted or restored; logged models that were updated; and all that came or went, as
numbers tell (:mod:`mlflow2prov.sources.mlflow.server_census`). Of the other runs some are looked at in turn,
those first that were not for longest, so that a store of no more runs than these is always read exactly.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from mlflow2prov.sources.mlflow import server_wire as wire
from mlflow2prov.sources.mlflow.http_client import HttpClient, Pages, RefusedError
from mlflow2prov.sources.mlflow.known import Known, Place
from mlflow2prov.sources.mlflow.server_census import Census, Found, UncountableError, shared_out

_logger = logging.getLogger(__name__)

FEW_RUNS = 250
"""Up to so many runs, all are read each time."""

MOST_RUNS = 100
"""How many runs that look as before are asked for nevertheless, each time, where there are more."""

_API = "api/2.0/mlflow"
_EXPERIMENTS = 500
_FIRST_PAGE = 20
_LARGEST_PAGE = 500
_IDS = 1_000
"""How many identifiers a filter may list: MLflow reads 3,000, of which each takes it some 30 µs."""
_RUNS_BY_ID = 100
"""How many runs or logged models are looked for by their identifiers in one request."""
_SLACK_MS = 600_000
"""How far the clocks of those who log runs may go wrong."""
_UNDER_WAY = ("RUNNING", "SCHEDULED")


_Begun = tuple[str, str, "int | None"]
"""A run, its experiment, and when it began."""


class RunsAgain:
    """Looks for the runs of some experiments that may be others.

    Attributes:
        found: the runs, by their identifiers.
        gone: known runs that the server does not have any more.
    """

    def __init__(self, client: HttpClient, known: Known, experiment_ids: Sequence[str]) -> None:
        """Look at the server that ``client`` is connected to."""
        self._client = client
        self._known = known
        self._experiment_ids = list(experiment_ids)
        self.found: dict[str, wire.Run] = {}
        self.gone: set[str] = set()

    def find(self) -> None:
        """Fill ``found`` and ``gone``."""
        self.gone.update(self._known.elsewhere("run", self._experiment_ids))
        deleted = self._known.deleted_runs()
        self._find_newest()
        self._find_ended()
        is_told = self._find_moved(deleted)
        oldest = self._known.oldest("run", FEW_RUNS + 1)
        if len(oldest) > FEW_RUNS:
            oldest = oldest[:MOST_RUNS]
        self._find_by_id([*(run_id for run_id, *_ in self._known.open_runs()), *oldest])
        census = Census("run", self._known, self._page, _place_of_run, self.found, self.gone)
        if not (census.take(self._experiment_ids) and is_told):
            _logger.debug("%s has pages that can't be counted by", self._client.uri)
            self._find_by_id([run_id for run_id, *_ in deleted])

    def _find_newest(self) -> None:
        for start in range(0, len(self._experiment_ids), _EXPERIMENTS):
            place, token = Place(tuple(self._experiment_ids[start : start + _EXPERIMENTS])), None
            pages, size = Pages("runs/search"), _FIRST_PAGE
            while True:
                page = self._page(place, size, token)
                self.found |= page.things
                token = pages.after(page)
                new = self._known.unknown("run", list(page.things))
                if token is None or not new:
                    break
                size = _next_size(size, len(new))

    def _find_ended(self) -> None:
        """Find the runs that ended since."""
        try:
            self._find_fitting(f"attributes.end_time > {self._known.begun_ms() - _SLACK_MS}")
        except RefusedError as error:
            _require_misunderstood(self._client, error)

    def _find_moved(self, deleted: Sequence[_Begun]) -> bool:
        """Find the runs that were deleted or restored since, or go on again; say whether the server could tell."""
        try:
            self._find_others(deleted, view="DELETED_ONLY")
            for ids in _some(_plain([run_id for run_id, *_ in deleted]), _IDS):
                self._find_fitting(f"attributes.run_id IN ({_listed(ids)})", view="ACTIVE_ONLY")
            for status in _UNDER_WAY:
                self._find_others(self._known.open_runs(), fits=f"attributes.status = '{status}'")
        except RefusedError as error:
            _require_misunderstood(self._client, error)
            self._find_fitting("", view="DELETED_ONLY")
            return False
        return True

    def _find_others(self, known: Sequence[_Begun], *, fits: str = "", view: str = "ALL") -> None:
        """Find the runs that a filter and a view fit but for the known ones."""
        for place, ids in shared_out(known, self._experiment_ids, _IDS, _EXPERIMENTS):
            others = f"attributes.run_id NOT IN ({_listed(_plain(ids))})" if _plain(ids) else ""
            for page in self._pages(place, _joined(fits, others), view):
                self.found |= page

    def _find_fitting(self, fits: str, *, view: str = "ALL") -> None:
        for some in _some(self._experiment_ids, _EXPERIMENTS):
            for page in self._pages(Place(tuple(some)), fits, view):
                self.found |= page

    def _find_by_id(self, run_ids: Sequence[str]) -> None:
        """Find runs by their identifiers; those that are not there are gone."""
        asked = [run_id for run_id in dict.fromkeys(run_ids) if run_id not in self.found]
        for ids in _some(_plain([run_id for run_id in asked if run_id not in self.gone]), _RUNS_BY_ID):
            self._find_fitting(f"attributes.run_id IN ({_listed(ids)})")
            self.gone.update(run_id for run_id in ids if run_id not in self.found)

    def _pages(self, place: Place, fits: str, view: str) -> Iterator[dict[str, wire.Run]]:
        pages, token = Pages("runs/search"), None
        while True:
            page = self._page(place, _RUNS_BY_ID, token, fits, view)
            if page.things:
                yield page.things
            token = pages.after(page)
            if token is None:
                return

    def _page(
        self, place: Place, size: int, token: str | None, fits: str = "", view: str = "ALL"
    ) -> Found[wire.Run]:
        """A page of the runs in a place, the newest first."""
        within = _joined(fits, *_range(place, "attributes.start_time"))
        body: dict[str, object] = {
            "experiment_ids": place.experiment_ids,
            "run_view_type": view,
            "max_results": size,
            "order_by": ["attribute.start_time DESC"],
        }
        body |= {"filter": within} if within else {}
        body |= {"page_token": token} if token else {}
        page = self._client.ask(wire.RunPage, f"{_API}/runs/search", body=body)
        return Found({run.info.run_id: run for run in page.runs}, page.next_page_token)


class ModelsAgain:
    """Looks for the logged models of some experiments that may be others; those that are deleted are ``gone``."""

    def __init__(self, client: HttpClient, known: Known, experiment_ids: Sequence[str]) -> None:
        """Look at the server that ``client`` is connected to."""
        self._client = client
        self._known = known
        self._experiment_ids = list(experiment_ids)
        self.found: dict[str, wire.LoggedModel] = {}
        self.gone: set[str] = set()

    def find(self) -> None:
        """Fill ``found`` and ``gone``."""
        self.gone.update(self._known.elsewhere("logged_model", self._experiment_ids))
        census = Census("logged_model", self._known, self._page, _place_of_model, self.found, self.gone)
        try:
            self._find_newest("")
            self._find_updated()
            is_told = census.take(self._experiment_ids)
        except UncountableError:
            is_told = False
        if not is_told:
            _logger.debug("%s has pages of logged models that can't be counted by", self._client.uri)

    def by_id(self, model_ids: Sequence[str]) -> dict[str, wire.LoggedModel] | None:
        """Those of the models that are active, by their identifiers; None where the server can't look for several."""
        found: dict[str, wire.LoggedModel] = {}
        try:
            for ids in _some(_plain(model_ids), _RUNS_BY_ID):
                for some in _some(self._experiment_ids, _EXPERIMENTS):
                    fits = f"model_id IN ({_listed(ids)})"
                    found |= self._page(Place(tuple(some)), len(ids), None, fits).things
        except (RefusedError, UncountableError) as error:
            if isinstance(error, RefusedError):
                _require_misunderstood(self._client, error)
            return None
        return found

    def _find_updated(self) -> None:
        """Find those whose record was updated since."""
        try:
            self._find_newest(f"last_updated_timestamp > {self._known.begun_ms() - _SLACK_MS}")
        except RefusedError as error:
            _require_misunderstood(self._client, error)

    def _find_newest(self, fits: str) -> None:
        """Find those that a filter fits, or, where there is none, the newest to the first page without new ones."""
        for some in _some(self._experiment_ids, _EXPERIMENTS):
            place, pages, size = Place(tuple(some)), Pages("logged-models/search"), _FIRST_PAGE
            token = None
            while True:
                page = self._page(place, size, token, fits)
                self.found |= page.things
                token = pages.after(page)
                new = self._known.unknown("logged_model", list(page.things))
                if token is None or not (fits or new):
                    break
                size = _next_size(size, len(page.things) if fits else len(new))

    def _page(self, place: Place, size: int, token: str | None, fits: str = "") -> Found[wire.LoggedModel]:
        within = _joined(fits, *_range(place, "creation_timestamp"))
        body: dict[str, object] = {
            "experiment_ids": place.experiment_ids,
            "max_results": size,
            "order_by": [{"field_name": "creation_timestamp", "ascending": False}],
        }
        body |= {"filter": within} if within else {}
        body |= {"page_token": token} if token else {}
        page = self._client.ask_if_known(wire.LoggedModelPage, f"{_API}/logged-models/search", body=body)
        if page is None:
            raise UncountableError
        return Found({model.info.model_id: model for model in page.models}, page.next_page_token)


def _require_misunderstood(client: HttpClient, error: RefusedError) -> None:
    """Raise an error again unless it is that the server does not understand a filter."""
    if error.status != 400:
        raise error
    _logger.debug("%s does not understand a filter: %s", client.uri, error)


def _next_size(size: int, new: int) -> int:
    """The size of the page that follows one with so many new things: larger where all were new."""
    return min(5 * size, _LARGEST_PAGE) if new >= size else size


def _place_of_run(run: wire.Run) -> tuple[str | None, int | None]:
    return run.info.experiment_id, run.info.start_time


def _place_of_model(model: wire.LoggedModel) -> tuple[str | None, int | None]:
    return model.info.experiment_id, model.info.creation_timestamp_ms


def _range(place: Place, name: str) -> Iterator[str]:
    """The filters of when things in a place began."""
    if place.since_ms is not None:
        yield f"{name} >= {place.since_ms}"
    if place.until_ms is not None:
        yield f"{name} < {place.until_ms}"


def _joined(*filters: str) -> str:
    return " AND ".join(fits for fits in filters if fits)


def _plain(ids: Sequence[str]) -> list[str]:
    """The identifiers that can stand in a filter."""
    return [found for found in ids if "'" not in found and "\\" not in found]


def _listed(ids: Sequence[str]) -> str:
    return ", ".join(f"'{found}'" for found in ids)


def _some(things: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """The things in parts of a size."""
    for start in range(0, len(things), size):
        yield things[start : start + size]
