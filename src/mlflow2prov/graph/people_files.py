"""Files that say which names are one person's: a YAML list, and Git's ``.mailmap``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from mlflow2prov.errors import ConfigurationError, UsageError
from mlflow2prov.graph.people import People, Person

_LARGEST_BYTES = 64 * 2**20
_KEYS = ("name", "aliases", "email")

_MAILMAP = re.compile(r"([^<>]*)<([^<>]*)>(?:([^<>]*)<([^<>]*)>)?\s*(?:#.*)?")
"""``Proper Name <proper@email> Commit Name <commit@email>``, with any of the names and one address left out."""


def people_of_yaml(path: str | Path) -> list[Person]:
    """Return the people of a YAML file: a list of mappings with ``name``, ``aliases`` and maybe ``email``.

    Raises:
        UsageError: the file can't be read, or is not of that form (every problem with its line), or an
            alias is given to two people.
    """
    text = _text(Path(path))
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise UsageError(
            f"{place}: not YAML: {getattr(error, 'problem', None) or str(error).splitlines()[0]}"
        ) from error
    problems: list[str] = []
    people = list(_people(root, str(path), problems))
    if problems:
        raise ConfigurationError(problems)
    People(people)
    return people


def _people(root: yaml.Node | None, path: str, problems: list[str]) -> Iterator[Person]:
    if not isinstance(root, yaml.SequenceNode):
        line = root.start_mark.line + 1 if root else 1
        problems.append(f"{path}:{line}: it has to be a list of people, such as '- name: Ada Lovelace'")
        return
    for node in root.value:
        found: dict[str, list[str]] = {}
        where = f"{path}:{node.start_mark.line + 1}"
        if not isinstance(node, yaml.MappingNode):
            problems.append(f"{where}: a person has to be a mapping with the keys {', '.join(_KEYS)}")
            continue
        for key, value in node.value:
            word, place = str(key.value), f"{path}:{key.start_mark.line + 1}"
            if word not in _KEYS:
                problems.append(f"{place}: no key {word!r}; there is: {', '.join(_KEYS)}")
            elif word in found:
                problems.append(f"{place}: {word} is given twice")
            else:
                found[word] = _texts(word, value, path, problems)
        name, email = "".join(found.get("name", ())), "".join(found.get("email", ()))
        if not name:
            problems.append(f"{where}: a person needs a name")
        if email and "@" not in email:
            problems.append(f"{where}: {email!r} is no e-mail address")
        yield Person(
            name=name, aliases=tuple(found.get("aliases", ())), email=email.lower() or None, where=where
        )


def _texts(word: str, node: yaml.Node, path: str, problems: list[str]) -> list[str]:
    nodes = node.value if isinstance(node, yaml.SequenceNode) and word == "aliases" else [node]
    texts = []
    for one in nodes:
        is_text = (
            isinstance(one, yaml.ScalarNode) and one.tag != "tag:yaml.org,2002:null" and one.value.strip()
        )
        if is_text:
            texts.append(" ".join(one.value.split()))
        else:
            expected = "a text, or a list of texts" if word == "aliases" else "a text"
            problems.append(f"{path}:{one.start_mark.line + 1}: {word} has to be {expected}")
    return texts


def people_of_mailmap(path: str | Path) -> list[Person]:
    """Return the people of a ``.mailmap`` file, in all four forms that Git knows (``man gitmailmap``).

    A person is known by the proper address, or by the only one of a line. A line that gives a commit's
    name as well as its address holds for agents of that address that go by that name and no other.

    Raises:
        UsageError: the file can't be read, a line is of none of the forms, or an address is given to
            two people.
    """
    people: list[Person] = []
    for number, line in enumerate(_text(Path(path)).splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        where = f"{path}:{number}"
        match = _MAILMAP.fullmatch(line.strip())
        if not match or not (match[2].strip() and (match[1].strip() or match[4])):
            raise UsageError(
                f"{where}: it has to be like 'Proper Name <proper@email> Commit Name <commit@email>'"
            )
        name, email = " ".join(match[1].split()), match[2].strip().lower()
        commit_name, commit_email = " ".join((match[3] or "").split()), (match[4] or "").strip().lower()
        alias = f"{commit_name} <{commit_email}>" if commit_name else commit_email
        aliases = (alias,) if commit_email else ()
        people.append(Person(name=name, aliases=aliases, email=email, where=where, by_name=False))
    People(people)
    return people


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise UsageError(f"can't read {path}: it is larger than {_LARGEST_BYTES // 2**20} MiB")
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"can't read {path}: it is not a text file in UTF-8") from error
