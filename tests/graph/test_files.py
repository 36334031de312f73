"""Files and folders that appear whole or not at all, with the permissions of what they replace."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from documents import graph_of
from mlflow2prov import Graph, load
from mlflow2prov.errors import Mlflow2ProvError
from mlflow2prov.graph.files import unfinished_pattern, whole_file, whole_folder

FOLDERS = ("parquet", "csv")


@pytest.fixture
def graph() -> Graph:
    return graph_of(b'{"prefix": {"ex": "http://e.org/"}, "entity": {"ex:a": {}}}')


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_in_which_a_file_is_none_is_not_ours(name: str, graph: Graph, tmp_path: Path) -> None:
    path = graph.save(tmp_path / "doc", name)
    one = sorted(path.iterdir())[-1]
    content = one.read_bytes()
    for change in (Path.mkdir, os.mkfifo, lambda file: file.symlink_to(tmp_path / "other")):
        one.unlink()
        change(one)
        with pytest.raises(Mlflow2ProvError, match="something else of that name is there"):
            graph.save(path, name)
        assert one.is_symlink() or not one.is_file()
        if one.is_dir():
            one.rmdir()
            one.touch()
    one.unlink()
    one.write_bytes(content)
    assert graph.save(path, name) == path


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o555])
@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_hands_on_its_permissions(name: str, mode: int, graph: Graph, tmp_path: Path) -> None:
    path = graph.save(tmp_path / "doc", name)
    path.chmod(mode)
    try:
        graph.save(path, name)
        assert mode_of(path) == mode
        assert [one.name for one in tmp_path.iterdir()] == [path.name]
    finally:
        path.chmod(0o700)


def test_nobody_else_reads_what_will_be_private(tmp_path: Path) -> None:
    secret, folder = tmp_path / "secret.json", tmp_path / "folder"
    secret.touch(mode=0o600)
    folder.mkdir(mode=0o700)
    with whole_file(secret) as file:
        file.write_text("s")
        beside = file.relative_to(tmp_path).parts[0]
        assert mode_of(tmp_path / beside) & 0o077 == 0
        assert [one.name for one in tmp_path.glob(unfinished_pattern(secret))] == [beside]
    assert mode_of(secret) == 0o600
    with whole_folder(folder, lambda _: True) as unfinished:
        assert mode_of(unfinished) == 0o700
    assert sorted(one.name for one in tmp_path.iterdir()) == ["folder", "secret.json"]


def test_a_private_file_stays_where_writing_fails(tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.touch(mode=0o600)
    with pytest.raises(ZeroDivisionError), whole_file(secret) as file:
        file.write_text("half")
        file.with_name(file.name + ".wal").write_text("more")
        raise ZeroDivisionError
    assert secret.read_text() == ""
    assert [one.name for one in tmp_path.iterdir()] == ["secret.json"]


def test_a_private_database_is_replaced(graph: Graph, tmp_path: Path) -> None:
    kept = tmp_path / "kept.duckdb"
    graph.keep(kept)
    kept.chmod(0o600)
    graph.keep(kept)
    assert mode_of(kept) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["kept.duckdb"]
    with load(kept) as again:
        assert again.count("element") == 1


@pytest.mark.parametrize("length", [236, 241, 255])
@pytest.mark.parametrize("letter", ["a", "é", "[", "𝔸"])
def test_names_may_be_as_long_as_the_file_system_allows(
    letter: str, length: int, graph: Graph, tmp_path: Path
) -> None:
    for ending, number in ((".json", 1), (".csv", 1)):
        count = (length - len(ending)) // len(letter.encode())
        name = letter * count + "x" * (length - len(ending) - count * len(letter.encode())) + ending
        assert len(os.fsencode(name)) == length
        for _ in range(2):
            assert graph.save(tmp_path / name).name == name
        assert len(list(tmp_path.iterdir())) == number
        shutil.rmtree(tmp_path / name) if ending == ".csv" else (tmp_path / name).unlink()


def test_names_that_are_too_long_are_refused_before_any_work(graph: Graph, tmp_path: Path) -> None:
    with pytest.raises(Mlflow2ProvError, match="File name too long"), whole_file(tmp_path / ("x" * 256)):
        raise AssertionError("it was worked on")


def test_what_is_written_is_found_whatever_its_name(tmp_path: Path) -> None:
    for name in ("[a].json", "a*.json"):
        with whole_file(tmp_path / name) as file:
            file.touch()
            assert list(tmp_path.glob(unfinished_pattern(tmp_path / name))) == [file]
            assert not list(tmp_path.glob(unfinished_pattern(tmp_path / "a.json")))


@pytest.mark.parametrize("name", ["json", *FOLDERS])
def test_a_link_that_leads_nowhere_or_in_a_circle_is_replaced_by_nothing_else(
    name: str, graph: Graph, tmp_path: Path
) -> None:
    """A file is written where the link leads to; a folder never takes the place of a link."""
    (tmp_path / f"loop.{name}").symlink_to(tmp_path / f"loop.{name}")
    with pytest.raises(Mlflow2ProvError, match="can't write"):
        graph.save(tmp_path / f"loop.{name}")
    (tmp_path / f"nowhere.{name}").symlink_to(tmp_path / f"new.{name}")
    if name == "json":
        graph.save(tmp_path / f"nowhere.{name}")
        assert (tmp_path / "new.json").read_text().startswith("{")
    else:
        with pytest.raises(Mlflow2ProvError, match="something else of that name is there"):
            graph.save(tmp_path / f"nowhere.{name}")
    with pytest.raises(Mlflow2ProvError, match="must not be overwritten"):
        graph.save(tmp_path / f"nowhere.{name}", overwrite=False)
    assert all((tmp_path / f"{one}.{name}").is_symlink() for one in ("loop", "nowhere"))
    assert not list(tmp_path.glob(".*"))


def test_a_link_into_a_folder_that_is_not_there_is_an_error(graph: Graph, tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / "none" / "a.json")
    with pytest.raises(Mlflow2ProvError, match="there is no folder"):
        graph.save(tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
