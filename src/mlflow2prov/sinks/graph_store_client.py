"""An end point of the Graph Store HTTP Protocol: what is asked of it, and what its answers mean."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, urlsplit

from mlflow2prov.errors import SinkError, UsageError
from mlflow2prov.prov.credentials import shown_url
from mlflow2prov.sinks.address import FULL, PASSWORD, USER
from mlflow2prov.sinks.virtuoso import is_virtuoso, lacks_default_graph

if TYPE_CHECKING:
    import requests

    from mlflow2prov.sinks.address import Address

_TRIPLES = "application/n-triples"
_NOWHERE = "urn:mlflow2prov:nothing-is-here"
_TRIES = 5
_CONNECT_S = 30.0
_ANSWER_S = 600.0
_LEAST_BYTES = 2**16
_SHOWN = 200

_MEANINGS: Mapping[int, str] = {
    401: f"does not let us in: give user and password in the URL, or as {USER} and {PASSWORD}",
    403: "does not let this user write: give one who may",
    404: "has no data set there: name the address of a Graph Store Protocol end point, such as …/dataset/data or …/store",
    405: "is no place to add data: name the address of a Graph Store Protocol end point, such as …/dataset/data or …/store",
    413: "takes no portion, however small",
    415: "does not take N-Triples",
    507: "is full",
}
"""What the status of an answer means, after "the SPARQL store at URL"."""


class EndPoint:
    """An end point, with one connection that is kept.

    Attributes:
        is_virtuoso: whether it is one of Virtuoso's, which is known after :meth:`check`.
    """

    def __init__(self, address: Address, environment: Mapping[str, str]) -> None:
        self.is_virtuoso = False
        try:
            import requests
        except ImportError as error:
            raise UsageError("SPARQL stores need pip install 'mlflow2prov[sparql]'") from error
        from urllib3.util import Retry

        parts = urlsplit(address.url)
        if not parts.hostname:
            raise UsageError(f"can't push to {address.shown}: it names no host")
        self._address = address
        self._session = requests.Session()
        self._session.trust_env = False  # it would read the environment and ~/.netrc by itself
        self._session.proxies = _proxies(address.url, environment)
        authority = environment.get("SSL_CERT_FILE") or environment.get("REQUESTS_CA_BUNDLE")
        self._session.verify = authority or True
        retry = Retry(
            _TRIES,
            connect=1,
            redirect=0,
            other=0,  # such as a certificate that nobody vouches for
            allowed_methods=None,  # adding triples once more changes nothing
            status_forcelist=(429, 502, 503, 504),
            backoff_factor=0.5,
            backoff_jitter=0.5,
            raise_on_status=False,
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, requests.adapters.HTTPAdapter(max_retries=retry))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def check(self) -> None:
        """Ask for a graph that is not there, to see who answers, and sign in as it asks for.

        Raises:
            SinkError: nobody answers, or something that is no such end point.
        """
        answer = self._ask("GET", _NOWHERE, accept=_TRIPLES)
        if answer.status_code == 401:
            self._sign_in(answer)
            answer = self._ask("GET", _NOWHERE, accept=_TRIPLES)
        self.is_virtuoso = is_virtuoso(answer)
        if answer.status_code in (404, 406) and not _is_page(answer):
            return
        if _is_page(answer) and answer.ok:
            raise self._error(
                "answers with a web page: is that the address of its Graph Store Protocol end point?"
            )
        self._raise(answer)

    def send(self, graph: str | None, portion: bytes, replace: bool = False) -> None:
        """Add triples to a graph, or put them in the place of all that it has.

        What is too large for the store is sent in halves.

        Raises:
            SinkError: the store can't be reached, or refuses.
        """
        answer = self._ask("PUT" if replace else "POST", graph, portion)
        if answer.status_code == 413 and len(portion) > _LEAST_BYTES:
            middle = portion.rfind(b"\n", 0, len(portion) // 2) + 1
            if middle:
                self.send(graph, portion[:middle], replace)
                self.send(graph, portion[middle:])
                return
        self._raise(answer)

    def _ask(
        self, method: str, graph: str | None, portion: bytes | None = None, accept: str = "*/*"
    ) -> requests.Response:
        import requests

        headers = {"Accept": accept} | ({} if portion is None else {"Content-Type": _TRIPLES})
        url = self._address.url.rstrip("?")
        joined = "&" if urlsplit(url).query else "?"
        query = f"graph={quote(graph, safe='')}" if graph else "default"
        try:
            return self._session.request(
                method,
                f"{url}{joined}{query}",
                data=portion,
                headers=headers,
                timeout=(_CONNECT_S, _ANSWER_S),
                allow_redirects=False,
            )
        except (requests.RequestException, ssl.SSLError, OSError, ValueError) as error:
            is_cut = "Connection aborted" in str(error) or "LineTooLong" in str(error)
            what = "can't be reached, or does not speak HTTP" if is_cut else "can't be reached"
            way = "".join(
                f" by way of the proxy {shown_url(proxy)}" for proxy in self._session.proxies.values()
            )
            raise self._error(f"{what}{way}: {self._address.hidden(_reason(error))}") from error

    def _sign_in(self, answer: requests.Response) -> None:
        """Use the way of signing in that the store asks for."""
        from requests.auth import HTTPBasicAuth, HTTPDigestAuth

        user, password = self._address.user, self._address.password
        if not user:
            self._raise(answer)
        asked = answer.headers.get("WWW-Authenticate", "").lower()
        if "digest" in asked:
            self._session.auth = HTTPDigestAuth(user or "", password or "")
        else:
            self._session.auth = HTTPBasicAuth((user or "").encode(), (password or "").encode())

    def _raise(self, answer: requests.Response) -> None:
        """Raise an error if an answer says that it did not work."""
        status = answer.status_code
        if status < 300:
            return
        if status < 400:
            raise self._error(
                f"has moved to {shown_url(answer.headers.get('Location', 'elsewhere'))}: push there"
            )
        said = " ".join(_words(answer).split())[:_SHOWN]
        shown = f" (it says: {self._address.hidden(said)})" if said else ""
        meaning = _MEANINGS.get(status, f"refuses with status {status}")
        if status >= 500 and FULL.search(answer.text):
            meaning = _MEANINGS[507]
        if lacks_default_graph(said):
            raise self._error("has no default graph: name the graph to push into, as --graph IRI")
        raise self._error(f"{meaning}{shown}")

    def _error(self, what: str) -> SinkError:
        return SinkError(f"the SPARQL store at {self._address.shown} {what}; pushing again goes on")


def _is_page(answer: requests.Response) -> bool:
    return "html" in answer.headers.get("Content-Type", "").lower() and bool(answer.content)


def _words(answer: requests.Response) -> str:
    """The text of an answer; of a page, what Virtuoso's pages of errors have in ``xmp``."""
    text = answer.text[: 10 * _SHOWN]
    if not _is_page(answer):
        return text
    told = re.search(r"<xmp>(.*?)(</xmp>|$)", text, re.DOTALL)
    return told[1] if told else ""


def _reason(error: Exception) -> str:
    """The innermost reason of an error of the network, in words."""
    inner: BaseException = error
    while True:
        told = next((one for one in inner.args if isinstance(one, Exception)), None)
        following = getattr(inner, "reason", None) or told or inner.__cause__ or inner.__context__
        if not isinstance(following, BaseException):
            break
        inner = following
    text = (
        getattr(inner, "strerror", None)
        or str(inner).rpartition("object at 0x")[2].partition(">: ")[2]
        or str(inner)
    )
    return text or type(inner).__name__


def _proxies(url: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The proxy that the environment names for a URL, if any."""
    scheme, host = urlsplit(url).scheme, urlsplit(url).hostname or ""
    lower = {name.lower(): value for name, value in environment.items()}
    without = [name.strip().lstrip(".") for name in lower.get("no_proxy", "").split(",") if name.strip()]
    if "*" in without or any(host == name or host.endswith(f".{name}") for name in without):
        return {}
    proxy = lower.get(f"{scheme}_proxy") or lower.get("all_proxy")
    return {scheme: proxy} if proxy else {}
