"""What our command line has that Click has not: values without a name, and words of its own for what goes wrong."""

from __future__ import annotations

import os
from typing import Any

import click

from mlflow2prov.commands import COMMAND_BY_NAME
from mlflow2prov.commands.declared import Command, Option


class Interrupted(BaseException):
    """What an interruption is called where Click would begin another line for it."""


class Chain(click.Group):
    """The group of the commands, which leaves it to `run` to tell of an interruption."""

    def invoke(self, context: click.Context) -> Any:
        """Run the commands."""
        try:
            return super().invoke(context)
        except (KeyboardInterrupt, EOFError) as error:
            raise Interrupted from error

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command of the next word, and what follows it."""
        if args and args[0] not in self.commands and os.path.lexists(args[0]):
            raise click.UsageError(
                f"{args[0]!r} is a file, where a command is expected: give each file with an option of its own,"
                " such as load --input a.json --input b.json",
                context,
            )
        return super().resolve_command(context, args)


def positional_option(declared: Command) -> Option | None:
    """Return the option of a command whose values need no name, if it has one."""
    return next((option for option in declared.options if option.positional), None)


class Positional(click.Command):
    """A command that takes values of an option without the option's name, before or after other options.

    What is the name of a command is none of them: the next command begins there.
    """

    declared: Command

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Take the values, and leave what follows to the next command."""
        option = positional_option(self.declared)
        assert option is not None
        flags = {name for one in self.params if getattr(one, "is_flag", False) for name in one.opts} | {
            "--help",
            "-h",
        }
        made, rest, left = list[str](), list(args), option.positional
        while rest:
            word = rest[0]
            if word.startswith("--") and len(word) > 2:
                takes = 1 if "=" in word or word in flags else 2
                made, rest = made + rest[:takes], rest[takes:]
            elif left and not word.startswith("-") and word not in COMMAND_BY_NAME:
                made, rest, left = [*made, f"--{option.name}={word}"], rest[1:], left - 1
            else:
                break
        return super().parse_args(context, made + rest)

    def collect_usage_pieces(self, context: click.Context) -> list[str]:
        """Return the pieces of the line on usage, the values first."""
        option = positional_option(self.declared)
        assert option is not None
        shown = " ".join([option.metavar or option.name.upper()] * option.positional)
        return [shown if option.required else f"[{shown}]", *super().collect_usage_pieces(context)]
