"""Files that appear whole or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow2prov.errors import Mlflow2ProvError


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Yield a path beside the target to write to; at the end it is moved into the target's place.

    When the block fails, what was written is removed and the target stays as it was.

    Raises:
        Mlflow2ProvError: the target's folder can't be written to.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole_file(Path(folder) / "a.txt") as path:
    ...         _ = path.write_text("whole")
    ...     (Path(folder) / "a.txt").read_text()
    'whole'
    """
    if target.is_dir():
        raise Mlflow2ProvError(f"can't write {target}: a folder of that name is there")
    folder = target.parent
    if not folder.is_dir():
        raise Mlflow2ProvError(f"can't write {target}: there is no folder {folder}")
    unfinished = folder / f".{target.name}.{secrets.token_hex(4)}.part"
    try:
        try:
            yield unfinished
            if unfinished.exists():
                unfinished.replace(target)
        finally:
            for leftover in (unfinished, unfinished.with_name(unfinished.name + ".wal")):
                leftover.unlink(missing_ok=True)
    except OSError as error:
        raise Mlflow2ProvError(f"can't write {target}: {error.strerror or error}") from error
