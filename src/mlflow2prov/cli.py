"""The command line: thin over the public functions; the one place that reads environment and terminal."""

from __future__ import annotations

import json
import logging
import os
import platform
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlflow2prov import __version__
from mlflow2prov.command_line import Chain, Interrupted, Positional, positional_option
from mlflow2prov.commands import COMMANDS, Step, check_chain, step
from mlflow2prov.commands.declared import Command, Option
from mlflow2prov.errors import ConfigurationError, Mlflow2ProvError, UsageError
from mlflow2prov.interruption import interrupt_statements

if TYPE_CHECKING:
    from mlflow2prov.graph.statistics import Statistics
    from mlflow2prov.progress import Report

_EPILOG = """\b
Commands chain like a Unix pipe; a stream of documents flows through them:
  mlflow2prov extract --repository_path . --mlflow_url http://localhost:5000 \\
      save --output result --format json statistics --resolution fine

Exit codes: 0 all went well, 1 a failure at run time, 2 wrong usage."""


_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")
"""What ends a command: the key Ctrl-C, a program, the closing of the terminal."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code; being told to terminate cleans up, too."""
    if sys.stderr is None:  # it is closed: nobody wants to hear anything
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115  for as long as the program runs
    terminated: list[int] = []

    signals = [getattr(signal, name) for name in _ENDING if hasattr(signal, name)]

    def terminate(number: int, _: object) -> None:
        for one in signals:  # once is enough: no second one disturbs the cleaning up
            signal.signal(one, lambda *_: None)
        terminated.append(number)
        interrupt_statements()
        raise KeyboardInterrupt

    for one in signals:
        if signal.getsignal(one) is not signal.SIG_IGN:  # as nohup sets it
            signal.signal(one, terminate)
    try:
        code = run(arguments)
    except Exception:
        if not terminated:
            raise
        _complain("interrupted")  # whatever was under way calls it something else, such as a failed query
        code = 130
    for one in signals if terminated else ():
        signal.signal(one, signal.SIG_IGN)  # which lasts until the very end
    sys.exit(128 + terminated[0] if terminated else code)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    try:
        group.main(args=arguments, prog_name="mlflow2prov", standalone_mode=False)
    except click.ClickException as error:
        if _logs_json():
            _complain(error.format_message())
        else:
            error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt, Interrupted):
        _complain("interrupted")
        return 130
    except ConfigurationError as error:
        for problem in error.problems:
            _complain(problem, label="")
        return error.exit_code
    except Mlflow2ProvError as error:
        _complain(str(error))
        return error.exit_code
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  the reader went away: nothing to flush to
        return 1
    except click.exceptions.Exit as error:
        return error.exit_code
    except OSError as error:
        _complain(_os_reason(error))
        return 1
    except MemoryError:
        _complain("there is not enough memory for this")
        return 1
    except ImportError as error:
        _complain(
            f"a part of the program can't be loaded: {error}; is there memory enough, and all installed?"
        )
        return 1
    return 0


def _os_reason(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def _complain(message: str, label: str = "mlflow2prov: error: ") -> None:
    if _logs_json():
        logging.getLogger("mlflow2prov").error("%s", message)
    else:
        click.echo(f"{label}{_visible(message)}", err=True)


def _logs_json() -> bool:
    handlers = logging.getLogger("mlflow2prov").handlers
    return any(isinstance(handler.formatter, _JsonFormatter) for handler in handlers)


def _once(_: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> str | None:
    """The value of a global option, which is an error where it is given twice."""
    if len(values) > 1:
        raise click.BadParameter("it is given twice", param=parameter)
    return values[0] if values else None


_SHOWN_STEPS = 100


def _validate(file: str) -> None:
    """Say that a configuration is valid, or raise an error with all its problems."""
    from mlflow2prov import config

    steps = config.read(file, os.environ)
    shown = [made.command.name for made in steps[:_SHOWN_STEPS]]
    shown += [f"{len(steps) - _SHOWN_STEPS:,} more"] if len(steps) > _SHOWN_STEPS else []
    click.echo(f"{file} is valid: {' → '.join(shown)}", err=True)


@click.group(
    cls=Chain,
    chain=True,
    invoke_without_command=True,
    subcommand_metavar="COMMAND1 [ARGS]... [COMMAND2 [ARGS]...]...",
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog=_EPILOG,
)
@click.version_option(__version__, prog_name="mlflow2prov")
@click.option(
    "--config",
    "config_file",
    metavar="FILE",
    multiple=True,
    callback=_once,
    help="Run the steps of a YAML configuration.",
)
@click.option(
    "--validate",
    "validated_file",
    metavar="FILE",
    multiple=True,
    callback=_once,
    help="Check a configuration, print every problem with its line, and exit with 0 or 2.",
)
@click.option("--verbose", is_flag=True, help="Say more on standard error, each request included.")
@click.option("--quiet", is_flag=True, help="Say nothing but errors.")
@click.option(
    "--log_format",
    "--log-format",
    type=click.Choice(["text", "json"]),
    multiple=True,
    callback=_once,
    help="How to say it: lines for people, or a JSON object a line. [default: text]",
)
@click.pass_context
def group(
    context: click.Context,
    config_file: str | None,
    validated_file: str | None,
    verbose: bool,
    quiet: bool,
    log_format: str | None,
) -> None:
    """Turn a Git history and an MLflow store into one W3C PROV graph."""
    _set_up_log(verbose=verbose, quiet=quiet, as_json=log_format == "json")
    if verbose and quiet:
        raise click.UsageError("--verbose and --quiet exclude each other")
    asked = [config_file is not None, validated_file is not None, context.invoked_subcommand is not None]
    if sum(asked) > 1:
        raise click.UsageError("give --config, --validate or commands, not several of these")
    if not any(asked):
        click.echo(context.get_help())
        context.exit(0)
    if validated_file is not None:
        _validate(validated_file)
        context.exit(0)


@group.result_callback()
def _run_chain(made: list[Step] | None, config_file: str | None, **_: Any) -> None:
    from mlflow2prov import pipeline
    from mlflow2prov.surroundings import Surroundings

    if config_file is not None:
        from mlflow2prov import config

        steps = config.read(config_file, os.environ)
    else:
        steps = made or []
        check_chain(steps)
    with _progress() as report:
        surroundings = Surroundings(environment=os.environ, host=platform.node(), show=_show, report=report)
        pipeline.run(steps, surroundings)


def _ask_password(prompt: str) -> str:
    import getpass

    return getpass.getpass(prompt, sys.stderr)


def _command(declared: Command) -> click.Command:
    def make_step(**options: Any) -> Step:
        for option in declared.options:
            if option.separated:
                options[option.name] = _separate(option, options[option.name])
            elif option.kind != "flag" and not option.repeatable:
                options[option.name] = _only(option, options[option.name])
        try:
            return step(declared, options)
        except UsageError as error:
            raise click.UsageError(str(error), click.get_current_context()) from error

    kind = Positional if positional_option(declared) else click.Command
    command = kind(
        declared.name,
        callback=make_step,
        params=[_option(option) for option in declared.options],
        help=f"{declared.help}\n\n\b\nExample:\n  {declared.example}",
        short_help=declared.help.split(":")[0].rstrip("."),
    )
    if isinstance(command, Positional):
        command.declared = declared
    return command


def _option(declared: Option) -> click.Option:
    spellings = [f"--{declared.name}"]
    if "_" in declared.name:
        spellings.append(f"--{declared.name.replace('_', '-')}")
    shown = declared.default if declared.default not in (None, (), False) else declared.shown_default
    text = (
        f"{declared.help} [default: {' '.join([shown] if isinstance(shown, str) else shown)}]"
        if shown
        else declared.help
    )
    kind: Any = (
        click.Choice(declared.choices) if declared.kind == "choice" and not declared.separated else None
    )
    return click.Option(
        [*spellings, declared.name],
        help=text + (" Can be repeated." if declared.repeatable else ""),
        is_flag=declared.kind == "flag",
        default=False if declared.kind == "flag" else None,
        multiple=declared.kind != "flag",  # so that what is given twice is seen
        required=declared.required,
        type=kind,
        metavar=declared.metavar,
    )


def _only(declared: Option, values: Sequence[str]) -> str | None:
    if len(values) > 1:
        raise click.UsageError(f"--{declared.name} is given twice", click.get_current_context())
    return values[0] if values else None


def _separate(declared: Option, values: Sequence[str]) -> tuple[str, ...]:
    pieces = tuple(piece.strip() for value in values for piece in value.split(",") if piece.strip())
    if not all(value.strip(" ,") for value in values):
        raise click.BadParameter("a value is empty.", param_hint=f"--{declared.name}")
    for piece in pieces:
        if declared.choices and piece not in declared.choices:
            raise click.BadParameter(
                f"{piece!r} is not one of {', '.join(declared.choices)}.", param_hint=f"--{declared.name}"
            )
    return pieces


for _declared in COMMANDS:
    group.add_command(_command(_declared))


_PIPED_WIDTH = 120
"""How wide a table is that goes to a file or a pipe."""


def _visible(text: str) -> str:
    """The text with control characters, which a terminal would obey, shown as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _show(counted: Statistics) -> None:
    """Print counts as a table, under the document's name where there are several."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in ("what", "name"):
        table.add_column(heading, overflow="fold")
    table.add_column("count", justify="right")
    before = None
    for what, name, count in counted.rows:
        if before is not None and what != before:
            table.add_section()
        shown = f"{count:,}" if isinstance(count, int) else str(count)
        table.add_row(*(Text(_visible(cell)) for cell in (what if what != before else "", name, shown)))
        before = what
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)
    if counted.document:
        console.print(Text(_visible(counted.document), style="bold"), soft_wrap=True)
    console.print(table)


class _JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message."""

    def format(self, record: logging.LogRecord) -> str:
        import datetime

        moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        return json.dumps(
            {
                "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "level": record.levelname.lower(),
                "logger": record.name,
                "message": record.getMessage(),
            }
        )


class _TextFormatter(logging.Formatter):
    """The message, after its level where it is a warning or worse."""

    def format(self, record: logging.LogRecord) -> str:
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        return f"mlflow2prov: {level}{_visible(record.getMessage())}"


def _set_up_log(*, verbose: bool, quiet: bool, as_json: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if as_json else _TextFormatter())
    logger = logging.getLogger("mlflow2prov")
    logger.handlers = [handler]
    logger.propagate = False
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # what it retries is said by our own log
    handler.setLevel(logging.DEBUG if verbose else logging.ERROR if quiet else logging.WARNING)
    logger.setLevel(
        logging.DEBUG if verbose else logging.INFO if sys.stderr.isatty() and not quiet else handler.level
    )


@contextmanager
def _progress() -> Iterator[Report]:
    """What shows how far the work is, where standard error is a terminal and the log is an ordinary one."""
    logger = logging.getLogger("mlflow2prov")
    if not sys.stderr.isatty() or logger.getEffectiveLevel() != logging.INFO or _logs_json():
        from mlflow2prov.progress import silent

        yield silent
        return
    from mlflow2prov.terminal import Display

    with Display(logger.handlers) as display:
        yield display.report


def schema_file() -> Path:
    """Return the path of the JSON Schema of the configuration, which the package ships."""
    return Path(__file__).parent / "configuration.schema.json"
