"""The commands that bring, change and hand over whole documents."""

from __future__ import annotations

from mlflow2prov import checks
from mlflow2prov.commands.declared import Command, Option
from mlflow2prov.formats import readable, writable
from mlflow2prov.sinks import addresses

DOCUMENT_COMMANDS: tuple[Command, ...] = (
    Command(
        name="load",
        check=checks.check_load,
        brings=True,
        help="Add one document for each file.",
        example="mlflow2prov load --input a.json --input b.json merge save --output both",
        options=(
            Option(
                name="input",
                help="A file to read; - is standard input.",
                repeatable=True,
                required=True,
                default=(),
                metavar="FILE",
            ),
            Option(
                name="format",
                help="The format of the files, where neither their names nor their contents tell.",
                kind="choice",
                choices=readable(),
            ),
        ),
    ),
    Command(
        name="merge",
        help="Reduce all documents so far to one, unified by identifier.",
        example="mlflow2prov load --input a.json --input b.json merge statistics",
    ),
    Command(
        name="transform",
        check=checks.check_transform,
        help="Change each document: link, select, join aliased agents, use pseudonyms, eliminate duplicates, in that order.",
        example="mlflow2prov load --input a.json transform --eliminate_duplicates save --output b",
        options=(
            Option(
                name="link",
                help="Link runs to commits, trees, files and data, where Git and MLflow were extracted apart and merged.",
                kind="flag",
                default=False,
            ),
            Option(
                name="types",
                help="Keep elements of these types only, such as Metric, m2p:Run, activity.",
                default=(),
                repeatable=True,
                separated=True,
                metavar="TYPE,…",
            ),
            Option(
                name="exclude_types",
                help="Leave elements of these types out.",
                default=(),
                repeatable=True,
                separated=True,
                metavar="TYPE,…",
            ),
            Option(
                name="since", help="Keep what happened at this instant or later, ISO 8601.", metavar="TIME"
            ),
            Option(name="until", help="Keep what happened before this instant, ISO 8601.", metavar="TIME"),
            Option(
                name="merge_aliased_agents",
                help="Make one agent of those that this YAML file gives one name.",
                metavar="FILE",
            ),
            Option(name="mailmap", help="Likewise, from a .mailmap file as Git reads it.", metavar="FILE"),
            Option(
                name="use_pseudonyms",
                help="Put pseudonyms in the place of people's names, wherever they stand.",
                kind="flag",
                default=False,
            ),
            Option(
                name="pseudonym_key",
                help="The file with the secret key of the pseudonyms; else the variable "
                "MLFLOW2PROV_PSEUDONYM_KEY, else a random key.",
                metavar="FILE",
                needs="use_pseudonyms",
            ),
            Option(
                name="keep_free_text",
                help="Leave messages, notes and descriptions as they are.",
                kind="flag",
                default=False,
                needs="use_pseudonyms",
            ),
            Option(
                name="eliminate_duplicates",
                help="Keep identical elements and relations once.",
                kind="flag",
                default=False,
            ),
        ),
    ),
    Command(
        name="save",
        check=checks.check_save,
        help="Write each document, and pass it on: NAME.json, or NAME-1.json, NAME-2.json, … where several pass.",
        example="mlflow2prov extract --repository_path . save --output result --format json",
        options=(
            Option(
                name="output",
                help="The path to write to, with or without suffix; a further .gz or .zst compresses; - is standard output.",
                required=True,
                metavar="NAME",
            ),
            Option(
                name="format",
                help="The format to write.",
                kind="choice",
                choices=writable(),
                default=(),
                repeatable=True,
                shown_default="by the suffix of NAME, else json",
            ),
            Option(
                name="no_overwrite",
                help="Refuse to replace a file that is there.",
                kind="flag",
                default=False,
            ),
            Option(
                name="show_attributes",
                help="Show attributes in drawings (dot, svg, png, pdf).",
                kind="flag",
                default=False,
            ),
        ),
    ),
    Command(
        name="push",
        check=checks.check_push,
        help="Add each document to a database, and pass it on; pushing twice changes nothing.",
        example="mlflow2prov load --input a.json push --to http://localhost:3030/prov/data",
        options=(
            Option(
                name="to",
                help=f"The URL of the database, one of {', '.join(addresses())}"
                " (SPARQL stores: of the Graph Store Protocol end point).",
                required=True,
                metavar="URL",
            ),
            Option(
                name="graph",
                help="The named graph of a SPARQL store to push into; else the default graph.",
                metavar="IRI",
            ),
            Option(
                name="replace",
                help="Remove first what is there.",
                kind="flag",
                default=False,
            ),
        ),
    ),
)
"""In the order in which help lists them."""
