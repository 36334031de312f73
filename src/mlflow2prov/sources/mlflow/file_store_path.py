"""The folder of a file store, as its tracking URI names it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

from mlflow2prov.errors import UsageError
from mlflow2prov.prov.credentials import shown_url

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


def is_file_store(uri: str) -> bool:
    """Whether a tracking URI is one of a file store: it is a ``file:`` URI, or a path.

    A single word is a path where there is such a folder, since ``databricks`` is none.

    >>> is_file_store("./mlruns"), is_file_store("file:///srv/mlruns"), is_file_store("http://host")
    (True, True, False)
    """
    if _SCHEME.match(uri):
        return uri[:5].lower() == "file:"
    return "/" in uri or os.sep in uri or os.path.isdir(uri)  # noqa: PTH112


def file_store_path(uri: str) -> Path:
    """The absolute path of the folder that a path or a ``file:`` URI names, which may not exist.

    MLflow decodes both, so that ``%20`` stands for a space, unless only a folder of the name as it stands exists.

    Raises:
        UsageError: it is on another machine.

    >>> file_store_path("file:///srv/my%20runs").as_posix()
    '/srv/my runs'
    """
    from urllib.request import url2pathname  # which imports much

    name = uri
    if uri[:5].lower() == "file:":
        place = re.fullmatch(r"file:(?://(?:localhost)?(?=/|$))?((?!//).*)", uri, re.IGNORECASE | re.DOTALL)
        if place is None:
            raise UsageError(
                f"{shown_url(uri)!r} names a folder of another machine; a file store reads file:///absolute/path"
            )
        name = place[1]
    if not name or "\0" in unquote(name):
        raise UsageError("the URI of a file store names no folder; give its path, such as ./mlruns")
    decoded, literal = Path(url2pathname(name)), Path(name)
    is_literal = not os.path.lexists(decoded) and os.path.lexists(literal)
    return Path(os.path.realpath(literal if is_literal else decoded))
