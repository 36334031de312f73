"""The repositories that URLs name: at services that name the revision in the query, of other remotes, rewritten."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tests.cache.test_cache import Made, told
from tests.sources.git_maker import Repository, read
from tests.sources.joined import linked, of_run, records, store_of, taking_in
from tests.sources.test_git_hosting import Project, found

from mlflow2prov import extract
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_remotes import Remotes, remotes_of

BITBUCKET = "https://code.example.org/projects/TEAM/repos/wine"
AZURE = "https://dev.azure.com/ada/my%20wine/_git/data"
CLONED = "https://ada@dev.azure.com/ada/my%20wine/_git/data"
SCM = "https://ada:secret@code.example.org/scm/team/wine.git"
AT_FILE = "browse/data/wine.csv"
THERE = ("data/wine.csv", "{run}")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("remotes") / "r")


VIEWS = [
    (SCM, f"{BITBUCKET}/{AT_FILE}?at=refs%2Fheads%2Fmain", THERE),
    (SCM, f"{BITBUCKET}/raw/data/wine.csv?at=refs/heads/feature/x", THERE),
    (SCM, f"{BITBUCKET}/{AT_FILE}", THERE),
    (SCM, f"{BITBUCKET}/{AT_FILE}?at=gone&useDefaultHandler=true#3", THERE),
    (SCM, f"{BITBUCKET}/{AT_FILE}?at=main%2Fx", THERE),
    (SCM, f"{BITBUCKET}/{AT_FILE}?at=v1", ("data/wine.csv", "{old}")),
    (SCM, f"{BITBUCKET}/{AT_FILE}?at=refs%2Ftags%2Frel%2F2.0", ("data/wine.csv", "{new}")),
    (SCM, f"{BITBUCKET}/{AT_FILE}?at={{old}}", ("data/wine.csv", "{old}")),
    (SCM, f"{BITBUCKET}/{AT_FILE}?at={{short}}", ("data/wine.csv", "{old}")),
    (SCM, f"{BITBUCKET}/raw/data/a%20b%25.csv?at=main", ("data/a b%.csv", "{old}")),
    ("ssh://git@code.example.org:7999/TEAM/wine.git", f"{BITBUCKET}/{AT_FILE}?at=main", THERE),
    (
        "https://example.org/code/scm/~ada/wine.git",
        f"https://example.org/code/users/ada/repos/wine/{AT_FILE}?at=main",
        THERE,
    ),
    (
        "ssh://git@example.org:7999/~ada/wine.git",
        f"https://example.org/code/projects/~ADA/repos/wine/{AT_FILE}?at=main",
        THERE,
    ),
    (CLONED, f"{AZURE}?path=/data/wine.csv&version=GBmain", THERE),
    (CLONED, f"{AZURE}?path=%2Fdata%2Fwine.csv&version=GBfeature%2Fx&_a=contents", THERE),
    (CLONED, f"{AZURE}?path=/data/wine.csv", THERE),
    (CLONED, f"{AZURE}?version=GTv1&path=/data/wine.csv", ("data/wine.csv", "{old}")),
    (CLONED, f"{AZURE}?version=GC{{new}}&path=/data/wine.csv", ("data/wine.csv", "{new}")),
    ("git@ssh.dev.azure.com:v3/ada/my wine/data", f"{AZURE}?path=data/wine.csv&version=GBmain", THERE),
    (
        "https://ada.visualstudio.com/DefaultCollection/wine/_git/wine",
        "https://dev.azure.com/ada/_git/wine?path=/data/wine.csv&version=GBmain",
        THERE,
    ),
    (
        "ada@vs-ssh.visualstudio.com:v3/ada/wine/data",
        "https://ada.visualstudio.com/wine/_git/data?path=/data/wine.csv",
        THERE,
    ),
    (
        "https://tfs.example.org:8080/tfs/Main/wine/_git/data",
        "https://tfs.example.org:8080/tfs/Main/wine/_git/data?path=/data/wine.csv&version=GBmain",
        THERE,
    ),
]

REST = "https://code.example.org/rest/api/1.0/projects/TEAM/repos/wine"
ITEMS = "https://dev.azure.com/ada/my%20wine/_apis/git/repositories/data/items"
LAB = "https://lab.example.org/api/v4/projects/team%2Fsub%2Fwine/repository/files"
GITHUB = "git@github.com:ada/wine.git"
CONTENTS = "https://api.github.com/repos/ada/wine/contents"
HUB = "git@hf.co:datasets/ada/wine"

VIEWS += [
    (SCM, f"{REST}/raw/data/wine.csv?at=refs%2Fheads%2Fmain", THERE),
    (SCM, f"{REST.replace('1.0', 'latest')}/raw/data/wine.csv?at=v1", ("data/wine.csv", "{old}")),
    (SCM, f"{REST}/browse/data/wine.csv?at={{new}}", ("data/wine.csv", "{new}")),
    (
        "https://example.org/code/scm/~ada/wine.git",
        "https://example.org/code/rest/api/latest/projects/~ada/repos/wine/raw/data/wine.csv?at=main",
        THERE,
    ),
    (CLONED, f"{ITEMS}?path=/data/wine.csv&versionDescriptor.version=main&api-version=7.1", THERE),
    (CLONED, f"{ITEMS}?scopePath=/data/wine.csv&versionDescriptor%5Bversion%5D=feature/x", THERE),
    (CLONED, f"{ITEMS}/data/wine.csv?versionType=tag&version=v1", ("data/wine.csv", "{old}")),
    (
        CLONED,
        f"{ITEMS}?path=data/wine.csv&versionDescriptor.version={{new}}&versionDescriptor.versionType=Commit",
        ("data/wine.csv", "{new}"),
    ),
    (
        "https://ada.visualstudio.com/DefaultCollection/wine/_git/wine",
        "https://ada.visualstudio.com/wine/_apis/git/repositories/wine/items?path=/data/wine.csv",
        THERE,
    ),
    (GITHUB, f"{CONTENTS}/data/wine.csv?ref=main", THERE),
    (GITHUB, f"{CONTENTS}/data/wine.csv", THERE),
    (GITHUB, f"{CONTENTS}/data/a%20b%25.csv?ref=refs/tags/v1", ("data/a b%.csv", "{old}")),
    (GITHUB, f"{CONTENTS}/data/wine.csv?ref={{short}}", ("data/wine.csv", "{old}")),
    (
        "git@ghe.example.org:ada/wine",
        "https://ghe.example.org/api/v3/repos/ada/wine/contents/data/wine.csv?ref=main",
        THERE,
    ),
    ("git@lab.example.org:team/sub/wine", f"{LAB}/data%2Fwine.csv/raw?ref=feature%2Fx&lfs=true", THERE),
    ("git@lab.example.org:team/sub/wine", f"{LAB}/data%2Fwine%2Ecsv?ref=v1", ("data/wine.csv", "{old}")),
    (
        "https://example.org/lab/team/wine.git",
        "https://example.org/lab/api/v4/projects/team%2Fwine/repository/files/data%2Fwine.csv/raw?ref=HEAD",
        THERE,
    ),
    ("https://codeberg.org/ada/wine", "https://codeberg.org/ada/wine/raw/branch/main/data/wine.csv", THERE),
    (
        "https://codeberg.org/ada/wine",
        "https://codeberg.org/ada/wine/raw/commit/{new}/data/wine.csv",
        ("data/wine.csv", "{new}"),
    ),
    (
        "https://codeberg.org/ada/wine",
        "https://codeberg.org/api/v1/repos/ada/wine/raw/data/wine.csv?ref=v1",
        ("data/wine.csv", "{old}"),
    ),
    (
        "https://example.org:3000/git/ada/wine",
        "https://example.org:3000/git/api/v1/repos/ada/wine/media/data/wine.csv",
        THERE,
    ),
    (
        "git@bitbucket.org:ada/wine.git",
        "https://api.bitbucket.org/2.0/repositories/ada/wine/src/{old}/data/wine.csv",
        ("data/wine.csv", "{old}"),
    ),
    (
        HUB,
        "https://huggingface.co/datasets/ada/wine/resolve/v1/data/wine.csv?download=true",
        ("data/wine.csv", "{old}"),
    ),
    (HUB, "https://huggingface.co/datasets/ada/wine/blob/{new}/data/wine.csv", ("data/wine.csv", "{new}")),
    (HUB, "hf://datasets/ada/wine/data/wine.csv", THERE),
    (HUB, "hf://datasets/ada/wine@feature%2Fx/data/wine.csv", THERE),
    (HUB, "hf://datasets/Ada/wine@v1/data/wine.csv", ("data/wine.csv", "{old}")),
]


@pytest.mark.parametrize(("remote", "url", "expected"), VIEWS)
def test_the_revision_may_stand_in_the_query(
    project: Project, remote: str, url: str, expected: tuple[str, str]
) -> None:
    assert found(project, remote, url) == [("path", *expected)]


@pytest.mark.parametrize(
    ("remote", "url"),
    [
        (SCM, f"{BITBUCKET}/browse/data/missing.csv?at=main"),
        (SCM, f"{BITBUCKET}/{AT_FILE}?at=refs%2Ftags%2Fgone"),
        (SCM, f"{BITBUCKET}/{AT_FILE}?at=v9"),
        (SCM, f"{BITBUCKET}/{AT_FILE}?at=refs%2Fpull-requests%2F7%2Ffrom"),
        (SCM, f"{BITBUCKET}/{AT_FILE}?at={'0' * 40}"),
        (SCM, f"{BITBUCKET}/commits/data/wine.csv?at=main"),
        (SCM, f"{BITBUCKET}/browse/x/%2e%2e/data/wine.csv?at=main"),
        (SCM, f"https://code.example.org/projects/EVE/repos/wine/{AT_FILE}?at=main"),
        (SCM, f"https://code.example.org/users/team/repos/wine/{AT_FILE}?at=main"),
        (SCM, f"https://code.example.org:8443/projects/TEAM/repos/wine/{AT_FILE}?at=main"),
        (SCM, f"https://example.org/projects/TEAM/repos/wine/{AT_FILE}?at=main"),
        (CLONED, f"{AZURE}?path=/data/wine.csv&version=GTgone"),
        (CLONED, f"{AZURE}?path=/data/wine.csv&version=GC{'0' * 40}"),
        (CLONED, f"{AZURE}?path=/data/wine.csv&version=T7"),
        (CLONED, f"{AZURE}?version=GBmain"),
        (CLONED, "https://dev.azure.com/ada/my%20wine/_git/other?path=/data/wine.csv"),
        (CLONED, "https://dev.azure.com/eve/my%20wine/_git/data?path=/data/wine.csv"),
        (SCM, f"{REST}/raw/data/wine.csv?at=refs%2Ftags%2Fgone"),
        (SCM, f"{REST.replace('TEAM', 'EVE')}/raw/data/wine.csv?at=main"),
        (SCM, f"{BITBUCKET}/raw/projects/TEAM/repos/wine/raw/data/wine.csv"),
        (CLONED, f"{ITEMS}?path=/data/wine.csv&version=main&versionOptions=previousChange"),
        (CLONED, f"{ITEMS}?path=/data/wine.csv&version=v1&versionType=gone"),
        (CLONED, f"{ITEMS}?path=/data/wine.csv&version=v1"),
        (CLONED, f"{ITEMS.replace('data/items', 'other/items')}?path=/data/wine.csv"),
        (GITHUB, f"{CONTENTS}/data/wine.csv?ref=refs/pull/7/head"),
        (GITHUB, f"{CONTENTS.replace('ada', 'eve')}/data/wine.csv"),
        (GITHUB, "https://github.com/repos/ada/wine/contents/data/wine.csv"),
        (GITHUB, f"{CONTENTS}/data?ref=main"),
        (GITHUB, f"{CONTENTS}?ref=main"),
        ("git@lab.example.org:team/sub/wine", f"{LAB.replace('team%2Fsub%2Fwine', '7')}/data%2Fwine.csv"),
        ("git@lab.example.org:team/sub/wine", f"{LAB}/x%2F..%2Fdata%2Fwine.csv/raw?ref=main"),
        (HUB, "hf://ada/wine/data/wine.csv"),
        (HUB, "hf://datasets/ada/wine-two/data/wine.csv"),
        (HUB, "hf://datasets/ada/wine@refs/convert/parquet/data/wine.csv"),
        (GITHUB, "hf://ada/wine/data/wine.csv"),
        (CLONED, "https://[dev.azure.com/ada/my%20wine/_git/data?path=/data/wine.csv"),
    ],
)
def test_what_a_query_does_not_say_is_nothing(project: Project, remote: str, url: str) -> None:
    assert found(project, remote, url) == []


def test_the_source_of_a_run_may_be_a_url_with_a_query(project: Project) -> None:
    made = project.repository
    made.git("config", "remote.origin.url", CLONED)
    cases = {
        f"{AZURE}?path=/only.csv&version=GBmain": "only.csv",
        f"{AZURE}?path=/x/only.csv&version=GC{project.run}": "x/only.csv",
        f"{AZURE}?path=/only.csv&version=GC{project.old}": None,
        "https://dev.azure.com/eve/w/_git/d?path=/data/a%20b%25.csv": "data/a b%.csv",
        "https://dev.azure.com/eve/w/_git/d?path=/%FF.csv": None,
        f"https://dev.azure.com/eve/w/_git/d?path=/x/only.csv&version=GC{project.old}": None,
        f"https://code.example.org/projects/EVE/repos/w/raw/t.py?at={project.old}": None,
        f"https://api.github.com/repos/eve/w/contents/x/only.csv?ref={project.old}": None,
        f"https://api.github.com/repos/eve/w/contents/data/a%20b%25.csv?ref={project.run}": "data/a b%.csv",
        "https://api.github.com/repos/eve/w/contents/gone.csv?ref=main": None,
        "https://lab.example.org/api/v4/projects/7/repository/files/data%2Fa%20b%25.csv/raw?ref=main": "data/a b%.csv",
        f"{ITEMS}?path=/x/only.csv&version={project.run}&versionType=commit": "x/only.csv",
        f"{ITEMS}?path=/x/only.csv&version={project.old}&versionType=commit": None,
    }
    rows = made.read(entry_points=[(project.run, source) for source in cases])["git_entry_point"]
    assert {row["source"]: row["path"] for row in rows} == cases


def remotes(made: Repository) -> Remotes:
    return remotes_of(Git(str(made.path)))


def test_all_remotes_count_and_what_is_to_be_taken_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Repository(tmp_path / "r")
    assert remotes(made) == Remotes(None, ())
    configured = tmp_path / "config"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(configured))
    configured.write_text(
        '[url "https://bot:secret@git.example.org/"]\n\tinsteadOf = work:\n\tinsteadOf = old:\n'
        '[url "ssh://git@github.com/"]\n\tinsteadOf = https://github.com/\n'
        '[url "ext::sh -c touch% ran% "]\n\tinsteadOf = run:\n'
        '[url "https://push.example.org/"]\n\tpushInsteadOf = https://github.com/\n'
        '[url "https://nothing.example.org/"]\n\tinsteadOf =\n'
    )
    made.git("config", "url.https://gitlab.com/team/.insteadOf", "work:team/")
    settings = [
        ("origin.url", "https://ada:secret@github.com/ada/wine.git"),
        ("origin.url", "https://mirror.example.org/wine?token=secret"),
        ("origin.pushurl", "https://elsewhere.example.org/wine"),
        ("upstream.url", "git@github.com:team/wine.git"),
        ("same.url", "git@github.com:Ada/Wine"),
        ("lab.url", "work:team/wine"),
        ("old.url", "old:wine"),
        ("folder.url", "../wine"),
        ("run.url", "run:wine"),
        ("odd.url", "https://[::1"),
        ("empty.url", ""),
        ("typo.url", "bot:secret@typo.example.org/wine"),
        ("slip.url", "bot:secret@slip.example.org:wine"),
    ]
    for name, url in settings:
        made.git("config", "--add", f"remote.{name}", url)
    assert remotes(made) == Remotes(
        "https://ada:secret@github.com/ada/wine.git",
        (
            "git@github.com:team/wine.git",
            "https://git.example.org/wine",
            "https://gitlab.com/team/wine",
            "https://mirror.example.org/wine?token=REDACTED",
            "old:wine",
            "run:wine",
            "slip.example.org:wine",
            "work:team/wine",
        ),
    )
    made.commit({"a": "1"})
    assert read(made.path)["git_repository"][0]["other_remotes"] == list(remotes(made).others)
    assert not (tmp_path / "ran").exists()
    with extract(made.path) as graph:
        text = json.dumps(graph.query("SELECT attributes FROM {graph}.element"), default=str)
    assert "https://gitlab.com/team/wine" in text
    assert "secret" not in text
    made.git("config", "--replace-all", "remote.origin.url", "ada:secret@github.com:ada/wine.git")
    assert remotes(made).origin == "github.com:ada/wine.git"


def test_what_the_environment_says_to_take_instead_counts_as_for_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Repository(tmp_path / "r")
    made.git("config", "url.https://own.example.org/.insteadOf", "own:")
    settings = [
        ("url.https://env.example.org/.insteadOf", "env:"),
        ("url.https://late.example.org/.insteadOf", "own:"),
        ("url.https://longer.example.org/.insteadOf", "own:team/"),
        ("url.ext::sh -c touch% ran% .insteadOf", "run:"),
        ("remote.given.url", "https://given.example.org/wine"),
    ]
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))
    for number, (name, value) in enumerate(settings):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", name)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'url.https://told.example.org/.insteadof'='told:'")
    for place in ("env:wine", "own:wine", "own:team/wine", "told:wine", "run:wine"):
        made.git("config", "--add", f"remote.{place.replace(':', '-')}.url", place)
    found = remotes(made).others
    assert {it for it in found if "//" in it} == {
        "https://env.example.org/wine",
        "https://longer.example.org/wine",
        "https://own.example.org/wine",
        "https://told.example.org/wine",
    }
    asked = ["git", "-C", str(made.path), "ls-remote", "--get-url"]
    for place in ("env:wine", "own:wine", "own:team/wine", "told:wine"):
        url = subprocess.run([*asked, place], capture_output=True, text=True, check=True).stdout.strip()
        assert url in found
    made.commit({"a": "1"})
    assert read(made.path)["git_repository"][0]["other_remotes"] == list(found)
    assert not (tmp_path / "ran").exists()


def urls_of(project: Project) -> list[str]:
    spelled = [
        "https://github.com/team/wine/raw/main/data/wine.csv",
        "https://github.com/team/wine/raw/next/steps/data/wine.csv",
        "https://git.example.org/ada/wine/raw/v1/data/wine.csv",
        f"{BITBUCKET}/{AT_FILE}?at={{new}}",
        f"{BITBUCKET}/{AT_FILE}?at=refs%2Fheads%2Fmain",
        f"{AZURE}?path=/data/wine.csv&version=GBgone/away",
        "https://api.github.com/repos/team/wine/contents/data/wine.csv?ref=main",
        f"{REST}/raw/data/wine.csv?at={{old}}",
        f"{ITEMS}?path=/data/wine.csv&versionDescriptor.version={{new}}&versionDescriptor.versionType=commit",
    ]
    return [project.spelled(url) for url in spelled]


def with_remotes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    configured = folder / "config"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(configured))
    configured.write_text('[url "https://bot:secret@git.example.org/"]\n\tinsteadOf = work:\n')
    project = Project(folder / "r")
    made = project.repository
    made.git("remote", "add", "origin", "work:ada/wine")
    made.git("remote", "add", "upstream", "git@github.com:team/wine.git")
    made.git("remote", "add", "mirror", SCM)
    made.git("remote", "add", "azure", CLONED)
    made.git("update-ref", "refs/remotes/upstream/next/steps", project.new)
    return project


def test_documents_that_were_made_apart_know_all_remotes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = with_remotes(tmp_path, monkeypatch)
    datasets = [(f"from {url}", "d", json.dumps({"url": url})) for url in urls_of(project)]
    source = "https://github.com/team/wine/blob/main/only.csv"
    url = store_of(tmp_path, *of_run("a", project.run, source), *taking_in(datasets, "a"))
    path = project.repository.path
    with extract(path, url) as together, linked(path, url) as apart:
        assert records(together) == records(apart)
        assert together.query("SELECT count(*) FROM {graph}.relation WHERE kind = 42") == [(11,)]


def test_a_cache_sees_that_remotes_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, store = with_remotes(tmp_path, monkeypatch), Made(tmp_path)
    made, options = project.repository, {"repository_path": project.repository.path}
    for number in range(20):
        store.insert(*of_run(f"{number:032}", project.new if number else project.run, "only.csv"))
    datasets = [(f"from {url}", "d", json.dumps({"url": url})) for url in urls_of(project)]
    store.insert(*taking_in(datasets, f"{0:032}"))
    counts = []
    for change in (None, "upstream", "mirror", "azure", "origin"):
        if change:
            made.git("config", "--unset", f"remote.{change}.url")
        graph = store.cached(**options)
        assert told(graph) == told(store.extract(**options))
        counts += graph.query("SELECT count(*) FROM {graph}.relation WHERE kind = 42")
    (tmp_path / "config").write_text("")
    assert told(store.cached(**options)) == told(store.extract(**options))
    assert counts == [(11,), (8,), (5,), (3,), (2,)]
    store.connection.close()
    store.store.close()
