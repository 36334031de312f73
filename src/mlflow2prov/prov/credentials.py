"""Texts without the credentials that stand in their URLs, in Python and in SQL.

Removed are the user and password before a host, also where slashes are escaped as JSON or URLs do,
and the values of query parameters that sign or open something. The container of an Azure URL
(``abfss://container@account``) is no credential and stays.
"""

from __future__ import annotations

import re

_KEPT = r"((?:abfss?|wasbs?)://[^\s/?#@:]+)@"
_MARK = "\x01"

_SLASHES = r"(?i)((?:[a-z][a-z0-9+.-]*(?::|%3a)|^|[\s\"'(=,])(?:\\*/|%2f|\\*u002f){2})"
_AT = r"(?:@|\\+u0040)"
_PLAIN = rf"[^\s/?#\"'<>\\]*{_AT}"
_ODD = rf"[^\s/?#@:\"']+:[0-9]*[^\s/?#@0-9][^\s@]*{_AT}"
_ESCAPED = r"(?:[^%\s/?#\"'<>\\@]|%(?:2[0-24-9a-e]|3[0-9a-e]|[014-9a-f][0-9a-f]))*%40"
_USER = f"{_SLASHES}(?:{_PLAIN}|{_ODD})"
_ESCAPED_USER = f"(?i)((?:%3a|:)%2f%2f){_ESCAPED}"

_SIGNED = (
    r"(?i)((?:[?&;#]|\\u0026|%26|%3f)(?:"
    r"[a-z0-9_.-]*(?:token|secret|signature|password|passwd|passphrase|pwd|credential|access_?key(?:_?id)?|accessid"
    r"|account_?key|private_?key|api[_-]?key|subscription-?key|authorization|bearer)"
    r"|sig|sas|key|pass|auth|jwt|hmac|code)(?:=|\\+u003d|%3d))\"?[^&;\s\"<>\\]*"
)

_STEPS = ((_USER, r"\1"), (_ESCAPED_USER, r"\1"), (_SIGNED, r"\1REDACTED"))
_LOOKS = ("//", "\\/", "2f", "2F", "AccountKey=")
"""What stands in every text that may have a URL with a scheme, or a connection string."""

_QUERY = r"[\w./]\?[^\s?]*="
"""What stands in a URL without a scheme that has a query."""


def without_credentials(text: str) -> str:
    r"""Return a text without the user names, passwords and signatures that stand in its URLs.

    >>> without_credentials("see https://ada:secret@example.org/data?sig=abc&x=1 and ssh://git@host/r")
    'see https://example.org/data?sig=REDACTED&x=1 and ssh://host/r'
    >>> without_credentials(r'{"url": "https:\/\/ada:p#s@host\/x", "mail": "ada@example.org"}')
    '{"url": "https:\\/\\/host\\/x", "mail": "ada@example.org"}'
    >>> without_credentials("http://localhost:5000/@ada abfss://data@account/x")
    'http://localhost:5000/@ada abfss://data@account/x'
    """
    kept = re.sub(_KEPT, rf"\1{_MARK}", text)
    for pattern, replacement in _STEPS:
        kept = re.sub(pattern, replacement, kept)
    return kept.replace(_MARK, "@")


def shown_url(url: str) -> str:
    """Return a URL that somebody typed as it may stand in a message: nothing before an ``@`` is left.

    >>> shown_url("ada:secret@host"), shown_url("http://ada:secret@host/x")
    ('…@host', 'http://host/x')
    """
    cleaned = without_credentials(url)
    return f"…@{cleaned.rpartition('@')[2]}" if "@" in cleaned else cleaned


def redaction_sql(column: str) -> str:
    """Return SQL for the text of a column without the credentials that stand in its URLs."""
    kept, query, *patterns = (text.replace("'", "''") for text in (_KEPT, _QUERY, *dict(_STEPS)))
    looks = " OR ".join(f"contains({column}, '{sign}')" for sign in _LOOKS)
    looks += f" OR (contains({column}, '?') AND regexp_matches({column}, '{query}'))"
    cleaned = f"regexp_replace({column}, '{kept}', '\\1' || chr(1), 'g')"
    for pattern, (_, replacement) in zip(patterns, _STEPS, strict=True):
        cleaned = f"regexp_replace({cleaned}, '{pattern}', '{replacement}', 'g')"
    return f"CASE WHEN {looks} THEN replace({cleaned}, chr(1), '@') ELSE {column} END"
