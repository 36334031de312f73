"""Documents of Git alone and of MLflow alone, merged and linked, say what one extraction of both says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from git_maker import Repository
from random_histories import make
from tests.conftest import DemoProject
from tests.model.made_stores import Row
from tests.sources.joined import linked, of_run, own_model, records, store_of

from mlflow2prov import Graph, extract, merge
from mlflow2prov.cli import run as run_command
from mlflow2prov.linking.facts import read_facts
from mlflow2prov.linking.past import Past


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A history with merges of all sorts, and runs at all of its commits with sources of all sorts."""
    folder = tmp_path_factory.mktemp("project")
    made = Repository(folder / "r")
    declared = "entry_points: {main: {command: python go.py}}"
    first = {"train.py": "1", "a/MLproject": declared, "a/go.py": "2", "setup.cfg": "x", b"b/\xe9.py": "3"}
    one = made.commit(first)
    scripts = {"setup.cfg": "[options.entry_points]\nconsole_scripts =\n  wine = wine.cli:main\n"}
    side = made.commit({**first, **scripts, "wine/cli.py": "4", "new.py": "5"}, one, branch="side")
    moved = {path: text for path, text in first.items() if path != "train.py"}
    main_ = made.commit({**moved, "c/train.py": "1", "new.py": "6"}, one)
    merged = made.commit({**moved, **scripts, "wine/cli.py": "4", "new.py": "6"}, main_, side)
    ours = made.commit({**first, "new.py": "7"}, side, main_, branch="ours")
    last = made.commit(
        {**first, "train.py": ("160000", "1" * 40), "x/new.py": "7"}, ours, merged, branch="last"
    )
    made.git("branch", "-D", "side")
    rows: list[Row] = []
    sources = ["train.py", "new.py", "a", "/venv/bin/wine", "-m wine.cli", "cli.py", "nothing.py"]
    sources += [str(made.path / "c/train.py"), str(made.path / "none/train.py"), "b/\\xe9.py", ""]
    for place, commit in enumerate([one, side, main_, merged, ours, last, "0" * 40, "", one.upper()]):
        for number, source in enumerate(sources):
            user = {"mlflow__user": "Ada@Example.org"} if number % 2 else {}
            rows += of_run(f"r{place}x{number}", commit, source, **user)
    rows += of_run("by-hand", f"\t{merged.upper()}\r\n", "wine/cli.py")
    rows += of_run("project", one, "https://example.org/x#a", mlflow__project__entryPoint="main")
    rows += of_run(
        "dirty", merged, "cli.py", mlflow__source__git__dirty="true", mlflow__source__git__diff="+1"
    )
    rows += own_model(main_, "-2")
    return made.path, store_of(folder, *rows)


def test_what_was_extracted_apart_says_what_was_extracted_together(project: tuple[Path, str]) -> None:
    repository, url = project
    with extract(repository, url) as together, linked(repository, url) as apart:
        for mine, theirs in zip(records(together), records(apart), strict=True):
            assert mine == theirs
        told = {"m2p:EntryPoint", "m2p:SourceCode", "m2p:ProjectFile", "m2p:WorkTreeDiff", "true"}
        assert told <= set(_roles(together))


def test_a_commit_that_somebody_put_into_the_tag_by_hand_is_known(project: tuple[Path, str]) -> None:
    with extract(*project) as together:
        found = together.sql(
            "SELECT u.entity FROM Run r JOIN wasGeneratedBy g ON g.entity = r.id JOIN used u ON u.activity = g.activity "
            "WHERE r.run_id = 'by-hand' AND u.role = 'm2p:EntryPoint'"
        )
    assert found.num_rows == 1


def _roles(graph: Graph) -> list[str]:
    rows = graph.query("SELECT a.v FROM {graph}.relation, unnest(attributes) u(a) WHERE kind = 12")
    return [role for (role,) in rows]


def test_linking_again_or_what_is_linked_changes_nothing(project: tuple[Path, str]) -> None:
    with extract(*project) as together, together.link() as once, once.link() as twice:
        assert records(together) == records(once) == records(twice)


def test_the_demo_is_the_same(demo_project: DemoProject) -> None:
    url = f"sqlite:///{demo_project.database}"
    with extract(demo_project.repository, url) as together, linked(demo_project.repository, url) as apart:
        assert records(together) == records(apart)


def test_the_command_line_links(project: tuple[Path, str], tmp_path: Path) -> None:
    repository, url = project
    chain = ["extract", "--repository_path", str(repository), "extract", "--mlflow_url", url, "merge"]
    assert run_command([*chain, "transform", "--link", "save", "--output", str(tmp_path / "linked")]) == 0
    document = json.loads((tmp_path / "linked.json").read_text())
    assert any("m2p:EntryPoint" in json.dumps(body) for body in document["used"].values())


def test_other_documents_stay_as_they_are() -> None:
    from prov.model import ProvDocument

    document = ProvDocument()
    document.add_namespace("ex", "http://example.org/")
    document.wasAttributedTo("ex:report", "ex:ada")
    with Graph.from_prov(document) as graph, graph.link() as same:
        assert same.to_prov() == document


def test_a_merge_that_does_not_say_what_it_took_is_left_out(
    project: tuple[Path, str], caplog: pytest.LogCaptureFixture
) -> None:
    repository, url = project
    with extract(repository) as git, extract(mlflow_url=url) as store, merge([git, store]) as both:
        both.store.run(
            f"UPDATE {both.schema}.attribute_key SET name = 'm2p:x' WHERE name = 'm2p:first_parent'"
        )
        with both.link() as found:
            sources = found.query(
                "SELECT count(*) FROM {graph}.relation, unnest(attributes) u(a) WHERE a.v = 'm2p:EntryPoint'"
            )
    assert sources[0][0] > 0
    assert "entry points and data of runs at commits of which a merge does not say" in caplog.text


@pytest.mark.parametrize("seed", range(5))
def test_the_trees_of_random_histories_are_put_together_again(seed: int, tmp_path: Path) -> None:
    repository = make(tmp_path / "r", range(seed, seed + 1)).repository
    commits = repository.git("rev-list", "--branches").split()[:: 1 + 2 * seed]
    with extract(repository.path) as graph, graph.store.scratch("facts") as scratch:
        facts = read_facts(graph, scratch)
        assert facts is not None
        past = Past(facts, set(commits))
        blobs = dict(
            graph.query(
                "SELECT e.id, a.v FROM {graph}.element e, unnest(attributes) u(a) "
                "JOIN {graph}.attribute_key k ON k.key = a.k WHERE k.name = 'm2p:blob'"
            )
        )
        found = {
            commit: {
                past.paths.exact[path].decode(): blobs[past.element[made]] for path, made in state.items()
            }
            for commit, state in past.states()
        }
    assert found == {commit: _tree(repository, commit) for commit in commits}


def _tree(repository: Repository, commit: str) -> dict[str, str]:
    entries = repository.git("ls-tree", "-r", "-z", commit).split("\0")
    return {entry.partition("\t")[2]: entry.split()[2] for entry in entries if entry}
