"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow2prov.errors import Mlflow2ProvError, UsageError


@contextmanager
def whole_file(target: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield a path beside the target to write to; at the end it is moved into the target's place.

    When the block fails, what was written is removed and the target stays as it was. A file that is
    replaced hands on its permissions; a symbolic link stays, and what it leads to is replaced.

    Raises:
        Mlflow2ProvError: the target's folder can't be written to, the target is there and must not be
            replaced or is no file, or what was written went away.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole_file(Path(folder) / "a.txt") as path:
    ...         _ = path.write_text("whole")
    ...     (Path(folder) / "a.txt").read_text()
    'whole'
    """
    if not overwrite:
        refuse_existing(target)
    try:
        target, mode = _place(target)
        unfinished = _beside(target)
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: links that lead in a circle
        raise Mlflow2ProvError(
            f"can't write {str(target)!r}: {getattr(error, 'strerror', None) or error}"
        ) from error
    try:
        try:
            yield unfinished
            if mode is not None:
                unfinished.chmod(mode)
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
def whole_folder(target: Path, is_own: Callable[[Path], bool], *, overwrite: bool = True) -> Iterator[Path]:
    """Yield an empty folder beside the target; at the end it is moved into the target's place.

    A folder that is there is replaced only if ``is_own`` says that it was written so, and that nothing
    else is in it; when the block fails, it stays as it was.

    Raises:
        Mlflow2ProvError: the target is something else, must not be replaced, or can't be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for text in ("first", "second"):
    ...         with whole_folder(Path(folder) / "a", lambda a: (a / "m.txt").is_file()) as path:
    ...             _ = (path / "m.txt").write_text(text)
    ...     (Path(folder) / "a" / "m.txt").read_text()
    'second'
    """
    if not overwrite:
        refuse_existing(target)
    if target.is_symlink() or (target.exists() and not is_own(target)):
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


def _place(target: Path) -> tuple[Path, int | None]:
    """Where a symbolic link leads to, and the permissions of the file that is there."""
    if "\0" in str(target):
        raise ValueError("its name has a character that no file's name has")
    if target.is_symlink():
        target = target.resolve()
    if target.is_dir():
        raise Mlflow2ProvError(f"can't write {target}: a folder of that name is there")
    if target.exists() and not target.is_file():
        raise Mlflow2ProvError(f"can't write {target}: what is there is no file")
    return target, stat.S_IMODE(target.stat().st_mode) if target.exists() else None


def require_folder(target: Path) -> None:
    """Raise an error if there is no folder in which the target could be.

    Raises:
        Mlflow2ProvError: there is none.
    """
    if not target.parent.is_dir():
        raise Mlflow2ProvError(f"can't write {target}: there is no folder {target.parent}")


def _beside(target: Path) -> Path:
    """A fresh path in the target's folder."""
    require_folder(target)
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
