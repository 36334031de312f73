"""Symbolic links to folders, on the way to an entry point or to what it imports, held to what Python runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from git_maker import Repository, picked, read
from tests.sources.joined import linked, of_run, records, store_of

from mlflow2prov import extract
from mlflow2prov.sources.git_links import followed
from mlflow2prov.sources.git_wanted import GitWanted

LINK = "120000"
FILES: dict[str | bytes, Any] = {
    "app/train.py": "import pkg.mod, twice.deep.leaf, loop.loop.helper, outer, plain\n",
    "app/pkg": (LINK, "../lib/./v2/"),
    "app/twice": (LINK, "../chain"),
    "app/loop": (LINK, "."),
    "app/helper.py": "",
    "app/outer": (LINK, "/etc"),
    "app/away": (LINK, "../../.."),
    "app/plain.py": (LINK, "../app/pkg/real.py"),
    "lib/v1/mod.py": "",
    "lib/v2/__init__.py": "",
    "lib/v2/mod.py": "from . import beside\nfrom .sub import one\nimport shared\n",
    "lib/v2/beside.py": "",
    "lib/v2/real.py": "import shared\n",
    "lib/v2/sub": (LINK, "../v3"),
    "lib/v3/one.py": "from . import two\n",
    "lib/v3/two.py": "",
    "lib/beside.py": "",
    "chain": (LINK, "deeper"),
    "deeper/deep": (LINK, "../lib"),
    "lib/leaf.py": "from . import beside\n",
    "app/shared.py": "",
    "lib/shared.py": "",
    "current": (LINK, "app"),
    "sub/current": (LINK, "../job"),
    "job/fit.py": "import near\n",
    "job/near.py": "",
    "sub/near.py": "",
    "jobs": (LINK, "sub/current"),
    "projects": (LINK, "job"),
    "job/MLproject": "entry_points: {main: {command: python fit.py}}",
    b"odd\xe9": (LINK, b"job"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Repository, str]:
    repository = Repository(tmp_path_factory.mktemp("links") / "r")
    sha = repository.commit(FILES)
    repository.git("reset", "-q", "--hard")
    return repository, sha


def imported(made: tuple[Repository, str], source: str) -> list[str]:
    repository, sha = made
    rows = repository.read(entry_points=[(sha, source)], wanted=GitWanted(follow_imports=True))
    return picked(rows["git_import"], "path")


def executed(root: Path, *command: str) -> list[str]:
    """The real paths of the modules that Python loads from the tree."""
    show = "import atexit, os, sys; atexit.register(lambda: print(*{os.path.realpath(m.__file__) for m in "
    show += "list(sys.modules.values()) if getattr(m, '__file__', None)}, sep='\\n'))"
    hook = root.parent / "hook"
    hook.mkdir(exist_ok=True)
    (hook / "sitecustomize.py").write_text(show)
    environment = {**os.environ, "PYTHONPATH": str(hook), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=root,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    paths = [Path(line) for line in done.stdout.splitlines()]
    return sorted(str(path.relative_to(root)) for path in paths if path.is_relative_to(root))


def test_what_is_imported_through_links_to_folders_is_what_python_runs(made: tuple[Repository, str]) -> None:
    root = made[0].path.resolve()
    expected = executed(root, "app/train.py")
    assert {"lib/v2/mod.py", "lib/v3/two.py", "lib/leaf.py", "app/helper.py"} <= set(expected)
    assert "lib/shared.py" not in expected
    found = imported(made, "app/train.py")
    assert [path for path in found if path != "app/plain.py"] == [
        path for path in expected if path != "app/train.py"
    ]
    assert imported(made, "current/train.py") == found


def test_links_that_lead_round_come_to_an_end(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r")
    names = [f"again{number}" for number in range(4)]
    said = "".join(f"from .{name} import helper\n" for name in names)
    files = {"app/helper.py": said, "app/train.py": "import again0.helper\n", "helper.py": ""}
    sha = repository.commit({**files, **{f"app/{name}": (LINK, ".") for name in names}})
    assert imported((repository, sha), "app/train.py") == ["app/helper.py"]


def test_a_module_is_run_through_a_link(made: tuple[Repository, str]) -> None:
    root = made[0].path.resolve()
    expected = executed(root, "-m", "app.pkg.sub.one")
    assert imported(made, "-m app.pkg.sub.one") == [path for path in expected if not path.endswith("one.py")]
    assert "lib/v3/two.py" in expected


SOURCES = {
    "current/train.py": "app/train.py",
    "jobs/fit.py": "job/fit.py",
    "/elsewhere/wine/current/train.py": "app/train.py",
    "sub/current/fit.py": "job/fit.py",
    "{root}/jobs/../../job/fit.py": "job/fit.py",
    "-m jobs.fit": "job/fit.py",
    "projects": "job/MLproject",
    "https://example.org/wine.git#projects": "job/MLproject",
    "app/outer/passwd": None,
    "app/away/x": None,
}


def test_a_source_goes_through_links(made: tuple[Repository, str], tmp_path: Path) -> None:
    repository, sha = made
    sources = {source.replace("{root}", str(repository.path)): path for source, path in SOURCES.items()}
    rows = repository.read(entry_points=[(sha, source) for source in sources])["git_entry_point"]
    expected = {**sources, "projects": "job/fit.py", "https://example.org/wine.git#projects": "job/fit.py"}
    assert {row["source"]: row["path"] for row in rows} == expected
    assert {row["source"] for row in rows if row["project_path"]} == {
        "projects",
        "https://example.org/wine.git#projects",
    }


def test_links_are_known_where_documents_are_joined(made: tuple[Repository, str], tmp_path: Path) -> None:
    repository, sha = made
    sources = [source.replace("{root}", str(repository.path)) for source in SOURCES]
    rows = [row for number, source in enumerate(sources) for row in of_run(f"x{number}", sha, source)]
    url = store_of(tmp_path, *rows)
    with extract(repository.path, url) as together, linked(repository.path, url) as apart:
        assert records(together) == records(apart)
        told = together.sql("SELECT path, link_target FROM FileRevision WHERE link_target IS NOT NULL")
        assert {"path": "current", "link_target": "app"} in told.to_pylist()
        assert told.num_rows == sum(isinstance(content, tuple) for content in FILES.values())


@pytest.mark.parametrize(
    ("path", "end"),
    [
        (b"a/b", b"a/b"),
        (b"in/b", b"a/b"),
        (b"in/in/b", b"a/in/b"),
        (b"up/b", b"b"),
        (b"far/b", None),
        (b"root/b", None),
        (b"loop/b", None),
        (b"in", b"in"),
        (b"in/../b", b"b"),
    ],
)
def test_a_path_leads_to_where_its_links_do(path: bytes, end: bytes | None) -> None:
    links = {b"in": b"a", b"up": b"./a/..", b"far": b"../..", b"root": b"/a", b"loop": b"loop"}
    assert followed(path, links.get) == end


def test_a_partial_clone_says_that_links_are_missing(
    made: tuple[Repository, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    repository, sha = made
    repository.git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "clone"
    repository.git("clone", "-q", "--bare", "--filter=blob:none", f"file://{repository.path}", str(clone))
    datasets = [(sha, "d", str(number), '{"uri": "app/pkg/mod.py"}') for number in range(3)]
    points = [(sha, "current/train.py"), (sha, "app/train.py")]
    rows = read(clone, entry_points=points, datasets=datasets, wanted=GitWanted(follow_imports=True))
    assert picked(rows["git_entry_point"], "source", "path") == [
        ("app/train.py", "app/train.py"),
        ("current/train.py", None),
    ]
    links = {os.fsencode(value[1]) for value in FILES.values() if isinstance(value, tuple)}
    assert f"{len(links)} symbolic links are missing" in caplog.text
    assert "may tell of data" not in caplog.text


def test_links_do_not_lead_to_a_path_without_end() -> None:
    further = b"x/" * 1_000
    links = {b"a": further + b"a"}
    for _ in range(30):
        links[max(links, key=len)[:-1] + further + b"a"] = further + b"a"
    assert followed(b"a/train.py", links.get) is None
