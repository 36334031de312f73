"""The documentation says what is so: its commands run as printed, its generated pages are current."""

from __future__ import annotations

import doctest
import importlib.util
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import rdflib
from rdflib.namespace import OWL, RDF, SH
from tests.conftest import QUICKSTART, DemoProject
from tests.pages import LINK, Block, blocks, broken_links, check_commands, run

from mlflow2prov import cli
from mlflow2prov.commands import COMMANDS
from mlflow2prov.model.declare import Event, Relation
from mlflow2prov.model.events import EVENTS
from mlflow2prov.model.ontology import described, ontology, ontology_file, roles
from mlflow2prov.model.terms import ATTRIBUTES, ROLES, TYPES
from mlflow2prov.prov.namespaces import M2P, XSD

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")]
    + [*(ROOT / "docs").rglob("*.md")]
)
WRITTEN_ELSEWHERE = {"docs/benchmarks.md"}
"""Pages that other tests look after; links to them may be ahead of them."""

NOT_RUN = {
    "needs a network": 2,
    "needs a server": 11,
    "needs make": 2,
    "makes the demo": 1,
    "needs Neo4j": 2,
}
"""Why a block is not run, and how many blocks that goes for."""

RUN_PAGES = [
    page for page in PAGES if re.search(r"^```(console|python|pycon)$", page.read_text("utf-8"), re.MULTILINE)
]


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def documents(demo_project: DemoProject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the demo as ``make demo`` leaves it."""
    demo = tmp_path_factory.mktemp("docs") / "demo"
    shutil.copytree(demo_project.folder, demo)
    configuration = QUICKSTART / "mlflow2prov.yaml"
    run(f"mlflow2prov --config {configuration}", demo.parent, DEMO=str(demo))
    return demo


@pytest.fixture
def checkout(documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like a checkout after ``make demo``."""
    (tmp_path / "demo").symlink_to(documents)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", RUN_PAGES, ids=_name)
def test_what_a_page_prints_runs_as_printed(page: Path, checkout: Path) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        where = f"{_name(page)}:{block.line + 1}"
        if "not run" in block.marks:
            continue
        if "file" in block.marks:
            (checkout / block.marks["file"]).write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            check_commands(block, checkout, where)
        elif block.language == "python":
            exec(compile(block.text, where, "exec"), names)
        elif block.language == "pycon":
            _check_session(block, names, where)


def _check_session(block: Block, names: dict[str, Any], where: str) -> None:
    session = doctest.DocTestParser().get_doctest(block.text, names, where, where, block.line)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    runner.run(session, out=said.append, clear_globs=False)
    names.update(session.globs)
    assert not runner.failures, "".join(said)


def test_every_block_that_is_not_run_has_a_counted_reason() -> None:
    found = [(page, block) for page in PAGES for block in blocks(page)]
    reasons = Counter(block.marks["not run"] for _, block in found if "not run" in block.marks)
    assert dict(reasons) == NOT_RUN
    shells = [
        f"{_name(page)}:{block.line}" for page, block in found if block.language in {"bash", "sh", "shell"}
    ]
    assert not shells, "commands stand in console blocks, which are run"
    marks = {mark for _, block in found for mark in block.marks}
    assert marks <= {"not run", "exits with", "file"}


def test_links_between_pages_resolve() -> None:
    ahead = {ROOT / name for name in WRITTEN_ELSEWHERE}
    broken = {_name(page): links for page in PAGES if (links := broken_links(page, ahead))}
    assert not broken


def test_every_page_is_linked() -> None:
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in LINK.findall(page.read_text("utf-8"))
    }
    assert not [_name(page) for page in PAGES if page not in linked and page != ROOT / "README.md"]


# ---- what is made of declarations -----------------------------------------------------------------


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "docs" / "generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATE = _generator()


@pytest.mark.parametrize("name", GENERATE.GENERATED)
def test_a_generated_file_is_what_the_generator_makes(name: str) -> None:
    assert (ROOT / name).read_text("utf-8") == GENERATE.GENERATED[name](), "run: python docs/generate.py"


def test_every_command_and_option_is_documented() -> None:
    assert undocumented((ROOT / "docs/reference/cli.md").read_text("utf-8")) == []


def test_a_command_or_option_without_documentation_is_noticed() -> None:
    page = (ROOT / "docs/reference/cli.md").read_text("utf-8")
    assert undocumented(page.replace("## merge\n", "")) == ["merge"]
    assert undocumented(page.replace("--mlflow_namespace", "")) == ["extract --mlflow_namespace"]


def undocumented(page: str) -> list[str]:
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    missing = [name for name in ["mlflow2prov", *cli.group.commands] if name not in sections]
    given = [("mlflow2prov", option) for parameter in cli.group.params for option in parameter.opts]
    given += [
        (name, option)
        for name, command in cli.group.commands.items()
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--")
    ]
    return missing + [
        f"{name} {option}" for name, option in given if name in sections and option not in sections[name]
    ]


def test_the_configuration_page_names_every_option() -> None:
    page = (ROOT / "docs/reference/configuration.md").read_text("utf-8")
    for command in COMMANDS:
        assert f"`{command.name}`" in page
        assert not [option.name for option in command.options if f"`{option.name}`" not in page]


# ---- the vocabulary -------------------------------------------------------------------------------


def test_every_declared_word_has_a_meaning_and_no_other_has() -> None:
    types = described()
    assert set(TYPES) == set(types)
    of_relations = {name for event in EVENTS for relation in event.relations for name in relation.attributes}
    assert set(ATTRIBUTES) == {name for type_ in types.values() for name in type_.attributes} | of_relations
    declared = {role for event in EVENTS for relation in event.relations for role in roles(relation)}
    from_sources = {role for role in ROLES if role[0].islower()} | {"CoAuthor", "SignedOffBy", "ReviewedBy"}
    assert set(ROLES) == declared | from_sources


@pytest.fixture(scope="module")
def vocabulary() -> rdflib.Graph:
    assert ontology_file().read_text("utf-8") == ontology()
    return rdflib.Graph().parse(ontology_file(), format="turtle")


@pytest.fixture(scope="module")
def document(documents: Path) -> dict[str, Any]:
    return json.loads((documents / "provenance.json").read_text("utf-8"))


def _records(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for kind, records in document.items():
        if kind != "prefix":
            for identifier, bodies in records.items():
                for body in bodies if isinstance(bodies, list) else [bodies]:
                    yield kind, identifier, body


def _values(body: dict[str, Any], name: str) -> list[tuple[str, str]]:
    """The lexical forms and datatypes of an attribute."""
    given = body.get(name, [])
    given = given if isinstance(given, list) else [given]
    return [(one["$"], one["type"]) if isinstance(one, dict) else (one, "xsd:string") for one in given]


def test_every_word_of_a_document_is_defined(vocabulary: rdflib.Graph, document: dict[str, Any]) -> None:
    sorts = {"prov:type": OWL.Class, "prov:role": OWL.NamedIndividual}
    used = set()
    for _, _, body in _records(document):
        used |= {(name, OWL.DatatypeProperty) for name in body if name.startswith("m2p:")}
        for name, sort in sorts.items():
            used |= {(value, sort) for value, _ in _values(body, name) if value.startswith("m2p:")}
    assert len(used) > 100
    undefined = [
        word for word, sort in used if (rdflib.URIRef(M2P + word[4:]), RDF.type, sort) not in vocabulary
    ]
    assert not undefined


def test_a_document_fits_the_shapes(vocabulary: rdflib.Graph, document: dict[str, Any]) -> None:
    shapes = {
        str(vocabulary.value(shape, SH.targetClass)).replace(M2P, "m2p:"): [
            {str(key).rpartition("#")[2]: value for key, value in vocabulary.predicate_objects(constraint)}
            for constraint in vocabulary.objects(shape, SH.property)
        ]
        for shape in vocabulary.subjects(RDF.type, SH.NodeShape)
    }
    checked, wrong = 0, []
    for _, identifier, body in _records(document):
        for type_, _ in _values(body, "prov:type"):
            for constraint in shapes.get(type_, []):
                path = str(constraint["path"])
                name = path.replace(M2P, "m2p:") if path.startswith(M2P) else "prov:label"
                values = _values(body, name)
                checked += 1
                fits = (
                    int(constraint.get("minCount", 0)) <= len(values) <= int(constraint.get("maxCount", 99))
                )
                datatype = str(constraint.get("datatype", "")).replace(XSD, "xsd:")
                if not fits or any(datatype not in ("", found) for _, found in values):
                    wrong.append((identifier, name, values))
    assert checked > 1000
    assert not wrong


def test_the_model_page_lists_every_relation_of_a_document(document: dict[str, Any]) -> None:
    listed = {
        (relation.kind, subject, other, role)
        for event in EVENTS
        for relation in event.relations
        for subject in GENERATE.referred(event, relation.arguments[0] or "")
        for other in GENERATE.referred(event, relation.arguments[1] or "")
        for role in (*GENERATE.relation_roles(event, relation), *_no_role(event, relation))
    }
    types = {
        identifier: next(value[4:] for value, _ in _values(body, "prov:type") if value.startswith("m2p:"))
        for kind, identifier, body in _records(document)
        if kind in ("entity", "activity", "agent")
    }
    found = set()
    for kind, _, body in _records(document):
        arguments = [value for name, value in body.items() if isinstance(value, str) and value in types]
        if kind not in ("entity", "activity", "agent"):
            role = "".join(value[4:] for value, _ in _values(body, "prov:role"))
            found.add((kind, types[arguments[0]], types[arguments[1]], role))
    assert len(found) > 50
    assert found <= listed


def _no_role(event: Event, relation: Relation) -> tuple[str, ...]:
    """Whether the relation can be without a role: what the sources don't say."""
    return ("",) if relation.role is None or event.name in GENERATE.SOURCE_ROLES else ()


def test_the_python_page_names_every_public_name() -> None:
    import mlflow2prov

    page = (ROOT / "docs/reference/python.md").read_text("utf-8")
    public = [name for name in mlflow2prov.__all__ if not name.startswith("__")]
    public += [name for name in vars(mlflow2prov.Graph) if not name.startswith("_")]
    assert not [name for name in public if not re.search(rf"`[^`\n]*\b{name}\b", page)]
