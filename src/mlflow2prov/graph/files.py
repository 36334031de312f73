"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow2prov.errors import Mlflow2ProvError, UsageError


@contextmanager
def whole_file(target: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield a path beside the target to write to; at the end it is moved into the target's place.

    When the block fails, what was written is removed and the target stays as it was.

    Raises:
        Mlflow2ProvError: the target's folder can't be written to, or the target is there and must
            not be replaced.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole_file(Path(folder) / "a.txt") as path:
    ...         _ = path.write_text("whole")
    ...     (Path(folder) / "a.txt").read_text()
    'whole'
    """
    if target.is_dir():
        raise Mlflow2ProvError(f"can't write {target}: a folder of that name is there")
    if not overwrite:
        refuse_existing(target)
    unfinished = _beside(target)
    try:
        try:
            yield unfinished
            if unfinished.exists():
                if overwrite:
                    unfinished.replace(target)
                else:
                    _link(unfinished, target)
        finally:
            for leftover in (unfinished, unfinished.with_name(unfinished.name + ".wal")):
                leftover.unlink(missing_ok=True)
    except OSError as error:
        raise Mlflow2ProvError(f"can't write {target}: {error.strerror or error}") from error


@contextmanager
def whole_folder(target: Path, marker: str, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield an empty folder beside the target; at the end it is moved into the target's place.

    A folder that is there is replaced only if it has a file called ``marker``, as those do that were
    written so; when the block fails, it stays as it was.

    Raises:
        Mlflow2ProvError: the target is something else, must not be replaced, or can't be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for text in ("first", "second"):
    ...         with whole_folder(Path(folder) / "a", "m.txt") as path:
    ...             _ = (path / "m.txt").write_text(text)
    ...     (Path(folder) / "a" / "m.txt").read_text()
    'second'
    """
    if not overwrite:
        refuse_existing(target)
    if target.is_symlink() or (target.exists() and not (target / marker).is_file()):
        raise Mlflow2ProvError(f"can't write {target}: something else of that name is there")
    unfinished = _beside(target)
    former = unfinished.with_suffix(".old")
    try:
        try:
            unfinished.mkdir()
            yield unfinished
            if target.exists():
                target.rename(former)
            unfinished.rename(target)
        finally:
            if former.exists() and not target.exists():
                former.rename(target)
            for leftover in (unfinished, former):
                shutil.rmtree(leftover, ignore_errors=True)
    except OSError as error:
        raise Mlflow2ProvError(f"can't write {target}: {error.strerror or error}") from error


def require_svg(file: str | Path) -> None:
    """Raise an error if a file's name is not one of an SVG picture.

    Raises:
        UsageError: it is not.
    """
    if Path(file).suffix.lower() != ".svg":
        raise UsageError(f"can't draw into {file}: counts are drawn as SVG, into a file like counts.svg")


def refuse_existing(target: Path) -> None:
    """Raise an error if there is a file or folder of that name.

    Raises:
        Mlflow2ProvError: there is.
    """
    if target.exists() or target.is_symlink():
        raise Mlflow2ProvError(f"can't write {target}: it is there already, and must not be overwritten")


def _beside(target: Path) -> Path:
    """A fresh path in the target's folder."""
    if not target.parent.is_dir():
        raise Mlflow2ProvError(f"can't write {target}: there is no folder {target.parent}")
    return target.parent / f".{target.name}.{secrets.token_hex(4)}.part"


def _link(unfinished: Path, target: Path) -> None:
    """Move a file into a place that must be free, also if it was taken in the meantime."""
    try:
        target.hardlink_to(unfinished)
    except FileExistsError:
        refuse_existing(target)
    except OSError:  # a file system without hard links: a moment stays between looking and moving
        refuse_existing(target)
        unfinished.replace(target)
