"""Why, impact and compare: their pages, against what the script that made the demo project knows."""

from __future__ import annotations

import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from prov.model import ProvDocument
from tests.conftest import DemoProject
from tests.sources.git_maker import Repository
from tests.sources.joined import own_model, store_of

from mlflow2prov import Graph, extract
from mlflow2prov.errors import Mlflow2ProvError, UsageError
from mlflow2prov.graph.lineage import lineage
from mlflow2prov.graph.pages import Page, Part
from mlflow2prov.graph.why_parts import GAPS, SECTIONS

CHAMPION = "models:/wine-candidate@champion"
BUGGY = "6ccbf34"


@pytest.fixture(scope="module")
def graph(demo_project: DemoProject) -> Graph:
    return extract(demo_project.repository, f"sqlite:///{demo_project.database}")


def told(page: Page, part: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(page.text("json"))[part]["rows"]
    return rows


def test_why_tells_what_the_script_did(graph: Graph, demo_project: DemoProject) -> None:
    page = graph.why(CHAMPION, demo_project.repository)
    (version,) = (
        one
        for one in demo_project.truth["mlflow"]["model_versions"]
        if (one["name"], one["version"]) == ("wine-candidate", 3)
    )
    run = next(one for one in demo_project.truth["mlflow"]["runs"] if one["run_id"] == version["run_id"])
    (code,) = told(page, "code")
    assert (code["commit"], code["file"]) == (run["commit"], run["entry_point"])
    assert {(row["dataset"], row["digest"], row["used for"]) for row in told(page, "data")} == {
        (one["name"], one["digest"], one["context"]) for one in run["datasets"]
    }
    assert len(told(page, "params")) == run["params"]
    assert {row["metric"] for row in told(page, "metrics")} == set(run["metrics"])
    assert [row["commit"][:7] for row in told(page, "new_commits")] == ["6ccbf34", "606e5a1", "4089fa5"]
    assert [row["file"] for row in told(page, "changed_files")] == ["params.json"]
    events = [row["what"] for row in told(page, "promotion")]
    assert "tagged review = passed" in events
    assert any(event.startswith("judged by the run judge: accuracy on all = ") for event in events)
    assert any(event.startswith("got the alias wine-candidate@champion") for event in events)
    difference = json.loads(page.text("json"))["difference"]["text"]
    assert '+  "learning_rate": 0.02,' in difference.splitlines()


def test_a_copy_tells_what_it_was_copied_from(graph: Graph) -> None:
    page = graph.why("models:/wine-production/1")
    assert {"how": "it was copied from it", "model": "wine-candidate v3"} in told(page, "base_models")


def test_a_run_is_compared_with_the_run_before(graph: Graph, demo_project: DemoProject) -> None:
    run = next(one for one in demo_project.truth["mlflow"]["runs"] if one["commit"].startswith("4089fa5"))
    before = next(one for one in demo_project.truth["mlflow"]["runs"] if one["commit"].startswith("a39dc48"))
    page = graph.why(f"runs:/{run['run_id']}")
    assert page.facts["before"] == before["name"]
    assert {row["name"]: row["change"] for row in told(page, "params")}["seed"] == "as before"


def test_every_gap_is_missing_or_known_and_has_a_mend(graph: Graph) -> None:
    page = graph.why(CHAMPION)
    completeness = page.facts["completeness"]
    assert completeness["missing"] == len(told(page, "missing"))
    assert completeness["known"] + completeness["missing"] <= len(GAPS)
    known, missing = completeness["known"], completeness["missing"]
    assert completeness["per_cent"] == round(100 * known / (known + missing))
    assert {row["missing"] for row in told(page, "missing")} >= {
        "the exact version of a package",
        "a description that says why",
        "whether the work tree had changes that were not committed",
    }
    assert all(gap.mend and gap.missing for gap in GAPS)
    assert len({one.name for one in (*SECTIONS, *GAPS)}) >= len(SECTIONS)


def test_without_the_repository_the_commit_is_missing(demo_project: DemoProject) -> None:
    with extract(mlflow_url=f"sqlite:///{demo_project.database}") as alone:
        missing = {row["missing"] for row in told(alone.why(CHAMPION), "missing")}
    assert "the commit itself: the run names one that the document has not" in missing
    assert "the commit of the code: the run names none" not in missing


@pytest.mark.parametrize(("value", "is_missing"), [("true", True), ("False", False)])
def test_a_dirty_tree_is_told_from_a_clean_one(value: str, is_missing: bool) -> None:
    document = ProvDocument()
    document.add_namespace("m2p", "https://w3id.org/mlflow2prov#")
    document.add_namespace("ex", "http://example.org/")
    word = document.valid_qualified_name
    run = document.entity("ex:r", {"prov:type": word("m2p:Run"), "m2p:run_id": "r"})
    tag = {"prov:type": word("m2p:RunTag"), "m2p:name": "mlflow.source.git.dirty", "m2p:value": value}
    document.wasGeneratedBy(
        run, document.activity("ex:c", other_attributes={"prov:type": word("m2p:Creation")})
    )
    document.hadMember(run, document.entity("ex:t", tag))
    with Graph.from_prov(document) as graph:
        missing = {row["missing"] for row in told(graph.why("ex:r"), "missing")}
    assert "whether the work tree had changes that were not committed" not in missing
    assert any("the work tree was dirty" in one for one in missing) is is_missing


def foreign() -> ProvDocument:
    document = ProvDocument()
    document.add_namespace("ex", "http://example.org/")
    document.entity("ex:report", {"prov:label": "<script>alert('|')</script>"})
    document.entity("ex:data")
    document.activity("ex:writing")
    document.wasGeneratedBy("ex:report", "ex:writing", "2024-01-01T00:00:00Z")
    document.used("ex:writing", "ex:data")
    document.wasAssociatedWith("ex:writing", document.agent("ex:ada"))
    return document


def test_a_dirty_tree_of_a_model_that_no_run_made_is_told(tmp_path: Path) -> None:
    made = Repository(tmp_path / "code")
    url = store_of(tmp_path, *own_model(made.commit({"train.py": "1"}), "diff --git a/x b/x"))
    with extract(made.path, url, skip=["artifacts"]) as graph:
        page = graph.why("models:/m-own")
    assert "the work tree was dirty" in page.text("markdown")
    assert page.facts["completeness"]["missing"]


def test_any_document_has_a_page() -> None:
    with Graph.from_prov(foreign()) as graph:
        page = graph.why("ex:report")
        assert told(page, "who") == [{"did what": "made it", "who": "ex:ada"}]
        assert {row["what"] for row in told(page, "origin")} == {"ex:data", "ex:writing"}
        assert page.facts["completeness"] == {"per_cent": 100, "known": 3, "missing": 0}
        assert graph.why("ex:data").facts["completeness"]["missing"] == 3
        assert graph.why("ex:writing").facts["completeness"]["missing"] == 1
        assert "impact" in graph.why("ex:ada").summary
        (row,) = told(graph.impact("ex:writing"), "others")
        assert (row["type"], row["count"]) == ("entity", 1)
        with pytest.raises(UsageError, match="is no run"):
            graph.compare("ex:report", "ex:data")


class Tags(HTMLParser):
    """Notes down what a page consists of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_what_is_described_several_times_is_told_once() -> None:
    document = ProvDocument()
    document.add_namespace("ex", "http://example.org/")
    document.entity("ex:cake")
    document.entity("ex:cake", {"prov:label": "the cake"})
    document.bundle("ex:kitchen").entity("ex:cake", {"prov:label": "a cake", "prov:type": "dessert"})
    document.wasDerivedFrom(document.entity("ex:slice"), "ex:cake")
    graph = Graph.from_prov(document)
    assert [row["what"] for row in told(graph.why("ex:slice"), "origin")] == ["the cake"]
    assert graph.why("ex:cake").title == "Why the cake"
    assert json.loads(graph.impact("ex:cake").text("json"))["affected"] == 1
    assert "the cake" in lineage(graph, "ex:slice").tree()


def test_html_is_well_formed_escaped_and_stands_on_its_own(graph: Graph, demo_project: DemoProject) -> None:
    with Graph.from_prov(foreign()) as other:
        pages = [other.why("ex:report"), graph.why(CHAMPION, demo_project.repository), graph.impact(BUGGY)]
    for page in pages:
        parser = Tags()
        parser.feed(page.text("html"))
        assert parser.open == []
        assert "script" not in parser.tags
        assert parser.links == []
    assert "\\<script\\>alert('\\|')\\</script\\>" in pages[0].text()


def test_no_text_is_shown_in_another_order_than_it_is_written() -> None:
    trojan = "if admin:\u202e\u2066# check\u2069 \x1b[2J family \U0001f468\u200d\U0001f469"
    page = Page(
        title=trojan,
        summary=trojan,
        facts={},
        parts=(Part(name="p", title=trojan, columns=(trojan,), rows=((trojan,),), text=f"+{trojan}"),),
    )
    for form in ("html", "markdown", "table"):
        shown = page.text(form)
        assert not {"\u202e", "\u2066", "\u2069", "\x1b"} & set(shown)
        assert shown.count("\\u202e") == 8 if form == "html" else "\\u202e" in shown
    assert page.text("html").count("\U0001f468\u200d\U0001f469") == 8


def test_html_fits_a_narrow_screen() -> None:
    sha = "4089fa57ff7bb7ee2bac28764af863ae0e0bfdc8"
    part = Part(name="p", title="P", columns=("a <b>", "commit"), rows=(("word", f"tree @ {sha} and other"),))
    shown = Page(title="t", parts=(part,)).text("html")
    assert '<td data-column="a &lt;b&gt;">word</td>' in shown
    assert f'<td data-column="commit">tree @ <span class="long">{sha}</span> and other</td>' in shown
    assert "max-width: 40rem" in shown


def test_a_text_can_not_leave_its_fence() -> None:
    page = Page(title="t", parts=(Part(name="d", title="d", text="+```\n+# not a heading\n"),))
    assert "````diff\n+```\n" in page.text()


def test_impact_of_a_commit_is_what_has_it_in_its_history(graph: Graph, demo_project: DemoProject) -> None:
    truth = demo_project.truth
    parents = {one["sha"]: one["parents"] for one in truth["git"]["commits"]}

    def has(sha: str) -> bool:
        return sha.startswith(BUGGY) or any(has(parent) for parent in parents[sha])

    hit = {run["run_id"] for run in truth["mlflow"]["runs"] if has(run["commit"])}
    page = graph.impact(BUGGY)
    assert {row["run_id"] for row in told(page, "runs")} == hit
    live = [row["model"] for row in told(page, "live_models")]
    assert live == ["wine-candidate v3", "wine-candidate v4", "wine-production v1"]
    assert page.parts[0].name == "live_models"
    newest = graph.impact("72cfbba")
    assert told(newest, "live_models") == []
    assert "0 live models, 0 other versions, 0 runs" in newest.summary


@pytest.mark.parametrize(
    ("reference", "live"),
    [("8a481adc", 2), ("src/train.py", 3), ("ben@example.org", 3), ("package:scikit-learn==1.4", 3)],
)
def test_impact_takes_files_data_people_and_packages(graph: Graph, reference: str, live: int) -> None:
    assert len(told(graph.impact(reference), "live_models")) == live


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("package:nothing", "needs the package 'nothing'"),
        ("package:a b", "names no package"),
        ("package:", "names no package"),
    ],
)
def test_a_package_that_is_not_there_is_said(graph: Graph, reference: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        graph.impact(reference)


@pytest.mark.parametrize(
    ("wanted", "is_hit"),
    [
        ("==1.4", True),
        ("==1.4.0", True),
        ("==1.4.1", False),
        ("==1.*", True),
        ("<1.10", True),
        (">=1.5", False),
        ("", True),
    ],
)
def test_versions_of_packages_fit_as_numbers(wanted: str, is_hit: bool) -> None:
    document = ProvDocument()
    document.add_namespace("m2p", "https://w3id.org/mlflow2prov#")
    document.add_namespace("ex", "http://example.org/")
    environment = {
        "prov:type": document.valid_qualified_name("m2p:Environment"),
        "m2p:requirements": "a.B==1.4",
    }
    document.used(document.activity("ex:run"), document.entity("ex:environment", environment))
    with Graph.from_prov(document) as graph:
        if is_hit:
            assert graph.impact(f"package:A-b{wanted}").facts["affected"] == 1
        else:
            with pytest.raises(UsageError, match="no environment"):
                graph.impact(f"package:A-b{wanted}")


def test_compare_tells_what_differs_and_what_is_the_same(graph: Graph) -> None:
    page = graph.compare("models:/wine-candidate/1", CHAMPION)
    assert page.facts["differs"] == ["code", "files", "params", "metrics"]
    assert page.facts["same"] == ["data", "environment"]
    params = {row["name"]: (row["first"], row["second"], row["comparison"]) for row in told(page, "params")}
    assert params["learning_rate"] == ("0.01", "0.02", "differs")
    assert params["trees"] == (None, "10", "only second")
    assert params["seed"] == ("7", "7", "same")
    assert {row["file"] for row in told(page, "files")} == {
        "docs/plan.md",
        "params.json",
        "src/grid_search.py",
    }
    again = graph.compare(CHAMPION, CHAMPION)
    assert again.facts["differs"] == []


def test_documents_are_compared_by_what_they_say() -> None:
    changed = foreign()
    changed.entity("ex:more")
    changed.entity("ex:data", {"ex:size": 3})
    with Graph.from_prov(foreign()) as first, Graph.from_prov(changed) as second:
        page = first.compare(second)
    assert page.facts["elements"] == {"only first": 0, "only second": 1, "differs": 1, "same": 3}
    rows = {row["name"]: row for row in told(page, "differences")}
    assert rows["ex:data"]["in the second"] == ["ex:size = 3"]
    assert rows["ex:more"]["comparison"] == "only second"
    same = page.facts["relations"]["same"]
    assert page.facts["relations"] == {"only first": 0, "only second": 0, "same": same} and same > 0


def test_documents_are_compared_by_their_relations_too() -> None:
    changed = ProvDocument()
    changed.add_namespace("other", "http://example.org/")
    changed.used("other:work", "other:data", time="2024-01-01T00:00:00")
    changed.used("other:work", "other:data", other_attributes={"prov:role": "input"})
    before = ProvDocument()
    before.add_namespace("ex", "http://example.org/")
    before.used("ex:work", "ex:data", time="2024-01-01T00:00:00")
    before.used("ex:work", "ex:data")
    with Graph.from_prov(before) as first, Graph.from_prov(changed) as second:
        page = first.compare(second)
    assert page.facts["relations"] == {"only first": 1, "only second": 1, "same": 1}
    assert {(row["relation"], row["comparison"]) for row in told(page, "relations_that_differ")} == {
        ("used(ex:work, ex:data)", "only first"),
        ("used(other:work, other:data)", "only second"),
    }
    assert told(page, "relation_kinds") == [
        {"kind": "used", "only first": 1, "only second": 1, "same": 1},
    ]


def test_more_differences_than_are_listed_are_counted() -> None:
    many = ProvDocument()
    many.add_namespace("ex", "http://example.org/")
    for number in range(1001):
        many.entity(f"ex:e{number}")
    with Graph.from_prov(many) as first:
        page = Graph.empty(first.store).compare(first)
    assert page.facts["elements"]["only second"] == 1001
    assert "The first 1,000 of 1,001." in page.text()


def test_a_commit_that_the_repository_has_not_is_said(graph: Graph, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    with pytest.raises(Mlflow2ProvError, match="is not in"):
        graph.why(CHAMPION, tmp_path)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlflow2prov", *arguments], capture_output=True, encoding="utf-8"
    )


def test_pages_chain_on_the_command_line(graph: Graph, tmp_path: Path) -> None:
    file = str(graph.save(tmp_path / "wine"))
    done = command(
        *("load", "--input", file, "why", "--output", str(tmp_path / "why.html"), CHAMPION),
        *("impact", BUGGY, "--format", "json", "compare", CHAMPION, "models:/wine-candidate/1"),
        *("--output", str(tmp_path / "compared.md"), "statistics", "--format", "csv"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "why.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    assert (
        (tmp_path / "compared.md")
        .read_text("utf-8")
        .startswith("# wine-candidate v3 and wine-candidate v1\n")
    )
    assert json.loads(done.stdout[: done.stdout.index("what,name,count")])["affected"] > 0


@pytest.mark.parametrize(
    "given",
    [
        ("why",),
        ("impact",),
        ("compare", "a"),
        ("compare", "a", "b", "c"),
        ("why", "a", "--output", "a.md", "--format", "html"),
        ("why", "a", "--output", "a.pdf"),
    ],
)
def test_wrong_usage_is_found_before_anything_is_read(given: tuple[str, ...]) -> None:
    done = command("load", "--input", "nowhere.json", *given)
    assert done.returncode == 2
    assert "nowhere" not in done.stderr
