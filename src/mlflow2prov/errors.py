"""The errors that mlflow2prov raises, and the exit codes that they end a command with.

Exit codes: 0 all went well, 1 a failure at run time, 2 wrong usage (an option, a
configuration, a command in the wrong place).
"""

from __future__ import annotations


class Mlflow2ProvError(Exception):
    """The base of every error that mlflow2prov raises on purpose.

    The message is one sentence for a person: what was wrong, where (file, line, path in the
    document, URL without credentials), and what to do about it.

    >>> Mlflow2ProvError("no such file: a.json").exit_code
    1
    """

    exit_code = 1


class UsageError(Mlflow2ProvError):
    """A wrong option, argument or combination of them; ends a command with exit code 2."""

    exit_code = 2


class ConfigurationError(UsageError):
    """A configuration file that can't be used; ``problems`` lists every problem with its line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class SourceError(Mlflow2ProvError):
    """A Git repository or an MLflow store that can't be read."""


class FormatError(Mlflow2ProvError):
    """A document that can't be read or written in the format asked for."""


class InvalidError(Mlflow2ProvError):
    """A document that is not valid, which its report tells in full."""


class GraphError(Mlflow2ProvError):
    """An operation that a graph can't carry out."""


class SinkError(Mlflow2ProvError):
    """A database that a graph can't be pushed into."""
