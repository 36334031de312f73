r"""What the files of DVC say: ``*.dvc``, ``dvc.lock``, ``dvc.yaml`` and ``.dvc/config``.

All forms that DVC 0 to 3 wrote are read. The files come from anyone who may commit, so that nothing
in them is trusted: what is not of the expected form is left out and counted, and a file that is too
large, too deep or no mapping says nothing at all.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from mlflow2prov.prov.credentials import without_credentials
from mlflow2prov.prov.text import clean_text

MOST_BYTES = 4_000_000
"""Larger files are not read."""

_MOST_EVENTS = 1_000_000
_MOST_THINGS = 300_000
_MOST_PARAMS_BYTES = 10_000
_MD5 = re.compile(r"[0-9a-f]{32}(?:\.dir)?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PLAIN = re.compile(r"[^\x00-\x1f]{1,1000}")
_REMOTE = re.compile(r"""remote\s*["'](.*)["']""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A piece of data that a file names: an output or a dependency; None is what it does not say.

    Attributes:
        path: as it is spelled, without credentials.
        repository: the URL of the repository that it is imported from, without credentials.
        rev_lock: the commit of that repository.
        etag: of the object of a web server or a cloud storage.
        checksum: of a Hadoop file system.
        size_bytes: of a directory that of all its files.
        file_count: of a directory.
        version_id: of the object of a cloud storage that keeps versions.
        remote: the name of the remote that it goes to.
        is_legacy: DVC before 3 made the digest, and lays the content elsewhere.
        files: what is in a directory whose files are listed, with paths below it.
    """

    path: str
    repository: str | None = None
    rev_lock: str | None = None
    md5: str | None = None
    sha256: str | None = None
    etag: str | None = None
    checksum: str | None = None
    size_bytes: int | None = None
    file_count: int | None = None
    version_id: str | None = None
    remote: str | None = None
    is_pushed: bool = True
    is_legacy: bool = True
    files: tuple[Item, ...] = ()

    @property
    def content(self) -> tuple[str | None, ...]:
        """What tells one content from another."""
        return self.md5, self.sha256, self.etag, self.checksum

    @property
    def is_external(self) -> bool:
        """Whether it is in another repository, or at a URL."""
        return self.repository is not None or "://" in self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Outputs and what they were made from; ``name`` is None in a ``.dvc`` file, ``command`` for plain data."""

    name: str | None
    command: str | None
    folder: str = ""
    deps: tuple[Item, ...] = ()
    outs: tuple[Item, ...] = ()
    params: tuple[str, ...] = ()
    param_files: tuple[str, ...] = ()


class Artifact(NamedTuple):
    """A name that a ``dvc.yaml`` gives to data at a path, and the type that it says that is."""

    path: str
    name: str
    type: str | None


@dataclass(slots=True)
class DvcFile:
    """The stages of a file, its named artifacts, and how many things in it are not of the expected form."""

    stages: list[Stage] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)
    odd: int = 0
    seen: int = 0

    def count(self) -> None:
        """Count one more thing in the file.

        Raises:
            OverflowError: there are more than a file can hold, but for references that multiply.
        """
        self.seen += 1
        if self.seen > _MOST_THINGS:
            raise OverflowError


@dataclass(frozen=True, slots=True)
class Config:
    """The remotes of a repository of DVC: their URLs by name, and the name of the usual one."""

    remotes: Mapping[str, str] = field(default_factory=dict)
    default: str | None = None
    with_versions: frozenset[str] = frozenset()

    def place_of(self, item: Item, path: str) -> str | None:
        """Return where a remote keeps the content of an item that stands at a path in the repository."""
        name = item.remote or self.default
        url = self.remotes.get(name or "")
        if url is None or name is None or not item.is_pushed or item.repository:
            return None
        base = url.rstrip("/")
        if name in self.with_versions:
            return f"{base}/{path}"
        if item.md5 is None:
            return None
        return f"{base}/{'' if item.is_legacy else 'files/md5/'}{item.md5[:2]}/{item.md5[2:]}"


def read_data_file(path: bytes, content: bytes) -> DvcFile | None:
    r"""Return what a file of DVC with a path says; None where it is hostile, or no such file.

    >>> content = b"outs:\n- md5: 9b07b5ce729b30bfb7fe6ac1d42fdfe6\n  path: wine.csv\n"
    >>> read_data_file(b"data/wine.csv.dvc", content).stages[0].outs[0].path
    'wine.csv'
    """
    from mlflow2prov.sources.mlflow.model_file import yaml_mapping

    name = path.rpartition(b"/")[2]
    document = yaml_mapping(content, MOST_BYTES, most_events=_MOST_EVENTS)
    if document is None:
        return None
    read = {b"dvc.lock": _lock, b"dvc.yaml": _pipeline}.get(name, _tracked)
    found = DvcFile()
    try:
        read(document, found)
    except OverflowError:
        return None
    return found


def _tracked(document: dict[Any, Any], found: DvcFile) -> None:
    """Take in a ``.dvc`` file, which is one stage."""
    stage = _stage(None, document, found)
    found.stages.append(replace(stage, folder=_words(document.get("wdir"), found) or ""))


def _lock(document: dict[Any, Any], found: DvcFile) -> None:
    """Take in a ``dvc.lock`` file; before its second form it had no schema."""
    for name, body in _pairs(document.get("stages") if "schema" in document else document, found):
        if isinstance(body, dict):
            found.stages.append(_stage(name, body, found))
        else:
            found.odd += 1


def _pipeline(document: dict[Any, Any], found: DvcFile) -> None:
    """Take in the stages that a ``dvc.yaml`` file defines, with folders and outputs.

    A stage that stands for several (``foreach``, ``matrix``) is one here; what a template leaves open stays
    as it is spelled.
    """
    for name, body in _pairs(document.get("stages"), found):
        inner = body.get("do") if isinstance(body, dict) and "foreach" in body else body
        if not isinstance(inner, dict):
            found.odd += 1
            continue
        kinds = ("outs", "metrics", "plots")
        outs = [out for kind in kinds for out in _defined(inner.get(kind), found)]
        folder = _words(inner.get("wdir"), found) or ""
        found.stages.append(Stage(name=name, command=None, folder=folder, outs=tuple(outs)))
    for name, body in _pairs(document.get("artifacts"), found):
        path = _words(body.get("path"), found) if isinstance(body, dict) else None
        if path is None:
            found.odd += not isinstance(body, dict) or body.get("path") is None
        elif "${" not in path and "://" not in path:
            found.artifacts.append(Artifact(path, name, _words(body.get("type"), found)))


def read_config(content: bytes, folder: str) -> Config:
    r"""Return the remotes that a ``.dvc/config`` file names.

    Args:
        content: of the file.
        folder: that the file is in, to which paths are relative.

    >>> text = b"[core]\n    remote = s\n['remote \"s\"']\n    url = s3://bucket/wine\n"
    >>> read_config(text, ".dvc").remotes
    {'s': 's3://bucket/wine'}
    """
    remotes: dict[str, str] = {}
    versions: set[str] = set()
    section, default = "", None
    for line in clean_text(content[:MOST_BYTES]).splitlines():
        stripped = line.strip()
        if stripped.startswith("[") and stripped.endswith("]"):
            section = _unquoted(stripped[1:-1].strip()).strip()
        elif "=" in stripped and stripped[0] not in "#;":
            key, _, raw = stripped.partition("=")
            key, value = key.strip(), raw.strip().strip("'\"")
            remote = _REMOTE.fullmatch(section)
            if section == "core" and key == "remote":
                default = value
            elif remote and key == "url":
                remotes[remote[1]] = _url(value, folder)
            elif remote and key in {"version_aware", "worktree"} and value.lower() in {"true", "1", "yes"}:
                versions.add(remote[1])
    return Config(remotes, default, frozenset(versions))


def _unquoted(name: str) -> str:
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] == "'" else name


def _url(value: str, folder: str) -> str:
    if "://" in value or value.startswith(("/", "~")) or re.match(r"[A-Za-z]:[\\/]", value):
        return without_credentials(value)
    return posixpath.normpath(posixpath.join(folder, value))


def _stage(name: str | None, body: dict[Any, Any], found: DvcFile) -> Stage:
    command = body.get("cmd")
    if isinstance(command, list):
        command = "\n".join(line for line in command if isinstance(line, str))
    params, files = _params(body, found)
    return Stage(
        name=name,
        command=_text(command),
        deps=tuple(_items(body.get("deps"), found)),
        outs=tuple(_items(body.get("outs"), found)),
        params=params,
        param_files=files,
    )


def _items(listed: object, found: DvcFile, key: str = "path") -> Iterator[Item]:
    """Yield the items of a list; what is none is counted, and an empty path is the folder itself."""
    if listed is None:
        return
    if not isinstance(listed, list):
        found.odd += 1
        return
    for entry in listed:
        found.count()
        path = _words(entry.get(key), found) if isinstance(entry, dict) else None
        if path is None:
            found.odd += not isinstance(entry, dict) or entry.get(key) is None
        else:
            yield _item(path, entry, found, key)


def _item(path: str, body: dict[Any, Any], found: DvcFile, key: str) -> Item:
    repo = body.get("repo") if isinstance(body.get("repo"), dict) else {}
    assert isinstance(repo, dict)
    remote = _words(body.get("remote"), found)
    cloud_name, cloud = _cloud(body, remote)
    told = {**cloud, **{name: value for name, value in body.items() if isinstance(name, str)}}
    return Item(
        path=without_credentials(path),
        repository=without_credentials(_words(repo.get("url"), found) or "") or None,
        rev_lock=_words(repo.get("rev_lock"), found),
        md5=_digest(told.get("md5"), _MD5, found),
        sha256=_digest(told.get("sha256"), _SHA256, found),
        etag=_words(told.get("etag"), found),
        checksum=_words(told.get("checksum"), found),
        size_bytes=_number(told.get("size"), found),
        file_count=_number(told.get("nfiles"), found),
        version_id=_words(told.get("version_id"), found),
        remote=remote or cloud_name,
        is_pushed=body.get("push") is not False and body.get("cache") is not False,
        is_legacy="hash" not in body,
        files=tuple(_items(body.get("files"), found, "relpath")) if key == "path" else (),
    )


def _cloud(body: dict[Any, Any], remote: str | None) -> tuple[str | None, dict[str, object]]:
    """Return what a storage that keeps versions says of an item, and the name of its remote."""
    clouds = body.get("cloud")
    if not isinstance(clouds, dict):
        return None, {}
    named = sorted(
        (name for name in clouds if isinstance(name, str)), key=lambda name: (name != remote, name)
    )
    told = clouds[named[0]] if named else None
    if not isinstance(told, dict):
        return None, {}
    return named[0], {key: told.get(key) for key in ("etag", "version_id")}


def _params(body: dict[Any, Any], found: DvcFile) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what a run took from files of parameters, as ``file: name = value``, and these files."""
    shown, files = [], []
    for file, values in _pairs(body.get("params"), found):
        files.append(file)
        for name, value in _pairs(values, found):
            text = _json(value)
            if text is None:
                found.odd += 1
            else:
                shown.append(without_credentials(f"{file}: {name} = {text}"))
    return tuple(sorted(shown)), tuple(sorted(set(files)))


def _json(value: object) -> str | None:
    """Return a value as JSON, None where that would be long, or never end."""
    if isinstance(value, str):
        return clean_text(value.encode("utf-8", "surrogatepass"))[:_MOST_PARAMS_BYTES]
    pieces, size = [], 0
    try:
        for piece in json.JSONEncoder(sort_keys=True).iterencode(value):
            pieces.append(piece)
            size += len(piece)
            if size > _MOST_PARAMS_BYTES:
                return None
    except (TypeError, ValueError, RecursionError):
        return None
    return "".join(pieces)


def _defined(listed: object, found: DvcFile) -> Iterator[Item]:
    """Yield the outputs of a stage as it is defined: names, or names with settings."""
    for entry in listed if isinstance(listed, list) else []:
        found.count()
        pairs = [(entry, None)] if isinstance(entry, str) else _pairs(entry, found)
        for path, settings in pairs:
            if _words(path, found) is None:
                continue
            told = settings if isinstance(settings, dict) else {}
            is_pushed = told.get("cache") is not False and told.get("push") is not False
            yield Item(
                path=without_credentials(path), remote=_words(told.get("remote"), found), is_pushed=is_pushed
            )
    if listed is not None and not isinstance(listed, list):
        found.odd += 1


def _pairs(mapping: object, found: DvcFile) -> Iterator[tuple[str, Any]]:
    """Yield the entries of a mapping under a text; others are counted."""
    if mapping is None:
        return
    if not isinstance(mapping, dict):
        found.odd += 1
        return
    for key, value in mapping.items():
        found.count()
        text = _text(key) if isinstance(key, str) else None
        if text is None:
            found.odd += 1
        else:
            yield text, value


def _text(value: object) -> str | None:
    """Return a text, with what XML has no place for shown; None where it is none, or empty."""
    if not isinstance(value, str):
        return None
    return clean_text(value.encode("utf-8", "surrogatepass")) or None


def _words(value: object, found: DvcFile) -> str | None:
    """Return a text of one line that is not too long, or a number as one."""
    if value is None:
        return None
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value)
    if text is None or not _PLAIN.fullmatch(text):
        found.odd += 1
        return None
    return text


def _digest(value: object, form: re.Pattern[str], found: DvcFile) -> str | None:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if text is None:
        return None
    if not isinstance(text, str) or not form.fullmatch(text.lower()):
        found.odd += 1
        return None
    return text.lower()


def _number(value: object, found: DvcFile) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63:
        return value
    found.odd += value is not None
    return None
