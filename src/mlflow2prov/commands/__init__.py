"""The commands and their options, declared once.

The command line (``cli``), the YAML configuration and its JSON Schema (``config``) are all made from
this table, so that they can't drift apart; ``pipeline`` has a step of the same name for each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mlflow2prov.commands.answers import ANSWER_COMMANDS
from mlflow2prov.commands.declared import Command, Option
from mlflow2prov.commands.documents import DOCUMENT_COMMANDS
from mlflow2prov.commands.sources import EXTRACT
from mlflow2prov.errors import UsageError

COMMANDS: tuple[Command, ...] = (EXTRACT, *DOCUMENT_COMMANDS, *ANSWER_COMMANDS)
"""Every command, in the order in which help lists them."""

COMMAND_BY_NAME: dict[str, Command] = {command.name: command for command in COMMANDS}


@dataclass(frozen=True, slots=True)
class Step:
    """A command with a value for each of its options."""

    command: Command
    options: dict[str, Any]


def step(command: Command, given: dict[str, Any], *, checked: bool = True) -> Step:
    """Return the step for a command with the options that were given; the others get their defaults.

    Args:
        command: what to do.
        given: values by the names of options.
        checked: whether the command's own check looks at them, too; not where some of them are known to be wrong.

    Raises:
        UsageError: one that is needed is missing, or what is given can't do.

    >>> step(COMMAND_BY_NAME["statistics"], {"resolution": "fine"}).options
    {'resolution': 'fine', 'format': 'table', 'plot': None}
    """
    options = {option.name: option.default for option in command.options} | {
        name: value for name, value in given.items() if value is not None and value != ()
    }
    for option in command.options:
        given_values = options[option.name] if option.repeatable else (options[option.name],)
        if any(value == "" or "\0" in str(value) for value in given_values):
            raise UsageError(f"{command.name} --{option.name} is empty, or has a character that no text has")
        if option.required and options[option.name] in (None, ()):
            raise UsageError(f"{command.name} needs --{option.name}")
        if option.needs and options[option.name] not in (None, (), False) and not options[option.needs]:
            raise UsageError(f"{command.name} --{option.name} does nothing without --{option.needs}")
        if option.kind == "number" and options[option.name] is not None:
            options[option.name] = _number(command, option, str(options[option.name]))
    if command.one_of and not any(options[name] for name in command.one_of):
        both = "" if command.only_one else ", or both"
        raise UsageError(f"{command.name} needs {' or '.join(f'--{name}' for name in command.one_of)}{both}")
    if command.check is not None and checked:
        command.check(options)
    return Step(command, options)


def check_chain(steps: Iterable[Step]) -> None:
    """Raise an error if steps together can't do what each of them can: two read standard input.

    Raises:
        UsageError: so it is.
    """
    reading = [step for step in steps if step.command.name == "load" and "-" in step.options["input"]]
    if len(reading) > 1:
        raise UsageError(
            f"standard input can be read once only: --input - is given in {len(reading)} load steps"
        )


def _number(command: Command, option: Option, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < _MOST_DIGITS and int(text)):
        raise UsageError(
            f"{command.name} --{option.name} is {text!r}, but it has to be a whole number from 1 on"
        )
    return int(text)


_MOST_DIGITS = 10
