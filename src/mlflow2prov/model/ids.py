"""Identifiers and lexical forms, minted in this one place.

The local part of an identifier is ``Type.part--part``: the type, a dot, and the parts that fix the
thing. Within a part every byte of its UTF-8 form outside ``A-Z a-z 0-9 _ .`` stands as ``-XX``, its
hexadecimal value; ``--`` therefore never occurs inside a part. Such a name is an NCName (so that
PROV-XML validates), readable, free of collisions and reversible (:func:`parts_of`).

The same rules exist as SQL macros, since identifiers are minted in bulk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

from mlflow2prov.errors import UsageError
from mlflow2prov.prov.credentials import without_credentials
from mlflow2prov.prov.database_uris import DatabaseUri, is_database_uri
from mlflow2prov.prov.namespaces import AGENT, EXTRACTION, GIT, M2P, PROV, XSD
from mlflow2prov.prov.text import commit_name, part

_FORBIDDEN = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x{FFFE}\x{FFFF}]"
"""The characters that XML 1.0 (section 2.2) has no place for; UTF-8 has no surrogates."""

_WHITE = r"\s\p{Z}\x{85}"

_PLAIN_HEX = "2E|3[0-9]|[46][1-9A-F]|[57][0-9A]|5F"
"""The bytes that stand for themselves in a part, in hexadecimal."""

MACROS: tuple[str, ...] = (
    # an identifier's part
    "part(x) AS replace(replace(replace(url_encode(x), '-', '%2D'), '~', '%7E'), '%', '-')",
    # the part of a path that may have bytes that are no text
    "path_part(x, bytes) AS CASE WHEN bytes IS NULL THEN part(x) ELSE array_to_string(list_transform("
    f"regexp_extract_all(hex(bytes), '..'), lambda h: CASE WHEN regexp_full_match(h, '{_PLAIN_HEX}')"
    " THEN decode(unhex(h)) ELSE '-' || h END), '') END",
    # the parts that a key of data joins by slashes
    "parts_of_key(x) AS replace(replace(replace(replace(x, '-', '%2D'), '~', '%7E'), '%', '-'), '/', '--')",
    # a qualified name's local part made of a word of somebody's
    "word(x) AS CASE WHEN regexp_matches(x, '^[A-Za-z_]') THEN part(x) ELSE '_' || part(x) END",
    # text that XML 1.0 can hold
    f"shown(x) AS CASE WHEN regexp_matches(x, '{_FORBIDDEN}') THEN array_to_string(list_transform("
    f"string_split(x, ''), lambda c: CASE WHEN regexp_matches(c, '{_FORBIDDEN}')"
    " THEN regexp_replace(lower(hex(c)), '(..)', '\\\\x\\1', 'g') ELSE c END), '') ELSE x END",
    # a message's first line that says something, as it stands but for white space at its end
    f"title_of(x) AS nullif(regexp_replace(regexp_extract(x, '[^\\n]*[^{_WHITE}][^\\n]*'), '[{_WHITE}]+$', ''), '')",
    # a commit, by the value of a tag that names it
    f"commit_name(x) AS {commit_name('x')}",
    # instants
    "instant_ms(x) AS CASE WHEN x BETWEEN -62135596800000 AND 253402300799999"
    " THEN strftime(make_timestamp(x * 1000), '%Y-%m-%dT%H:%M:%S.%gZ') END",
    # a time that MLflow has as 0 is one that it does not know
    "moment_ms(x) AS instant_ms(nullif(x, 0))",
    "instant_s(x) AS CASE WHEN x BETWEEN -62135596800 AND 253402300799"
    " THEN strftime(make_timestamp(x * 1000000), '%Y-%m-%dT%H:%M:%SZ') END",
    # xsd:double
    "double_text(x) AS CASE WHEN isfinite(x) THEN x::VARCHAR WHEN isnan(x) THEN 'NaN'"
    " WHEN x > 0 THEN 'INF' WHEN x < 0 THEN '-INF' END",
    # a number as a part of an identifier
    "number_part(x) AS replace(replace(x::VARCHAR, '-', '-2D'), '+', '-2B')",
    # a person: known by e-mail, else by user name in a store, else by name
    "person(email, username, full_name) AS CASE WHEN coalesce(trim(email), '') <> '' THEN 'email:' || lower(trim(email))"
    " WHEN contains(coalesce(username, ''), '@') THEN 'email:' || lower(trim(username))"
    " WHEN coalesce(username, '') <> '' THEN 'username:' || username"
    " WHEN coalesce(full_name, '') <> '' THEN 'name:' || full_name END",
    "present(x) AS nullif(x, '')",
    # a text of program code without what is assigned to names of secrets
    "without_secrets(x) AS regexp_replace(x, '(?i)((?:passw(?:or)?d|passphrase|pwd|secret|token|credential|api_?key|"
    "access_?key|private_?key)\\w*[\"'']?\\]?[ \\t]*[:=][ \\t]*)(?:\"[^\"\\n]*\"|''[^''\\n]*''|[^\\s,;)}]+)', "
    "'\\1REDACTED', 'g')",
    # the path that a file: URI names; other URIs are themselves
    "file_path(x) AS CASE WHEN starts_with(x, 'file:') THEN regexp_replace(url_decode(x), '^file:/+', '/') ELSE x END",
)
"""SQL macros, as ``name(arguments) AS expression``; the interpreter creates them all."""


_FIXED = (M2P, GIT, AGENT, EXTRACTION, PROV, XSD)
"""The namespaces that are in every document."""

_NOT_IRI = re.compile(r"[\x00-\x20\x7f-\xa0<>\"{}|\\^`\ud800-\udfff]|\s|%(?![0-9A-Fa-f]{2})")
_ABSOLUTE_IRI = re.compile(r"https?://[^/?#]|(?!https?:)[a-z][a-z0-9+.-]+:/*[^/]", re.IGNORECASE)


def local_name(type_name: str, *parts: str | bytes) -> str:
    """Return the local part of an identifier.

    >>> local_name("FileRevision", "4c30775", "src/train.py")
    'FileRevision.4c30775--src-2Ftrain.py'
    """
    return f"{type_name}.{'--'.join(part(value) for value in parts)}"


def parts_of(local: str) -> tuple[str, tuple[bytes, ...]]:
    """Return the type and the exact parts that a local name was made from.

    >>> parts_of("FileRevision.4c30775--src-2Ftrain.py")
    ('FileRevision', (b'4c30775', b'src/train.py'))
    """
    type_name, _, rest = local.partition(".")
    return type_name, tuple(unquote_to_bytes(piece.replace("-", "%")) for piece in rest.split("--"))


def store_namespace(uri: str, host: str) -> str:
    """Return the IRI in which the things of an MLflow store are named.

    Args:
        uri: the tracking URI, that of a local store with its absolute path; credentials are left out.
        host: this machine's name, which a local store's IRI carries, and that of a database without a host.

    >>> store_namespace("http://ada:secret@mlflow.example.org:5000/", "box")
    'http://mlflow.example.org:5000#'
    >>> store_namespace("sqlite:////home/ada/mlflow.db", "box")
    'file://box/home/ada/mlflow.db#'
    >>> store_namespace("file:///home/ada/mlruns", "box")
    'file://box/home/ada/mlruns#'
    >>> store_namespace("postgresql+psycopg2://ada:secret@db.example.org:5432/mlflow?sslmode=require", "box")
    'postgresql://db.example.org/mlflow#'
    """
    if is_database_uri(uri):
        spelled = DatabaseUri.parse(uri).uri
        return _iri(spelled.replace(":///", f"://{host}/", 1)) + "#"
    cleaned = without_credentials(uri)
    split = urlsplit(cleaned)
    if split.scheme in {"http", "https"}:
        return _iri(f"{split.scheme}://{split.netloc.lower()}{split.path.rstrip('/')}") + "#"
    if split.scheme == "sqlite" or split.scheme.startswith("sqlite+"):
        return _local_iri(cleaned.partition(":///")[2], host, "/")
    if split.scheme == "file":
        return _local_iri(cleaned.removeprefix("file://"), host, "/")
    return _iri(cleaned) + "#"


def repository_namespace(remote: str | None, path: str, host: str) -> str:
    """Return the IRI in which a repository's branches and tags are named.

    >>> repository_namespace("git@example.org:team/wine.git", "/home/ada/wine", "box")
    'ssh://example.org/team/wine.git#'
    >>> repository_namespace(None, "/home/ada/wine", "box")
    'file://box/home/ada/wine#'
    """
    if not remote:
        return _local_iri(path, host, "/")
    scp_like = re.fullmatch(r"(?:[^@/:]+@)?([^/:]{2,}):(?!//)(.+)", remote)
    if scp_like:
        return _iri(f"ssh://{scp_like[1]}/{scp_like[2].lstrip('/')}") + "#"
    if "://" in remote:
        return _iri(without_credentials(remote).rstrip("/")) + "#"
    return _local_iri(remote, host, path)


def check_namespaces(store: str | None, repositories: Sequence[str]) -> None:
    """Raise an error if what a user gives as the namespaces of a store and of repositories can't be some.

    Two repositories may have the same one, as two clones do.

    Raises:
        UsageError: see :func:`checked_namespace`.
    """
    for iri in repositories:
        checked_namespace(iri, "--repository_namespace")
    if store:
        checked_namespace(store, "--mlflow_namespace", repositories)


def checked_namespace(iri: str, option: str, taken: Iterable[str] = ()) -> str:
    """Return an IRI that a user gives as a namespace of their own, without credentials, if it can be one.

    Args:
        iri: as given.
        option: the option that gives it, for the message.
        taken: other namespaces of the document, beside those that are always there.

    Raises:
        UsageError: it is no absolute IRI (RFC 3987), or begins as another namespace does, so that two
            things could get one name.

    >>> checked_namespace("https://ada:secret@example.org/wine#", "--repository_namespace")
    'https://example.org/wine#'
    """
    cleaned = without_credentials(iri)
    mend = "give a namespace of your own, such as https://example.org/wine#"
    wrong = _NOT_IRI.search(cleaned)
    if wrong:
        raise UsageError(f"{option}: {cleaned!r} is no IRI, because of {wrong[0]!r}: {mend}")
    if not _ABSOLUTE_IRI.match(cleaned):
        raise UsageError(f"{option}: {cleaned!r} is no absolute IRI, with a scheme and what it names: {mend}")
    for other in (*_FIXED, *taken):
        if cleaned.startswith(other) or other.startswith(cleaned):
            raise UsageError(
                f"{option}: {cleaned!r} overlaps with {other!r}, where other things are named: {mend}"
            )
    return cleaned


def _local_iri(path: str, host: str, base: str) -> str:
    has_drive = re.match(r"[A-Za-z]:", path) is not None
    absolute = path if path.startswith("/") or has_drive else f"{base.rstrip('/')}/{path}"
    if re.match(r"[A-Za-z]:[\\/]", absolute):
        absolute = absolute.replace("\\", "/")
    pieces: list[str] = []
    for piece in absolute.split("/"):
        if piece == "..":
            pieces = pieces[:-1]
        elif piece not in {"", "."}:
            pieces.append(piece)
    return _iri(f"file://{host}/{'/'.join(pieces)}") + "#"


def _iri(text: str) -> str:
    """Percent-encode what an IRI can't hold (RFC 3987)."""
    raw = text.encode("utf-8", "surrogateescape")
    return quote_from_bytes(raw, safe="/:@!$&()*+,;=%~[]?'")
