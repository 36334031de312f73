"""The command that reads Git and MLflow, and its options."""

from __future__ import annotations

from mlflow2prov import checks
from mlflow2prov.commands.declared import Command, Option
from mlflow2prov.sources.mlflow.parts import CONCURRENCY, PARTS

_SELECTION = (
    Option(
        name="experiment",
        help="Read this experiment of the store only, with what it needs to be understood.",
        default=(),
        repeatable=True,
        metavar="NAME|ID",
    ),
    Option(name="run", help="Read this run only.", default=(), repeatable=True, metavar="ID|NAME"),
    Option(
        name="model",
        help="Read this registered model or prompt only, and the runs that made its versions.",
        default=(),
        repeatable=True,
        metavar="NAME",
    ),
    Option(
        name="since",
        help="Read runs only that started then or later, ISO 8601; of a repository alone, as --commits_since.",
        metavar="TIME",
    ),
    Option(
        name="until",
        help="Read runs only that started before, ISO 8601; of a repository alone, as --commits_until.",
        metavar="TIME",
    ),
    Option(
        name="filter",
        help="Read runs only that fit, in MLflow's search syntax, such as metrics.r2 > 0.5.",
        metavar="FILTER",
    ),
)
"""The options that choose a part of an MLflow store."""

_HISTORY = (
    Option(
        name="repository_cache",
        help="Keep clones of repositories that URLs name in this folder.",
        metavar="DIR",
        needs="repository_path",
        shown_default="the variable MLFLOW2PROV_REPOSITORY_CACHE, else mlflow2prov/repositories in the user's cache",
    ),
    Option(
        name="refs",
        help="Read these branches and tags only, such as main or v1.*, and what runs name.",
        default=(),
        repeatable=True,
        metavar="PATTERN",
        needs="repository_path",
    ),
    Option(
        name="paths",
        help="Tell of files only that ever stood here, as Git's pathspecs say it, and of entry points.",
        default=(),
        repeatable=True,
        metavar="PATHSPEC",
        needs="repository_path",
    ),
    Option(
        name="commits_since",
        help="Tell of commits only that were committed then or later, ISO 8601, and of what they need.",
        metavar="TIME",
        needs="repository_path",
    ),
    Option(
        name="commits_until",
        help="Likewise, before.",
        metavar="TIME",
        needs="repository_path",
    ),
)
"""The options of where repositories are kept, and of which part of a history is told."""

EXTRACT = Command(
    name="extract",
    check=checks.check_extract,
    brings=True,
    help="Add the provenance of a Git repository and an MLflow store as one document.",
    example="mlflow2prov extract --repository_path . --mlflow_url sqlite:///mlflow.db save --output result",
    one_of=("repository_path", "mlflow_url"),
    options=(
        Option(
            name="repository_path",
            help="A Git repository: a work tree, a bare one, or a URL (https, ssh, git, file, host:path).",
            default=(),
            repeatable=True,
            metavar="PATH|URL",
        ),
        Option(
            name="mlflow_url",
            help="An MLflow store: http(s)://HOST of a server, or, only read, the PATH of a folder such as ./mlruns or"
            " a database: sqlite:///FILE, postgresql://USER@HOST/DATABASE, mysql://USER@HOST/DATABASE; or databricks,"
            " or what a plugin of MLflow understands.",
            metavar="URL",
        ),
        Option(name="mlflow_namespace", help="Names the store's things in this namespace.", metavar="IRI"),
        Option(
            name="repository_namespace",
            help="Names the repository's branches and tags in this namespace; one for each of several.",
            default=(),
            repeatable=True,
            metavar="IRI",
        ),
        *_HISTORY,
        Option(
            name="find_copies",
            help="Also find files of the repository that were copied from one that the same commit changed.",
            kind="flag",
            default=False,
            needs="repository_path",
        ),
        Option(
            name="tree_members",
            help="List every file of the source trees that runs' commits have.",
            kind="flag",
            default=False,
            needs="repository_path",
        ),
        Option(
            name="skip",
            help=f"Parts of the store to leave out: {', '.join(PARTS)}.",
            kind="choice",
            choices=PARTS,
            default=(),
            repeatable=True,
            separated=True,
            metavar="PART,…",
        ),
        Option(
            name="traces",
            help="Tell traces one by one, with spans and assessments, instead of only counting them.",
            kind="flag",
            default=False,
        ),
        *_SELECTION,
        Option(
            name="artifact_digests",
            help="Read every artifact for its SHA-256.",
            kind="flag",
            default=False,
        ),
        Option(
            name="artifact_server",
            help="The tracking server that hands out artifacts at mlflow-artifacts:, where the store is a database"
            " or a folder.",
            metavar="URL",
        ),
        Option(
            name="concurrency",
            help="How many requests to a server may be under way at once.",
            kind="number",
            metavar="N",
            shown_default=str(CONCURRENCY),
        ),
        Option(
            name="follow_imports",
            help="Find the files of the repository that runs' code imports, too.",
            kind="flag",
            default=False,
        ),
        Option(
            name="database",
            help="Keep the graph in this DuckDB file, which load reads.",
            metavar="FILE",
        ),
        Option(
            name="cache",
            help="Remember in this file what was read; the next time, read only what changed since.",
            metavar="FILE",
        ),
    ),
)
"""Read a history, a store, or both."""
