"""The YAML configuration: the commands of the command line with the same words, as a list of steps.

``read`` finds every problem of a file with its line; ``schema`` makes the JSON Schema for editors.
Both interpret :data:`mlflow2prov.commands.COMMANDS`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from mlflow2prov.commands import COMMAND_BY_NAME, COMMANDS, Step, check_chain, step
from mlflow2prov.commands.declared import Command, Option
from mlflow2prov.errors import ConfigurationError, UsageError

_VARIABLE = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{[^}]*\}?")
_PLAIN_TAG = re.compile(r"tag:yaml\.org,2002:(str|null|bool|int|float|timestamp|seq|map)")
_TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def read(path: str | Path, environment: Mapping[str, str]) -> list[Step]:
    """Return the steps that a configuration file asks for.

    Args:
        path: of the YAML file.
        environment: what ``${NAME}`` and ``${NAME:-default}`` are replaced from; ``$$`` is a dollar sign.

    Raises:
        ConfigurationError: with every problem and its line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError([f"can't read {path}: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError([f"{path} is not a text file in UTF-8"]) from error
    return parse(text, str(path), environment)


def parse(text: str, name: str, environment: Mapping[str, str]) -> list[Step]:
    """Return the steps that the text of a configuration asks for; ``name`` is for messages.

    >>> [step.command.name for step in parse("[load: {input: [a.json]}, merge]", "x.yaml", {})]
    ['load', 'merge']
    """
    reader = _Reader(name, environment)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigurationError([_yaml_problem(name, error)]) from error
    steps = reader.steps(root)
    try:
        check_chain(steps)
    except UsageError as error:
        reader.problems.append(f"{name}: {error}")
    if reader.problems:
        raise ConfigurationError(reader.problems)
    return steps


def _yaml_problem(name: str, error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    if isinstance(error, RecursionError):
        return f"{name}: it is nested too deeply"
    if mark is None:
        return f"{name}: not YAML: {str(error).splitlines()[0]}"
    return f"{name}:{mark.line + 1}: not YAML: {getattr(error, 'problem', None) or 'it can not be read'}"


class _Reader:
    """Walks the nodes of a YAML document and collects problems."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        self._name = name
        self._environment = environment
        self.problems: list[str] = []

    def steps(self, root: yaml.Node | None) -> list[Step]:
        if root is None:
            self.problems.append(f"{self._name}: the configuration is empty; it has to be a list of steps")
            return []
        if not isinstance(root, yaml.SequenceNode) or not root.value:
            self._problem(root, "the configuration has to be a list of steps, such as '- extract: {...}'")
            return []
        self._check_order(root.value)
        return [made for node in root.value if (made := self._step(node)) is not None]

    def _check_order(self, nodes: list[yaml.Node]) -> None:
        """The first step has to be one that brings a document."""
        first = (
            nodes[0].value[0][0] if isinstance(nodes[0], yaml.MappingNode) and nodes[0].value else nodes[0]
        )
        command = COMMAND_BY_NAME.get(_word(first))
        if command is not None and not command.brings:
            bringing = " or ".join(one.name for one in COMMANDS if one.brings)
            self._problem(first, f"{command.name} has no document to work on: put {bringing} before it")

    def _problem(self, node: yaml.Node, message: str) -> None:
        self.problems.append(f"{self._name}:{node.start_mark.line + 1}: {message}")

    def _step(self, node: yaml.Node) -> Step | None:
        if isinstance(node, yaml.ScalarNode):
            pair: tuple[yaml.Node, yaml.Node] = (node, yaml.ScalarNode("tag:yaml.org,2002:null", ""))
        elif isinstance(node, yaml.MappingNode) and len(node.value) == 1:
            pair = node.value[0]
        else:
            self._problem(
                node, "a step has to be one command with its options, such as 'save: {output: result}'"
            )
            return None
        word = _word(pair[0])
        command = COMMAND_BY_NAME.get(word)
        if command is None:
            self._problem(pair[0], f"no command {word!r}; there is: {', '.join(COMMAND_BY_NAME)}")
            return None
        before = len(self.problems)
        options = self._options(command, pair[1])
        try:
            made = step(command, options, checked=len(self.problems) == before)
        except UsageError as error:
            self._problem(pair[0], str(error).replace("--", ""))
        return made if len(self.problems) == before else None

    def _options(self, command: Command, node: yaml.Node) -> dict[str, Any]:
        if _is_null(node):
            return {}
        if not isinstance(node, yaml.MappingNode):
            self._problem(
                node, f"the options of {command.name} have to be a mapping, such as {{name: value}}"
            )
            return {}
        options = {option.name: option for option in command.options}
        shorthands = {word: option for option in command.options for word in option.shorthands}
        values: dict[str, Any] = {}
        for key, value in node.value:
            word = _word(key).replace("-", "_")
            self._check_tags(value)
            option = options.get(word) or shorthands.get(word)
            if option is None:
                known = ", ".join(options) or "none"
                self._problem(key, f"{command.name} has no option {_word(key)!r}; there is: {known}")
            elif option.name in values:
                self._problem(key, f"{command.name} is given {option.name!r} twice")
            elif word in options:
                before = len(self.problems)
                found = self._value(option, value)
                values[option.name] = found if len(self.problems) == before else _wrong(option)
            elif self._flag(word, value):
                values[option.name] = word
        return values

    def _check_tags(self, node: yaml.Node) -> None:
        for one in [node, *(node.value if isinstance(node, yaml.SequenceNode) else [])]:
            if not _PLAIN_TAG.fullmatch(one.tag):
                self._problem(one, f"a value of the type {one.tag.rpartition(':')[2]!r} has no place here")

    def _value(self, option: Option, node: yaml.Node) -> Any:
        if option.kind == "flag":
            return self._flag(option.name, node)
        if not option.repeatable:
            return self._scalar(option, node)
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        values: list[Any] = []
        for one in nodes:
            if _is_null(one) and one is not node:
                self._problem(one, f"{option.name} has a value that is missing")
            elif option.separated and isinstance(one, yaml.ScalarNode):
                pieces = [piece.strip() for piece in self._expanded(one).split(",") if piece.strip()]
                if not pieces and not _is_null(one):
                    self._problem(one, f"{option.name} has an empty value")
                values += [self._chosen(option, one, piece) for piece in pieces]
            else:
                values.append(self._scalar(option, one))
        return tuple(value for value in values if value is not None)

    def _flag(self, word: str, node: yaml.Node) -> bool:
        text = self._expanded(node) if isinstance(node, yaml.ScalarNode) else ""
        if _is_null(node) or text.lower() not in _TRUTH:
            self._problem(node, f"{word} has to be true or false")
            return False
        return _TRUTH[text.lower()]

    def _scalar(self, option: Option, node: yaml.Node) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            expected = "a text or a list of texts" if option.repeatable else "a text"
            self._problem(node, f"{option.name} has to be {expected}")
            return None
        if _is_null(node):
            return None
        return self._chosen(option, node, self._expanded(node))

    def _chosen(self, option: Option, node: yaml.Node, value: str) -> str:
        if option.choices and value not in option.choices and "${" not in value:
            self._problem(node, f"no {option.name} {value!r}; there is: {', '.join(option.choices)}")
        return value

    def _expanded(self, node: yaml.ScalarNode) -> str:
        """The text with its variables replaced; those that can't be stay, and are a problem."""

        def replacement(match: re.Match[str]) -> str:
            if match[0] == "$$":
                return "$"
            if match[1] is None:
                self._problem(node, f"{match[0]!r} is no variable; write ${{NAME}} or ${{NAME:-default}}")
                return match[0]
            if match[2] is not None and "${" in match[2]:
                self._problem(node, f"{match[0]!r}: a default can't hold another variable")
                return match[0]
            value = self._environment.get(match[1])
            if match[2] is not None:
                return value or match[2]
            if not value:
                self._problem(
                    node,
                    f"the environment has no variable {match[1]}, or an empty one, and no default is given",
                )
                return match[0]
            return value

        return _VARIABLE.sub(replacement, node.value)


def _wrong(option: Option) -> Any:
    """What stands for a wrong value, so that it does not count as missing as well."""
    return option.kind == "flag" or (("wrong",) if option.repeatable else "wrong")


def _word(key: yaml.Node) -> str:
    """What stands as a key, for messages where it is no text."""
    if isinstance(key, yaml.ScalarNode):
        return str(key.value)
    return "a list" if isinstance(key, yaml.SequenceNode) else "a mapping"


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the configuration, for editors; the package ships it.

    >>> schema()["type"]
    'array'
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mlflow2prov configuration",
        "description": "A list of steps; documents flow through them like through a Unix pipe.",
        "type": "array",
        "minItems": 1,
        "items": {
            "anyOf": [
                *({"type": "string", "const": command.name} for command in COMMANDS if not _needs(command)),
                *(_command_schema(command) for command in COMMANDS),
            ]
        },
    }


def _needs(command: Command) -> list[str]:
    return [option.name for option in command.options if option.required] + list(command.one_of)


def _command_schema(command: Command) -> dict[str, Any]:
    properties = {
        word: definition for option in command.options for word, definition in _option_schemas(option)
    }
    options: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    required = [option.name for option in command.options if option.required]
    if required:
        options["required"] = required
    if command.one_of:
        options["anyOf"] = [{"required": [name]} for name in command.one_of]
    value: dict[str, Any] = options if _needs(command) else {"anyOf": [{"type": "null"}, options]}
    return {
        "type": "object",
        "description": command.help,
        "required": [command.name],
        "additionalProperties": False,
        "properties": {command.name: value},
    }


def _option_schemas(option: Option) -> Iterator[tuple[str, dict[str, Any]]]:
    single: dict[str, Any]
    if option.kind == "flag":
        single = {"type": ["boolean", "string"]}
    elif option.kind == "choice" and not option.separated:
        single = {"anyOf": [{"enum": list(option.choices)}, {"type": "string", "pattern": r"\$\{"}]}
    else:
        single = {"type": ["string", "number"]}
    definition = {"anyOf": [single, {"type": "array", "items": single}]} if option.repeatable else single
    for word in dict.fromkeys((option.name, option.name.replace("_", "-"))):
        yield word, {"description": option.help, **definition}
    for word in option.shorthands:
        yield word, {"description": f"Short for {option.name}: {word}.", "type": ["boolean", "string"]}
