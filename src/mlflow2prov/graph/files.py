"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import errno
import glob
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
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
        with _unfinished_file(unfinished, is_private=mode is not None) as file:
            yield file
            if mode is not None:
                file.chmod(mode)
            if overwrite:
                file.replace(target)
            else:
                _link(file, target)
    except OSError as error:
        raise Mlflow2ProvError(f"can't write {target}: {error.strerror or error}") from error


@contextmanager
def _unfinished_file(path: Path, *, is_private: bool) -> Iterator[Path]:
    """A path to write to, and at the end nothing that is left of it.

    Where it is private, it is in a folder that nobody else can look into: what it will replace may be secret.
    """
    file = path
    if is_private:
        path.mkdir(mode=0o700)
        file = path / "whole"
    try:
        yield file
    finally:
        for leftover in (file, file.with_name(file.name + ".wal")):
            leftover.unlink(missing_ok=True)
        if is_private:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def made_anew(file: Path) -> Iterator[None]:
    """Within the ``with`` block, a file can be made where an empty one is, whose permissions it gets.

    When the block fails, no file is left that is empty and was not there before.
    """
    file = file.resolve()
    mode = stat.S_IMODE(file.stat().st_mode) if _is_left_empty(file) else None
    was_there = file.exists()
    if mode is not None:
        file.unlink()
    try:
        yield
    except BaseException:
        if mode is not None:
            file.touch(mode)
        elif not was_there and _is_left_empty(file):
            file.unlink()
        raise
    if mode is not None:
        file.chmod(mode)


def _is_left_empty(file: Path) -> bool:
    """Whether a file has nothing in it, and nobody has it locked to write to it."""
    if not file.is_file() or file.stat().st_size:
        return False
    try:
        import fcntl
    except ImportError:  # a system where a file that is open can't be removed anyway
        return True
    try:
        with file.open("rb+") as opened:
            fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # it is locked, or must not be written to
        return False
    return True


@contextmanager
def whole_folder(target: Path, is_own: Callable[[Path], bool], *, overwrite: bool = True) -> Iterator[Path]:
    """Yield an empty folder beside the target; at the end it is moved into the target's place.

    A folder that is there is replaced only if ``is_own`` says that it was written so, and that nothing
    else is in it, and hands on its permissions; when the block fails, it stays as it was.

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
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
    unfinished = _beside(target)
    former = unfinished.with_suffix(".old")
    try:
        try:
            unfinished.mkdir(mode=0o777 if mode is None else 0o700)
            yield unfinished
            if mode is not None:
                unfinished.chmod(mode)
            if target.exists():
                target.rename(former)
            unfinished.rename(target)
        finally:
            if former.exists() and not target.exists():
                former.rename(target)
            for leftover in (unfinished, former):
                _remove_folder(leftover)
    except OSError as error:
        raise Mlflow2ProvError(f"can't write {target}: {error.strerror or error}") from error


def _remove_folder(folder: Path) -> None:
    """Remove a folder, also one that says that nothing in it may be removed."""
    if folder.exists():
        folder.chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)


def has_files_only(folder: Path, names: Collection[str]) -> bool:
    """Return whether all that is in a folder are files, no folders and no links, of these names.

    Raises:
        OSError: it can't be looked into.
    """
    return all(path.name in names and stat.S_ISREG(path.lstat().st_mode) for path in folder.iterdir())


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
    """Raise an error if there is no folder in which the target could be, or its name is too long for one.

    Raises:
        Mlflow2ProvError: there is none, or it is.
    """
    if not target.parent.is_dir():
        raise Mlflow2ProvError(f"can't write {target}: there is no folder {target.parent}")
    if len(os.fsencode(target.name)) > _longest_name(target.parent):
        raise Mlflow2ProvError(f"can't write {target}: {os.strerror(errno.ENAMETOOLONG)}")


def _longest_name(folder: Path) -> int:
    """How many bytes a name in a folder may have."""
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, ValueError, OSError):  # a system, or a file system, that does not say
        return _USUAL_LONGEST_NAME


_USUAL_LONGEST_NAME = 255
_MARK_BYTES = len("..12345678.part.wal")


def unfinished_pattern(target: Path) -> str:
    """Return the pattern of the name of what is written beside a target before it takes its place.

    >>> unfinished_pattern(Path("a.json"))
    '.a.json.*.part'
    """
    return f"{glob.escape(_stem(target))}.*.part"


def _stem(target: Path) -> str:
    name, most = target.name, _longest_name(target.parent) - _MARK_BYTES
    while len(os.fsencode(name)) > most:
        name = name[:-1]
    return f".{name}"


def _beside(target: Path) -> Path:
    """A fresh path in the target's folder."""
    require_folder(target)
    return target.parent / f"{_stem(target)}.{secrets.token_hex(4)}.part"


def _link(unfinished: Path, target: Path) -> None:
    """Move a file into a place that must be free, also if it was taken in the meantime."""
    try:
        target.hardlink_to(unfinished)
    except FileExistsError:
        refuse_existing(target)
    except OSError:  # a file system without hard links: a moment stays between looking and moving
        refuse_existing(target)
        unfinished.replace(target)
