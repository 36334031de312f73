"""A repository behind a URL gives what a clone of it by hand gives, each time as it is then."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from git_maker import Repository, text
from git_servers import (
    ENVIRONMENT,
    cli,
    command,
    daemon,
    free_port,
    http_server,
    silent_server,
    ssh_stand_in,
)

from mlflow2prov.errors import SourceError, UsageError
from mlflow2prov.extraction import extract
from mlflow2prov.sources.git_clone import Clones, is_url, plain_url
from mlflow2prov.surroundings import Surroundings

MAIL_MAP = "Ada King <ada@example.org>\n"


@pytest.fixture
def source(tmp_path: Path) -> Repository:
    """A repository that leaves out contents when it is asked to, with a rename that needs some."""
    (tmp_path / "served").mkdir()
    made = Repository(tmp_path / "served" / "wine.git", "--bare")
    made.git("config", "uploadpack.allowFilter", "true")
    made.git("config", "uploadpack.allowAnySHA1InWant", "true")
    one = made.commit({".mailmap": MAIL_MAP, "a.py": text(1), "c": "c"})
    two = made.commit({".mailmap": MAIL_MAP, "b.py": text(2, 3), "c": "c" * 999}, one)
    three = made.commit({".mailmap": MAIL_MAP, "b.py": text(4), "c": "cc" * 999}, two)
    made.git("tag", "-a", "-m", "first", "v1", three)
    made.commit({".mailmap": MAIL_MAP, "side.py": text(9)}, two, branch="side")
    return made


@pytest.fixture
def ways(source: Repository, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The URL of the repository for each way to it."""
    served = source.path.parent
    with ExitStack() as stack:
        yield {
            "file": source.path.as_uri(),
            "git": f"{stack.enter_context(daemon(served))}/wine.git",
            "http": f"{stack.enter_context(http_server(served))}/wine.git",
            "ssh": f"ssh://git@example.org{source.path}",
            "scp": f"git@example.org:{source.path}",
        }


def surroundings(tmp_path: Path) -> Surroundings:
    return Surroundings(environment=ENVIRONMENT | ssh_stand_in(tmp_path))


def document(url: str | Path, tmp_path: Path, name: str = "made") -> bytes:
    with extract(url, repository_cache=tmp_path / "cache", surroundings=surroundings(tmp_path)) as graph:
        graph.save(tmp_path / f"{name}.json")
    return (tmp_path / f"{name}.json").read_bytes()


def cloned_by_hand(url: str, tmp_path: Path) -> bytes:
    by_hand = tmp_path / "by-hand"
    shutil.rmtree(by_hand, ignore_errors=True)
    subprocess.run(
        ["git", "clone", "-q", "--bare", url, str(by_hand)],
        env=ENVIRONMENT | ssh_stand_in(tmp_path),
        check=True,
    )
    return document(by_hand, tmp_path, "by-hand")


def clone_of(tmp_path: Path) -> Path:
    (found,) = [path for path in (tmp_path / "cache").iterdir() if not path.name.startswith(".")]
    return found


def left_out(clone: Path) -> int:
    done = subprocess.run(
        ["git", "-C", str(clone), "rev-list", "--objects", "--all", "--missing=print"],
        env=ENVIRONMENT,
        capture_output=True,
        check=True,
    )
    return sum(line.startswith(b"?") for line in done.stdout.splitlines())


@pytest.mark.parametrize("way", ["file", "git", "http", "ssh", "scp"])
def test_every_way_gives_what_a_clone_by_hand_gives(way: str, ways: dict[str, str], tmp_path: Path) -> None:
    made = document(ways[way], tmp_path)
    assert made == cloned_by_hand(ways[way], tmp_path)
    assert b'"R"' in made and b"Ada King" in made
    assert left_out(clone_of(tmp_path)) > 0
    assert not (clone_of(tmp_path) / "index").exists()
    if way in {"ssh", "scp"}:
        assert b'"ssh://example.org/' in made
        assert "git@example.org" in (tmp_path / "ssh-arguments").read_text()


def test_the_next_extraction_follows_what_was_pushed_forced_moved_and_deleted(
    source: Repository, tmp_path: Path
) -> None:
    url = source.path.as_uri()
    document(url, tmp_path)
    first = source.git("rev-parse", "main~2")
    other = source.commit({".mailmap": MAIL_MAP, "z.py": text(7)}, first)
    source.git("update-ref", "-d", "refs/heads/side")
    byron = {".mailmap": "Ada Byron <ada@example.org>\n", "y.py": text(7, 8)}
    source.commit(byron, other, branch="side/deep")
    source.git("tag", "-f", "v1", other)
    source.git("pack-refs", "--all")
    source.git("symbolic-ref", "HEAD", "refs/heads/side/deep")
    made = document(url, tmp_path)
    assert made == cloned_by_hand(url, tmp_path)
    assert b"Ada Byron" in made and b"side.py" not in made
    source.git("update-ref", "--no-deref", "HEAD", first)
    assert document(url, tmp_path) == cloned_by_hand(url, tmp_path)
    assert document(url, tmp_path) == document(url, tmp_path)


def test_a_server_that_leaves_nothing_out_is_cloned_whole(source: Repository, tmp_path: Path) -> None:
    source.git("config", "uploadpack.allowFilter", "false")
    url = source.path.as_uri()
    done = cli("--repository_path", url, "--repository_cache", "cache", cwd=tmp_path)
    assert done.returncode == 0 and "is cloned whole" in done.stderr
    assert left_out(clone_of(tmp_path)) == 0
    assert document(url, tmp_path) == cloned_by_hand(url, tmp_path)


def test_a_server_that_gives_no_single_contents_is_read_with_a_warning(
    source: Repository, tmp_path: Path
) -> None:
    source.git("config", "uploadpack.allowAnySHA1InWant", "false")
    variables = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "protocol.version",
        "GIT_CONFIG_VALUE_0": "0",
    }
    done = cli(
        *("--repository_path", source.path.as_uri(), "--repository_cache", "cache", "statistics"),
        cwd=tmp_path,
        **variables,
    )
    assert done.returncode == 0 and "a partial clone without some contents" in done.stderr


def test_what_a_killed_extraction_leaves_is_no_obstacle(source: Repository, tmp_path: Path) -> None:
    url = f"ssh://example.org{source.path}"
    options = ("--repository_path", url, "--repository_cache", "cache", "save", "--output", "out.json")
    slow = ssh_stand_in(tmp_path, before="touch begun; sleep 1; exit 1")
    first = subprocess.Popen(command(*options), cwd=tmp_path, env=ENVIRONMENT | slow, stderr=subprocess.PIPE)
    while not (tmp_path / "begun").exists():
        assert first.poll() is None
        time.sleep(0.01)
    first.kill()
    first.communicate()
    made = document(url, tmp_path)
    assert made == cloned_by_hand(url, tmp_path)
    clone = clone_of(tmp_path)
    for left in ("packed-refs.lock", "refs/heads/main.lock", "objects/pack/tmp_pack_x", "config.lock"):
        (clone / left).parent.mkdir(parents=True, exist_ok=True)
        (clone / left).write_text("left")
    (clone.parent / f".{clone.name}.unfinished").mkdir()
    source.commit({"new.py": text(1)}, source.git("rev-parse", "main"))
    assert document(url, tmp_path) == cloned_by_hand(url, tmp_path)
    assert not list(clone.parent.glob("*.unfinished"))
    shutil.rmtree(clone / "objects" / "pack")
    source.commit({"newer.py": text(1)}, source.git("rev-parse", "main"))
    assert document(url, tmp_path) == cloned_by_hand(url, tmp_path)


def test_two_extractions_at_once_do_not_harm_each_other(source: Repository, tmp_path: Path) -> None:
    options = ("--repository_path", source.path.as_uri(), "--repository_cache", "cache")
    for _ in ("cloning", "updating"):
        source.commit({"new.py": text(1)}, source.git("rev-parse", "main"))
        running = [
            subprocess.Popen(
                command(*options, "save", "--output", f"{name}.json"),
                cwd=tmp_path,
                env=ENVIRONMENT,
                stderr=subprocess.PIPE,
            )
            for name in ("one", "two")
        ]
        assert [(each.communicate(), each.returncode)[1] for each in running] == [0, 0]
        assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_credentials_open_the_way_and_are_nowhere_afterwards(source: Repository, tmp_path: Path) -> None:
    with http_server(source.path.parent, "ada", "s3cr3t-word") as base:
        host = base.removeprefix("http://")
        url = f"http://ada:s3cr3t-word@{host}/wine.git"
        options = ("--repository_cache", "cache", "save", "--output", "out.json")
        done = [cli("--repository_path", url, *options, cwd=tmp_path) for _ in range(2)]
        wrong = cli("--repository_path", url.replace("s3cr", "wr0ng-s3cr"), *options, cwd=tmp_path)
        without = cli("--repository_path", f"{base}/wine.git", *options, cwd=tmp_path)
    assert [each.returncode for each in (*done, wrong, without)] == [0, 0, 1, 1]
    assert all("asks for a password" in each.stderr for each in (wrong, without))
    said = "".join(each.stdout + each.stderr for each in (*done, wrong, without))
    assert "3cr3t-word" not in said and "Traceback" not in said
    assert f'"http://{host}/wine.git"'.encode() in (tmp_path / "out.json").read_bytes()
    for path in [tmp_path / "out.json", *(tmp_path / "cache").rglob("*")]:
        assert "3cr3t" not in path.name
        assert path.is_dir() or b"3cr3t" not in path.read_bytes()


def test_a_url_that_gives_no_repository_is_one_clear_sentence(source: Repository, tmp_path: Path) -> None:
    served = source.path.parent
    shut = free_port()
    refusing = ssh_stand_in(tmp_path, before='echo "git@h: Permission denied (publickey)." >&2; exit 255')
    with http_server(served) as http, daemon(served) as git:
        expected = {
            f"http://127.0.0.1:{shut}/wine.git": "does not answer",
            f"git://127.0.0.1:{shut}/wine.git": "does not answer",
            f"{http}/nothing.git": "is no Git repository",
            f"{git}/nothing.git": "is no Git repository",
            (served / "nothing").as_uri(): "is no Git repository",
            "git@example.org:wine.git": "asks for a password or a key",
        }
        for url, meaning in expected.items():
            options = ("--repository_path", url, "--repository_cache", "cache")
            done = cli(*options, cwd=tmp_path, **refusing)
            said = done.stderr.splitlines()[-1]
            assert done.returncode == 1 and meaning in said and url in said, said
    done = cli("--repository_path", "ftp://example.org/r.git", cwd=tmp_path)
    assert done.returncode == 2 and "ftp://example.org/r.git is no URL" in done.stderr
    done = cli(
        *("--repository_path", source.path.as_uri(), "--repository_cache", "/proc/none/cache"), cwd=tmp_path
    )
    assert done.returncode == 1 and "--repository_cache" in done.stderr


def test_a_server_that_says_nothing_is_not_waited_for_without_end(tmp_path: Path) -> None:
    clones = Clones(folder=tmp_path / "cache", environment=ENVIRONMENT, patience_s=0.2)
    with silent_server() as place:
        for scheme in ("http", "git"):
            with (
                pytest.raises(SourceError, match="does not answer: nothing was heard"),
                clones.at_hand(f"{scheme}://{place}/wine.git"),
            ):
                raise AssertionError
    assert not list((tmp_path / "cache").glob("*.unfinished"))


@pytest.mark.parametrize("kind", ["empty", "sha256", "shallow"])
def test_an_odd_repository_behind_a_url(kind: str, source: Repository, tmp_path: Path) -> None:
    odd = tmp_path / "odd.git"
    if kind == "shallow":
        arguments = ["--bare", "--depth=1", "--no-single-branch", source.path.as_uri(), str(odd)]
        subprocess.run(["git", "clone", "-q", *arguments], env=ENVIRONMENT, check=True)
    else:
        made = Repository(odd, "--bare", *(["--object-format=sha256"] if kind == "sha256" else []))
        if kind == "sha256":
            made.commit({"a": "1"})
    first = document(odd.as_uri(), tmp_path)
    assert first == cloned_by_hand(odd.as_uri(), tmp_path)
    Repository(odd).commit({"b": "2"}, branch="more")
    assert document(odd.as_uri(), tmp_path) == cloned_by_hand(odd.as_uri(), tmp_path) != first


def test_the_folder_of_clones_is_the_one_that_the_environment_names(
    source: Repository, tmp_path: Path
) -> None:
    url = source.path.as_uri()
    for variables in (
        {"XDG_CACHE_HOME": str(tmp_path / "xdg")},
        {"MLFLOW2PROV_REPOSITORY_CACHE": str(tmp_path / "own"), "XDG_CACHE_HOME": "/proc/none"},
    ):
        extract(url, surroundings=Surroundings(environment=ENVIRONMENT | variables)).close()
    assert len(list((tmp_path / "xdg" / "mlflow2prov" / "repositories").iterdir())) == 3
    assert len(list((tmp_path / "own").iterdir())) == 3


def test_what_is_a_url_and_what_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "host:path").mkdir()
    assert not is_url("host:path") and not is_url("ext::sh -c x") and not is_url(Path("https://h/r"))
    assert is_url("other:path") and is_url("https://h/r")
    assert plain_url("https://h/r?private_token=x") == "https://h/r?private_token=REDACTED"
    with pytest.raises(UsageError, match="no URL of a Git repository"):
        extract("s3://bucket/r")
