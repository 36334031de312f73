"""Which programs a command line runs by their names alone, which may be console scripts that the tree declares."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from mlflow2prov.sources.git_command_lines import MOST_WORDS, named_by
from mlflow2prov.sources.git_shell import simple_commands

_PROGRAM = re.compile(
    r"(?:(?:/|[A-Za-z]:[/\\]|\.?venv(?=[/\\]))[^{}$`*?<>=]*[/\\]?(?:bin|Scripts)[/\\])?([A-Za-z_][\w.-]*)"
)
"""The name of a program, also with the folder of an environment."""

_WINDOWS = re.compile(r"[A-Za-z]:\\")

_SUFFIX = re.compile(r"(?:-script\.pyw?|\.exe|\.cmd|\.bat)$", re.IGNORECASE)
_ASSIGNMENT = re.compile(r"\w+=.*", re.DOTALL)

_UV = frozenset(
    {"--active", "--all-extras", "--all-groups", "--dev", "--exact", "--frozen", "--isolated", "--locked"}
    | {
        "--native-tls",
        "--no-build",
        "--no-cache",
        "--no-config",
        "--no-default-groups",
        "--no-dev",
        "--no-editable",
    }
    | {"--no-env-file", "--no-progress", "--no-project", "--no-sync", "--offline", "--quiet", "--refresh"}
    | {"--reinstall", "--upgrade", "--verbose", "-U", "-n", "-q", "-v"}
)
_UV_VALUED = frozenset(
    {"--directory", "--env-file", "--extra", "--group", "--index", "--index-url", "--no-extra", "--no-group"}
    | {
        "--only-group",
        "--package",
        "--project",
        "--python",
        "--with",
        "--with-editable",
        "--with-requirements",
    }
    | {"-C", "-p"}
)
_CONDA = frozenset({"--live-stream", "--no-capture-output", "--verbose", "-v"})
_CONDA_VALUED = frozenset({"--cwd", "--name", "--prefix", "-n", "-p"})
_POETRY = frozenset({"--no-ansi", "--no-interaction", "--quiet", "--verbose", "-n", "-q", "-v"})
_POETRY_VALUED = frozenset({"--directory", "--project", "-C", "-P"})

_ENVIRONMENTS: Mapping[str, tuple[tuple[str, ...], frozenset[str], frozenset[str]]] = {
    "conda": (("run",), _CONDA, _CONDA_VALUED),
    "env": ((), frozenset({"-i"}), frozenset({"-C", "-u"})),
    "exec": ((), frozenset(), frozenset()),
    "hatch": (("run",), frozenset(), frozenset()),
    "mamba": (("run",), _CONDA, _CONDA_VALUED),
    "micromamba": (("run",), _CONDA, _CONDA_VALUED),
    "nohup": ((), frozenset(), frozenset()),
    "pdm": (("run",), frozenset({"-s", "-v"}), frozenset({"-p", "--project"})),
    "pipenv": (("run",), frozenset(), frozenset()),
    "pixi": (("run",), frozenset({"--frozen", "--locked"}), frozenset({"-e", "--environment"})),
    "poetry": (("run",), _POETRY, _POETRY_VALUED),
    "rye": (("run",), frozenset(), frozenset()),
    "time": ((), frozenset({"-p", "-v"}), frozenset()),
    "uv": (("run",), _UV, _UV_VALUED),
}
"""What runs a program of an environment: its command that does, and its options without and with a value."""


def programs_of(line: str) -> Iterator[str | None]:
    """Yield of each command of a command line the name of the program that it runs, if it runs one.

    None stands for a command that is known to run a script or a module, whichever. Of what stands behind an option that
    is not known there is nothing: it could be the value of that.

    >>> [*programs_of("cd wine; OMP=1 uv run --extra gpu fit --lr 1 && /venv/bin/judge && python train.py")]
    ['fit', 'judge', None]
    """
    for words, _ in simple_commands(line, escapes=_WINDOWS.search(line) is None):
        words = words[:MOST_WORDS]
        if named_by(words) is not None:
            yield None
            continue
        name = _program_of(words)
        if name is not None:
            yield name


def programs_alone(line: str) -> tuple[str, ...]:
    """Return the names of the programs that a command line runs; none where it runs a script or a module, too.

    >>> programs_alone("poetry run train conf/a.yaml"), programs_alone("train && python judge.py")
    (('train',), ())
    """
    found = dict.fromkeys(programs_of(line))
    return () if None in found else tuple(name for name in found if name is not None)


def _program_of(words: Sequence[str]) -> str | None:
    """Return the name of the program that the words of a command run at last, or None."""
    while words:
        named = _PROGRAM.fullmatch(words[0])
        if named is None:
            return None
        name = _SUFFIX.sub("", named[1])
        if name not in _ENVIRONMENTS:
            return name
        command, alone, valued = _ENVIRONMENTS[name]
        if tuple(words[1 : 1 + len(command)]) != command:
            return None
        words = _without_options(words[1 + len(command) :], alone, valued)
    return None


def _without_options(words: Sequence[str], alone: frozenset[str], valued: frozenset[str]) -> Sequence[str]:
    """Return words from the first on that is no option, nor the value of one; none where that is not known."""
    place = 0
    while place < len(words):
        word = words[place]
        if word == "--":
            return words[place + 1 :]
        if word in valued:
            place += 2
        elif word in alone or (word.startswith("--") and "=" in word) or _ASSIGNMENT.fullmatch(word):
            place += 1
        else:
            return () if word.startswith("-") else words[place:]
    return ()
