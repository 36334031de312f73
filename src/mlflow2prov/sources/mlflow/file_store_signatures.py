"""What tells that the files of a run or logged model are as they were: names, sizes, times and numbers of them."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING

from mlflow2prov.sources.mlflow.known import Signature

if TYPE_CHECKING:
    from mlflow2prov.sources.mlflow.file_store_files import StoreFiles

KINDS = ("run", "logged_model")

_GRAIN_MS = 2_000
"""Times of files may be as coarse as this."""


class Signatures:
    """The signatures of one walk through a store, beside those of an earlier one.

    A file that was written to shortly before the earlier reading began, or after, may have been written to again
    without a sign of it; so its folder is read again.

    Attributes:
        seen: the runs and logged models that there are, by kind.
        new: the signatures of those of them that were read; None of those that have to be read each time.
    """

    def __init__(
        self,
        files: StoreFiles,
        skip: Collection[str],
        known: Mapping[str, Mapping[str, Signature]] | None = None,
        begun_ms: int = 0,
    ) -> None:
        """Compare with what is ``known`` from a reading that began at a time."""
        self.seen: dict[str, set[str]] = {kind: set() for kind in KINDS}
        self.new: dict[str, dict[str, Signature | None]] = {kind: {} for kind in KINDS}
        self._files = files
        self._folders: dict[bytes, tuple[str, str]] = {}
        self._unread = frozenset({b"artifacts"} if "artifacts" in skip else ())
        self._known = known or {}
        self._settled_ns = (begun_ms - _GRAIN_MS) * 1_000_000

    def of(self, folder: bytes, beside: bytes = b"") -> Signature | None:
        """The signature of a folder at its place; None where it has links or can't be read.

        Takes some 2 µs a file.

        Args:
            folder: of a run or a logged model.
            beside: what its rows depend on besides.
        """
        try:
            parts, newest_ns = self._parts(folder)
        except (OSError, ValueError):
            return None
        parts.sort()
        place = os.path.relpath(folder, self._files.root)
        digest = blake2b(b"\0".join([place, beside, *parts]), digest_size=16).hexdigest()
        return Signature(digest, newest_ns, is_elsewhere=False)

    def _parts(self, folder: bytes) -> tuple[list[bytes], int]:
        parts: list[bytes] = []
        newest_ns = 0
        waiting = [(b"", folder)]
        while waiting:
            prefix, place = waiting.pop()
            with os.scandir(place) as entries:
                for entry in entries:
                    name = prefix + entry.name
                    if entry.is_dir(follow_symlinks=False):
                        if name not in self._unread:
                            parts.append(name + b"/")
                            waiting.append((name + b"/", entry.path))
                        continue
                    if entry.is_symlink():
                        raise ValueError("a link may lead to a file that changes")
                    found = entry.stat(follow_symlinks=False)
                    parts.append(
                        b"%b\n%d %d %d %d"
                        % (name, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
                    )
                    newest_ns = max(newest_ns, found.st_mtime_ns, found.st_ctime_ns)
        return parts, newest_ns

    def earlier(self, kind: str, own_id: str, now: Signature | None) -> Signature | None:
        """The signature of the earlier reading, where the files are as they were then; else None."""
        then = self._known.get(kind, {}).get(own_id)
        if now is None or then is None or then.digest != now.digest or now.newest_ns >= self._settled_ns:
            return None
        return then

    def note(self, kind: str, own_id: str, folder: bytes, now: Signature | None) -> None:
        """Say that a run or logged model was read in a folder, and its signature."""
        self.seen[kind].add(own_id)
        self.new[kind][own_id] = now
        self._folders[folder] = kind, own_id

    def drop_troubled(self) -> None:
        """Take the signature of what had a trouble, which is read, and said, each time; when all has been read."""
        for path in self._files.troubled:
            place = path
            while len(place) > len(self._files.root):
                if place in self._folders:
                    kind, own_id = self._folders[place]
                    self.new[kind][own_id] = None
                place = os.path.dirname(place)  # noqa: PTH120

    def keep(self, kind: str, own_id: str) -> None:
        """Say that a run or logged model is as it was, and was not read."""
        self.seen[kind].add(own_id)
