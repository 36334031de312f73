"""What a run is given by its surroundings, instead of looking for it itself."""

from __future__ import annotations

import logging
import os
import platform
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from mlflow2prov.graph.store import Store
from mlflow2prov.progress import Report, silent

if TYPE_CHECKING:
    from mlflow2prov.graph.statistics import Statistics

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
        ask_password: asks a person for the password of a user at a database; None where nobody is there.
        random_key: of pseudonyms, where no key is given.
        invalid: the names of documents that a step found invalid, which fails the run after its last step.
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
    ask_password: Callable[[str], str] | None = None
    random_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    invalid: list[str] = field(default_factory=list)


def repository_cache(environment: Mapping[str, str]) -> Path:
    """Return the folder where clones of repositories are kept, if no other is named.

    >>> repository_cache({"XDG_CACHE_HOME": "/var/cache/ada"}).as_posix()
    '/var/cache/ada/mlflow2prov/repositories'
    >>> repository_cache({"MLFLOW2PROV_REPOSITORY_CACHE": "/clones", "HOME": "/home/ada"}).as_posix()
    '/clones'
    """
    named = environment.get("MLFLOW2PROV_REPOSITORY_CACHE")
    if named:
        return Path(named)
    base = environment.get("XDG_CACHE_HOME", "")
    folder = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    return folder / "mlflow2prov" / "repositories"


def say_size(needed_bytes: int, folder: Path, what: str) -> None:
    """Say beforehand what a large output needs, and what there is."""
    if needed_bytes < LARGE_BYTES or not folder.is_dir():
        return
    free = shutil.disk_usage(folder).free
    log.warning("%s about %.1f GB; %.1f GB are free there", what, needed_bytes / 1e9, free / 1e9)
