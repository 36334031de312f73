"""The inputs of benchmarks: made when first asked for, kept in a folder, used again."""

from __future__ import annotations

import multiprocessing
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from benchmarks.measure import FailedError


class Inputs:
    """A folder of inputs, by names that tell how they were made.

    ``VERSION`` is part of the names: raise it where a generator changes. Repositories that somebody gives
    stand beside it, by names of their own.
    """

    VERSION = 1

    def __init__(self, folder: Path, repositories: Mapping[str, Path] = MappingProxyType({})) -> None:
        self.folder = folder.resolve()
        self.repositories = repositories

    def made(self, name: str, make: Callable[[Path], None]) -> Path:
        """The input of that name, which ``make`` makes at a path beside it where it is not there yet."""
        stem, dot, suffix = name.partition(".")
        target = self.folder / f"{stem}-v{self.VERSION}{dot}{suffix}"
        if not target.exists():
            print(f"making {target.name} …", file=sys.stderr)
            self.folder.mkdir(parents=True, exist_ok=True)
            unfinished = target.with_name(f"unfinished-{target.name}")
            _remove(unfinished)
            _aside(make, unfinished, target.name)
            unfinished.rename(target)
        return target

    def repository(
        self, commits: int, *, merge_every: int = 0, rename_every: int = 0, files: int = 0
    ) -> Path:
        """A bare Git repository: see ``make_repository``."""
        from benchmarks.git_history import make_repository

        kind = f"-m{merge_every}-r{rename_every}" if merge_every or rename_every else ""
        kind += f"-f{files}" if files else ""
        return self.made(
            f"git-{commits}{kind}",
            lambda path: make_repository(
                path, commits, merge_every=merge_every, rename_every=rename_every, files=files
            ),
        )

    def store(self, runs: int) -> Path:
        """An MLflow store in a SQLite file."""
        from benchmarks.mlflow_store import make_store

        return self.made(f"mlflow-{runs}.db", lambda path: make_store(path, runs))

    def file_store(self, runs: int) -> Path:
        """The same MLflow store in files."""
        from benchmarks.file_store import make_file_store

        database = self.store(runs)
        return self.made(f"mlruns-{runs}", lambda path: make_file_store(path, database))

    def records(self, count: int) -> Path:
        """A folder with PROV records in Arrow files."""
        from benchmarks.prov_records import make_records

        return self.made(f"records-{count}", lambda path: make_records(path, count))

    @contextmanager
    def output(self, name: str) -> Iterator[Path]:
        """A folder for what is written while measuring, which goes at the end of the ``with`` block."""
        folder = self.folder / f"out-{name}"
        _remove(folder)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            _remove(folder)


def _aside(make: Callable[[Path], None], path: Path, name: str) -> None:
    """Let a process of its own make an input.

    A process that is started counts what its parent held at that time into its peak of memory, so that
    one that is measured must not be started by one that has made much.
    """
    child = multiprocessing.get_context("fork").Process(target=make, args=(path,))
    child.start()
    child.join()
    if child.exitcode:
        raise FailedError(f"making {name} ended with code {child.exitcode}")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
