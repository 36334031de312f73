"""Writes every file that is made of declarations: reference pages, the vocabulary, the JSON Schema.

``python docs/generate.py demo`` writes them all, with the answers of the demo project in the folder
``demo``. A test fails when one of them is not what it would write.
"""

from __future__ import annotations

import inspect
import json
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mlflow2prov import Graph, cli, config, extract
from mlflow2prov.commands import COMMANDS
from mlflow2prov.formats import FORMATS, Format
from mlflow2prov.graph.pages import shown
from mlflow2prov.graph.questions import Parameter, Question, ask, questions
from mlflow2prov.graph.reference_kinds import REFERENCE_KINDS
from mlflow2prov.graph.steps import CLASSES, DETAIL, LEADING_ON, STEPS, Step
from mlflow2prov.graph.store import TABLES
from mlflow2prov.model.declare import Event, Relation
from mlflow2prov.model.events import EVENTS
from mlflow2prov.model.ontology import KIND_CLASSES, Described, described, ontology, roles
from mlflow2prov.model.terms import ATTRIBUTES, ROLES, TYPES
from mlflow2prov.prov.namespaces import AGENT, EXTRACTION, GIT, M2P
from mlflow2prov.prov.records import KIND_BY_NAME, KINDS
from mlflow2prov.prov.text import markdown_cell
from mlflow2prov.query.sandbox import TABLE_FUNCTIONS
from mlflow2prov.query.views import View, views
from mlflow2prov.sources import tables as source_tables
from mlflow2prov.sources import tables_git, tables_mlflow
from mlflow2prov.validation.declare import Rule
from mlflow2prov.validation.rules import RULES

ROOT = Path(__file__).parents[1]
NOTE = "<!-- Made by docs/generate.py: edit the declarations, not this page. -->"
HELP_WIDTH = 100

REFERENCES: dict[str, tuple[str, ...]] = {
    "alias_ref": ("RegisteredModelAlias",),
    "agent_ref": ("Assessor", "User"),
    "artifact_ref": ("Artifact",),
    "assessed_ref": ("Span", "Trace"),
    "assessment_ref": ("Assessment",),
    "author_ref": ("User",),
    "branch_ref": ("Branch",),
    "change_ref": ("Change",),
    "ci_job_ref": ("CIJob",),
    "collection_ref": ("SourceTree", "SourceFolder"),
    "commit_ref": ("Commit",),
    "committer_ref": ("User",),
    "content_ref": ("Dataset",),
    "creation_ref": ("Creation",),
    "data_ref": ("DataRevision",),
    "dataset_ref": ("Dataset",),
    "deletion_ref": ("Deletion",),
    "diff_ref": ("WorkTreeDiff",),
    "entry_ref": ("FileRevision",),
    "former_alias_ref": ("RegisteredModelAlias",),
    "evaluation_dataset_ref": ("EvaluationDataset",),
    "environment_ref": ("Environment",),
    "experiment_ref": ("Experiment",),
    "extraction_ref": ("Extraction",),
    "file_ref": ("File",),
    "image_ref": ("ContainerImage",),
    "job_ref": ("Job",),
    "logged_model_ref": ("LoggedModel",),
    "member_ref": ("FileRevision", "SourceFolder"),
    "metric_ref": ("Metric",),
    "model_ref": ("RegisteredModel",),
    "module_ref": ("FileRevision",),
    "matched_ref": ("DataRevision", "FileRevision"),
    "named_in_ref": ("FileRevision",),
    "notebook_ref": ("Notebook",),
    "other_ref": ("DataRevision",),
    "overridden_ref": ("Assessment",),
    "owner_ref": ("Experiment", "LoggedModel", "RegisteredModel", "RegisteredModelVersion", "Run"),
    "own_creation_ref": ("Creation",),
    "params_ref": ("FileRevision",),
    "plan_ref": ("FileRevision",),
    "pointer_ref": ("FileRevision",),
    "same_file_ref": ("FileRevision",),
    "stage_run_ref": ("StageRun",),
    "parent_creation_ref": ("Creation",),
    "person_ref": ("User",),
    "previous_ref": ("FileRevision",),
    "project_ref": ("FileRevision",),
    "revision_ref": ("FileRevision",),
    "run_creation_ref": ("Creation",),
    "run_ref": ("Run",),
    "software_ref": ("SoftwareAgent",),
    "source_ref": ("LoggedModel", "ModelArtifact", "RegisteredModelVersion"),
    "span_ref": ("Span",),
    "starter_ref": ("Span", "Trace"),
    "state_ref": ("Repository", "TrackingStore"),
    "tagger_ref": ("User",),
    "trace_ref": ("Trace",),
    "tree_ref": ("SourceTree",),
    "user_ref": ("User",),
    "version_ref": ("RegisteredModelVersion",),
    "parents.parent_ref": ("Commit",),
    "nested_runs.parent_ref": ("Run",),
    "environment_members.model_ref": ("LoggedModel", "ModelArtifact"),
}
"""The types of what an event's columns refer to, where the event does not make it itself."""

SOURCE_ROLES = {
    "trailers": ("CoAuthor", "SignedOffBy", "ReviewedBy"),
    "dataset_inputs": ("training", "validation", "…"),
}
"""The roles of the events whose roles the sources name."""


def cli_page() -> str:
    """Return the help text of the program and of each command."""
    context = click.Context(
        cli.group, info_name="mlflow2prov", terminal_width=HELP_WIDTH, **cli.group.context_settings
    )
    pages = [("mlflow2prov", cli.group.get_help(context))]
    for command in COMMANDS:
        found = cli.group.commands[command.name]
        inner = click.Context(found, info_name=command.name, parent=context, terminal_width=HELP_WIDTH)
        pages.append((command.name, found.get_help(inner)))
    return "\n".join(
        [
            "# Command line",
            "",
            NOTE,
            "",
            "Commands chain: documents flow from each to the next. `extract` adds one document, `load` one",
            "for each file, `transform` changes each, `merge` makes one of all, `lineage` reduces each, `save`,",
            "`push`, `statistics`, `query` and `validate` pass on what they were given. Options that have an underscore",
            "can be spelled with hyphens, too.",
            "What `save --output -`, `statistics`, `lineage --print`, `query` and `validate` give goes to standard output,",
            "all messages to standard error. Counts of several documents are told with the name of each: as a",
            "heading, as the column `document` of CSV, as the member `document` of one JSON object after the other.",
            "[Exit codes](exit-codes.md) and the [YAML configuration](configuration.md) have pages of",
            "their own.",
            *(f"\n## {name}\n\n```text\n{text.rstrip()}\n```" for name, text in pages),
            "",
        ]
    )


def model_page() -> str:
    """Return the types, attributes, roles and relations of the vocabulary."""
    types = described()
    lines = [
        "# Provenance model",
        "",
        NOTE,
        "",
        "What a document of `mlflow2prov` says: the types, attributes, roles and relations, as the package",
        "declares them. [Why it is like this](../explanation/model.md) is told elsewhere. The same is in the",
        "package as an OWL vocabulary with SHACL shapes, `mlflow2prov/model/ontology.ttl`.",
        "",
        "## Namespaces",
        "",
        "| prefix | IRI | what is named in it |",
        "| --- | --- | --- |",
        f"| `m2p` | `{M2P}` | types, attributes and roles |",
        f"| `git` | `{GIT}` | commits, files, revisions and trees: the same in every clone |",
        f"| `agent` | `{AGENT}` | people known by e-mail address; programs |",
        f"| `extraction` | `{EXTRACTION}` | extractions |",
        "| `repo`, of further repositories `repo2` … | from the URL of `origin`, else host and path; or "
        "`--repository_namespace` | branches and tags |",
        "| `mlflow` | from the tracking URI, for a local store host and path; or `--mlflow_namespace` "
        "| everything of the store |",
        "",
        "## Identifiers",
        "",
        "The local part of an identifier is `Type.part--part`. Within a part every byte of its UTF-8 form",
        "outside `A-Z a-z 0-9 _ .` stands as `-XX`, its hexadecimal value: `val/loss` is `val-2Floss`. The",
        "parts are listed with each type. `mlflow2prov.model.ids.parts_of` gives the exact parts back.",
        "",
        "Every element has a `prov:label` for people and the `prov:type` values that its section names.",
        "",
        "## Types",
        "",
        *(line for type_ in types.values() for line in _type_section(type_)),
        "## Relations",
        "",
        "One table for each event. *at* says that the relation has a time, where the source knows it.",
        "",
        *(line for event in EVENTS if event.relations for line in _event_section(event)),
        "## Roles",
        "",
        "| role | meaning |",
        "| --- | --- |",
        *(f"| `m2p:{name}` | {meaning} |" for name, meaning in sorted(ROLES.items())),
        "",
        "The role of a dataset is the context that the run gave it, whatever that is, and missing where it",
        "gave none; those in lower case above are the usual ones.",
        "",
    ]
    return "\n".join(lines)


def _type_section(type_: Described) -> list[str]:
    also = "".join(f", also `{name}`" for name in type_.other_types)
    prefixes = " or ".join(f"`{prefix}`" for prefix in type_.prefixes)
    lines = [
        f"### {type_.name}",
        "",
        f"{TYPES[type_.name]} {KIND_CLASSES[type_.kind].removeprefix('prov:')}{also}; in {prefixes}: "
        + ", ".join(f"`{name}`" for name in dict.fromkeys(map(_identifier, type_.identifiers)))
        + ".",
        "",
    ]
    if type_.attributes:
        lines += ["| attribute | datatype | how many | meaning |", "| --- | --- | --- | --- |"]
        lines += [
            f"| `m2p:{name}` | {' or '.join(type_.datatypes(name))} | {_how_many(type_, name)} "
            f"| {ATTRIBUTES[name]} |"
            for name in type_.attributes
        ]
        lines.append("")
    return lines


def _how_many(type_: Described, name: str) -> str:
    least = "1" if type_.is_always(name) else "0"
    return f"{least} or more" if type_.is_many(name) else "1" if least == "1" else "0 or 1"


_PART_WORDS = {
    "model_part": "name--created_ms",
    "path_key": "path",
    "key_part": "name",
    "key": "name",
    "value_text": "value",
    "state[1:16]": "state",
    "coalesce(run_id, '')": "run_id",
    "regexp_replace(person_key, '^[a-z]+:', '')": "e-mail, user name or name",
    "name": "name",
    "owner_id": "run_id or model_id",
}


def _identifier(name: tuple[str, ...]) -> str:
    word, *parts = name
    shown = [part.removeprefix("=") for part in parts]
    pieces = "--".join(
        piece.strip("'")
        if piece.startswith("'")
        else "--".join(f"<{one}>" for one in _PART_WORDS.get(piece, piece).split("--"))
        for piece in shown
    )
    return f"{word}.{pieces}"


def _event_section(event: Event) -> list[str]:
    return [
        f"**{event.name.replace('_', ' ')}.** {event.doc}",
        "",
        "| subject | relation | object | role | at |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {_types(event, relation, 0)} | {relation.kind} | {_types(event, relation, 1)}"
            f"{_others(event, relation)} | {_role_words(event, relation)} "
            f"| {'yes' if relation.time else ''} |"
            for relation in event.relations
        ),
        "",
    ]


def referred(event: Event, argument: str) -> tuple[str, ...]:
    """Return the types that an argument of an event's relation can have."""
    found: dict[str, None] = {}
    for word in re.findall(r"\b\w+_ref\b", argument):
        if word in event.elements:
            types = tuple(name[4:] for name in event.elements[word].types if name.startswith("m2p:"))
        else:
            types = REFERENCES.get(f"{event.name}.{word}") or REFERENCES[word]
        found.update(dict.fromkeys(types))
    return tuple(found)


def relation_roles(event: Event, relation: Relation) -> tuple[str, ...]:
    """Return the roles that a relation of an event can have."""
    if relation.role is None:
        return ()
    return tuple(roles(relation)) or SOURCE_ROLES[event.name]


def _types(event: Event, relation: Relation, position: int) -> str:
    return " or ".join(referred(event, relation.arguments[position] or ""))


def _others(event: Event, relation: Relation) -> str:
    names = KIND_BY_NAME[relation.kind].references
    others = [
        f"{names[n]} {_types(event, relation, n)}"
        for n in range(2, len(relation.arguments))
        if relation.arguments[n]
    ]
    others += [f"type `{name}`" for name in relation.types]
    return f" ({', '.join(others)})" if others else ""


def _role_words(event: Event, relation: Relation) -> str:
    return " or ".join(name if name == "…" else f"`{name}`" for name in relation_roles(event, relation))


def tables_page() -> str:
    """Return the record tables of a graph and the source tables."""
    lines = [
        "# Tables",
        "",
        NOTE,
        "",
        "## Record tables",
        "",
        "A graph is these tables, in memory or in the DuckDB file that `extract --database` or `Graph.keep`",
        "made. [Reading them with SQL](../how-to/sql.md) is shown elsewhere. Identifiers are numbers of the",
        "table `name`; a missing identifier, time or list is NULL; `bundle` 0 is the document itself;",
        "`attributes` is a list of `{k, v}`: a `key` of the table `attribute_key` and the value as text.",
        "",
        "| table | columns |",
        "| --- | --- |",
        *(f"| `{table}` | {_column_list(columns)} |" for table, columns in TABLES.items()),
        "",
        "The columns `a1` to `a5` of `relation` are the formal arguments in the order of PROV-DM; `kind` is",
        "one of these numbers:",
        "",
        "| kind | record | a1, a2, … | required | times | PROV-DM |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {kind.number} | {kind.name} | {', '.join(kind.references)} | {kind.required or ''} "
            f"| {', '.join(kind.times)} | {kind.section} |"
            for kind in KINDS
        ),
        "",
        "## Source tables",
        "",
        "What sources read, before any provenance is made of it. Whichever way a fact was read (server,",
        "database), it lands in the same table. `_ms` is milliseconds and `_s` seconds since",
        "1970-01-01T00:00:00Z. TEXT columns lose the credentials of the URLs in them on the way in.",
        "",
    ]
    notes = _column_notes()
    for table in source_tables.SOURCE_TABLES.values():
        lines += [
            f"### {table.name}",
            "",
            f"A row is {table.row}.",
            "",
            "| column | type | |",
            "| --- | --- | --- |",
            *(
                f"| `{name}` | {kind.value} | {notes.get((table.name, name), '')} |"
                for name, kind in table.columns.items()
            ),
            "",
        ]
    return "\n".join(lines)


def _column_list(columns: str) -> str:
    """The columns of a declaration such as ``id INTEGER, attributes STRUCT(k INTEGER, v VARCHAR)[]``."""
    return ", ".join(f"`{column.strip()}`" for column in re.split(r",(?![^(]*\))", columns))


def _column_notes() -> dict[tuple[str, str], str]:
    """What the declaration says beside a column."""
    notes: dict[tuple[str, str], str] = {}
    table = ""
    lines = [
        line for module in (tables_git, tables_mlflow) for line in inspect.getsource(module).splitlines()
    ]
    for line in lines:
        if begins := re.match(r'\s+"((?:git|mlflow)_\w+)",$', line):
            table = begins[1]
        elif noted := re.match(r"\s+(\w+)=_[A-Z]+,  # (.+)$", line):
            notes[table, noted[1]] = noted[2].replace("|", "\\|")
    return notes


FORMATS_INTRODUCTION = """\
`save --format NAME` writes these, `load` reads them. Everything in PROV-DM passes through: all kinds of
records with all their formal arguments, relations with and without identifiers, bundles, typed and
language-tagged values, several values of one attribute, several records of one identifier. What a format
loses all the same is said below; tests hold each format to it with documents of others and random ones.

`load` goes by the suffix, then by the first bytes, up to 64 KiB of them; `--format` overrides both. What
begins like Turtle is read as TriG, which Turtle is a part of. `save` goes by the suffix where no `--format` is
given. Suffixes mind no case. Files that end in `.gz` or `.zst` are compressed when written; compressed files
are known by their content when read.
"""

FORMATS_NOTES = """\
## Notes

- **Reading RDF** (`ttl`, `trig`, `rdf`, and unusual lines of `nt` and `nq`) takes the extra `rdf`:
  `pip install 'mlflow2prov[rdf]'`. Writing takes nothing.
- **Several records of one identifier** are one thing in RDF: it has the triples of all of them. Besides, each of
  these records has a node of its own, of a class such as `m2p:EntityRecord` or `m2p:UsageRecord`, that points at the
  identifier by `m2p:describes` and repeats what the record says, in properties that no other tool takes for those
  of a thing: `m2p:recordedSubject`, `m2p:recordedEntity`, `m2p:recordedAtTime` and so on for formal arguments and
  times, IRIs below `https://w3id.org/mlflow2prov/recorded/` and `https://w3id.org/mlflow2prov/again/` for attributes.
  So has a record that has an attribute with one value several times. `load` makes the records from these nodes; what
  the identifier itself has beyond them, say because somebody edited the file, joins the first of them.
- **Pictures** (`svg`, `png`, `pdf`) are drawn by [Graphviz](https://graphviz.org), which has to be
  installed. What touches very many things is drawn as a badge on these; things that are related in the
  same way are one box; what other relations imply is not drawn besides. A picture that could not be read is
  refused: select a part first, or save `dot`. [Examples](../../examples/integrations/graphviz/README.md) draw a
  model, a run and a project.
- **Folders** (`parquet`, `csv`) are replaced only if they were written by `save` and nothing else is in them.
- What is replaced hands on its permissions.
- Files and folders appear whole or not at all; `--no_overwrite` refuses to replace one.
- One record may have 64 MiB at most, a text in Turtle or TriG 16 MiB; a document 10,000 prefixes, and 1,000,000
  attributes of different name, datatype or language; so that memory stays bounded whatever a file holds. A
  compressed file that expands to more than 500 times its size is refused.
- **Damaged files** get a clear error from each reader, and no traceback. In a checkout of the source,
  `python tests/fuzzing/fuzz.py --format json --minutes 10` tries that on a reader with random damage, and keeps
  a file that makes it crash, hang or fail in another way.
"""


def formats_page() -> str:
    """Return the page of the formats."""
    rows = [
        "| `--format` | standard | files | written | read | what is lost |",
        "| --- | --- | --- | --- | --- | --- |",
        *(_format_row(row) for row in FORMATS.values()),
    ]
    return "\n".join(["# Formats", "", NOTE, "", FORMATS_INTRODUCTION, *rows, "", FORMATS_NOTES])


def _format_row(row: Format) -> str:
    name = f"`NAME.{row.name}/`" if row.marker else f"`NAME.{row.name}`"
    others = ", ".join(f"`{suffix}`" for suffix in row.suffixes if suffix != f".{row.name}")
    files = f"{name}; {others}, too" if others else name
    cells = (f"`{row.name}`", row.title, files, *("yes" if so else "no" for so in (row.writes, row.reads)))
    return f"| {' | '.join((*cells, row.lost))} |"


VALIDATION_INTRODUCTION = """\
[`validate`](../how-to/validate.md) checks documents against every constraint of
[PROV-CONSTRAINTS](https://www.w3.org/TR/prov-constraints/) (W3C Recommendation of 30 April 2013), the document
itself and each of its bundles on its own. Definitions and inferences are applied as far as a constraint can tell.
`7.2` is the number of a section. `DM` stands for what PROV-DM requires, `LINKS` for the constraint of PROV-LINKS,
`SHACL` for the shapes of our vocabulary (`--shapes`).

Times are compared as instants: `2024-01-01T00:00:00Z` and `2024-01-01T01:00:00.0+01:00` are one. A time
without a time zone is another than one with it. Blank identifiers of RDF stand for unknown ones.
"""

VALIDATION_ORDER = """\
The ordering constraints ask that no event strictly precedes itself. All generations of one entity happen at once
(39), and so do all starts of one activity (31). What follows an invalidation are invalidations, what follows an
end are ends and invalidations, and what follows a usage by a derivation strictly follows the generation
of what was used anyway. So only generations and starts can stand in a circle that violates the order, and a
violation is told by its strict step, which is always one of constraint 42, with those of the others on the way.
"""

VALIDATION_NOTES = """\
## Notes

- The test suites of the W3C and of ProvToolbox, as far as they are at hand, come out as they should, with one
  exception: `usage-fail5` and `usage-fail7` are expected to be invalid by their index, but what they say, one
  activity that used one entity at two times, violates no constraint of the Recommendation: 24 to 27 make
  generations, invalidations, starts and ends unique, and none does so with usages. ProvToolbox's own tests
  take the first as valid, too.
- A record of an identifier that another kind of relation has as well (53) can violate more by what follows
  from both; only the overlap is certain to be told then.
- Violations are held in memory, some 1 kB each.
"""


def validation_page() -> str:
    """Return the page of the constraints."""
    kinds = list(dict.fromkeys(rule.kind for rule in RULES))
    lines = ["# Constraints", "", NOTE, "", VALIDATION_INTRODUCTION]
    for kind in kinds:
        lines += [f"## {kind.capitalize()}", ""]
        if kind == "ordering":
            lines.append(VALIDATION_ORDER)
        lines += ["| number | name | says | applied |", "| --- | --- | --- | --- |"]
        lines += [_rule_row(rule) for rule in RULES if rule.kind == kind]
        lines.append("")
    return "\n".join([*lines, VALIDATION_NOTES])


def _rule_row(rule: Rule) -> str:
    return f"| {rule.code} | `{rule.name}` | {rule.says} | {rule.how} |"


def lineage_page() -> str:
    """Return the page of references and of the steps of lineage."""
    return "\n".join(
        [
            "# References and lineage",
            "",
            NOTE,
            "",
            "[How to ask for lineage](../how-to/lineage.md) is told elsewhere.",
            "",
            "## References",
            "",
            REFERENCES_INTRODUCTION,
            "| form | example | what is meant |",
            "| --- | --- | --- |",
            *(f"| {_form(kind.form)} | `{kind.example}` | {kind.doc} |" for kind in REFERENCE_KINDS),
            "",
            "## Steps",
            "",
            STEPS_INTRODUCTION,
            "| relation | from | to what it came from | upstream | downstream | the other way round | why |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *map(_step_row, STEPS),
            "",
            "The classes are these types of ours; an element that has none of them is of no class:",
            "",
            "| class | types |",
            "| --- | --- |",
            *(
                f"| {name} | {', '.join(f'`m2p:{word}`' for word in words)} |"
                for name, words in CLASSES.items()
            ),
            "",
            "## What is left out",
            "",
            f"What is of the class *{DETAIL}* would drown an answer, and so would what leads to nothing. Without",
            "`--with_details` details are left out, unless one is asked for, and so is, where a walk does not lead on",
            "from it to something else:",
            "",
            *(f"- {direction}: {', '.join(names) or 'nothing'}" for direction, names in LEADING_ON.items()),
            "",
            "What is one step away stays all the same, unless it is an artifact or an agent was asked for. The document",
            "that is passed on has what was met and all relations among that, also those that lineage does not go along.",
            "",
        ]
    )


REFERENCES_INTRODUCTION = """\
A reference is looked for in each of these ways whose form it has, in any PROV document. Of several things that
one way finds, those that still are go before those that were invalidated. A reference that means several things,
or nothing, is wrong usage (exit code 2); the error lists the nearest, with what each one is.
"""

STEPS_INTRODUCTION = """\
Upstream a walk goes from a thing to what it came from, downstream to what came of it. The first row that fits a
relation holds, by its kind, its arguments, and the classes of these where the row names any. The rows without
classes are PROV's own semantics, which hold for any document. Roles don't matter. A walk never turns round, so
that what two things share (a person, an environment, a dataset) does not lead from one to the other.
*start*: only from what was asked for. *history*: only with `--history`. Identifiers are one thing whatever bundle
describes them.
"""


def _form(form: str) -> str:
    return f"`{form}`" if re.fullmatch(r"[a-z]*:?/?[A-Z_@/]+", form) else form


def _step_row(step: Step) -> str:
    later, earlier = step.classes
    without = f", where there is no {step.without}" if step.without else ""
    cells = (
        step.kind,
        f"{step.later}{f' ({later})' if later else ''}{without}",
        f"{step.earlier}{f' ({earlier})' if earlier else ''}",
        step.upstream,
        step.downstream,
        "" if step.back == "never" else step.back,
        step.why,
    )
    return f"| {' | '.join(cells)} |"


def views_page() -> str:
    """Return the page of the views that queries see."""
    return "\n".join(
        [
            "# Views",
            "",
            NOTE,
            "",
            VIEWS_INTRODUCTION,
            "The functions that make tables are "
            + ", ".join(f"`{name}`" for name in sorted(TABLE_FUNCTIONS))
            + ".",
            "",
            "## Records of PROV",
            "",
            *(line for view in views().values() if view.schema == "prov" for line in _view_section(view)),
            "## Types of the vocabulary",
            "",
            *(line for view in views().values() if view.schema == "m2p" for line in _view_section(view)),
        ]
    )


VIEWS_INTRODUCTION = """\
`query --sql`, `Graph.sql` and `Graph.to_arrow` see these tables, in the schemas `prov` and `m2p`. Names need their
schema only where they are words of SQL, as in `m2p.User` and `m2p."Table"`; case does not matter. The language is
[DuckDB's SQL](https://duckdb.org/docs/stable/sql/introduction).

`id`, and all columns of relations that name things, are identifiers as the document spells them; `bundle` is NULL
in the document itself. What a record does not have is NULL, or an empty list. Instants are `TIMESTAMPTZ`, in UTC;
a lexical form that is none of the column's type is NULL. A view of a type has a row for each identifier, with
the values of all its records, of which columns that are no lists show the first.

A query is one `SELECT` and can only read: the engine has no access to files, the network or its settings.
"""


def _view_section(view: View) -> list[str]:
    columns = ", ".join(f"`{name}` {kind}" for name, kind in view.columns.items())
    return [f"### {view.schema}.{view.name}", "", view.doc, "", columns, ""]


QUESTIONS_INTRODUCTION = """\
`ask NAME` answers these, with a `--param NAME=VALUE` for each parameter; [how to ask](../how-to/ask.md) is told
elsewhere. Parameters in brackets can be left out. The answers are those on the demo project that `make demo`
makes; what differs each time that it is made stands as `…`.
"""


def questions_page(graph: Graph) -> str:
    """Return the page of the shipped questions, with their answers on a graph of the demo project."""
    lines = ["# Questions", "", NOTE, "", QUESTIONS_INTRODUCTION]
    topic, success = "", _successful_run(graph)
    for question in questions().values():
        if question.topic != topic:
            topic = question.topic
            lines += [f"## {topic}", ""]
        lines += [f"### {question.name}", "", question.title, ""]
        lines += [question.note, ""] if question.note else []
        lines += [f"- `{_bracketed(one)}` ({one.kind}): {one.doc}" for one in question.parameters]
        lines += [""] if question.parameters else []
        given = {one.name: one.example for one in question.parameters if one.default is None}
        asked = "".join(
            f" --param {name}={shlex.quote(one.replace('{success}', 'RUN_ID'))}"
            for name, one in given.items()
        )
        lines += ["```text", f"ask {question.name}{asked}", "```", ""]
        exact = {name: one.replace("{success}", success) for name, one in given.items()}
        answer = ask(graph, question.name, exact)
        lines += [*_answer_table(question, answer.to_pylist()), ""]
        lines += [*(f"- `{name}`: {meaning}" for name, meaning in question.columns.items()), ""]
    return "\n".join(lines)


def _successful_run(graph: Graph) -> str:
    """The identifier of the run that was executed at the demo's merge."""
    rows = graph.sql("SELECT run_id FROM Run WHERE starts_with(source_git_commit, '4089fa5')").to_pylist()
    return str(rows[0]["run_id"])


def _bracketed(parameter: Parameter) -> str:
    needed = parameter.default is None and not parameter.may_be_missing
    return parameter.name if needed else f"[{parameter.name}]"


def _answer_table(question: Question, rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return ["No rows."]
    hidden = {*question.varies, "run_id", "model_id"}
    columns = list(rows[0])
    table = [
        [
            "…" if name in hidden and row[name] is not None else _stable(markdown_cell(shown(row[name])))
            for name in columns
        ]
        for row in rows
    ]
    table.sort(key=lambda line: line[0] == "…")  # where a name made by chance stands is chance, too
    return [f"| {' | '.join(line)} |" for line in [columns, ["---"] * len(columns), *table]]


def _stable(text: str) -> str:
    """A text without the names that MLflow makes by chance."""
    return re.sub(r"\b[a-z]+-[a-z]+-[0-9]{1,3}\b", "…", re.sub(r"\bm-[0-9a-f]{8}\b", "m-…", text))


def schema_text() -> str:
    """Return the JSON Schema of the configuration."""
    return json.dumps(config.schema(), indent=2) + "\n"


GENERATED: dict[str, Callable[[], str]] = {
    "docs/reference/cli.md": cli_page,
    "docs/reference/formats.md": formats_page,
    "docs/reference/lineage.md": lineage_page,
    "docs/reference/model.md": model_page,
    "docs/reference/tables.md": tables_page,
    "docs/reference/validation.md": validation_page,
    "docs/reference/views.md": views_page,
    "src/mlflow2prov/configuration.schema.json": schema_text,
    "src/mlflow2prov/model/ontology.ttl": ontology,
}
"""Every file that is made of declarations, and what makes it."""


FROM_THE_DEMO: dict[str, Callable[[Graph], str]] = {"docs/reference/questions.md": questions_page}
"""Those that tell what the demo project answers, too; ``docs/generate.py DEMO_FOLDER`` writes them as well."""


def write(demo: Path | None = None) -> None:
    """Write the files whose text has changed, and say which."""
    made = {name: make() for name, make in GENERATED.items()}
    if demo is not None:
        with extract(demo / "wine-quality", f"sqlite:///{(demo / 'mlflow.db').resolve()}") as graph:
            made |= {name: make(graph) for name, make in FROM_THE_DEMO.items()}
    for name, text in made.items():
        path = ROOT / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
