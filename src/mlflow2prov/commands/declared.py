"""What a command and an option are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a command.

    Attributes:
        name: with underscores; the command line takes hyphens as well.
        help: one sentence.
        kind: ``text``, ``number`` (a whole one, from 1 on), ``flag`` or ``choice``.
        choices: of a choice.
        default: where it is not given; a tuple for one that can be repeated.
        repeatable: can be given several times; a list in the configuration.
        separated: its values may also stand in one text, with commas between them.
        required: has to be given.
        metavar: what help shows for the value.
        shown_default: what help says where no default can be shown.
        shorthands: words of the configuration that stand for a value, such as ``fine: true``.
        needs: another option, without which this one would do nothing.
        positional: how many of its values the command line also takes without its name.
    """

    name: str
    help: str
    kind: str = "text"
    choices: tuple[str, ...] = ()
    default: Any = None
    repeatable: bool = False
    separated: bool = False
    required: bool = False
    metavar: str | None = None
    shown_default: str | None = None
    shorthands: tuple[str, ...] = ()
    needs: str | None = None
    positional: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of the chain: its name, what it does, an example, and its options."""

    name: str
    help: str
    example: str
    options: tuple[Option, ...] = ()
    one_of: tuple[str, ...] = ()
    """Options of which at least one has to be given."""
    only_one: bool = False
    """Whether two of these are too many, which ``check`` says."""
    brings: bool = False
    """Whether it adds documents, rather than work on those that are there."""
    check: Callable[[dict[str, Any]], None] | None = None
    """Raises a ``UsageError`` where its options can't do, whatever the input."""
