"""What an extraction with a cache warns of is what one without would, whether the history has to be read or not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from git_maker import Repository, text
from joined import of_run, store_of
from tests.sources.data_files import tracked

from mlflow2prov import extract
from mlflow2prov.cli import run as run_command


class Warned:
    """What extractions of a repository and a store warn of."""

    def __init__(self, folder: Path, path: Path, url: str | None, caplog: pytest.LogCaptureFixture) -> None:
        self.cache, self.path, self.url, self.caplog = folder / "c", path, url, caplog

    def sentences(self, *, cache: Path | None) -> list[str]:
        self.caplog.clear()
        with extract(self.path, self.url, cache=cache):
            return [it.getMessage() for it in self.caplog.records if it.levelname == "WARNING"]

    def agree(self) -> set[str]:
        """What is warned of with the cache, be it new or not, as without."""
        whole = self.sentences(cache=None)
        for _ in range(3):
            again = self.sentences(cache=self.cache)
            assert sorted(again) == sorted(set(whole))
        return set(whole)


def test_times_that_are_none_are_said_each_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = Repository(tmp_path / "r")
    one = made.commit({"a": "1"}, when=b"99999999999999 +0000")
    warned = Warned(tmp_path, made.path, None, caplog)
    (sentence,) = warned.agree()
    assert sentence.startswith("1 commits of ")
    made.commit({"a": "2"}, one, when=b"yesterday")
    (sentence,) = warned.agree()
    assert sentence.startswith("2 commits of ")
    made.commit({"a": "3"})
    assert warned.agree() == set()


def test_a_history_beside_a_store_is_said_to_lack_contents_each_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    origin = Repository(tmp_path / "origin")
    origin.git("config", "uploadpack.allowFilter", "true")
    old = origin.commit({"a": text(1), "MLproject": "name: w", "link": ("120000", "a"), "x.dvc": "1"})
    new = origin.commit({"b": text(2), "MLproject": "name: w", "x.dvc": tracked("x", "a")}, old)
    clone = ["git", "clone", "-q", "--bare", "--filter=blob:none", f"file://{origin.path}"]
    subprocess.run([*clone, str(tmp_path / "r")], check=True)
    rows = [*of_run("a", new, "MLproject"), *of_run("b", old, "link"), *of_run("c", "0" * 7, "a")]
    warned = Warned(tmp_path, tmp_path / "r", store_of(tmp_path, *rows), caplog)
    said = warned.agree()
    for part in ("is a partial clone", "declare what can be run", "symbolic links", "may tell of data"):
        assert [part in sentence for sentence in said].count(True) == 1


def test_a_broken_ref_is_said_as_long_as_it_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = Repository(tmp_path / "r")
    made.commit({"a": "1"}, when=b"yesterday")
    (made.path / ".mailmap").write_text("Ada <ada@example.org>\n")
    broken = made.path / ".git" / "refs" / "heads" / "broken"
    broken.write_text("no name of an object\n")
    warned = Warned(tmp_path, made.path, None, caplog)
    assert any("are broken" in sentence for sentence in warned.agree())
    broken.unlink()
    assert len(warned.agree()) == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("setup.cfg", "[options.entry_points]\nconsole_scripts = a = b:c\n" + "x\n" * 5_000),
        ("pyproject.toml", "[project.scripts]\na" + ".a" * 2_001 + " = 'b:c'\n"),
        ("setup.py", "setup(console_scripts=['a = b:c'])\n" + "#" * (1 << 20)),
    ],
)
def test_files_that_are_too_long_to_declare_anything_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, content: str
) -> None:
    made = Repository(tmp_path / "r")
    one = made.commit({name: content, "a.py": "1"})
    made.commit({name: "", "a.py": "1"}, one)
    warned = Warned(tmp_path, made.path, store_of(tmp_path, *of_run("a", one, "/venv/bin/a")), caplog)
    said = [sentence for sentence in warned.agree() if "too long to be read" in sentence]
    assert [sentence.partition("(")[0] for sentence in said] == [
        "1 contents of files that declare what can be run "
    ]


def test_a_warning_that_nobody_wanted_to_see_is_remembered_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Repository(tmp_path / "r")
    made.commit({"a": "1"}, when=b"yesterday")
    extraction = ["extract", "--repository_path", str(made.path), "--cache", str(tmp_path / "c")]
    save = ["save", "--output", str(tmp_path / "saved")]
    assert run_command(["--quiet", *extraction, *save]) == 0
    assert "1 commits of " not in capsys.readouterr().err
    assert run_command([*extraction, *save]) == 0
    assert "1 commits of " in capsys.readouterr().err
